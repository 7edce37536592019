//! What is asked of single segments, wherever they are: where they begin and end, their bytes, a wait for more. Finds the
//! segment store that holds a segment, and asks once more when a connection broke. Appending is `appender`'s.

use crate::connection::{Connection, Lost, unreachable};
use crate::controller::{Access, Controller};
use crate::settings::Settings;
use crate::wire::{Command, Reply};
use bytes::{Bytes, BytesMut};
use kulya_store::{Error, ErrorKind, ReadChunk, Result, SegmentId, framing};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a read at the tail waits at the server (a minute), and then some.
const TAIL_PATIENCE: Duration = Duration::from_secs(90);
/// Segments whose place and tail are remembered.
const REMEMBERED: usize = 100_000;
/// The most that one read answers with.
const READ_BYTES: u32 = 2 << 20;

/// What a connection is used for: reads that wait must not stand before appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Read,
    Append,
}

/// A segment as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) head: u64,
    pub(crate) tail: u64,
    pub(crate) sealed: bool,
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Connection>>>>;

/// The segment stores.
pub(crate) struct Segments {
    pub(crate) controller: Arc<Controller>,
    settings: Settings,
    /// A slot for each, so that a server that does not answer keeps nobody from the others.
    connections: Mutex<HashMap<(String, Lane), Slot>>,
    hosts: Mutex<HashMap<SegmentId, String>>,
    known: Mutex<HashMap<SegmentId, Known>>,
}

/// What was heard of a segment's end. It only grows, so what is remembered is never wrong, but the two say different things:
/// a read gives bytes up to anywhere, in the middle of an event too.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Bytes before this offset are there: reading them does not wait.
    readable: u64,
    /// The segment once ended here, so an event begins here, or will.
    boundary: Option<u64>,
}

