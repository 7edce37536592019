//! Requests to single segments, wherever they are hosted: bounds, bytes, waiting for data. Finds the segment
//! store that holds a segment, and retries when a connection was closed. Appends are in `appender`.

use crate::connection::{Connection, ConnectionLost, unreachable};
use crate::controller::{Access, Controller};
use crate::settings::Settings;
use crate::wire::{Command, Reply};
use bytes::{Bytes, BytesMut};
use kulya_store::log_backend::error::no_event;
use kulya_store::{Error, ErrorKind, ReadChunk, Result, SegmentId, framing};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The timeout of a read at the tail, which waits at the server for a minute.
const TAIL_READ_TIMEOUT: Duration = Duration::from_secs(90);
/// The maximum number of segments whose host and tail are cached.
const MAX_CACHED: usize = 100_000;
/// The maximum number of bytes per read.
const READ_BYTES: u32 = 2 << 20;

/// The purpose of a connection: reads that wait must not delay appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ConnectionPurpose {
    Read,
    Append,
}

/// The current bounds of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentBounds {
    pub(crate) head: u64,
    pub(crate) tail: u64,
    pub(crate) sealed: bool,
}

type ConnectionSlot = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

/// Access to all segments.
pub(crate) struct Segments {
    pub(crate) controller: Arc<Controller>,
    settings: Settings,
    /// One slot per host and purpose, so that an unresponsive server does not block access to others.
    connections: Mutex<HashMap<(String, ConnectionPurpose), ConnectionSlot>>,
    hosts: Mutex<HashMap<SegmentId, String>>,
    known_ends: Mutex<HashMap<SegmentId, KnownEnd>>,
}

/// What is known of a segment's end. Since it only grows, cached values stay true, but the two differ: a read
/// may end anywhere, also inside an event.
#[derive(Debug, Clone, Copy, Default)]
struct KnownEnd {
    /// Bytes before this offset exist: reading them does not wait.
    readable: u64,
    /// The segment once ended here, so that an event starts here.
    boundary: Option<u64>,
}

impl Segments {
    pub(crate) fn new(controller: Arc<Controller>, settings: Settings) -> Self {
        Self {
            controller,
            settings,
            connections: Default::default(),
            hosts: Mutex::default(),
            known_ends: Mutex::default(),
        }
    }

    /// Returns the bounds of a segment.
    ///
    /// # Errors
    /// `NotFound` when it does not exist; `Unreachable` when its host does not answer.
    pub(crate) async fn bounds(&self, segment: &SegmentId) -> Result<SegmentBounds> {
        let (name, token) = self.name_and_token(segment, Access::Read).await?;
        let command = Command::SegmentInfo { segment: &name, token: &token };
        match self.call(segment, &command, self.settings.timeout).await? {
            Reply::Info { exists: true, sealed, head, tail } => {
                self.record_tail(segment, tail);
                Ok(SegmentBounds { head, tail, sealed })
            }
            Reply::Info { .. } => Err(segment_not_found(segment)),
            other => Err(unexpected_reply(segment, other)),
        }
    }

    /// Reads existing bytes from an offset, at least one and at most 2 MiB. `None` when nothing can follow.
    pub(crate) async fn read(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: u32,
    ) -> Result<Option<Bytes>> {
        self.read_with_timeout(segment, offset, max_bytes, self.settings.timeout).await
    }

    /// As [`Segments::read`], also at the tail, where the server waits for data, and after about a minute
    /// returns none.
    async fn read_with_timeout(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: u32,
        timeout: Duration,
    ) -> Result<Option<Bytes>> {
        let (name, token) = self.name_and_token(segment, Access::Read).await?;
        let command =
            Command::Read { segment: &name, offset, max_bytes: max_bytes.min(READ_BYTES), token: &token };
        match self.call(segment, &command, timeout).await? {
            Reply::Read { offset: start, bytes, .. } if start != offset && !bytes.is_empty() => {
                let what = format!(
                    "pravega returned bytes of segment {segment} from offset {start} instead of {offset}"
                );
                Err(Error::new(ErrorKind::Corrupt, what))
            }
            Reply::Read { end_of_segment: true, bytes, .. } if bytes.is_empty() => Ok(None),
            Reply::Read { bytes, .. } => {
                self.record_readable(segment, offset + bytes.len() as u64);
                Ok(Some(bytes))
            }
            Reply::BeforeHead { head } => Err(Error::truncated(segment, offset, head)),
            other => Err(unexpected_reply(segment, other)),
        }
    }

