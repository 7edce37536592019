//! Verification and repair of a whole store, also of one that cannot be opened. Verification lists damage and
//! lost events; repair writes a checkpoint without the lost events, so that the store can be opened again.

use crate::bucket::{Arrived, Bucket, CheckpointName, Found};
use crate::journal::restored;
use crate::settings::Settings;
use crate::state::{Lost, Place, State};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use object_store::ObjectStore;
use object_store::path::Path;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The maximum number of concurrent requests.
const AT_ONCE: usize = 16;

/// The result of a verification: the intact contents of a store, and all damage.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Examined {
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
    pub lost: Vec<Lost>,
    /// The events that an earlier repair recorded as lost.
    pub given_up: Vec<Lost>,
    /// Later changes that depend on lost ones and cannot be applied, and other losses of unknown extent.
    pub left_out: Vec<String>,
}

impl Examined {
    /// Returns whether no object is damaged. Losses recorded by an earlier repair do not count.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }
}

/// Reads and verifies every object that the store at `prefix` needs. Changes nothing; the store may be
/// written meanwhile.
///
/// # Errors
/// `NotFound` when no store exists; `Corrupt` when neither an intact checkpoint nor the start of the log
/// exists; `Unreachable` when the storage does not answer.
pub async fn examine(objects: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Result<Examined> {
    let bucket = Bucket::new(objects, prefix, settings);
    Ok(look_through(&bucket).await?.1)
}

/// Verifies a store, and if it is damaged, writes a checkpoint without the lost events; intact data is kept.
/// All writers of the store must have stopped.
///
/// # Errors
/// As [`verify`]; also errors of writing.
pub async fn repair(objects: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Result<Examined> {
    let bucket = Bucket::new(objects, prefix, settings);
    let (mut state, examined) = look_through(&bucket).await?;
    if examined.is_whole() {
        return Ok(examined);
    }
    let number = state.next;
    bucket.replace_checkpoint(number, &state.alone()).await?;
    for name in bucket.checkpoints().await? {
        if name != (CheckpointName { number, base: None }) {
            bucket.delete_checkpoint(name).await?;
        }
    }
    Ok(examined)
}

async fn look_through(bucket: &Bucket) -> Result<(State, Examined)> {
    if !bucket.find().await? {
        return Err(Error::not_found("store"));
    }
    let mut examined = Examined::default();
    let mut state = begin(bucket, &mut examined).await?;
    read_log(bucket, &mut state, &mut examined).await?;
    read_events(bucket, &mut state, &mut examined).await?;
    examined.entries = state.entries().count() as u64;
    Ok((state, examined))
}

/// Restores the newest intact checkpoint. Verifies every checkpoint that the store still needs.
async fn begin(bucket: &Bucket, examined: &mut Examined) -> Result<State> {
    let names = bucket.checkpoints().await?;
    let mut newest = None;
    for name in &names {
        match restored(bucket, &names, *name).await {
            Ok(state) if newest.is_none() => newest = state,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
        examined.damaged.extend(bucket.damaged_copies(*name).await?);
    }
    if let Some(state) = newest {
        return Ok(state);
    }
    let first = bucket.list("log").await?.iter().map(|listed| listed.number).min();
    if bucket.is_closed(0).await? || (first.is_some_and(|first| first > 0) && !examined.damaged.is_empty()) {
        let what = "no checkpoint is intact, and the start of the log was deleted: restore a backup";
        return Err(Error::new(ErrorKind::Corrupt, what));
    }
    Ok(State::default())
}

/// Applies the existing log objects up to the last one and skips gaps.
async fn read_log(bucket: &Bucket, state: &mut State, examined: &mut Examined) -> Result<()> {
    let numbers: BTreeSet<u64> = bucket.list("log").await?.iter().map(|listed| listed.number).collect();
    let Some(last) = numbers.last().filter(|last| **last >= state.next) else { return Ok(()) };
    let reading = stream::iter(state.next..=*last)
        .map(|number| async move { (number, read_one(bucket, number).await) })
        .buffered(AT_ONCE)
        .peekable();
    let mut reading = std::pin::pin!(reading);
    let mut why: Option<String> = None;
    while let Some((number, found)) = reading.next().await {
        let next = reading.as_mut().peek().await;
        let next_names =
            next.and_then(|(_, next)| next.as_ref().ok()?.as_ref().ok()).map(|next| next.log.previous);
        let name = bucket.shown(number);
        let arrived = match found? {
            // the next object names its predecessor
            Ok(arrived)
                if next_names.is_some_and(|previous| {
                    arrived.header.format == crate::object::FORMAT && previous != arrived.header.checksum
                }) =>
            {
                Err("it is not the predecessor that the next object names".to_owned())
            }
            Ok(arrived) if !state.is_followed_by(&arrived.header, &arrived.log) => {
                Err("it does not follow the object before it".to_owned())
            }
            found => found,
        };
        match (arrived, &why) {
            (Ok(arrived), None) => {
                examined.log_objects += 1;
                if let Err(what) = state.apply(number, &arrived.header, &arrived.log) {
                    return Err(bucket.damaged_log(number, what));
                }
            }
            (Ok(arrived), Some(why)) => {
                examined.log_objects += 1;
                let left = state.apply_rest(number, &arrived.header, &arrived.log, why);
                examined.lost.extend(left.lost);
                examined.left_out.extend(left.changes.into_iter().map(|what| format!("{name}: {what}")));
            }
            (Err(what), _) => {
                examined
                    .left_out
                    .push(format!("{name}: its changes of tables and streams are unknown"));
                why = Some(format!("{name}: {what}"));
                examined.damaged.insert(name, what);
                state.pass_over(number, next_names);
            }
        }
    }
    Ok(())
}

/// Reads a log object; the inner error describes its damage.
async fn read_one(bucket: &Bucket, number: u64) -> Result<Result<Box<Arrived>, String>> {
    match bucket.log(number).await {
        Ok(Found::Log(arrived)) => Ok(Ok(arrived)),
        Ok(Found::Nothing) => Ok(Err("it is missing".into())),
        Ok(Found::GivenBack { .. }) => Ok(Err("it was reclaimed".into())),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Reads all live events, and marks those that cannot be read as lost.
async fn read_events(bucket: &Bucket, state: &mut State, examined: &mut Examined) -> Result<()> {
    let mut places: Vec<(SegmentId, u64, Place, bool)> = Vec::new();
    let mut heads = HashSet::new();
    for (id, segment) in state.segments() {
        for extent in segment.extents() {
            if extent.place.is_lost() {
                let (from, to) = (extent.start, extent.end());
                // losses of this run are reported already
                let is_new =
                    examined.lost.iter().any(|lost| lost.segment == id && lost.from <= from && to <= lost.to);
                if !is_new {
                    let why = "recorded as lost by an earlier repair".to_owned();
                    examined.given_up.push(Lost { segment: id.clone(), from, to, why });
                }
                continue;
            }
            if extent.time != extent.last_time {
                heads.insert(extent.place.object);
            }
            places.push((id.clone(), extent.start, extent.place, false));
        }
    }
    places.extend(
        state.open.values().flat_map(|open| &open.parts).map(|(id, place)| (id.clone(), 0, *place, true)),
    );
    let reading = stream::iter(places)
        .map(|(id, start, place, is_staged)| async move {
            let read = bucket.events(place).await;
            (id, start, place, is_staged, read)
        })
        .buffered(AT_ONCE);
    let mut reading = std::pin::pin!(reading);
    let mut gone = Vec::new();
    while let Some((segment, start, place, is_staged, read)) = reading.next().await {
        let what = match count(start, &place, read) {
            Ok(Ok(events)) => {
                examined.events += if is_staged { 0 } else { events };
                examined.bytes += if is_staged { 0 } else { u64::from(place.length) };
                continue;
            }
            Ok(Err(what)) => what,
            Err(error) => return Err(error),
        };
        let name = bucket.shown(place.object);
        let why = format!("{name}: {what}");
        examined.damaged.insert(name, what);
        gone.push(place);
        if is_staged {
            examined
                .left_out
                .push(format!("{why}; events staged by an open transaction for {segment} are lost"));
        } else {
            let to = start + u64::from(place.length);
            examined.lost.push(Lost { segment, from: start, to, why });
        }
    }
    gone.into_iter().for_each(|place| state.give_up(place));
    for object in heads {
        let what = match bucket.data_head(object).await {
            Ok(Some(_)) => continue,
            Ok(None) => "it is missing".to_owned(),
            Err(error) if error.kind() == ErrorKind::Corrupt => error.to_string(),
            Err(error) => return Err(error),
        };
        examined.damaged.entry(bucket.shown(object)).or_insert(what);
        state.forget_times(object);
    }
    Ok(())
}

/// Counts the events of an extent; the inner error describes the damage.
fn count(start: u64, place: &Place, read: Result<Option<Bytes>>) -> Result<Result<u64, String>> {
    let bytes = match read {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Err("it is missing".into())),
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Err(error.to_string())),
        Err(error) => return Err(error),
    };
    let Ok(events) = framing::events(start, &bytes) else {
        return Ok(Err(format!("no valid event frames at byte {}", place.at)));
    };
    Ok(Ok(events.len() as u64))
}
