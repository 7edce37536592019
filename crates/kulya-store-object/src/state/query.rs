//! Queries of the state.

use super::model::{State, Stream};
use super::segment::{Segment, TimePosition};
use kulya_store::{
    Entries, Error, Outcome, Result, Scope, SegmentId, SegmentInfo, StreamId, StreamInfo, StreamName,
    TableId, TransactionId, WriterId,
};

impl State {
    /// Returns an error if a scope does not exist.
    pub(crate) fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    /// Returns whether a scope holds streams or tables.
    pub(crate) fn is_scope_in_use(&self, scope: &Scope) -> bool {
        self.streams.keys().any(|stream| stream.scope == *scope)
            || self.tables.iter().any(|(table, _)| table.scope == *scope)
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    pub(crate) fn has_stream(&self, stream: &StreamId) -> bool {
        self.streams.contains_key(stream)
    }

    /// Returns the description of a stream.
    pub(crate) fn info(&self, stream: &StreamId) -> Result<StreamInfo> {
        let found = self.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

    /// Returns the descriptions of a stream's segments.
    pub(crate) fn segment_infos(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let found = self.stream(stream)?;
        let count = found.segments.len() as f64;
        let info = |(number, segment): (usize, &Segment)| SegmentInfo {
            id: SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch },
            key_range: number as f64 / count..(number + 1) as f64 / count,
            head: segment.head,
            tail: segment.tail,
        };
        Ok(found.segments.iter().enumerate().map(info).collect())
    }

    /// Returns for each segment where the events committed at or after a time begin.
    pub(crate) fn positions_since(
        &self,
        stream: &StreamId,
        millis: u64,
    ) -> Result<Vec<(SegmentId, TimePosition)>> {
        let segment_infos = self.segment_infos(stream)?;
        let locations = self.stream(stream)?.segments.iter().map(|segment| segment.position_since(millis));
        Ok(segment_infos.into_iter().map(|info| info.id).zip(locations).collect())
    }

    pub(crate) fn streams_of(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.check_scope(scope)?;
        Ok(self.streams.keys().filter(|stream| stream.scope == *scope).map(|s| s.name.clone()).collect())
    }

    /// Returns a segment, and whether its stream is sealed.
    pub(crate) fn segment(&self, id: &SegmentId) -> Result<(&Segment, bool)> {
        let stream = self.stream(&id.stream)?;
        let segment = stream.segments.get(id.number as usize).filter(|_| id.epoch == stream.epoch);
        segment
            .map(|segment| (segment, stream.sealed))
            .ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    /// Returns the entries of a table.
    pub(crate) fn table(&self, table: &TableId) -> Result<&Entries> {
        self.tables.table(table)
    }

    pub(crate) fn has_table(&self, table: &TableId) -> bool {
        self.tables.contains(table)
    }

    pub(crate) fn tables_of(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.check_scope(scope)?;
        Ok(self.tables.names_in(scope))
    }

    /// Returns the outcome of a transaction.
    pub(crate) fn outcome(&self, transaction: TransactionId) -> Outcome {
        let Ok(id) = u64::try_from(transaction.0) else { return Outcome::Unknown };
        match self.outcomes.get(id) {
            _ if self.open.contains_key(&id) => Outcome::Open,
            Some(outcome) => outcome.into(),
            None => Outcome::Unknown,
        }
    }

    pub(crate) fn last_event_number(&self, writer: WriterId) -> Option<u64> {
        self.writers.last(writer)
    }

    /// Returns the transactions without activity for `idle` milliseconds before `now`.
    pub(crate) fn abandoned_transactions(&self, now: u64, idle: u64) -> Vec<u64> {
        let abandoned = self.open.iter().filter(|(_, open)| open.time.saturating_add(idle) < now);
        abandoned.map(|(id, _)| *id).collect()
    }
}