impl Segments {
    pub(crate) fn new(controller: Arc<Controller>, settings: Settings) -> Self {
        Self {
            controller,
            settings,
            connections: Default::default(),
            hosts: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Where a segment begins and ends.
    pub(crate) async fn extent(&self, segment: &SegmentId) -> Result<Extent> {
        let (name, token) = self.name_and_token(segment, Access::Read).await?;
        let command = Command::SegmentInfo { segment: &name, token: &token };
        match self.ask(segment, &command, self.settings.patience).await? {
            Reply::Info { exists: true, sealed, head, tail } => {
                self.saw_tail(segment, tail);
                Ok(Extent { head, tail, sealed })
            }
            Reply::Info { .. } => Err(no_such(segment)),
            other => Err(refused(segment, other)),
        }
    }

    /// Bytes from an offset on that are there, at least one and at most two MiB. `None` when nothing can follow.
    pub(crate) async fn bytes(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: u32,
    ) -> Result<Option<Bytes>> {
        self.bytes_within(segment, offset, max_bytes, self.settings.patience).await
    }

    /// The same at the tail too, where the server waits for some, and after about a minute gives none.
    async fn bytes_within(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: u32,
        patience: Duration,
    ) -> Result<Option<Bytes>> {
        let (name, token) = self.name_and_token(segment, Access::Read).await?;
        let command =
            Command::Read { segment: &name, offset, max_bytes: max_bytes.min(READ_BYTES), token: &token };
        match self.ask(segment, &command, patience).await? {
            Reply::Read { offset: at, bytes, .. } if at != offset && !bytes.is_empty() => {
                let what = format!(
                    "pravega gave bytes of segment {segment} from offset {at}, not from {offset} as asked"
                );
                Err(Error::new(ErrorKind::Corrupt, what))
            }
            Reply::Read { end_of_segment: true, bytes, .. } if bytes.is_empty() => Ok(None),
            Reply::Read { bytes, .. } => {
                self.saw_bytes(segment, offset + bytes.len() as u64);
                Ok(Some(bytes))
            }
            Reply::BeforeHead { head } => Err(Error::truncated(segment, offset, head)),
            other => Err(refused(segment, other)),
        }
    }

    /// Exactly these bytes, which must be there.
    pub(crate) async fn exactly(&self, segment: &SegmentId, offset: u64, length: usize) -> Result<Bytes> {
        let mut found = BytesMut::new();
        while found.len() < length {
            let missing = (length - found.len()).min(READ_BYTES as usize);
            match self.bytes(segment, offset + found.len() as u64, missing as u32).await? {
                Some(bytes) if found.is_empty() && bytes.len() >= length => return Ok(bytes.slice(..length)),
                // a server may give more than was asked
                Some(bytes) if !bytes.is_empty() => {
                    found.extend_from_slice(bytes.get(..missing).unwrap_or(&bytes));
                }
                _ => return Err(no_event(segment, offset)),
            }
        }
        Ok(found.freeze())
    }

    /// Refuses bytes that are not all there; reading them would wait, or lead before the head.
    pub(crate) async fn check_within(&self, segment: &SegmentId, offset: u64, length: u64) -> Result<()> {
        let end = offset.saturating_add(length);
        if self.readable(segment).is_some_and(|tail| end <= tail) {
            return Ok(());
        }
        let extent = self.extent(segment).await?;
        match () {
            () if offset < extent.head => Err(Error::truncated(segment, offset, extent.head)),
            () if end > extent.tail => Err(no_event(segment, offset)),
            () => Ok(()),
        }
    }

    /// Whole events from an offset on, of about `max_bytes`.
    pub(crate) async fn events(
        &self,
        segment: &SegmentId,
        offset: u64,
        max_bytes: usize,
    ) -> Result<ReadChunk> {
        let tail = match self.readable(segment) {
            // reading at the tail would wait
            Some(tail) if offset < tail => tail,
            _ => {
                let extent = self.extent(segment).await?;
                if offset < extent.head {
                    return Err(Error::truncated(segment, offset, extent.head));
                }
                extent.tail
            }
        };
        if offset == tail {
            return Ok(ReadChunk { events: Vec::new(), next: offset });
        }
        if offset > tail {
            return Err(no_event(segment, offset));
        }
        let want = max_bytes.clamp(framing::HEADER_BYTES, READ_BYTES as usize);
        let Some(mut bytes) = self.bytes(segment, offset, want as u32).await? else {
            return Err(no_event(segment, offset));
        };
        if bytes.len() < framing::HEADER_BYTES {
            bytes = self
                .exactly(segment, offset, framing::HEADER_BYTES)
                .await
                .map_err(|e| cut_short(e, segment, offset))?;
        }
        let payload = framing::payload_len(offset, &bytes)
            .map_err(|e| no_event(segment, offset).because(e))?
            .ok_or_else(|| no_event(segment, offset))?;
        let first = framing::HEADER_BYTES + payload;
        if offset + first as u64 > tail.max(self.readable(segment).unwrap_or(tail)) {
            let tail = self.extent(segment).await?.tail;
            if offset + first as u64 > tail {
                return Err(no_event(segment, offset));
            }
        }
        if bytes.len() < first {
            bytes = self.exactly(segment, offset, first).await?;
        }
        let mut events = framing::events(offset, &bytes).map_err(|e| corrupt(segment, e))?;
        // the first one always; others as long as they fit
        let fits = events
            .iter()
            .skip(1)
            .take_while(|(at, event)| at + framing::framed_len(event.len()) - offset <= max_bytes as u64);
        let keep = 1 + fits.count();
        events.truncate(keep);
        let next = events.last().map_or(offset, |(at, event)| at + framing::framed_len(event.len()));
        Ok(ReadChunk { events, next })
    }

    /// Returns when the segment's tail lies beyond an offset; `Sealed` when nothing can follow.
    pub(crate) async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        if self.readable(segment).is_some_and(|tail| tail > offset) {
            return Ok(());
        }
        let extent = self.extent(segment).await?;
        if extent.tail > offset {
            return Ok(());
        }
        if extent.sealed {
            return Err(Error::sealed(&segment.stream));
        }
        if extent.tail < offset {
            return Err(no_event(segment, offset));
        }
        loop {
            match self.bytes_within(segment, offset, framing::HEADER_BYTES as u32, TAIL_PATIENCE).await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                // what was there has been truncated meanwhile: it was there
                Ok(Some(_)) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Truncated => return Ok(()),
                Ok(None) => return Err(Error::sealed(&segment.stream)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets a segment begin at an offset, without the controller: for a sealed stream, whose controller would not.
    pub(crate) async fn truncate(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let (name, token) = self.name_and_token(segment, Access::ReadWrite).await?;
        let command = Command::Truncate { segment: &name, offset, token: &token };
        match self.ask(segment, &command, self.settings.patience).await? {
            Reply::Truncated | Reply::BeforeHead { .. } => Ok(()),
            other => Err(refused(segment, other)),
        }
    }

    /// Bytes before this offset were read, or were there to be read. Not a place where an event begins.
    fn saw_bytes(&self, segment: &SegmentId, end: u64) {
        self.note(segment, |known| known.readable = end.max(known.readable));
    }

    /// The segment ended here, behind a whole append.
    pub(crate) fn saw_tail(&self, segment: &SegmentId, tail: u64) {
        self.note(segment, |known| {
            known.readable = tail.max(known.readable);
            known.boundary = known.boundary.max(Some(tail));
        });
    }

    fn note(&self, segment: &SegmentId, change: impl FnOnce(&mut Known)) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        match all.get_mut(segment) {
            Some(known) => change(known),
            None => change(all.entry(segment.clone()).or_default()),
        }
    }

    fn known(&self, segment: &SegmentId) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(segment).copied()
    }

    /// Up to where the segment can be read without waiting, as far as that is known.
    fn readable(&self, segment: &SegmentId) -> Option<u64> {
        self.known(segment).map(|known| known.readable)
    }

    /// An offset at which the segment once ended: whatever is appended from now on stands behind it, and events can be
    /// told apart from there on.
    pub(crate) async fn boundary(&self, segment: &SegmentId) -> Result<u64> {
        match self.known(segment).and_then(|known| known.boundary) {
            Some(boundary) => Ok(boundary),
            None => Ok(self.extent(segment).await?.tail),
        }
    }

    /// A segment's name in Pravega, and what lets us at it.
    pub(crate) async fn name_and_token(
        &self,
        segment: &SegmentId,
        access: Access,
    ) -> Result<(String, String)> {
        let token = self.controller.delegation_token(&segment.stream, access).await?;
        Ok((self.controller.segment_name(segment), token))
    }

    /// A live connection to the segment store that holds a segment.
    pub(crate) async fn connection(&self, segment: &SegmentId, lane: Lane) -> Result<Arc<Connection>> {
        let known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(segment).cloned();
        let host = match known {
            Some(host) => host,
            None => {
                let host = self.controller.host_of(segment).await?;
                let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
                if hosts.len() >= REMEMBERED {
                    hosts.clear();
                }
                hosts.insert(segment.clone(), host.clone());
                host
            }
        };
        let slot = {
            let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(connections.entry((host.clone(), lane)).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref()
            && connection.is_alive()
        {
            return Ok(Arc::clone(connection));
        }
        let opened = Connection::open(&host, &self.settings).await;
        if opened.is_err() {
            // perhaps it lives elsewhere by now
            self.forget_host(segment);
        }
        let opened = opened?;
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// The segment is not where it was.
    pub(crate) fn forget_host(&self, segment: &SegmentId) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
    }

    async fn ask(&self, segment: &SegmentId, command: &Command<'_>, patience: Duration) -> Result<Reply> {
        let mut search = self.search();
        loop {
            let connection = self.connection(segment, Lane::Read).await?;
            match connection.call_within(command, patience).await {
                Ok(Reply::WrongHost) => {
                    self.forget_host(segment);
                    search.wait(|| homeless(segment)).await?;
                }
                Ok(reply) => return Ok(reply),
                Err(Lost) => search.wait(|| unreachable(connection.host())).await?,
            }
        }
    }

    /// The search for a segment that is on its way from one server to another, which takes a while.
    pub(crate) fn search(&self) -> Search {
        Search { until: Instant::now() + self.settings.patience, pause: Duration::from_millis(20) }
    }
}

/// Looks for a segment again and again, as long as patience lasts.
pub(crate) struct Search {
    until: Instant,
    pause: Duration,
}

impl Search {
    /// Waits a little longer each time; gives the error when it has been long enough.
    pub(crate) async fn wait(&mut self, error: impl FnOnce() -> Error) -> Result<()> {
        if Instant::now() + self.pause > self.until {
            return Err(error());
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}

/// No server says that it has this segment.
pub(crate) fn homeless(segment: &SegmentId) -> Error {
    let what = format!("segment {segment} is held by no segment store of pravega just now: ask again");
    Error::new(ErrorKind::Unreachable, what)
}

pub(crate) fn no_such(segment: &SegmentId) -> Error {
    Error::not_found(format!("segment {segment}"))
}

pub(crate) fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("no event of segment {segment} begins at offset {offset}"))
}

/// A segment that ends inside a header, where another one would stand: no event begins there.
fn cut_short(error: Error, segment: &SegmentId, offset: u64) -> Error {
    if error.kind() == ErrorKind::InvalidInput { no_event(segment, offset) } else { error }
}

fn corrupt(segment: &SegmentId, error: Error) -> Error {
    let what = format!(
        "segment {segment} holds bytes that are no events: another program wrote something else there"
    );
    Error::new(ErrorKind::Corrupt, what).because(error)
}

/// What a reply that does not fit means.
pub(crate) fn refused(segment: &SegmentId, reply: Reply) -> Error {
    match reply {
        Reply::NoSuchSegment => no_such(segment),
        Reply::Sealed => Error::sealed(&segment.stream),
        Reply::AuthFailed => Error::new(
            ErrorKind::Failed,
            format!(
                "pravega lets us not at segment {segment}: set pravega_client_auth_method and pravega_client_auth_token"
            ),
        ),
        Reply::Refused { what } => {
            Error::new(ErrorKind::Failed, format!("pravega failed at segment {segment}: see its log"))
                .because(what)
        }
        other => Error::new(
            ErrorKind::Failed,
            format!("pravega gave an answer about segment {segment} that does not fit"),
        )
        .because(format!("{other:?}")),
    }
}
