//! The store: the contract's calls, put together from the controller, the segments and the journal.

use crate::block::{MOST_BLOCK_BYTES, SegmentBatch};
use crate::committer::{self, Job};
use crate::controller::{Controller, Ended};
use crate::journal::Journal;
use crate::lane;
use crate::layout::{Laid, Layout, Layouts, LayoutsOf};
use crate::plan::{Answer, Ask, CommitAsk, committed};
use crate::segments::Segments;
use crate::settings::Settings;
use crate::state::State;
use crate::transaction::{self, StagedTransaction};
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::{
    Append, Capability, Commit, Committed, Entry, Error, ErrorKind, EventPointer, Outcome, Pointers,
    ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo,
    StreamName, StreamStore, TableId, Transaction, TransactionId, WriterId, framing,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Bytes of commits that may be on their way.
const ROOM_BYTES: usize = 64 << 20;
/// Commits beyond this are staged in parts.
const WHOLE_BYTES: usize = 4 << 20;
/// A stream may end and begin anew while we look; more often than this nobody does.
const MOST_LOOKS: usize = 10;
/// Segments with a writer of their own.
const MOST_LANES: usize = 4096;

/// A store on a Pravega. Opening a second one on the same Pravega, in this process or another, is fine: they see the same.
#[derive(Clone)]
pub struct PravegaStore {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) controller: Arc<Controller>,
    pub(crate) segments: Arc<Segments>,
    layouts: Layouts,
    state: Arc<Mutex<State>>,
    jobs: mpsc::UnboundedSender<Job>,
    lanes: Mutex<HashMap<SegmentId, mpsc::UnboundedSender<lane::Job>>>,
    room: Semaphore,
    instance: u128,
    journal: SegmentId,
    closed: watch::Sender<bool>,
}

