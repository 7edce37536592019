//! `kulya store`: what a folder holds, whether all of it can be read, and a copy of it.

use crate::args::{StoreArgs, StoreCommand};
use crate::open::{self, Address};
use crate::settings::Settings;
use crate::{progress, say, shared_store};
use anyhow::{Result, bail};
use kulya_store::{BoundedSegment, ErrorKind, SegmentInfo, StreamId, StreamStore, TableId};
use kulya_store_embedded::{EmbeddedStore, Salvaged};
use std::path::Path;
use std::time::Instant;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 4 << 20;
/// Entries asked of a table at a time.
const PAGE: usize = 1000;

pub(crate) async fn run(settings: Settings, args: StoreArgs) -> Result<()> {
    let data = match Address::of(args.place, &settings)? {
        Address::Folder(data) => data,
        Address::Objects(location) => return shared_store::objects(location, args.command).await,
        elsewhere => return shared_store::elsewhere(elsewhere, args.command).await,
    };
    if let StoreCommand::Backup { to: other } | StoreCommand::Restore { from: other } = &args.command {
        open::check_folder(other)?;
    }
    if !data.exists() && !matches!(args.command, StoreCommand::Restore { .. }) {
        bail!("folder {} does not exist", data.display());
    }
    let began = Instant::now();
    if let StoreCommand::Restore { from } = &args.command {
        return restore(from, &data, began).await;
    }
    if matches!(args.command, StoreCommand::Repair) {
        return repair(&data);
    }
    if let StoreCommand::Backup { to } = &args.command {
        // of a folder that another process may have
        let (data, target) = (data.clone(), to.clone());
        let copying = move || EmbeddedStore::backup_folder(data, target);
        let bytes = tokio::task::spawn_blocking(copying).await??;
        say!("{bytes} bytes copied to {} in {:.2} s", to.display(), began.elapsed().as_secs_f64());
        return Ok(());
    }
    if matches!(args.command, StoreCommand::Check) {
        return check(&data, began).await;
    }
    // what only reads changes nothing, so that it does the same on media that take no writes
    let store = match args.command {
        StoreCommand::Info => EmbeddedStore::open_read_only(&data)?,
        _ => EmbeddedStore::open(&data)?,
    };
    let opened = began.elapsed();
    match args.command {
        StoreCommand::Info => info(&store, &data, opened.as_secs_f64()).await?,
        StoreCommand::Compact => compact(&store).await?,
        StoreCommand::Check
        | StoreCommand::Backup { .. }
        | StoreCommand::Restore { .. }
        | StoreCommand::Repair => {}
    }
    store.close().await?;
    Ok(())
}

fn repair(data: &Path) -> Result<()> {
    let found = EmbeddedStore::repair(data)?;
    if !found.is_damaged() {
        if let Some((file, at, bytes)) = &found.torn {
            say!(
                "the {bytes} bytes of log file {file} from byte {at} on were cut off: the end of a write that nobody was told of"
            );
        }
        say!("the log is whole; nothing was changed but the index, which is made again");
        return Ok(());
    }
    report(&found);
    say!("what there was of damaged log files is in {}", data.join("damaged").display());
    Ok(())
}

/// Says what is damaged and what is lost, a line each.
fn report(found: &Salvaged) {
    for damage in &found.damage {
        say!("file {} {}", damage.file, damage.what);
    }
    let counted = |events: Option<u64>| match events {
        Some(events) => events.to_string(),
        None => "an unknown number of".to_owned(),
    };
    if found.frames_lost > 0 {
        let events = counted(found.events_lost);
        say!("lost: {} frames of the log, each written at one time, with {events} events", found.frames_lost);
    }
    for lost in &found.lost {
        let (stream, segment, from, to) = (&lost.stream, lost.segment, lost.from, lost.to);
        let events = counted(lost.events);
        say!("lost: the events of {stream}, segment {segment}, from offset {from} to {to}: {events} events");
    }
    if let Some(first) = found.skipped.first() {
        say!(
            "the streams of what is lost from the end of the log are not known: the {} segments that take events pass over {} offsets each, so that none is given twice",
            found.skipped.len(),
            first.to - first.from
        );
    }
    if found.changes > 0 {
        say!("{} changes speak of what is lost, and are of no use", found.changes);
    }
    for name in &found.named {
        say!("the name of {name} was lost: what it holds is found under this one");
    }
}