    /// Reads exactly these bytes, which must exist.
    pub(crate) async fn read_exactly(
        &self,
        segment: &SegmentId,
        offset: u64,
        length: usize,
    ) -> Result<Bytes> {
        let mut found = BytesMut::new();
        while found.len() < length {
            let missing = (length - found.len()).min(READ_BYTES as usize);
            match self.read(segment, offset + found.len() as u64, missing as u32).await? {
                Some(bytes) if found.is_empty() && bytes.len() >= length => return Ok(bytes.slice(..length)),
                // a server may return more than requested
                Some(bytes) if !bytes.is_empty() => {
                    found.extend_from_slice(bytes.get(..missing).unwrap_or(&bytes));
                }
                _ => return Err(no_event(segment, offset)),
            }
        }
        Ok(found.freeze())
    }

    /// Rejects a range that does not exist completely; reading it would wait, or fail before the head.
    pub(crate) async fn check_range(&self, segment: &SegmentId, offset: u64, length: u64) -> Result<()> {
        let end = offset.saturating_add(length);
        if self.readable(segment).is_some_and(|tail| end <= tail) {
            return Ok(());
        }
        let bounds = self.bounds(segment).await?;
        match () {
            () if offset < bounds.head => Err(Error::truncated(segment, offset, bounds.head)),
            () if end > bounds.tail => Err(no_event(segment, offset)),
            () => Ok(()),
        }
    }

