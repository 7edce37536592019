//! `kulya store` on the embedded store in a folder.

use super::contents::{print_summary, read_all};
use crate::address::check_folder;
use crate::args::StoreCommand;
use crate::output::print_line;
use anyhow::{Result, bail};
use kulya_store::StreamStore;
use kulya_store_embedded::{EmbeddedStore, Salvaged};
use std::path::Path;
use std::time::Instant;

pub(super) async fn run(folder: &Path, command: StoreCommand) -> Result<()> {
    if let StoreCommand::Backup { to: other } | StoreCommand::Restore { from: other } = &command {
        check_folder(other)?;
    }
    if !folder.exists() && !matches!(command, StoreCommand::Restore { .. }) {
        bail!("folder {} does not exist", folder.display());
    }
    let started = Instant::now();
    match command {
        StoreCommand::Info => info(folder, started).await,
        StoreCommand::Check => check(folder, started).await,
        StoreCommand::Repair => repair(folder),
        StoreCommand::Compact => compact(folder).await,
        StoreCommand::Backup { to } => backup(folder, &to, started).await,
        StoreCommand::Restore { from } => restore(&from, folder, started).await,
    }
}

/// Opens read-only, which works on a read-only file system.
async fn info(folder: &Path, started: Instant) -> Result<()> {
    let store = EmbeddedStore::open_read_only(folder)?;
    let seconds = started.elapsed().as_secs_f64();
    let (files, bytes) = store.disk_usage()?;
    print_line!("folder   {}", folder.display());
    print_line!("format   {}", EmbeddedStore::FORMAT);
    print_line!("on disk  {bytes} bytes in {files} log files");
    print_line!("opened   in {seconds:.3} s");
    print_summary(&store).await?;
    store.close().await?;
    Ok(())
}

/// Verifies the checksum of every frame, then reads every event and table entry.
async fn check(folder: &Path, started: Instant) -> Result<()> {
    let (report, store) = EmbeddedStore::examine(folder)?;
    if let Some(error) = report.error() {
        print_report(&report);
        return Err(error.into());
    }
    let Salvaged { files, frames, bytes, .. } = report;
    if let Some((file, offset, torn)) = &report.torn {
        print_line!(
            "the last {torn} bytes of log file {file}, from byte {offset} on, are an incomplete frame of a write that was never acknowledged; the next start truncates them"
        );
    }
    print_line!("{frames} frames in {files} log files ({bytes} bytes) are intact");
    read_all(&store, started).await
}

fn repair(folder: &Path) -> Result<()> {
    let report = EmbeddedStore::repair(folder)?;
    if !report.is_damaged() {
        if let Some((file, offset, bytes)) = &report.torn {
            print_line!(
                "truncated {bytes} bytes of log file {file} from byte {offset} on: an incomplete frame of a write that was never acknowledged"
            );
        }
        print_line!("the log is intact; nothing was changed but the index, which is rebuilt");
        return Ok(());
    }
    print_report(&report);
    print_line!("the damaged log files were moved to {}", folder.join("damaged").display());
    Ok(())
}

/// Deletes log files without live data.
async fn compact(folder: &Path) -> Result<()> {
    let store = EmbeddedStore::open(folder)?;
    let started = Instant::now();
    let (_, before) = store.disk_usage()?;
    store.maintain().await?;
    let (files, after) = store.disk_usage()?;
    let seconds = started.elapsed().as_secs_f64();
    print_line!("{before} bytes before, {after} bytes in {files} log files now; took {seconds:.2} s");
    store.close().await?;
    Ok(())
}

/// Copies a folder, which another process may have open.
async fn backup(folder: &Path, target: &Path, started: Instant) -> Result<()> {
    let (source, copy) = (folder.to_owned(), target.to_owned());
    let copy_files = move || EmbeddedStore::backup_folder(source, copy);
    let bytes = tokio::task::spawn_blocking(copy_files).await??;
    let seconds = started.elapsed().as_secs_f64();
    print_line!("{bytes} bytes copied to {} in {seconds:.2} s", target.display());
    Ok(())
}

/// Restores a backup: a store that is opened, verified and copied.
async fn restore(backup: &Path, folder: &Path, started: Instant) -> Result<()> {
    if !backup.exists() {
        bail!("folder {} does not exist", backup.display());
    }
    let bytes = EmbeddedStore::open_read_only(backup)?.backup(folder).await?;
    let seconds = started.elapsed().as_secs_f64();
    print_line!("{bytes} bytes restored to {} in {seconds:.2} s", folder.display());
    Ok(())
}

/// Prints what is damaged and what is lost, one finding a line.
fn print_report(report: &Salvaged) {
    for damage in &report.damage {
        print_line!("file {} {}", damage.file, damage.what);
    }
    let format_count = |events: Option<u64>| match events {
        Some(events) => events.to_string(),
        None => "an unknown number of".to_owned(),
    };
    if report.frames_lost > 0 {
        let events = format_count(report.events_lost);
        print_line!(
            "lost: {} frames of the log, each one atomic write, with {events} events",
            report.frames_lost
        );
    }
    for lost in &report.lost {
        let (stream, segment, from, to) = (&lost.stream, lost.segment, lost.from, lost.to);
        let events = format_count(lost.events);
        print_line!(
            "lost: the events of {stream}, segment {segment}, from offset {from} to {to}: {events} events"
        );
    }
    if let Some(first) = report.skipped.first() {
        print_line!(
            "it is unknown which streams the lost end of the log belongs to: the {} open segments skip {} offsets each, so that no offset is used twice",
            report.skipped.len(),
            first.to - first.from
        );
    }
    if report.changes > 0 {
        print_line!("{} changes refer to lost data and are ignored", report.changes);
    }
    for name in &report.named {
        print_line!("the name of {name} was lost: its data has this generated name");
    }
}