/// A copy is a store like any other: it is opened, verified, and copied.
async fn restore(from: &Path, data: &Path, began: Instant) -> Result<()> {
    if !from.exists() {
        bail!("folder {} does not exist", from.display());
    }
    let copy = EmbeddedStore::open_read_only(from)?;
    let bytes = copy.backup(data).await?;
    say!("{bytes} bytes restored to {} in {:.2} s", data.display(), began.elapsed().as_secs_f64());
    Ok(())
}

/// Every stream with its segments, and every table.
pub(crate) async fn contents(
    store: &dyn StreamStore,
) -> Result<(Vec<(StreamId, Vec<SegmentInfo>)>, Vec<TableId>)> {
    let (mut streams, mut tables) = (Vec::new(), Vec::new());
    for scope in store.scopes().await? {
        for name in store.streams(&scope).await? {
            let stream = StreamId { scope: scope.clone(), name };
            let segments = store.segments(&stream).await?;
            streams.push((stream, segments));
        }
        let names = store.tables(&scope).await?;
        tables.extend(names.into_iter().map(|name| TableId { scope: scope.clone(), name }));
    }
    Ok((streams, tables))
}

async fn info(store: &EmbeddedStore, data: &Path, opened: f64) -> Result<()> {
    let (streams, tables) = contents(store).await?;
    let segments = || streams.iter().flat_map(|(_, segments)| segments);
    let bytes: u64 = segments().map(|segment| segment.tail - segment.head).sum();
    say!("folder   {}", data.display());
    say!("format   {}", EmbeddedStore::FORMAT);
    let (files, on_disk) = store.disk_usage()?;
    say!("on disk  {on_disk} bytes in {files} log files");
    say!("opened   in {opened:.3} s");
    say!("scopes   {}", store.scopes().await?.len());
    say!("streams  {} with {} segments, {bytes} bytes of events", streams.len(), segments().count());
    say!("tables   {}", tables.len());
    Ok(())
}

/// Gives back the room of what cannot be read any more.
async fn compact(store: &EmbeddedStore) -> Result<()> {
    let began = Instant::now();
    let (_, before) = store.disk_usage()?;
    store.maintain().await?;
    let (files, after) = store.disk_usage()?;
    let seconds = began.elapsed().as_secs_f64();
    say!("{before} bytes before, {after} bytes in {files} log files now; took {seconds:.2} s");
    Ok(())
}

/// Reads every frame as it was written, then every event and every entry by the way that readers take.
async fn check(data: &Path, began: Instant) -> Result<()> {
    let (found, store) = EmbeddedStore::examine(data)?;
    if let Some(error) = found.error() {
        report(&found);
        return Err(error.into());
    }
    let Salvaged { files, frames, bytes, .. } = found;
    if let Some((file, at, torn)) = &found.torn {
        say!(
            "the last {torn} bytes of log file {file}, from byte {at} on, are no whole frame: the end of a write that was cut off before anybody was told that it was done; the next opening cuts them off"
        );
    }
    say!("{frames} frames in {files} log files ({bytes} bytes) are as they were written");
    read_everything(&store, began).await
}

/// Reads every event and every entry by the way that readers take.
pub(crate) async fn read_everything(store: &dyn StreamStore, began: Instant) -> Result<()> {
    let (streams, tables) = contents(store).await?;
    let total =
        streams.iter().flat_map(|(_, segments)| segments).map(|segment| segment.tail - segment.head).sum();
    let bar = progress::bar(total, "bytes");
    let mut events = 0;
    for (_, segments) in streams {
        for segment in segments {
            let mut reader = BoundedSegment::new(segment);
            let mut begin = reader.offset;
            while let Some(chunk) = reader.next(store, CHUNK_BYTES).await? {
                events += chunk.events.len();
                bar.inc(chunk.next - begin);
                begin = chunk.next;
            }
        }
    }
    let mut entries = 0;
    for table in &tables {
        let mut after = None;
        loop {
            let page = match store.scan(table, b"", after.as_deref(), PAGE).await {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                page => page?,
            };
            let Some(last) = page.last() else { break };
            entries += page.len();
            after = Some(last.key.clone());
        }
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    let rate = total as f64 / 1e6 / seconds.max(1e-9);
    say!(
        "{events} events ({total} bytes) and {entries} table entries are whole; read in {seconds:.2} s ({rate:.0} MB/s)"
    );
    Ok(())
}