impl PravegaStore {
    /// Finds the controller, reads the journal to its end (and makes one where there is none), and finishes what another
    /// process left unfinished.
    pub async fn open(settings: Settings) -> Result<Self> {
        let controller = Arc::new(Controller::new(&settings)?);
        let journal = StreamId { scope: Scope::system("_kulya"), name: StreamName::system("_journal") };
        controller.create_scope(&journal.scope).await?;
        controller.create_stream(&journal, &StreamConfig::with_segments(1)).await?;
        let found = controller.open_segments(&journal).await?;
        let Some((journal, _)) = found.into_iter().next() else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{journal}, this store's journal, is sealed: nothing can be written any more"),
            ));
        };
        let instance = settings.instance;
        let segments = Arc::new(Segments::new(Arc::clone(&controller), settings));
        let mut reader = Journal::open(Arc::clone(&segments), journal.clone(), instance).await?;
        reader.catch_up().await?;
        let state = reader.state();
        let (jobs, queue) = mpsc::unbounded_channel();
        tokio::spawn(committer::run(reader, queue));
        let inner = Inner {
            controller,
            segments,
            layouts: Layouts::default(),
            state,
            jobs,
            lanes: Mutex::default(),
            room: Semaphore::new(ROOM_BYTES),
            instance,
            journal,
            closed: watch::Sender::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl Inner {
    fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(closed()) } else { Ok(()) }
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&State) -> T) -> T {
        act(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the journal.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer> {
        self.check_open()?;
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { ask, reply }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Asks the journal without waiting for the answer.
    pub(crate) fn tell(&self, ask: Ask) {
        let _ = self.jobs.send(Job { ask, reply: oneshot::channel().0 });
    }

    /// Makes sure that everything written before this call is known.
    async fn sync(&self) -> Result<()> {
        self.ask(Ask::Sync).await.map(drop)
    }

    async fn layout(&self, stream: &StreamId) -> Result<Arc<Layout>> {
        let as_of = self.with(|state| state.landed);
        self.layouts.of(&self.controller, stream, as_of).await
    }

    /// The same, asked anew.
    pub(crate) async fn layout_now(&self, stream: &StreamId) -> Result<Arc<Layout>> {
        self.layouts.forget(stream);
        self.layout(stream).await
    }

    /// The layouts of the streams that events are for, all of which take events.
    pub(crate) async fn layouts(&self, appends: &[Append]) -> Result<LayoutsOf> {
        let streams: BTreeSet<&StreamId> = appends.iter().map(|append| &append.stream).collect();
        let mut found = LayoutsOf::new();
        for stream in streams {
            let layout = self.layout(stream).await?;
            if layout.sealed {
                return Err(Error::sealed(stream));
            }
            found.insert(stream.clone(), layout);
        }
        for append in appends {
            framing::check_size(&append.stream, append.event.len())?;
        }
        Ok(found)
    }

    pub(crate) fn lay(&self, appends: &[Append], layouts: &LayoutsOf) -> Laid {
        self.layouts.lay(appends, |stream| layouts.get(stream).expect("each stream's layout was looked up"))
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let size = commit.appends.iter().map(|append| append.event.len() + 64).sum::<usize>();
        let changed: usize =
            commit.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum();
        if changed > MOST_BLOCK_BYTES - WHOLE_BYTES - (1 << 20) {
            return Err(Error::invalid(format!(
                "a commit changes {changed} bytes of tables, more than 10 MiB: make it smaller"
            )));
        }
        let room = (size + changed).clamp(1, ROOM_BYTES) as u32;
        let _room = self.room.acquire_many(room).await.map_err(|_| closed())?;
        if commit.appends.is_empty() && commit.changes.is_empty() && commit.writer.is_none() {
            return Ok(Committed::default());
        }
        for _ in 0..MOST_LOOKS {
            let layouts = match self.layouts(&commit.appends).await {
                // a repetition is one, whatever has become of the stream
                Err(error) if commit.writer.is_some() => {
                    self.sync().await?;
                    return match commit.writer.is_some_and(|mark| self.with(|state| state.writers.has(mark)))
                    {
                        true => Ok(Committed::duplicate()),
                        false => Err(error),
                    };
                }
                layouts => layouts?,
            };
            let laid = self.lay(&commit.appends, &layouts);
            let only_events = commit.changes.is_empty() && commit.writer.is_none();
            let done = match laid.batches.as_slice() {
                [one]
                    if only_events
                        && one.frames.len() <= framing::MAX_EVENT_BYTES + framing::HEADER_BYTES =>
                {
                    self.append(&commit, &laid, one).await
                }
                _ => self.write(&commit, laid, &layouts).await,
            };
            match done {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => layouts.keys().for_each(|stream| self.layouts.forget(stream)),
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Failed,
            "the streams of a commit were sealed and made again too often meanwhile: ask again",
        ))
    }

    /// The short way; `None` when the layout is no longer true.
    async fn append(&self, commit: &Commit, laid: &Laid, batch: &SegmentBatch) -> Result<Option<Committed>> {
        let Some(segment) = laid.segments.first() else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        let job = lane::Job { frames: batch.frames.clone(), count: batch.count, reply };
        self.lane(segment).send(job).map_err(|_| closed())?;
        match answer.await.map_err(|_| closed())? {
            Ok(start) => {
                Ok(Some(Committed { pointers: pointers(commit, laid, |_| start), ..Committed::default() }))
            }
            Err(e) if matches!(e.kind(), ErrorKind::Sealed | ErrorKind::NotFound) => {
                self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(segment);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn lane(&self, segment: &SegmentId) -> mpsc::UnboundedSender<lane::Job> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(segment) {
            return lane.clone();
        }
        if lanes.len() >= MOST_LANES {
            lanes.clear();
        }
        let (lane, jobs) = mpsc::unbounded_channel();
        // a writer of its own: the other one's numbers are places in the journal, and a lane that comes after one that was
        // given up goes on behind its numbers
        let writer = self.instance ^ 1;
        tokio::spawn(lane::run(Arc::clone(&self.segments), segment.clone(), writer, jobs));
        lanes.insert(segment.clone(), lane.clone());
        lane
    }

    /// The way through the journal; `None` when a layout is no longer true.
    async fn write(&self, commit: &Commit, mut laid: Laid, layouts: &LayoutsOf) -> Result<Option<Committed>> {
        let mut ask = CommitAsk {
            changes: commit.changes.clone(),
            writer: commit.writer,
            streams: layouts.iter().map(|(stream, layout)| (stream.clone(), layout.as_of)).collect(),
            ..CommitAsk::default()
        };
        if laid.bytes() <= WHOLE_BYTES {
            ask.batches = laid.batches.clone();
        } else {
            let cut = transaction::cut(&commit.appends, layouts, self);
            laid = cut.laid;
            let name = self.stage_all(cut.parts).await?;
            ask.transaction = Some((name, false));
        }
        // where to look for events that another process brought to their segments: not before here
        let froms: Vec<_> = laid.segments.iter().map(|segment| self.segments.known_tail(segment)).collect();
        let staged = ask.transaction;
        let answer = self.ask(Ask::Commit(ask)).await;
        if let (Some((transaction, _)), false) = (staged, matches!(answer, Ok(Answer::Written { .. }))) {
            self.tell(Ask::Abort { transaction });
        }
        match answer? {
            Answer::Written { mark, places } => {
                let mut starts = Vec::with_capacity(places.len());
                for (((place, from), segment), batch) in
                    places.into_iter().zip(froms).zip(&laid.segments).zip(&laid.batches)
                {
                    starts.push(match place {
                        Some(start) => start,
                        None => lane::find(&self.segments, segment, from, &batch.frames).await?,
                    });
                }
                let start = |batch: usize| starts.get(batch).copied().unwrap_or_default();
                Ok(Some(Committed {
                    pointers: pointers(commit, &laid, start),
                    ..committed(mark, commit.changes.len())
                }))
            }
            Answer::Duplicate => Ok(Some(Committed::duplicate())),
            Answer::Already => Ok(Some(Committed::default())),
            Answer::Stale => Ok(None),
        }
    }

    async fn stage_all(&self, parts: Vec<Vec<SegmentBatch>>) -> Result<u64> {
        let Answer::Written { mark, .. } = self.ask(Ask::Begin).await? else { return Err(closed()) };
        for batches in parts {
            if let Err(error) = self.ask(Ask::Part { transaction: mark, batches }).await {
                self.tell(Ask::Abort { transaction: mark });
                return Err(error);
            }
        }
        Ok(mark)
    }

    async fn infos(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let layout = self.layout(stream).await?;
        let one = async |(id, range): &(SegmentId, std::ops::Range<f64>)| {
            let extent = self.segments.extent(id).await?;
            Ok::<_, Error>(SegmentInfo {
                id: id.clone(),
                key_range: range.clone(),
                head: extent.head,
                tail: extent.tail,
            })
        };
        match try_join_all(layout.segments.iter().map(one)).await {
            // the stream that we knew is gone; perhaps there is another one by now
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let layout = self.layout_now(stream).await?;
                try_join_all(layout.segments.iter().map(one)).await
            }
            infos => infos,
        }
    }

    /// Refuses an offset at which no event begins.
    async fn check_event(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.segments.events(segment, offset, framing::HEADER_BYTES).await.map(drop)
    }
}

fn pointers(commit: &Commit, laid: &Laid, start: impl Fn(usize) -> u64) -> Pointers {
    let pointer = |(append, (batch, behind)): (&Append, &(usize, u64))| EventPointer {
        segment: laid.segments.get(*batch).expect("each batch has a segment").clone(),
        offset: start(*batch) + behind,
        length: framing::framed_len(append.event.len()) as u32,
    };
    commit.appends.iter().zip(&laid.places).map(pointer).collect()
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

#[async_trait]
impl StreamStore for PravegaStore {
    fn lacks(&self) -> &[(Capability, &'static str)] {
        &[
            (Capability::VisibleAtOnce, "events of a commit reach their segments one after the other"),
            (Capability::CutAtTime, "pravega keeps no time of single events"),
            (
                Capability::HigherEpochs,
                "pravega numbers a remade stream's segments on, and begins again at epoch 0",
            ),
            (Capability::TwoLimits, "pravega's retention policy is by time or by size"),
        ]
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.inner.check_open()?;
        self.inner.controller.create_scope(scope).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.inner.check_open()?;
        self.inner.controller.scopes().await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.inner.sync().await?;
        if *scope == self.inner.journal.stream.scope
            || !self.inner.with(|state| state.tables_of(scope)).is_empty()
        {
            return Err(Error::not_empty(scope));
        }
        self.inner.controller.delete_scope(scope).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.check(stream)?;
        self.inner.check_open()?;
        self.inner.controller.create_stream(stream, &config).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        self.inner.check_open()?;
        let config = self.inner.controller.configuration(stream).await?;
        let sealed = self.inner.layout_now(stream).await?.sealed;
        Ok(StreamInfo { config, sealed })
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.inner.check_open()?;
        let now = self.inner.controller.configuration(stream).await?;
        config.check_update(stream, &now)?;
        self.inner.controller.update_stream(stream, &config).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.check_open()?;
        if self.inner.layout_now(stream).await?.sealed {
            return Ok(false);
        }
        // through the journal, so that no commit of another process is caught half-way
        let done = self.inner.ask(Ask::Seal { stream: stream.clone() }).await;
        self.inner.layouts.forget(stream);
        done.map(|_| true)
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.check_open()?;
        self.inner.layouts.forget(stream);
        match self.inner.controller.delete_stream(stream).await? {
            Ended::Done => Ok(true),
            Ended::NoSuchStream => Ok(false),
            Ended::StillOpen => Err(Error::not_sealed(stream)),
        }
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.inner.check_open()?;
        let infos = self.inner.infos(&cut.stream).await?;
        cut.check(&infos)?;
        let mut forward = cut.clone();
        let mut moves = false;
        for info in &infos {
            let offset = cut.offset(&info.id).unwrap_or_default();
            if offset > info.head && offset != info.tail {
                self.inner.check_event(&info.id, offset).await?;
            }
            moves |= offset > info.head;
            forward.advance(&info.id, offset.max(info.head));
        }
        if !moves {
            return Ok(());
        }
        match self.inner.controller.truncate(&forward).await {
            Err(error) if error.kind() == ErrorKind::Sealed => {
                for (segment, offset) in forward.offsets() {
                    self.inner.segments.truncate(&segment, offset).await?;
                }
                Ok(())
            }
            done => done,
        }
    }

    async fn cut_at(&self, stream: &StreamId, _: Duration) -> Result<StreamCut> {
        self.inner.check_open()?;
        let what =
            format!("a cut of stream {stream} at a time is not supported on Pravega: keep one by position");
        Err(Error::invalid(what))
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.check_open()?;
        let mut found = self.inner.controller.streams(scope).await?;
        if *scope == self.inner.journal.stream.scope {
            found.retain(|name| *name != self.inner.journal.stream.name);
        }
        Ok(found)
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        self.inner.check_open()?;
        self.inner.infos(stream).await
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.inner.check_open()?;
        self.inner.segments.events(segment, offset, max_bytes).await
    }

    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut closing = self.inner.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            waited = self.inner.segments.wait_beyond(segment, offset) => waited,
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.inner.check_open()?;
        let none = || Error::invalid(format!("no event stands at {pointer}"));
        let length = pointer.length as usize;
        if !(framing::HEADER_BYTES..=framing::MAX_EVENT_BYTES + framing::HEADER_BYTES).contains(&length) {
            return Err(none());
        }
        self.inner.segments.check_within(&pointer.segment, pointer.offset, u64::from(pointer.length)).await?;
        let bytes = self.inner.segments.exactly(&pointer.segment, pointer.offset, length).await?;
        match framing::payload_len(pointer.offset, &bytes) {
            Ok(Some(payload)) if framing::framed_len(payload) == length as u64 => {
                Ok(bytes.slice(framing::HEADER_BYTES..))
            }
            _ => Err(none()),
        }
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.inner.check_open()?;
        self.inner.commit(commit).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let Answer::Written { mark, .. } = self.inner.ask(Ask::Begin).await? else { return Err(closed()) };
        Ok(Box::new(StagedTransaction::new(Arc::clone(&self.inner), mark)))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.inner.sync().await?;
        Ok(self.inner.with(|state| state.outcome(transaction)))
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.inner.sync().await?;
        Ok(self.inner.with(|state| state.last_event_number(writer)))
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.inner.check_open()?;
        self.inner.check_scope(&table.scope).await?;
        let answer = self.inner.ask(Ask::CreateTable { table: table.clone() }).await?;
        Ok(matches!(answer, Answer::Written { .. }))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.sync().await?;
        self.inner.check_scope(scope).await?;
        Ok(self.inner.with(|state| state.tables_of(scope)))
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        let answer = self.inner.ask(Ask::DeleteTable { table: table.clone() }).await?;
        Ok(matches!(answer, Answer::Written { .. }))
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.inner.sync().await?;
        self.inner.with(|state| Ok(state.table(table)?.get(key)))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.inner.sync().await?;
        self.inner.with(|state| Ok(state.table(table)?.scan(prefix, after, limit)))
    }

    async fn close(&self) -> Result<()> {
        self.inner.closed.send_replace(true);
        Ok(())
    }
}

impl Inner {
    async fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.controller.scope_exists(scope).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("scope {scope}")))
        }
    }
}
