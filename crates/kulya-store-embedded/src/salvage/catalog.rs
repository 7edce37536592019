//! Streams and tables whose making was lost, while what they hold was not: they get their names from the manifest, and where
//! that does not know them either, names that say so. And what the manifest knows of the catalog beside that.

use super::outcome::Salvage;
use super::parts::{LogParts, Source};
use crate::checkpoint::{CatalogRecord, CatalogStream};
use crate::folder::Folder;
use crate::frame_reader::{NextFrame, FrameReader};
use crate::op::{self, Op, OpReader, SegmentKey};
use kulya_store::{Error, Result, Retention, Scope, StreamId, TableId};
use std::collections::HashMap;
use std::sync::Arc;

/// The scope of what has lost its name.
const SCOPE: &str = "recovered";
/// A stream never has more.
const MAX_SEGMENTS: u32 = 10_000;

/// Finds what must come before an op so that it fits.
pub(super) struct CatalogResolver<'a> {
    pub(super) folder: &'a Folder,
    pub(super) log_parts: &'a LogParts,
    pub(super) record: Option<&'a CatalogRecord>,
}

impl CatalogResolver<'_> {
    /// The ops that must stand before this one; the state has taken them over.
    pub(super) fn before(&mut self, op: &Op<'_>, salvage: &mut Salvage) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match op {
            Op::CreateStream { id, scope, name, .. } => {
                create_scope(salvage, &mut out, scope)?;
                if let Ok(name) = StreamId::stored(scope, name)
                    && let Some(old) =
                        salvage.state.streams.get(&name).map(|stream| stream.id).filter(|old| old != id)
                {
                    // its end was lost
                    add(salvage, &mut out, &Op::DeleteStream { id: old })?;
                }
            }
            Op::CreateTable { id, scope, name } => {
                create_scope(salvage, &mut out, scope)?;
                if let Ok(name) = TableId::stored(scope, name)
                    && let Some(old) =
                        salvage.state.tables.get(&name).map(|table| table.id).filter(|old| old != id)
                {
                    add(salvage, &mut out, &Op::DeleteTable { id: old })?;
                }
            }
            Op::Append { segment, .. } | Op::Stage { segment, .. } | Op::LostEvents { segment, .. }
                if !salvage.state.stream_names.contains_key(&segment.stream) =>
            {
                self.stream(segment.stream, salvage, &mut out)?;
            }
            Op::Put { table, .. } if !salvage.state.table_names.contains_key(table) => {
                self.table(*table, salvage, &mut out)?;
            }
            _ => {}
        }
        Ok(out)
    }

    fn stream(&self, id: u32, salvage: &mut Salvage, out: &mut Vec<u8>) -> Result<()> {
        let known = self.record.and_then(|record| record.streams().find(|stream| stream.id == id));
        if let Some(stream) = known {
            return create(salvage, out, &stream);
        }
        let name = format!("stream-{id}");
        let segments = self.segments(salvage, id)?;
        let stream = CatalogStream {
            id,
            scope: SCOPE,
            name: &name,
            epoch: 0,
            sealed: false,
            retention: Retention::default(),
            segments: vec![(0, 0); segments as usize],
        };
        salvage.found.named.push(format!("stream {SCOPE}/{name}"));
        create(salvage, out, &stream)
    }

    fn table(&self, id: u32, salvage: &mut Salvage, out: &mut Vec<u8>) -> Result<()> {
        let known = self.record.and_then(|record| record.tables().find(|(known, ..)| *known == id));
        let given = format!("table-{id}");
        let (scope, name) = known.map_or((SCOPE, given.as_str()), |(_, scope, name)| (scope, name));
        if known.is_none() {
            salvage.found.named.push(format!("table {scope}/{name}"));
        }
        create_scope(salvage, out, scope)?;
        add(salvage, out, &Op::CreateTable { id, scope, name })
    }

    /// How many segments a stream has, by the events that there are: read once, for all streams.
    fn segments(&self, salvage: &mut Salvage, id: u32) -> Result<u32> {
        if salvage.segments.is_none() {
            let mut most: HashMap<u32, u32> = HashMap::new();
            let mut see = |segment: SegmentKey| {
                let seen = most.entry(segment.stream).or_default();
                *seen = (*seen).max(segment.number.saturating_add(1));
            };
            for part in &self.log_parts.parts {
                let Source::File { there, file, format, .. } = &part.source else { continue };
                let mut frames = FrameReader::of(self.folder.log_path(*there), Arc::clone(file), *format);
                loop {
                    match frames.next()? {
                        NextFrame::Frame(frame) => segments_of(&frame.body, &mut see),
                        NextFrame::End => break,
                        NextFrame::Invalid(_) => match frames.next_frame(frames.position + 1, 0)? {
                            Some(next) => frames.seek(next),
                            None => break,
                        },
                    }
                }
            }
            salvage.segments = Some(most);
        }
        let most = salvage.segments.as_ref().and_then(|most| most.get(&id)).copied();
        // no more than a stream may have: the rest is damage
        Ok(most.unwrap_or(1).min(MAX_SEGMENTS))
    }
}