    /// Reads complete events from an offset, about `max_bytes`.
    ///
    /// # Errors
    /// `Truncated` when the offset is before the head; `InvalidInput` when no event begins there; `Corrupt`
    /// when the segment holds something else.
    pub(crate) async fn read_events(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<ReadChunk> {
        let tail = match self.readable(segment) {
            // a read at the tail would wait
            Some(tail) if offset < tail => tail,
            _ => {
                let bounds = self.bounds(segment).await?;
                if offset < bounds.head {
                    return Err(Error::truncated(segment, offset, bounds.head));
                }
                bounds.tail
            }
        };
        if offset == tail {
            return Ok(ReadChunk { events: Vec::new(), next: offset });
        }
        if offset > tail {
            return Err(no_event(segment, offset));
        }
        let wanted = max_bytes.clamp(framing::HEADER_BYTES, READ_BYTES as usize);
        let Some(mut bytes) = self.read(segment, offset, wanted as u32).await? else {
            return Err(no_event(segment, offset));
        };
        if bytes.len() < framing::HEADER_BYTES {
            bytes = self
                .read_exactly(segment, offset, framing::HEADER_BYTES)
                .await
                .map_err(|e| as_no_event(e, segment, offset))?;
        }
        let payload = framing::payload_len(offset, &bytes)
            .map_err(|e| no_event(segment, offset).because(e))?
            .ok_or_else(|| no_event(segment, offset))?;
        let first = framing::HEADER_BYTES + payload;
        if offset + first as u64 > tail.max(self.readable(segment).unwrap_or(tail)) {
            let tail = self.bounds(segment).await?.tail;
            if offset + first as u64 > tail {
                return Err(no_event(segment, offset));
            }
        }
        if bytes.len() < first {
            bytes = self.read_exactly(segment, offset, first).await?;
        }
        let mut events = framing::events(offset, &bytes).map_err(|e| not_events(segment, e))?;
        // always the first one; others as long as they fit
        let fitting = events
            .iter()
            .skip(1)
            .take_while(|(at, event)| at + framing::framed_len(event.len()) - offset <= max_bytes as u64);
        let count = 1 + fitting.count();
        events.truncate(count);
        let next = events.last().map_or(offset, |(at, event)| at + framing::framed_len(event.len()));
        Ok(ReadChunk { events, next })
    }

    /// Waits until the segment has bytes after an offset.
    ///
    /// # Errors
    /// `Sealed` when nothing can follow.
    pub(crate) async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        if self.readable(segment).is_some_and(|tail| tail > offset) {
            return Ok(());
        }
        let bounds = self.bounds(segment).await?;
        if bounds.tail > offset {
            return Ok(());
        }
        if bounds.sealed {
            return Err(Error::sealed(&segment.stream));
        }
        if bounds.tail < offset {
            return Err(no_event(segment, offset));
        }
        loop {
            match self
                .read_with_timeout(segment, offset, framing::HEADER_BYTES as u32, TAIL_READ_TIMEOUT)
                .await
            {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                // the bytes have been truncated meanwhile: they existed
                Ok(Some(_)) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Truncated => return Ok(()),
                Ok(None) => return Err(Error::sealed(&segment.stream)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Truncates a segment without the controller: for a sealed stream, which the controller would reject.
    pub(crate) async fn truncate(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let (name, token) = self.name_and_token(segment, Access::ReadWrite).await?;
        let command = Command::Truncate { segment: &name, offset, token: &token };
        match self.call(segment, &command, self.settings.timeout).await? {
            Reply::Truncated | Reply::BeforeHead { .. } => Ok(()),
            other => Err(unexpected_reply(segment, other)),
        }
    }

    /// Records that bytes before this offset exist. An event need not start here.
    fn record_readable(&self, segment: &SegmentId, end: u64) {
        self.update_known_end(segment, |known_end| known_end.readable = end.max(known_end.readable));
    }

    /// Records that the segment ended here, after a complete append.
    pub(crate) fn record_tail(&self, segment: &SegmentId, tail: u64) {
        self.update_known_end(segment, |known_end| {
            known_end.readable = tail.max(known_end.readable);
            known_end.boundary = known_end.boundary.max(Some(tail));
        });
    }

    fn update_known_end(&self, segment: &SegmentId, change: impl FnOnce(&mut KnownEnd)) {
        let mut all = self.known_ends.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_CACHED {
            all.clear();
        }
        match all.get_mut(segment) {
            Some(known_end) => change(known_end),
            None => change(all.entry(segment.clone()).or_default()),
        }
    }

    fn known_end(&self, segment: &SegmentId) -> Option<KnownEnd> {
        self.known_ends.lock().unwrap_or_else(PoisonError::into_inner).get(segment).copied()
    }

    /// Returns the offset up to which the segment can be read without waiting, as far as known.
    fn readable(&self, segment: &SegmentId) -> Option<u64> {
        self.known_end(segment).map(|known_end| known_end.readable)
    }

    /// Returns an offset at which the segment once ended: later appends come after it, and events can be
    /// parsed from there.
    pub(crate) async fn boundary(&self, segment: &SegmentId) -> Result<u64> {
        match self.known_end(segment).and_then(|known_end| known_end.boundary) {
            Some(boundary) => Ok(boundary),
            None => Ok(self.bounds(segment).await?.tail),
        }
    }

    /// Returns a segment's name in Pravega and the token to access it.
    pub(crate) async fn name_and_token(
        &self,
        segment: &SegmentId,
        access: Access,
    ) -> Result<(String, String)> {
        let token = self.controller.delegation_token(&segment.stream, access).await?;
        Ok((self.controller.segment_name(segment), token))
    }

    /// Returns an open connection to the segment store that holds a segment.
    pub(crate) async fn connection(
        &self,
        segment: &SegmentId,
        purpose: ConnectionPurpose,
    ) -> Result<Arc<Connection>> {
        let known_end = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(segment).cloned();
        let host = match known_end {
            Some(host) => host,
            None => {
                let host = self.controller.segment_host(segment).await?;
                let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
                if hosts.len() >= MAX_CACHED {
                    hosts.clear();
                }
                hosts.insert(segment.clone(), host.clone());
                host
            }
        };
        let slot = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(connections.entry((host.clone(), purpose)).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref()
            && connection.is_open()
        {
            return Ok(Arc::clone(connection));
        }
        let opened = Connection::open(&host, &self.settings).await;
        if opened.is_err() {
            // the segment may have moved
            self.invalidate_host(segment);
        }
        let opened = opened?;
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Removes the cached host of a segment that has moved.
    pub(crate) fn invalidate_host(&self, segment: &SegmentId) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
    }

    async fn call(&self, segment: &SegmentId, command: &Command<'_>, timeout: Duration) -> Result<Reply> {
        let mut retry = self.retry_policy();
        loop {
            let connection = self.connection(segment, ConnectionPurpose::Read).await?;
            match connection.call_with_timeout(command, timeout).await {
                Ok(Reply::WrongHost) => {
                    self.invalidate_host(segment);
                    retry.backoff(|| no_host(segment)).await?;
                }
                Ok(reply) => return Ok(reply),
                Err(ConnectionLost) => retry.backoff(|| unreachable(connection.host())).await?,
            }
        }
    }

    /// Returns the retry policy for a segment that moves between servers, which takes a while.
    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { deadline: Instant::now() + self.settings.timeout, delay: Duration::from_millis(20) }
    }
}

/// Retries with exponential backoff until a deadline.
pub(crate) struct RetryPolicy {
    deadline: Instant,
    delay: Duration,
}

impl RetryPolicy {
    /// Waits before the next attempt, twice as long each time, up to 1 s; returns the error at the deadline.
    pub(crate) async fn backoff(&mut self, error: impl FnOnce() -> Error) -> Result<()> {
        if Instant::now() + self.delay > self.deadline {
            return Err(error());
        }
        tokio::time::sleep(self.delay).await;
        self.delay = (self.delay * 2).min(Duration::from_secs(1));
        Ok(())
    }
}

/// Returns the error for a segment that no server hosts.
pub(crate) fn no_host(segment: &SegmentId) -> Error {
    let what = format!("segment {segment} is not hosted by any segment store of pravega: retry");
    Error::new(ErrorKind::Unreachable, what)
}

/// Returns the error for a segment that does not exist.
pub(crate) fn segment_not_found(segment: &SegmentId) -> Error {
    Error::not_found(format!("segment {segment}"))
}

/// Maps the error of a segment that ends inside a header: no event begins there.
fn as_no_event(error: Error, segment: &SegmentId, offset: u64) -> Error {
    if error.kind() == ErrorKind::InvalidInput { no_event(segment, offset) } else { error }
}

/// Returns the error for a segment with other content than events.
fn not_events(segment: &SegmentId, error: Error) -> Error {
    let what = format!("segment {segment} contains data that are not events: written by another program");
    Error::new(ErrorKind::Corrupt, what).because(error)
}

/// Maps an unexpected reply to an error.
pub(crate) fn unexpected_reply(segment: &SegmentId, reply: Reply) -> Error {
    match reply {
        Reply::NoSuchSegment => segment_not_found(segment),
        Reply::Sealed => Error::sealed(&segment.stream),
        Reply::AuthFailed => Error::new(
            ErrorKind::Failed,
            format!(
                "authentication failed for segment {segment} of pravega: set pravega_client_auth_method and pravega_client_auth_token"
            ),
        ),
        Reply::Error { message } => {
            Error::new(ErrorKind::Failed, format!("pravega failed on segment {segment}: see its log"))
                .because(message)
        }
        other => {
            Error::new(ErrorKind::Failed, format!("unexpected reply of pravega about segment {segment}"))
                .because(format!("{other:?}"))
        }
    }
}
