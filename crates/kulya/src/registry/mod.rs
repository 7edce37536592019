//! `kulya registry`: administers groups and schemas in a folder, behind a server or in Pravega, checks the
//! compatibility of schemas in files, and exports and imports registries.

mod against;
mod compatibility;
mod connection;
mod decode;
pub(crate) mod display;
mod export_import;
mod file_kind;
mod folder_references;
mod git;
mod groups;
mod proto_source;
mod report;
mod schema_files;
mod schemas;
mod source_lines;
mod verdict;
mod versions;
mod watch;

use crate::args::registry::{
    CodecCommand, EncodingCommand, RegistryArgs, RegistryCommand, SearchArgs, to_map,
};
use crate::output::{print_json, print_line, report_error};
use crate::settings::Settings;
use anyhow::Result;
use connection::{RegistryTarget, for_each_item};
use display::Table;
use kulya_registry_api::administration::Search;
use kulya_schema::{CodecType, EncodingId, VersionInfo};
use std::process::ExitCode;

pub(crate) async fn run(settings: Settings, args: RegistryArgs) -> Result<ExitCode> {
    let RegistryArgs { store, json: as_json, command } = args;
    let target = RegistryTarget { store, settings };
    match command {
        RegistryCommand::Check(args) => {
            return Ok(match compatibility::check(target, args, as_json).await {
                Ok(code) => code,
                Err(error) => {
                    report_error(&error);
                    ExitCode::from(2)
                }
            });
        }
        RegistryCommand::Diff(args) => compatibility::diff(target, args, as_json).await?,
        RegistryCommand::Export(args) => export_import::export(target, args).await?,
        RegistryCommand::Import(args) => export_import::import(target, args, as_json).await?,
        RegistryCommand::Group(command) => groups::run(target, command, as_json).await?,
        RegistryCommand::Schema(command) => schemas::run(target, command, as_json).await?,
        RegistryCommand::Namespaces => namespaces(target, as_json).await?,
        RegistryCommand::Search(args) => search(target, args, as_json).await?,
        RegistryCommand::Codec(command) => codec(target, command, as_json).await?,
        RegistryCommand::Encoding(command) => encoding(target, command, as_json).await?,
        RegistryCommand::Decode { group, hex } => decode::run(target, group.id(), &hex, as_json).await?,
        RegistryCommand::Watch { from } => watch::run(target, from.as_deref(), as_json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn namespaces(target: RegistryTarget, as_json: bool) -> Result<()> {
    let connection = target.open(false).await?;
    let registry = &connection.registry;
    for_each_item(
        async |page| registry.namespaces(&page).await,
        |namespace| {
            match namespace.as_str() {
                _ if as_json => print_json(&namespace)?,
                "" => print_line!("(default)"),
                name => print_line!("{}", display::escape(name)),
            }
            Ok(())
        },
    )
    .await?;
    connection.close().await
}

async fn search(target: RegistryTarget, args: SearchArgs, as_json: bool) -> Result<()> {
    let SearchArgs { namespace, group, type_name, format, field, all_versions } = args;
    let search = Search { namespace, group, type_name, format, field, all_versions };
    let connection = target.open(false).await?;
    let registry = &connection.registry;
    let mut table = Table::new(["NAMESPACE", "GROUP", "TYPE", "FORMAT", "VERSION", "ID", "FIELDS"]);
    for_each_item(
        async |page| registry.search(&search, &page).await,
        |found| {
            if as_json {
                return print_json(&found);
            }
            let fields: Vec<String> =
                found.fields.iter().map(|field| format!("{} {}", field.path, field.kind)).collect();
            let VersionInfo { type_name, format, version, id } = found.version_info;
            let (version, id, fields) = (version.to_string(), id.to_string(), fields.join(", "));
            table.row([found.namespace, found.group, type_name, format, version, id, fields]);
            Ok(())
        },
    )
    .await?;
    table.finish();
    connection.close().await
}

async fn codec(target: RegistryTarget, command: CodecCommand, as_json: bool) -> Result<()> {
    let connection = target.open(false).await?;
    match command {
        CodecCommand::Add { group, name, properties } => {
            let codec = CodecType { name, properties: to_map(properties) };
            connection.registry.add_codec_type(&group.id(), codec).await?;
        }
        CodecCommand::List { group } => {
            let mut table = Table::new(["CODEC", "PROPERTIES"]);
            for codec in connection.registry.codec_types(&group.id()).await? {
                if as_json {
                    print_json(&codec)?;
                } else {
                    table.row([codec.name, display::labels(&codec.properties)]);
                }
            }
            table.finish();
        }
    }
    connection.close().await
}

async fn encoding(target: RegistryTarget, command: EncodingCommand, as_json: bool) -> Result<()> {
    let connection = target.open(false).await?;
    match command {
        EncodingCommand::Show { group, id } => {
            let encoding = connection.registry.encoding(&group.id(), EncodingId(id)).await?;
            if as_json {
                print_json(&encoding)?;
            } else {
                display::print_encoding(EncodingId(id), &encoding);
            }
        }
        EncodingCommand::Id { group, schema, codec } => {
            // only the id of the version counts (contract §2)
            let version =
                VersionInfo { type_name: String::new(), format: String::new(), version: 0, id: schema };
            let id = connection.registry.encoding_id(&group.id(), &version, &codec).await?;
            if as_json {
                print_json(&id)?;
            } else {
                print_line!("{}", id.0);
            }
        }
    }
    connection.close().await
}
