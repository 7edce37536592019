//! Restores the catalog: streams and tables whose creation was lost get their names from the manifest, or
//! else placeholder names.

use super::outcome::Salvage;
use super::parts::{LogParts, Source};
use crate::checkpoint::{CatalogRecord, CatalogStream};
use crate::folder::Folder;
use crate::frame_reader::{FrameReader, NextFrame};
use crate::op::{self, Op, OpReader, SegmentKey};
use kulya_store::{Error, Result, Retention, Scope, StreamId, TableId};
use std::collections::HashMap;
use std::sync::Arc;

/// The scope of streams and tables without a known name.
const SCOPE: &str = "recovered";
/// The maximum number of segments of a stream.
const MAX_SEGMENTS: u32 = 10_000;

/// Finds the ops that are needed before an op so that it can be applied.
pub(super) struct CatalogResolver<'a> {
    pub(super) folder: &'a Folder,
    pub(super) log_parts: &'a LogParts,
    pub(super) record: Option<&'a CatalogRecord>,
}

impl CatalogResolver<'_> {
    /// Applies and returns the ops that are needed before this one.
    pub(super) fn ops_before(&mut self, op: &Op<'_>, salvage: &mut Salvage) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        match op {
            Op::CreateStream { id, scope, name, .. } => {
                create_scope(salvage, &mut out, scope)?;
                if let Ok(name) = StreamId::stored(scope, name)
                    && let Some(old) =
                        salvage.state.streams.get(&name).map(|stream| stream.id).filter(|old| old != id)
                {
                    // its deletion was lost
                    apply_op(salvage, &mut out, &Op::DeleteStream { id: old })?;
                }
            }
            Op::CreateTable { id, scope, name } => {
                create_scope(salvage, &mut out, scope)?;
                if let Ok(name) = TableId::stored(scope, name)
                    && let Some(old) =
                        salvage.state.tables.get(&name).map(|table| table.id).filter(|old| old != id)
                {
                    apply_op(salvage, &mut out, &Op::DeleteTable { id: old })?;
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
        let recorded = self.record.and_then(|record| record.streams().find(|stream| stream.id == id));
        if let Some(stream) = recorded {
            return create_stream(salvage, out, &stream);
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
        salvage.report.recovered_names.push(format!("stream {SCOPE}/{name}"));
        create_stream(salvage, out, &stream)
    }

    fn table(&self, id: u32, salvage: &mut Salvage, out: &mut Vec<u8>) -> Result<()> {
        let recorded = self.record.and_then(|record| record.tables().find(|(recorded, ..)| *recorded == id));
        let placeholder = format!("table-{id}");
        let (scope, name) = recorded.map_or((SCOPE, placeholder.as_str()), |(_, scope, name)| (scope, name));
        if recorded.is_none() {
            salvage.report.recovered_names.push(format!("table {scope}/{name}"));
        }
        create_scope(salvage, out, scope)?;
        apply_op(salvage, out, &Op::CreateTable { id, scope, name })
    }

    /// Returns the number of segments of a stream, as far as its events show; the log is read once for all
    /// streams.
    fn segments(&self, salvage: &mut Salvage, id: u32) -> Result<u32> {
        if salvage.segments.is_none() {
            let mut counts: HashMap<u32, u32> = HashMap::new();
            let mut count = |segment: SegmentKey| {
                let max = counts.entry(segment.stream).or_default();
                *max = (*max).max(segment.number.saturating_add(1));
            };
            for part in &self.log_parts.parts {
                let Source::File { current_name, file, format, .. } = &part.source else { continue };
                let mut frames =
                    FrameReader::new(self.folder.log_path(*current_name), Arc::clone(file), *format);
                loop {
                    match frames.next()? {
                        NextFrame::Frame(frame) => count_segments(&frame.body, &mut count),
                        NextFrame::End => break,
                        NextFrame::Invalid(_) => match frames.find_next(frames.position + 1, 0)? {
                            Some(next) => frames.seek(next),
                            None => break,
                        },
                    }
                }
            }
            salvage.segments = Some(counts);
        }
        let count = salvage.segments.as_ref().and_then(|counts| counts.get(&id)).copied();
        // a greater number is damage
        Ok(count.unwrap_or(1).min(MAX_SEGMENTS))
    }
}

fn count_segments(body: &[u8], count: &mut impl FnMut(SegmentKey)) {
    let mut ops = OpReader::new(body);
    while let Ok(Some((op, _))) = ops.next() {
        if let Op::Append { segment, .. } | Op::Stage { segment, .. } | Op::LostEvents { segment, .. } = op {
            count(segment);
        }
    }
}

/// Applies an op to the state and appends it to `out`.
fn apply_op(salvage: &mut Salvage, out: &mut Vec<u8>, op: &Op<'_>) -> Result<()> {
    salvage.state.apply(op, 0, 0).map_err(Error::invalid)?;
    op::encode(out, op);
    Ok(())
}

fn create_scope(salvage: &mut Salvage, out: &mut Vec<u8>, scope: &str) -> Result<()> {
    let name = Scope::stored(scope)?;
    if salvage.state.scopes.contains(&name) {
        return Ok(());
    }
    apply_op(salvage, out, &Op::CreateScope { name: scope })
}

fn create_stream(salvage: &mut Salvage, out: &mut Vec<u8>, stream: &CatalogStream<'_>) -> Result<()> {
    let CatalogStream { id, scope, name, epoch, sealed, retention, segments } = stream;
    create_scope(salvage, out, scope)?;
    if let Some(old) = salvage.state.streams.get(&StreamId::stored(scope, name)?).map(|stream| stream.id) {
        apply_op(salvage, out, &Op::DeleteStream { id: old })?;
    }
    let segments = segments.len() as u32;
    let create = Op::CreateStream { id: *id, segments, epoch: *epoch, retention: *retention, scope, name };
    apply_op(salvage, out, &create)?;
    if *sealed {
        apply_op(salvage, out, &Op::SealStream { id: *id })?;
    }
    Ok(())
}

/// Restores what the manifest has of the catalog, where the log does not have it.
pub(super) fn restore(salvage: &mut Salvage, record: &CatalogRecord) -> Result<()> {
    let mut out = Vec::new();
    let is_log_end = record.end.sequence >= salvage.state.end.sequence;
    if is_log_end {
        let is_deleted = |id: &u32| !record.streams().any(|stream| stream.id == *id);
        let deleted: Vec<u32> = salvage.state.stream_names.keys().copied().filter(is_deleted).collect();
        let is_placeholder =
            |id: &u32| salvage.state.stream_names.get(id).is_some_and(|name| name.scope.as_str() == SCOPE);
        // a stream without a known name was deleted, or the manifest would have its name
        let placeholders: Vec<u32> = deleted.iter().copied().filter(is_placeholder).collect();
        salvage
            .report
            .recovered_names
            .retain(|name| !placeholders.iter().any(|id| *name == format!("stream {SCOPE}/stream-{id}")));
        for id in deleted {
            apply_op(salvage, &mut out, &Op::DeleteStream { id })?;
        }
        for scope in record.scopes() {
            create_scope(salvage, &mut out, scope)?;
        }
        for (scope, name, epoch) in record.deleted_epochs() {
            apply_op(salvage, &mut out, &Op::DeletedEpoch { epoch, scope, name })?;
        }
    }
    for stream in record.streams() {
        if !salvage.state.stream_names.contains_key(&stream.id) {
            if !is_log_end {
                // it may have been deleted since
                continue;
            }
            create_stream(salvage, &mut out, &stream)?;
        }
        for (number, (head, _)) in (0..).zip(&stream.segments) {
            let segment = SegmentKey { stream: stream.id, number };
            if salvage.state.segment_at(segment).is_some_and(|found| found.head < *head) {
                apply_op(salvage, &mut out, &Op::Truncate { segment, offset: *head })?;
            }
        }
    }
    for (id, scope, name) in record.tables() {
        if is_log_end && !salvage.state.table_names.contains_key(&id) {
            create_scope(salvage, &mut out, scope)?;
            apply_op(salvage, &mut out, &Op::CreateTable { id, scope, name })?;
        }
    }
    for (writer, event_number) in record.writers() {
        let writer_id = kulya_store::WriterId(writer);
        if salvage.state.writers.last(writer_id).is_none_or(|last| last < event_number) {
            apply_op(salvage, &mut out, &Op::WriterMark { writer, event_number })?;
        }
    }
    record.raise_counters(&mut salvage.state);
    salvage.loss_ops.extend(out);
    Ok(())
}
