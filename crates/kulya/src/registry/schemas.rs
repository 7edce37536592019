//! `kulya registry schema`: adds, lists, prints, deletes and finds schemas.

use super::connection::{RegistryTarget, for_each_item};
use super::display::{self, Table};
use super::schema_files;
use crate::args::registry::{ReferenceArgs, SchemaCommand, SchemaReadArgs, to_map};
use crate::output::{print_json, print_line};
use anyhow::{Result, bail};
use kulya_registry_api::administration::{Referrer, RegistryAdministration};
use kulya_schema::references::imported_protobuf_files;
use kulya_schema::{Compatibility, Format, HistoryRecord, Reference, SchemaInfo, VersionInfo};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

pub(super) async fn run(target: RegistryTarget, command: SchemaCommand, as_json: bool) -> Result<()> {
    match command {
        SchemaCommand::Add { group, schema, references: ReferenceArgs { references }, labels } => {
            let connection = target.open(false).await?;
            let (registry, group) = (&connection.registry, group.id());
            let mut new = read_referring(&**registry, &schema.file, &schema.read, &references).await?;
            new.properties = to_map(labels);
            let version = match references.is_empty() {
                true => registry.add_schema(&group, new).await?,
                false => registry.add_schema_with_references(&group, new, references).await?,
            };
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
        SchemaCommand::Show { group, id, raw, resolved } => {
            let connection = target.open(false).await?;
            let schema = match resolved {
                true => connection.registry.schema(&group.id(), id).await?,
                false => connection.registry.registered_schema(&group.id(), id).await?.schema_info,
            };
            connection.close().await?;
            print_schema(schema, id, raw, as_json)
        }
        SchemaCommand::References { group, id } => {
            let connection = target.open(false).await?;
            let registered = connection.registry.registered_schema(&group.id(), id).await?;
            connection.close().await?;
            let mut table = Table::new(["NAME", "NAMESPACE", "GROUP", "ID"]);
            for reference in registered.references {
                if as_json {
                    print_json(&reference)?;
                    continue;
                }
                let Reference { name, namespace, group, id } = reference;
                table.row([name, namespace, group, id.to_string()]);
            }
            table.finish();
            Ok(())
        }
        SchemaCommand::ReferencedBy { group, id } => {
            let group = group.id();
            let connection = target.open(false).await?;
            let registry: &dyn RegistryAdministration = &*connection.registry;
            let mut table = Table::new(["NAMESPACE", "GROUP", "TYPE", "VERSION", "ID"]);
            for_each_item(
                async |page| registry.referenced_by(&group, id, &page).await,
                |referrer| {
                    if as_json {
                        return print_json(&referrer);
                    }
                    let Referrer { namespace, group, version_info } = referrer;
                    let VersionInfo { type_name, version, id, .. } = version_info;
                    table.row([namespace, group, type_name, version.to_string(), id.to_string()]);
                    Ok(())
                },
            )
            .await?;
            table.finish();
            connection.close().await
        }
        SchemaCommand::Delete { group, id, force } => {
            let connection = target.open(false).await?;
            match force {
                true => connection.registry.force_delete_schema(&group.id(), id).await?,
                false => connection.registry.delete_schema(&group.id(), id).await?,
            }
            connection.close().await
        }
        SchemaCommand::Find { group, schema, references: ReferenceArgs { references } } => {
            let connection = target.open(false).await?;
            let mut wanted =
                read_referring(&*connection.registry, &schema.file, &schema.read, &references).await?;
            if !references.is_empty() {
                wanted = connection.registry.resolve_references(wanted, references).await?;
            }
            match group.id() {
                Some(id) => print_version(&connection.registry.find_schema(&id, wanted).await?, as_json)?,
                None => {
                    let groups = connection.registry.schema_references(&group.namespace, wanted).await?;
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

/// Reads a schema that refers to others; the source of a Protobuf schema imports them.
pub(super) async fn read_referring(
    registry: &dyn RegistryAdministration,
    file: &Path,
    args: &SchemaReadArgs,
    references: &[Reference],
) -> Result<SchemaInfo> {
    let mut compiled = HashMap::new();
    for reference in references {
        // what is wrong with a reference is reported when the schema is added
        let Ok(referenced) = registry.schema(&reference.group_id(), reference.id).await else { continue };
        if referenced.format == Format::Protobuf {
            compiled.extend(imported_protobuf_files(&reference.name, &referenced)?);
        }
    }
    schema_files::read_with(file, args, compiled)
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
