//! `kulya store` on what several processes share: object storage, for which all of it is done, and Pravega and servers, of which
//! what they hold is said and read.

use crate::args::{Place, StoreCommand};
use crate::open::Address;
use crate::say;
use crate::store::{contents, read_everything};
use anyhow::{Context, Result, bail};
use kulya_client::random_id;
use kulya_store::StreamStore;
use kulya_store_object::{Examined, Location, ObjectLogStore, Settings, examine, repair};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// On object storage.
pub(crate) async fn objects(location: Location, command: StoreCommand) -> Result<()> {
    let began = Instant::now();
    let seconds = || began.elapsed().as_secs_f64();
    if let StoreCommand::Restore { from } = &command {
        let copy = at(from)?;
        let found = examine_at(&copy).await?;
        if !found.is_whole() {
            tell(&found);
            bail!("{copy} is not whole: nothing was restored");
        }
        let bytes = open(&copy).await?.backup(&location).await?;
        say!("{bytes} bytes of events restored to {location} in {:.2} s", seconds());
        return Ok(());
    }
    if !location.has_store().await? {
        bail!("no store is at {location}: kulya serve --data makes one");
    }
    match command {
        StoreCommand::Info => {
            let store = open(&location).await?;
            let opened = seconds();
            let (objects, bytes) = store.usage().await?;
            say!("storage  {location}");
            say!("stored   {bytes} bytes in {objects} objects");
            say!("opened   in {opened:.3} s");
            summary(&store).await?;
            store.close().await?;
        }
        StoreCommand::Check => {
            let found = examine_at(&location).await?;
            tell(&found);
            if !found.is_whole() {
                bail!(
                    "{} objects are damaged or missing: bring them back from a copy, or give up what is lost with kulya store repair",
                    found.damaged.len()
                );
            }
        }
        StoreCommand::Repair => {
            let found = repair(Arc::clone(&location.objects), &location.prefix, settings()).await?;
            tell(&found);
            match found.is_whole() {
                true => say!("the store is whole; nothing was changed"),
                false => say!("a checkpoint was written that gives up what is lost; the store can be opened"),
            }
        }
        StoreCommand::Compact => {
            let store = open(&location).await?;
            let (_, before) = store.usage().await?;
            let done = store.compact().await?;
            let (objects, after) = store.usage().await?;
            say!(
                "{} bytes of events merged, {} objects deleted; {before} bytes before, {after} bytes in {objects} objects now; log objects that nobody needs are deleted a minute after a process that stays has found them so",
                done.merged_bytes,
                done.deleted_objects
            );
            store.close().await?;
        }
        StoreCommand::Backup { to } => {
            let to = at(&to)?;
            let bytes = open(&location).await?.backup(&to).await?;
            say!("{bytes} bytes of events copied to {to} in {:.2} s", seconds());
        }
        StoreCommand::Restore { .. } => {}
    }
    Ok(())
}

/// On Pravega, or behind a server.
pub(crate) async fn elsewhere(address: Address, command: StoreCommand) -> Result<()> {
    let (place, what) = match &address {
        Address::Pravega(_) => ("Pravega", "its own tools do that; kulya store info and check work"),
        _ => ("a server", "give --data where its store is; kulya store info and check work"),
    };
    let name = match command {
        StoreCommand::Info | StoreCommand::Check => "",
        StoreCommand::Repair => "repair",
        StoreCommand::Compact => "compact",
        StoreCommand::Backup { .. } => "backup",
        StoreCommand::Restore { .. } => "restore",
    };
    if !name.is_empty() {
        bail!("kulya store {name} is not supported on {place}: {what}");
    }
    let shown = address.to_string();
    let store = address.store(false).await?;
    match command {
        StoreCommand::Info => {
            say!("store    {shown}");
            summary(&*store).await?;
        }
        _ => read_everything(&*store, Instant::now()).await?,
    }
    store.close().await?;
    Ok(())
}

/// Where a copy is, or goes: a URL, or a folder.
fn at(path: &Path) -> Result<Location> {
    let text = path.to_str().context("the name is not UTF-8")?;
    match Address::at(text, &Place::default())? {
        Address::Objects(location) => Ok(location),
        Address::Folder(folder) => Ok(Location::folder(&std::path::absolute(folder)?)?),
        _ => bail!("{text} is no place for a copy: give a folder, s3://bucket/prefix or file:///folder"),
    }
}

fn settings() -> Settings {
    Settings::new(random_id())
}

async fn open(location: &Location) -> Result<ObjectLogStore> {
    let Location { objects, prefix } = location.clone();
    Ok(ObjectLogStore::open(objects, &prefix, settings()).await?)
}

async fn examine_at(location: &Location) -> Result<Examined> {
    Ok(examine(Arc::clone(&location.objects), &location.prefix, settings()).await?)
}

async fn summary(store: &dyn StreamStore) -> Result<()> {
    let (streams, tables) = contents(store).await?;
    let segments = || streams.iter().flat_map(|(_, segments)| segments);
    let bytes: u64 = segments().map(|segment| segment.tail - segment.head).sum();
    say!("scopes   {}", store.scopes().await?.len());
    say!("streams  {} with {} segments, {bytes} bytes of events", streams.len(), segments().count());
    say!("tables   {}", tables.len());
    Ok(())
}

fn tell(found: &Examined) {
    for what in found.damaged.iter().map(|(name, what)| {
        if what.contains(name.as_str()) { what.clone() } else { format!("object {name}: {what}") }
    }) {
        say!("damaged: {what}");
    }
    for lost in &found.lost {
        say!(
            "lost: the events of segment {} from offset {} to {} ({})",
            lost.segment,
            lost.from,
            lost.to,
            lost.why
        );
    }
    for what in &found.left_out {
        say!("lost: {what}");
    }
    for lost in &found.given_up {
        say!(
            "given up by an earlier repair: the events of segment {} from offset {} to {}",
            lost.segment,
            lost.from,
            lost.to
        );
    }
    say!("{} events ({} bytes) and {} table entries are whole", found.events, found.bytes, found.entries);
}
