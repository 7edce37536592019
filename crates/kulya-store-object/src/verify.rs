//! Verification and repair of a whole store, also of one that cannot be opened. Verification lists damage and
//! lost events; repair writes a checkpoint without the lost events, so that the store can be opened again.

use crate::bucket::{Bucket, CheckpointName, LogEntry, LogObject};
use crate::journal::restore_checkpoint;
use crate::settings::Settings;
use crate::state::{Location, LostRange, State};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use object_store::ObjectStore;
use object_store::path::Path;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The maximum number of concurrent requests.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// The result of a verification: the intact contents of a store, and all damage.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct IntegrityReport {
    /// The number of log objects that were read.
    pub log_objects: u64,
    /// The number of intact events.
    pub events: u64,
    /// The size of the intact events in bytes, frames included.
    pub bytes: u64,
    /// The number of entries of all tables.
    pub entries: u64,
    /// The damaged or missing objects by name, with a description of the damage.
    pub damaged: BTreeMap<String, String>,
    /// The events that are lost with these objects.
    pub lost: Vec<LostRange>,
    /// The events that an earlier repair recorded as lost.
    pub previously_lost: Vec<LostRange>,
    /// Later changes that depend on lost ones and cannot be applied, and other losses of unknown extent.
    pub unrecoverable: Vec<String>,
}

