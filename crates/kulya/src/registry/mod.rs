//! `kulya registry`: groups, schemas and what hangs on them, in a folder, behind a server or in Pravega; schemas in files
//! against each other; and a registry's move to another.

mod args;
mod events;
mod files;
mod groups;
mod judge;
mod schemas;
mod shown;
mod transfer;

use crate::args::Place;
use crate::open::{self, Address};
use crate::say;
use crate::settings::Settings;
use anyhow::Result;
pub(crate) use args::RegistryArgs;
use args::{CodecCommand, EncodingCommand, RegistryCommand, SearchArgs};
use kulya_client::RemoteRegistry;
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::{Page, PageRequest, RegistryAdministration, Search};
use kulya_schema::{CodecType, EncodingId, VersionInfo};
use kulya_store::StreamStore;
use serde::Serialize;
use shown::Table;
use std::process::ExitCode;
use std::sync::Arc;

/// Items asked for at a time.
const PAGE: usize = 500;

pub(crate) async fn run(settings: Settings, args: RegistryArgs) -> Result<ExitCode> {
    let RegistryArgs { place, json: as_json, command } = args;
    let at = At { place, settings };
    match command {
        RegistryCommand::Check(args) => {
            return Ok(match judge::check(at, args, as_json).await {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::from(1),
                Err(error) => {
                    crate::fail(&error);
                    ExitCode::from(2)
                }
            });
        }
        RegistryCommand::Diff(args) => judge::diff(at, args, as_json).await?,
        RegistryCommand::Export(args) => transfer::export(at, args).await?,
        RegistryCommand::Import(args) => transfer::import(at, args, as_json).await?,
        RegistryCommand::Group(command) => groups::run(at, command, as_json).await?,
        RegistryCommand::Schema(command) => schemas::run(at, command, as_json).await?,
        RegistryCommand::Namespaces => namespaces(at, as_json).await?,
        RegistryCommand::Search(args) => search(at, args, as_json).await?,
        RegistryCommand::Codec(command) => codec(at, command, as_json).await?,
        RegistryCommand::Encoding(command) => encoding(at, command, as_json).await?,
        RegistryCommand::Decode { group, hex } => events::decode(at, group.id(), &hex, as_json).await?,
        RegistryCommand::Watch { from } => events::watch(at, from.as_deref(), as_json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the registry is, before anything is opened.
struct At {
    place: Place,
    settings: Settings,
}

/// A registry, and the store under it where this process has that.
struct Opened {
    registry: Arc<dyn RegistryAdministration>,
    store: Option<Arc<dyn StreamStore>>,
}

impl At {
    /// Behind a server it is asked over gRPC; elsewhere the store is opened, and `makes` lets a folder be made.
    async fn open(self, makes: bool) -> Result<Opened> {
        match Address::of(self.place, &self.settings)? {
            Address::Server(remote) => {
                let registry = Arc::new(RemoteRegistry::connect(remote).await?);
                Ok(Opened { registry, store: None })
            }
            address => {
                let house = open::on(address.store(makes).await?).await?;
                Ok(Opened { registry: house.registry, store: Some(house.store) })
            }
        }
    }
}

impl Opened {
    async fn close(self) -> Result<()> {
        if let Some(store) = self.store {
            store.close().await?;
        }
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<()> {
    say!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Every item of a list that comes in pages, as it comes.
async fn each<T>(
    mut ask: impl AsyncFnMut(PageRequest) -> RegistryResult<Page<T>>,
    mut item: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut request = PageRequest::first(PAGE);
    loop {
        let page = ask(request.clone()).await?;
        page.items.into_iter().try_for_each(&mut item)?;
        match page.next {
            Some(next) => request.after = next,
            None => return Ok(()),
        }
    }
}

async fn namespaces(at: At, as_json: bool) -> Result<()> {
    let opened = at.open(false).await?;
    let registry = &opened.registry;
    each(
        async |page| registry.namespaces(&page).await,
        |namespace| {
            match namespace.as_str() {
                _ if as_json => json(&namespace)?,
                "" => say!("(default)"),
                name => say!("{}", shown::plain(name)),
            }
            Ok(())
        },
    )
    .await?;
    opened.close().await
}

async fn search(at: At, args: SearchArgs, as_json: bool) -> Result<()> {
    let SearchArgs { namespace, group, type_name, format, field, all_versions } = args;
    let search = Search { namespace, group, type_name, format, field, all_versions };
    let opened = at.open(false).await?;
    let registry = &opened.registry;
    let mut table = Table::new(["NAMESPACE", "GROUP", "TYPE", "FORMAT", "VERSION", "ID", "FIELDS"]);
    each(
        async |page| registry.search(&search, &page).await,
        |found| {
            if as_json {
                return json(&found);
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
    table.end();
    opened.close().await
}

async fn codec(at: At, command: CodecCommand, as_json: bool) -> Result<()> {
    let opened = at.open(false).await?;
    match command {
        CodecCommand::Add { group, name, properties } => {
            let codec = CodecType { name, properties: args::map(properties) };
            opened.registry.add_codec_type(&group.id(), codec).await?;
        }
        CodecCommand::List { group } => {
            let mut table = Table::new(["CODEC", "PROPERTIES"]);
            for codec in opened.registry.codec_types(&group.id()).await? {
                if as_json {
                    json(&codec)?;
                } else {
                    table.row([codec.name, shown::labels(&codec.properties)]);
                }
            }
            table.end();
        }
    }
    opened.close().await
}

async fn encoding(at: At, command: EncodingCommand, as_json: bool) -> Result<()> {
    let opened = at.open(false).await?;
    match command {
        EncodingCommand::Show { group, id } => {
            let encoding = opened.registry.encoding(&group.id(), EncodingId(id)).await?;
            if as_json {
                json(&encoding)?;
            } else {
                events::encoding(EncodingId(id), &encoding);
            }
        }
        EncodingCommand::Id { group, schema, codec } => {
            // its id alone counts (contract §2)
            let version =
                VersionInfo { type_name: String::new(), format: String::new(), version: 0, id: schema };
            let id = opened.registry.encoding_id(&group.id(), &version, &codec).await?;
            if as_json {
                json(&id)?;
            } else {
                say!("{}", id.0);
            }
        }
    }
    opened.close().await
}
