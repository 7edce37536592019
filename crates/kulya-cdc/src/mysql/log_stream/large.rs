//! Events that are larger than what is read as a whole: rows and compressed transactions, piece by piece. Of
//! a row that is larger than an event can be, only the key is kept.

use super::{LogStream, MAX_WHOLE_BYTES};
use crate::mysql::binlog::{
    Event, EventHeader, EventSplitter, HEADER_LENGTH, Inflater, LargeEvent, LargeKind, RowSplitter, SplitRow,
    TransactionPayload,
};
use crate::mysql::connection::{BinlogStream, EventPiece};
use crate::mysql::stream::{Change, End, RowsChange};
use crate::output::Output;
use crate::{CdcError, CdcErrorKind, CdcResult};

/// The number of an event's first bytes with everything that stands in front of its rows or events.
const HEAD_BYTES: usize = 128 << 10;

/// An event that is read in pieces.
struct LargeRead {
    event: LargeEvent,
    header: EventHeader,
    pieces: Pieces,
}

/// What the pieces of an event are.
enum Pieces {
    Body(Body),
    /// What stands in front of a compressed transaction's events has not been read.
    PayloadHead(Vec<u8>),
    Payload(Box<LargePayload>),
}

/// The body of an event that is no compressed transaction.
enum Body {
    /// What stands in front of the rows has not been read.
    RowsHead(Vec<u8>),
    Rows(Box<LargeRows>),
    Ignored,
}

/// Rows that are read in pieces.
struct LargeRows {
    /// `None` for a table that is not captured.
    change: Option<RowsChange<'static>>,
    /// The number of the next row.
    row: u64,
    splitter: RowSplitter,
    /// `None` for rows that are not compressed.
    inflater: Option<Inflater>,
    /// What the event ends.
    end: Option<End>,
}

/// A compressed transaction.
pub(super) struct LargePayload {
    inflater: Inflater,
    events: EventSplitter,
    /// The event that is read in pieces, and the number of bytes that are missing.
    large: Option<(EventHeader, Body, usize)>,
}

impl LargePayload {
    pub(super) fn new(payload: &TransactionPayload<'_>) -> CdcResult<Self> {
        let events = EventSplitter::new(MAX_WHOLE_BYTES);
        Ok(Self { inflater: payload.inflater()?, events, large: None })
    }

    /// Checks that the last event is complete.
    fn end(&self) -> CdcResult<()> {
        self.inflater.end()?;
        let is_complete = self.events.is_at_end() && self.large.is_none();
        is_complete.then_some(()).ok_or_else(|| CdcError::source("a compressed transaction is not complete"))
    }
}

impl LogStream {
    /// Reads an event that begins with a piece. Returns whether the capture was cancelled meanwhile.
    pub(super) async fn on_large(
        &mut self,
        first: EventPiece,
        events: &mut BinlogStream,
        output: &mut Output<'_>,
    ) -> CdcResult<bool> {
        let mut large = self.begin_large(&first.bytes)?;
        let mut piece = first;
        loop {
            self.on_piece(&mut large, &piece.bytes, output).await?;
            if piece.is_last {
                break;
            }
            let cancel = output.cancel;
            let next = tokio::select! {
                next = events.next_piece() => next?,
                () = cancel.cancelled() => return Ok(true),
            };
            let ended = || CdcError::new(CdcErrorKind::Unreachable, "the server has ended the binary log");
            piece = next.ok_or_else(ended)?;
        }
        self.end_large(large, output).await?;
        Ok(false)
    }

    /// Begins to read an event by its first bytes, which are a piece too.
    fn begin_large(&self, first: &[u8]) -> CdcResult<LargeRead> {
        let event = LargeEvent::begin(first, self.decoder.format().checksum)?;
        let header = event.header();
        let pieces = match self.decoder.large_kind(&header)? {
            LargeKind::Payload => Pieces::PayloadHead(Vec::new()),
            kind => Pieces::Body(self.body_of(&header, kind)?),
        };
        Ok(LargeRead { event, header, pieces })
    }