impl IntegrityReport {
    /// Returns whether no object is damaged. Losses recorded by an earlier repair do not count.
    pub fn is_intact(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Reads and verifies every object that the store at `prefix` needs. Changes nothing; the store may be
/// written meanwhile.
///
/// # Errors
/// `NotFound` when no store exists; `Corrupt` when neither an intact checkpoint nor the start of the log
/// exists; `Unreachable` when the storage does not answer.
pub async fn verify(
    objects: Arc<dyn ObjectStore>,
    prefix: &Path,
    settings: Settings,
) -> Result<IntegrityReport> {
    let bucket = Bucket::new(objects, prefix, settings);
    Ok(scan(&bucket).await?.1)
}

/// Verifies a store, and if it is damaged, writes a checkpoint without the lost events; intact data is kept.
/// All writers of the store must have stopped.
///
/// # Errors
/// As [`verify`]; also errors of writing.
pub async fn repair(
    objects: Arc<dyn ObjectStore>,
    prefix: &Path,
    settings: Settings,
) -> Result<IntegrityReport> {
    let bucket = Bucket::new(objects, prefix, settings);
    let (mut state, report) = scan(&bucket).await?;
    if report.is_intact() {
        return Ok(report);
    }
    let number = state.next;
    bucket.replace_checkpoint(number, &state.standalone_snapshot()).await?;
    for name in bucket.checkpoints().await? {
        if name != (CheckpointName { number, base: None }) {
            bucket.delete_checkpoint(name).await?;
        }
    }
    Ok(report)
}

/// Reads the whole store. Returns its state without the lost events, and the report.
pub(crate) async fn scan(bucket: &Bucket) -> Result<(State, IntegrityReport)> {
    if !bucket.exists().await? {
        return Err(Error::not_found("store"));
    }
    let mut report = IntegrityReport::default();
    let (mut state, missing) = restore_state(bucket, &mut report).await?;
    read_log(bucket, &mut state, &mut report).await?;
    // a process may end between the two copies of a checkpoint that it writes or deletes: nothing refers to
    // it then
    let needed = state.needed_checkpoints();
    let missing = missing.into_iter().filter(|(name, _)| needed.contains(&name.number));
    let missing = missing.flat_map(|(_, paths)| paths).map(|path| (path, "it is missing".to_owned()));
    report.damaged.extend(missing);
    read_events(bucket, &mut state, &mut report).await?;
    report.entries = state.entries().count() as u64;
    Ok((state, report))
}

/// Restores the newest intact checkpoint, and verifies every one. Returns the state, and the checkpoints of
/// which copies are missing.
async fn restore_state(
    bucket: &Bucket,
    report: &mut IntegrityReport,
) -> Result<(State, Vec<(CheckpointName, Vec<String>)>)> {
    let names = bucket.checkpoints().await?;
    let (mut newest, mut missing) = (None, Vec::new());
    for name in &names {
        match restore_checkpoint(bucket, &names, *name).await {
            Ok(state) if newest.is_none() => newest = state,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
        let copies = bucket.verify_copies(*name).await?;
        report.damaged.extend(copies.damaged);
        missing.push((*name, copies.missing));
    }
    if let Some(state) = newest {
        return Ok((state, missing));
    }
    let first = bucket.list("log").await?.iter().map(|listed| listed.number).min();
    if bucket.is_closed(0).await? || (first.is_some_and(|first| first > 0) && !names.is_empty()) {
        let what = "no checkpoint is intact, and the start of the log was deleted: restore a backup";
        return Err(Error::new(ErrorKind::Corrupt, what));
    }
    Ok((State::default(), missing))
}

/// Applies the existing log objects up to the last one and skips gaps.
async fn read_log(bucket: &Bucket, state: &mut State, report: &mut IntegrityReport) -> Result<()> {
    let numbers: BTreeSet<u64> = bucket.list("log").await?.iter().map(|listed| listed.number).collect();
    let Some(last) = numbers.last().filter(|last| **last >= state.next) else { return Ok(()) };
    let reading = stream::iter(state.next..=*last)
        .map(|number| async move { (number, read_log_object(bucket, number).await) })
        .buffered(MAX_CONCURRENT_REQUESTS)
        .peekable();
    let mut reading = std::pin::pin!(reading);
    let mut reason: Option<String> = None;
    while let Some((number, found)) = reading.next().await {
        let next = reading.as_mut().peek().await;
        let next_previous =
            next.and_then(|(_, next)| next.as_ref().ok()?.as_ref().ok()).map(|next| next.log.previous);
        let name = bucket.object_name(number);
        let object = match found? {
            // the next object names its predecessor
            Ok(object)
                if next_previous.is_some_and(|previous| {
                    object.header.format == crate::object::FORMAT && previous != object.header.checksum
                }) =>
            {
                Err("it is not the predecessor that the next object names".to_owned())
            }
            Ok(object) if !state.is_followed_by(&object.header, &object.log) => {
                Err("it does not follow the object before it".to_owned())
            }
            found => found,
        };
        match (object, &reason) {
            (Ok(object), None) => {
                report.log_objects += 1;
                if let Err(what) = state.apply(number, &object.header, &object.log) {
                    return Err(bucket.corrupt_log(number, what));
                }
            }
            (Ok(object), Some(reason)) => {
                report.log_objects += 1;
                let partial = state.apply_partial(number, &object.header, &object.log, reason);
                report.lost.extend(partial.lost);
                report
                    .unrecoverable
                    .extend(partial.changes.into_iter().map(|what| format!("{name}: {what}")));
            }
            (Err(what), _) => {
                report.unrecoverable.push(format!("{name}: its changes of tables and streams are unknown"));
                reason = Some(format!("{name}: {what}"));
                report.damaged.insert(name, what);
                state.skip_object(number, next_previous);
            }
        }
    }
    Ok(())
}

/// Reads a log object; the inner error describes its damage.
async fn read_log_object(bucket: &Bucket, number: u64) -> Result<Result<Box<LogObject>, String>> {
    match bucket.read_log(number).await {
        Ok(LogEntry::Log(object)) => Ok(Ok(object)),
        Ok(LogEntry::Missing) => Ok(Err("it is missing".into())),
        Ok(LogEntry::Tombstone { .. }) => Ok(Err("it was reclaimed".into())),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Reads all live events, and marks those that cannot be read as lost.
async fn read_events(bucket: &Bucket, state: &mut State, report: &mut IntegrityReport) -> Result<()> {
    let mut locations: Vec<(SegmentId, u64, Location, bool)> = Vec::new();
    let mut data_heads = HashSet::new();
    for (id, segment) in state.segments() {
        for extent in segment.extents() {
            if extent.location.is_lost() {
                let (from, to) = (extent.start, extent.end());
                // losses of this run are reported already
                let is_reported =
                    report.lost.iter().any(|lost| lost.segment == id && lost.from <= from && to <= lost.to);
                if !is_reported {
                    let reason = "recorded as lost by an earlier repair".to_owned();
                    report.previously_lost.push(LostRange { segment: id.clone(), from, to, reason });
                }
                continue;
            }
            if extent.time != extent.last_time {
                data_heads.insert(extent.location.object);
            }
            locations.push((id.clone(), extent.start, extent.location, false));
        }
    }
    locations.extend(
        state
            .open
            .values()
            .flat_map(|open| &open.parts)
            .map(|(id, location)| (id.clone(), 0, *location, true)),
    );
    let reading = stream::iter(locations)
        .map(|(id, start, location, is_staged)| async move {
            let read = bucket.read_events(location).await;
            (id, start, location, is_staged, read)
        })
        .buffered(MAX_CONCURRENT_REQUESTS);
    let mut reading = std::pin::pin!(reading);
    let mut lost_locations = Vec::new();
    while let Some((segment, start, location, is_staged, read)) = reading.next().await {
        let what = match count(start, &location, read) {
            Ok(Ok(events)) => {
                report.events += if is_staged { 0 } else { events };
                report.bytes += if is_staged { 0 } else { u64::from(location.length) };
                continue;
            }
            Ok(Err(what)) => what,
            Err(error) => return Err(error),
        };
        let name = bucket.object_name(location.object);
        let reason = format!("{name}: {what}");
        report.damaged.insert(name, what);
        lost_locations.push(location);
        if is_staged {
            report
                .unrecoverable
                .push(format!("{reason}; events staged by an open transaction for {segment} are lost"));
        } else {
            let to = start + u64::from(location.length);
            report.lost.push(LostRange { segment, from: start, to, reason });
        }
    }
    lost_locations.into_iter().for_each(|location| state.mark_lost(location));
    for object in data_heads {
        let what = match bucket.read_data_head(object).await {
            Ok(Some(_)) => continue,
            Ok(None) => "it is missing".to_owned(),
            Err(error) if error.kind() == ErrorKind::Corrupt => error.to_string(),
            Err(error) => return Err(error),
        };
        report.damaged.entry(bucket.object_name(object)).or_insert(what);
        state.collapse_times(object);
    }
    Ok(())
}

/// Counts the events of an extent; the inner error describes the damage.
fn count(start: u64, location: &Location, read: Result<Option<Bytes>>) -> Result<Result<u64, String>> {
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err("it is missing".into())),
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    let Ok(events) = framing::events(start, &bytes) else {
        return Ok(Err(format!("no valid event frames at byte {}", location.at)));
    };
    Ok(Ok(events.len() as u64))
}
