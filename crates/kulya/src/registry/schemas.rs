//! `kulya registry schema`.

use super::args::{self, SchemaCommand};
use super::shown::{self, Table};
use super::{At, each, files, json};
use crate::say;
use anyhow::{Result, bail};
use kulya_registry_api::administration::RegistryAdministration;
use kulya_schema::{Compatibility, HistoryRecord, SchemaInfo, VersionInfo};
use std::io::Write;

pub(super) async fn run(at: At, command: SchemaCommand, as_json: bool) -> Result<()> {
    match command {
        SchemaCommand::Add { group, schema, labels } => {
            let mut read = files::read(&schema.file, &schema.read)?;
            read.properties = args::map(labels);
            let opened = at.open(false).await?;
            let version = opened.registry.add_schema(&group.id(), read).await?;
            tell(&version, as_json)?;
            opened.close().await
        }
        SchemaCommand::List { group, type_name } => {
            let id = group.id();
            let opened = at.open(false).await?;
            let registry: &dyn RegistryAdministration = &*opened.registry;
            let mut table = Table::new(["ID", "TYPE", "VERSION", "FORMAT", "STATE"]);
            each(
                async |page| registry.versions_page(&id, type_name.as_deref(), &page).await,
                |entry| {
                    if as_json {
                        return json(&entry);
                    }
                    let VersionInfo { type_name, format, version, id } = entry.version_info;
                    let state = if entry.deleted { "deleted" } else { "live" };
                    table.row([id.to_string(), type_name, version.to_string(), format, state.to_owned()]);
                    Ok(())
                },
            )
            .await?;
            table.end();
            opened.close().await
        }
        SchemaCommand::Show { group, id, raw } => {
            let opened = at.open(false).await?;
            let schema = opened.registry.schema(&group.id(), id).await?;
            opened.close().await?;
            show(schema, id, raw, as_json)
        }
        SchemaCommand::Delete { group, id } => {
            let opened = at.open(false).await?;
            opened.registry.delete_schema(&group.id(), id).await?;
            opened.close().await
        }
        SchemaCommand::Find { group, schema } => {
            let read = files::read(&schema.file, &schema.read)?;
            let opened = at.open(false).await?;
            match group.id() {
                Some(id) => tell(&opened.registry.find_schema(&id, read).await?, as_json)?,
                None => {
                    let holders = opened.registry.added_to(&group.namespace, read).await?;
                    let none = holders.is_empty();
                    if as_json {
                        json(&holders)?;
                    } else {
                        let mut table = Table::new(["GROUP", "TYPE", "VERSION", "ID"]);
                        for (group, VersionInfo { type_name, version, id, .. }) in holders {
                            table.row([group, type_name, version.to_string(), id.to_string()]);
                        }
                        table.end();
                    }
                    if none {
                        let namespace = shown::namespace(&group.namespace);
                        bail!("no group of {namespace} has schema {}", schema.file.display());
                    }
                }
            }
            opened.close().await
        }
    }
}

fn tell(version: &VersionInfo, as_json: bool) -> Result<()> {
    if as_json {
        return json(version);
    }
    say!("{}", shown::version(version));
    Ok(())
}

fn show(schema: SchemaInfo, id: u32, raw: bool, as_json: bool) -> Result<()> {
    if as_json {
        return json(&schema);
    }
    if raw {
        let mut out = std::io::stdout();
        out.write_all(&schema.data)?;
        return Ok(out.flush()?);
    }
    // the registry's own way to show a schema to people is that of a history's line
    let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
    let version = VersionInfo { type_name, format, version: 0, id };
    let (compatibility, timestamp_ms) = (Compatibility::AllowAny, 0);
    let text = HistoryRecord { schema, version, compatibility, timestamp_ms }.schema_string();
    if text.is_empty() {
        say!("(bytes of a custom format: --raw prints them as they were sent)");
    } else {
        say!("{}", text.trim_end());
    }
    Ok(())
}