    /// Reads the next piece of an event.
    async fn on_piece(
        &mut self,
        large: &mut LargeRead,
        piece: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let LargeRead { event, header, pieces } = large;
        let bytes = event.body(piece);
        let is_last = event.is_body_complete();
        match pieces {
            Pieces::Body(body) => self.on_body(header, body, bytes, is_last, output).await,
            Pieces::Payload(payload) => self.on_payload_bytes(payload, bytes, output).await,
            Pieces::PayloadHead(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES && !is_last {
                    return Ok(());
                }
                let head = std::mem::take(head);
                let payload = self.decoder.decode_payload_head(&head)?;
                let mut large = Box::new(LargePayload::new(&payload)?);
                self.reader.read(header, Event::TransactionPayload(payload))?;
                self.on_payload_bytes(&mut large, payload.bytes(), output).await?;
                *pieces = Pieces::Payload(large);
                Ok(())
            }
        }
    }

    /// Ends an event whose pieces have been read.
    async fn end_large(&mut self, large: LargeRead, output: &mut Output<'_>) -> CdcResult<()> {
        large.event.end()?;
        match large.pieces {
            Pieces::Body(body) => self.end_body(&large.header, body, output).await,
            Pieces::Payload(payload) => payload.end(),
            Pieces::PayloadHead(_) => Ok(()),
        }
    }

    /// Reads an event that is in memory, but whose rows are too large when they are decompressed.
    pub(super) async fn on_compressed_rows(
        &mut self,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut large = self.begin_large(bytes)?;
        self.on_piece(&mut large, bytes, output).await?;
        self.end_large(large, output).await
    }

    /// Reads the events of a compressed transaction that is in memory.
    pub(super) async fn on_payload(
        &mut self,
        payload: &TransactionPayload<'_>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut large = LargePayload::new(payload)?;
        self.on_payload_bytes(&mut large, payload.bytes(), output).await?;
        large.end()
    }

    /// Returns how an event is read that is no compressed transaction.
    fn body_of(&self, header: &EventHeader, kind: LargeKind) -> CdcResult<Body> {
        Ok(match kind {
            LargeKind::Rows => Body::RowsHead(Vec::new()),
            LargeKind::Statement => {
                if self.reader.has_statements() {
                    let (at, bytes) = (self.reader.point().to_string(), header.length);
                    tracing::warn!(
                        at,
                        bytes,
                        "events lack their statement: it is larger than an event can be"
                    );
                }
                Body::Ignored
            }
            LargeKind::Ignored => Body::Ignored,
            LargeKind::Payload => {
                return Err(CdcError::source(
                    "the binary log has a compressed transaction within another one",
                ));
            }
        })
    }

    /// Reads bytes of a body, of which `is_last` says that there are no more.
    async fn on_body(
        &mut self,
        header: &EventHeader,
        body: &mut Body,
        bytes: &[u8],
        is_last: bool,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        match body {
            Body::Rows(rows) => self.on_rows(rows, bytes, output).await,
            Body::Ignored => Ok(()),
            Body::RowsHead(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES && !is_last {
                    return Ok(());
                }
                let head = std::mem::take(head);
                let (rows, start) = self.begin_rows(header, &head, output)?;
                let mut rows = Box::new(rows);
                self.on_rows(&mut rows, head.get(start..).unwrap_or_default(), output).await?;
                *body = Body::Rows(rows);
                Ok(())
            }
        }
    }

    /// Ends an event whose bytes are complete.
    async fn end_body(&mut self, header: &EventHeader, body: Body, output: &mut Output<'_>) -> CdcResult<()> {
        match body {
            Body::Rows(rows) if rows.change.is_some() && !rows.splitter.is_at_end() => {
                let place = self.reader.point();
                Err(CdcError::source(format!("the binary log has an incomplete row at {place}")))
            }
            Body::Rows(rows) => {
                if let Some(inflater) = rows.inflater.as_ref().filter(|_| rows.change.is_some()) {
                    inflater.end()?;
                }
                if let Some(end) = rows.end {
                    self.end(end, header.timestamp, output)?;
                    self.commit_idle_position(output).await?;
                }
                Ok(())
            }
            Body::RowsHead(_) => Ok(()),
            Body::Ignored => {
                let step = self.reader.read(header, Event::Ignored)?;
                self.on_step(step, output).await
            }
        }
    }