fn segments_of(body: &[u8], see: &mut impl FnMut(SegmentKey)) {
    let mut ops = OpReader::new(body);
    while let Ok(Some((op, _))) = ops.next() {
        if let Op::Append { segment, .. } | Op::Stage { segment, .. } | Op::LostEvents { segment, .. } = op {
            see(segment);
        }
    }
}

/// Has the state take over an op, and writes it down.
fn add(salvage: &mut Salvage, out: &mut Vec<u8>, op: &Op<'_>) -> Result<()> {
    salvage.state.apply(op, 0, 0).map_err(Error::invalid)?;
    op::encode(out, op);
    Ok(())
}

fn create_scope(salvage: &mut Salvage, out: &mut Vec<u8>, scope: &str) -> Result<()> {
    let name = Scope::stored(scope)?;
    if salvage.state.scopes.contains(&name) {
        return Ok(());
    }
    add(salvage, out, &Op::CreateScope { name: scope })
}

fn create(salvage: &mut Salvage, out: &mut Vec<u8>, stream: &CatalogStream<'_>) -> Result<()> {
    let CatalogStream { id, scope, name, epoch, sealed, retention, segments } = stream;
    create_scope(salvage, out, scope)?;
    if let Some(old) = salvage.state.streams.get(&StreamId::stored(scope, name)?).map(|stream| stream.id) {
        add(salvage, out, &Op::DeleteStream { id: old })?;
    }
    let segments = segments.len() as u32;
    let made = Op::CreateStream { id: *id, segments, epoch: *epoch, retention: *retention, scope, name };
    add(salvage, out, &made)?;
    if *sealed {
        add(salvage, out, &Op::SealStream { id: *id })?;
    }
    Ok(())
}

/// What the manifest knows at the end of a damaged log: the catalog as it was, where the log does not say otherwise.
pub(super) fn restore(salvage: &mut Salvage, record: &CatalogRecord) -> Result<()> {
    let mut out = Vec::new();
    let is_the_end = record.end.sequence >= salvage.state.end.sequence;
    if is_the_end {
        let is_gone = |id: &u32| !record.streams().any(|stream| stream.id == *id);
        let gone: Vec<u32> = salvage.state.stream_names.keys().copied().filter(is_gone).collect();
        let named =
            |id: &u32| salvage.state.stream_names.get(id).is_some_and(|name| name.scope.as_str() == SCOPE);
        // what has lost its name was deleted, or it would have one
        let named: Vec<u32> = gone.iter().copied().filter(named).collect();
        salvage
            .found
            .named
            .retain(|name| !named.iter().any(|id| *name == format!("stream {SCOPE}/stream-{id}")));
        for id in gone {
            add(salvage, &mut out, &Op::DeleteStream { id })?;
        }
        for scope in record.scopes() {
            create_scope(salvage, &mut out, scope)?;
        }
        for (scope, name, epoch) in record.ended() {
            add(salvage, &mut out, &Op::DeletedEpoch { epoch, scope, name })?;
        }
    }
    for stream in record.streams() {
        if !salvage.state.stream_names.contains_key(&stream.id) {
            if !is_the_end {
                // it may have been deleted since
                continue;
            }
            create(salvage, &mut out, &stream)?;
        }
        for (number, (head, _)) in (0..).zip(&stream.segments) {
            let segment = SegmentKey { stream: stream.id, number };
            if salvage.state.segment_at(segment).is_some_and(|found| found.head < *head) {
                add(salvage, &mut out, &Op::Truncate { segment, offset: *head })?;
            }
        }
    }
    for (id, scope, name) in record.tables() {
        if is_the_end && !salvage.state.table_names.contains_key(&id) {
            create_scope(salvage, &mut out, scope)?;
            add(salvage, &mut out, &Op::CreateTable { id, scope, name })?;
        }
    }
    for (writer, event_number) in record.writers() {
        let writer_id = kulya_store::WriterId(writer);
        if salvage.state.writers.last(writer_id).is_none_or(|last| last < event_number) {
            add(salvage, &mut out, &Op::WriterMark { writer, event_number })?;
        }
    }
    record.raise(&mut salvage.state);
    salvage.loss_ops.extend(out);
    Ok(())
}
