//! `kulya registry schema`: adds, lists, prints, deletes and finds schemas.

use super::connection::{RegistryTarget, for_each_item};
use super::display::{self, Table};
use super::schema_files;
use crate::args::registry::{SchemaCommand, to_map};
use crate::output::{print_json, print_line};
use anyhow::{Result, bail};
use kulya_registry_api::administration::RegistryAdministration;
use kulya_schema::{Compatibility, HistoryRecord, SchemaInfo, VersionInfo};
use std::io::Write;

pub(super) async fn run(target: RegistryTarget, command: SchemaCommand, as_json: bool) -> Result<()> {
    match command {
        SchemaCommand::Add { group, schema, labels } => {
            let mut new = schema_files::read(&schema.file, &schema.read)?;
            new.properties = to_map(labels);
            let connection = target.open(false).await?;
            let version = connection.registry.add_schema(&group.id(), new).await?;
            print_version(&version, as_json)?;
            connection.close().await
        }
        SchemaCommand::List { group, type_name } => {
            let id = group.id();
            let connection = target.open(false).await?;
            let registry: &dyn RegistryAdministration = &*connection.registry;
            let mut table = Table::new(["ID", "TYPE", "VERSION", "FORMAT", "STATE"]);
            for_each_item(
                async |page| registry.versions_page(&id, type_name.as_deref(), &page).await,
                |entry| {
                    if as_json {
                        return print_json(&entry);
                    }
                    let VersionInfo { type_name, format, version, id } = entry.version_info;
                    let state = if entry.deleted { "deleted" } else { "live" };
                    table.row([id.to_string(), type_name, version.to_string(), format, state.to_owned()]);
                    Ok(())
                },
            )
            .await?;
            table.finish();
            connection.close().await
        }
        SchemaCommand::Show { group, id, raw } => {
            let connection = target.open(false).await?;
            let schema = connection.registry.schema(&group.id(), id).await?;
            connection.close().await?;
            print_schema(schema, id, raw, as_json)
        }
        SchemaCommand::Delete { group, id } => {
            let connection = target.open(false).await?;
            connection.registry.delete_schema(&group.id(), id).await?;
            connection.close().await
        }
        SchemaCommand::Find { group, schema } => {
            let wanted = schema_files::read(&schema.file, &schema.read)?;
            let connection = target.open(false).await?;
            match group.id() {
                Some(id) => print_version(&connection.registry.find_schema(&id, wanted).await?, as_json)?,
                None => {
                    let groups = connection.registry.added_to(&group.namespace, wanted).await?;
                    let is_empty = groups.is_empty();
                    if as_json {
                        print_json(&groups)?;
                    } else {
                        let mut table = Table::new(["GROUP", "TYPE", "VERSION", "ID"]);
                        for (group, VersionInfo { type_name, version, id, .. }) in groups {
                            table.row([group, type_name, version.to_string(), id.to_string()]);
                        }
                        table.finish();
                    }
                    if is_empty {
                        let namespace = display::namespace(&group.namespace);
                        bail!("no group of {namespace} has the schema {}", schema.file.display());
                    }
                }
            }
            connection.close().await
        }
    }
}

fn print_version(version: &VersionInfo, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(version);
    }
    print_line!("{}", display::version(version));
    Ok(())
}

fn print_schema(schema: SchemaInfo, id: u32, raw: bool, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(&schema);
    }
    if raw {
        let mut out = std::io::stdout();
        out.write_all(&schema.data)?;
        return Ok(out.flush()?);
    }
    // the readable form of a schema is part of a history record
    let (type_name, format) = (schema.type_name.clone(), schema.format.full_name().to_owned());
    let version = VersionInfo { type_name, format, version: 0, id };
    let (compatibility, timestamp_ms) = (Compatibility::AllowAny, 0);
    let text = HistoryRecord { schema, version, compatibility, timestamp_ms }.schema_string();
    if text.is_empty() {
        print_line!("(bytes of a custom format: --raw prints them as they were registered)");
    } else {
        print_line!("{}", text.trim_end());
    }
    Ok(())
}