    /// Reads what stands in front of rows; returns where they begin in `head`.
    fn begin_rows(
        &mut self,
        header: &EventHeader,
        head: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<(LargeRows, usize)> {
        let (event, start, inflater) = self.decoder.decode_rows_head(header, head)?;
        let kind = event.kind;
        let step = self.reader.read(header, Event::Rows(event))?;
        if let Some(transaction) = step.begin {
            self.begin(transaction, output);
        }
        let change = match step.change {
            Some(Change::Rows(change)) => Some(change),
            _ => None,
        };
        if let Some(change) = &change {
            // the number of columns is checked
            change.event.rows(&change.table.map)?;
        }
        let splitter = RowSplitter::new(kind, MAX_WHOLE_BYTES);
        Ok((LargeRows { change, row: 0, splitter, inflater, end: step.end }, start))
    }

    /// Reads bytes of rows.
    async fn on_rows(
        &mut self,
        rows: &mut LargeRows,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let LargeRows { change, row, splitter, inflater, .. } = rows;
        let Some(change) = change else { return Ok(()) };
        let mut input = bytes;
        let Some(inflater) = inflater else {
            return self.on_row_bytes(change, row, splitter, input, output).await;
        };
        loop {
            let chunk = inflater.next(&mut input)?;
            if chunk.is_empty() && input.is_empty() {
                return Ok(());
            }
            self.on_row_bytes(change, row, splitter, chunk, output).await?;
        }
    }

    async fn on_row_bytes(
        &mut self,
        change: &RowsChange<'static>,
        row: &mut u64,
        splitter: &mut RowSplitter,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut input = bytes;
        while let Some(split) = splitter.next(&change.table.map, &mut input)? {
            match split {
                SplitRow::Whole(mut rows) => self.write_rows(change, &mut rows, row, output).await?,
                SplitRow::Cut(cut) => {
                    self.note_cut_row(change);
                    self.writer.omit_row(change, &cut, &mut output.batch);
                    *row += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads bytes of a compressed transaction.
    async fn on_payload_bytes(
        &mut self,
        payload: &mut LargePayload,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let LargePayload { inflater, events, large } = payload;
        let mut input = bytes;
        loop {
            let chunk = inflater.next(&mut input)?;
            if chunk.is_empty() && input.is_empty() {
                return Ok(());
            }
            self.on_inner_bytes(events, large, chunk, output).await?;
        }
    }

    async fn on_inner_bytes(
        &mut self,
        events: &mut EventSplitter,
        large: &mut Option<(EventHeader, Body, usize)>,
        bytes: &[u8],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut input = bytes;
        while !input.is_empty() {
            if let Some((header, body, missing)) = large {
                let (taken, rest) = input.split_at(input.len().min(*missing));
                input = rest;
                *missing -= taken.len();
                let (header, is_last) = (*header, *missing == 0);
                self.on_body(&header, body, taken, is_last, output).await?;
                if is_last && let Some((header, body, _)) = large.take() {
                    self.end_body(&header, body, output).await?;
                }
                continue;
            }
            let Some(bytes) = events.next(&mut input)? else { continue };
            let header = EventHeader::decode(&bytes)?;
            if header.length as usize > MAX_WHOLE_BYTES {
                let missing = header.length as usize - HEADER_LENGTH;
                let body = self.body_of(&header, self.decoder.large_kind(&header)?)?;
                *large = Some((header, body, missing));
                continue;
            }
            let (header, event) = self.decoder.decode_inner(&bytes)?;
            let step = self.reader.read(&header, event)?;
            self.on_step(step, output).await?;
            if output.is_full() {
                self.hand_over(output).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
