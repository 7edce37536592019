//! `kulya store` on object storage.

use super::contents::print_summary;
use crate::address::Address;
use crate::args::{StoreArgs, StoreCommand};
use crate::output::print_line;
use anyhow::{Context, Result, bail};
use kulya_client::random_id;
use kulya_store::StreamStore;
use kulya_store_object::{Examined, Location, ObjectLogStore, Settings, examine, repair};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub(super) async fn run(location: Location, command: StoreCommand) -> Result<()> {
    let started = Instant::now();
    let seconds = || started.elapsed().as_secs_f64();
    if let StoreCommand::Restore { from } = &command {
        let backup = parse_location(from)?;
        let report = examine_at(&backup).await?;
        if !report.is_whole() {
            print_report(&report);
            bail!("the backup {backup} is damaged: nothing was restored");
        }
        let bytes = open(&backup).await?.backup(&location).await?;
        print_line!("{bytes} bytes of events restored to {location} in {:.2} s", seconds());
        return Ok(());
    }
    if !location.has_store().await? {
        bail!("there is no store at {location}: kulya serve --data creates one");
    }
    match command {
        StoreCommand::Info => {
            let store = open(&location).await?;
            let opened = seconds();
            let (objects, bytes) = store.usage().await?;
            print_line!("storage  {location}");
            print_line!("stored   {bytes} bytes in {objects} objects");
            print_line!("opened   in {opened:.3} s");
            print_summary(&store).await?;
            store.close().await?;
        }
        StoreCommand::Check => {
            let report = examine_at(&location).await?;
            print_report(&report);
            if !report.is_whole() {
                bail!(
                    "{} objects are damaged or missing: restore them from a backup, or drop what is lost with kulya store repair",
                    report.damaged.len()
                );
            }
        }
        StoreCommand::Repair => {
            let report = repair(Arc::clone(&location.objects), &location.prefix, settings()).await?;
            print_report(&report);
            match report.is_whole() {
                true => print_line!("the store is intact; nothing was changed"),
                false => print_line!("wrote a checkpoint without what is lost; the store can be opened"),
            }
        }
        StoreCommand::Compact => {
            let store = open(&location).await?;
            let (_, before) = store.usage().await?;
            let compacted = store.compact().await?;
            let (objects, after) = store.usage().await?;
            print_line!(
                "{} bytes of events merged, {} objects deleted; {before} bytes before, {after} bytes in {objects} objects now; a running server deletes obsolete log objects a minute after it has found them",
                compacted.merged_bytes,
                compacted.deleted_objects
            );
            store.close().await?;
        }
        StoreCommand::Backup { to } => {
            let to = parse_location(&to)?;
            let bytes = open(&location).await?.backup(&to).await?;
            print_line!("{bytes} bytes of events copied to {to} in {:.2} s", seconds());
        }
        StoreCommand::Restore { .. } => {}
    }
    Ok(())
}

/// Parses the location of a backup: a URL or a folder.
fn parse_location(path: &Path) -> Result<Location> {
    let text = path.to_str().context("the path is not UTF-8")?;
    match Address::parse(text, &StoreArgs::default())? {
        Address::Objects(location) => Ok(location),
        Address::Folder(folder) => Ok(Location::folder(&std::path::absolute(folder)?)?),
        _ => {
            bail!("invalid location of a backup {text}: give a folder, s3://bucket/prefix or file:///folder")
        }
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

/// Prints what is damaged and what is lost, one finding a line, then what is intact.
fn print_report(report: &Examined) {
    for damage in report.damaged.iter().map(|(name, what)| {
        if what.contains(name.as_str()) { what.clone() } else { format!("object {name}: {what}") }
    }) {
        print_line!("damaged: {damage}");
    }
    for lost in &report.lost {
        print_line!(
            "lost: the events of segment {} from offset {} to {} ({})",
            lost.segment,
            lost.from,
            lost.to,
            lost.why
        );
    }
    for what in &report.left_out {
        print_line!("lost: {what}");
    }
    for lost in &report.given_up {
        print_line!(
            "dropped by an earlier repair: the events of segment {} from offset {} to {}",
            lost.segment,
            lost.from,
            lost.to
        );
    }
    print_line!(
        "{} events ({} bytes) and {} table entries are intact",
        report.events,
        report.bytes,
        report.entries
    );
}
