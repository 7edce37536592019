//! The store: the contract's calls, put together from the controller, the segments and the journal.

use crate::commit::{ROOM_BYTES, changed_bytes};
use crate::committer::Job;
use crate::controller::{Controller, Ended, is_denied};
use crate::handle::{JournalHandle, journal_stream};
use crate::lane;
use crate::layout::{Laid, Layout, Layouts, LayoutsOf};
use crate::plan::{Answer, Ask};
use crate::segments::Segments;
use crate::settings::Settings;
use crate::state::State;
use crate::transaction::StagedTransaction;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{
    Append, Capability, Commit, Committed, Entry, Error, ErrorKind, EventPointer, Health, HealthStatus,
    Outcome, ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo,
    StreamName, StreamStore, TableId, Transaction, TransactionId, WriterId, framing,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot, watch};

/// A store on a Pravega. Opening a second one on the same Pravega, in this process or another, is fine: they see the same.
#[derive(Clone)]
pub struct PravegaStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) controller: Arc<Controller>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) layouts: Layouts,
    /// The journal, once it was found, or made by the first commit that needs it.
    journal: OnceCell<JournalHandle>,
    pub(crate) lanes: Mutex<HashMap<SegmentId, mpsc::UnboundedSender<lane::Job>>>,
    pub(crate) room: Semaphore,
    pub(crate) instance: u128,
    patience: Duration,
    /// The store's background tasks, and how they and Pravega are.
    tasks: Supervisor,
    closed: watch::Sender<bool>,
}

impl PravegaStore {
    /// Finds the controller; where there is a journal, reads it to its end and finishes what another process left
    /// unfinished. Nothing is made: in a Pravega where no store of ours was, the first commit that needs a journal makes it.
    pub async fn open(settings: Settings) -> Result<Self> {
        match Self::start(settings).await? {
            (this, None) => Ok(this),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same for a server: a Pravega that does not answer yet is the second of what is given, and no error. Until it
    /// answers every call does what it does while Pravega is away: it fails with `Unreachable`; and
    /// [`health`](StreamStore::health) says so.
    ///
    /// # Errors
    /// What waiting does not mend: an address, a certificate or credentials.
    pub async fn start(settings: Settings) -> Result<(Self, Option<Error>)> {
        let this = Self::unasked(settings)?;
        let away = match this.inner.find_journal().await {
            Ok(_) => None,
            // who may read streams of others, and not our journal, reads those streams
            Err(error) if is_denied(&error) => None,
            Err(error) if error.kind() == ErrorKind::Unreachable => Some(error),
            Err(error) => return Err(error),
        };
        this.watch(away.as_ref().map_or(Ok(()), Err));
        Ok((this, away))
    }

    /// One try to reach Pravega, for whoever waits after [`PravegaStore::start`].
    ///
    /// # Errors
    /// `Unreachable` as long as it does not answer.
    pub async fn reach(&self) -> Result<()> {
        let answer = match self.inner.find_journal().await {
            Err(error) if !is_denied(&error) => Err(error),
            _ => Ok(()),
        };
        report(&self.inner.tasks.component(COMPONENT), answer.as_ref().map(drop));
        answer
    }

    fn unasked(settings: Settings) -> Result<Self> {
        let controller = Arc::new(Controller::new(&settings)?);
        let (instance, patience) = (settings.instance, settings.patience);
        let segments = Arc::new(Segments::new(Arc::clone(&controller), settings));
        let inner = Inner {
            controller,
            segments,
            layouts: Layouts::default(),
            journal: OnceCell::new(),
            lanes: Mutex::default(),
            room: Semaphore::new(ROOM_BYTES),
            instance,
            patience,
            tasks: Supervisor::default(),
            closed: watch::Sender::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks now and then whether Pravega is there, so that the store's health says it before a caller finds out.
    fn watch(&self, first: std::result::Result<(), &Error>) {
        let component = self.inner.tasks.component(COMPONENT);
        report(&component, first);
        let inner = Arc::downgrade(&self.inner);
        self.inner
            .tasks
            .spawn_restarting("store.pravega.probe", move || probe(inner.clone(), component.clone()));
    }
}

/// The store's component in its health.
const COMPONENT: &str = "store.pravega";
/// Between two questions whether Pravega is there.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

fn report(component: &Component, answer: std::result::Result<(), &Error>) {
    match answer {
        Err(error) if error.kind() == ErrorKind::Unreachable => {
            component.set(HealthStatus::Unavailable, error.to_string());
        }
        _ => component.set_healthy(),
    }
}

/// Ends with the store.
async fn probe(inner: Weak<Inner>, component: Component) {
    let Some(mut closing) = inner.upgrade().map(|inner| inner.closed.subscribe()) else { return };
    loop {
        tokio::select! {
            _ = closing.wait_for(|closed| *closed) => return,
            () = tokio::time::sleep(PROBE_PAUSE) => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        let asked = inner.timely(0, inner.is_there()).await;
        report(&component, asked.as_ref().map(drop));
    }
}

impl Inner {
    fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(closed()) } else { Ok(()) }
    }

    /// A call with an end: whatever Pravega does, there is an answer within the settings' patience, and for what carries
    /// bytes a second more for each MiB.
    pub(crate) async fn timely<T>(&self, bytes: usize, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.check_open()?;
        let limit = self.patience + Duration::from_secs((bytes >> 20) as u64);
        match tokio::time::timeout(limit, call).await {
            Ok(done) => done,
            Err(_) => Err(self.controller.slow(limit)),
        }
    }

    /// The state that the journal says; an empty one where there is none.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&State) -> T) -> T {
        match self.journal.get() {
            Some(journal) => act(&journal.state.lock().unwrap_or_else(PoisonError::into_inner)),
            None => act(&State::default()),
        }
    }

    /// Whether the controller and a segment store answer.
    async fn is_there(&self) -> Result<()> {
        match self.journal.get() {
            Some(journal) => self.segments.extent(&journal.segment).await.map(drop)?,
            None => _ = self.find_journal().await?,
        }
        self.controller.scope_exists(&journal_stream().scope).await.map(drop)
    }

    /// The journal, if there is one by now, and if we may read it.
    async fn find_journal(&self) -> Result<Option<&JournalHandle>> {
        let found = self
            .journal
            .get_or_try_init(|| JournalHandle::open(&self.segments, self.instance, &self.tasks))
            .await;
        match found {
            Ok(journal) => Ok(Some(journal)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn make_journal(&self) -> Result<&JournalHandle> {
        self.journal.get_or_try_init(|| JournalHandle::make(&self.segments, self.instance, &self.tasks)).await
    }

    /// Asks the journal, which is made if it must be written to.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer> {
        self.check_open()?;
        let journal = match ask {
            Ask::Sync => match self.find_journal().await? {
                Some(journal) => journal,
                // nobody has written anything
                None => return Ok(Answer::Already),
            },
            _ => self.make_journal().await?,
        };
        let (reply, answer) = oneshot::channel();
        journal.jobs.send(Job { ask, reply }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Asks the journal without waiting for the answer.
    pub(crate) fn tell(&self, ask: Ask) {
        if let Some(journal) = self.journal.get() {
            let _ = journal.jobs.send(Job { ask, reply: oneshot::channel().0 });
        }
    }

    /// Makes sure that everything written before this call is known.
    pub(crate) async fn sync(&self) -> Result<()> {
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

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

#[async_trait]
impl StreamStore for PravegaStore {
    fn health(&self) -> Health {
        self.inner.tasks.health()
    }

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
        self.inner.timely(0, self.inner.controller.create_scope(scope)).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.inner.timely(0, self.inner.controller.scopes()).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.inner.timely(0, self.inner.delete_scope(scope)).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.check(stream)?;
        self.inner.timely(0, self.inner.controller.create_stream(stream, &config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let found = async {
            let config = self.inner.controller.configuration(stream).await?;
            let sealed = self.inner.layout_now(stream).await?.sealed;
            Ok(StreamInfo { config, sealed })
        };
        self.inner.timely(0, found).await
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        let updated = async {
            let now = self.inner.controller.configuration(stream).await?;
            config.check_update(stream, &now)?;
            self.inner.controller.update_stream(stream, &config).await
        };
        self.inner.timely(0, updated).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.timely(0, self.inner.seal_stream(stream)).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.layouts.forget(stream);
        match self.inner.timely(0, self.inner.controller.delete_stream(stream)).await? {
            Ended::Done => Ok(true),
            Ended::NoSuchStream => Ok(false),
            Ended::StillOpen => Err(Error::not_sealed(stream)),
        }
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.inner.timely(0, self.inner.truncate(cut)).await
    }

    async fn cut_at(&self, stream: &StreamId, _: Duration) -> Result<StreamCut> {
        self.inner.check_open()?;
        let what =
            format!("a cut of stream {stream} at a time is not supported on Pravega: keep one by position");
        Err(Error::invalid(what))
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut found = self.inner.timely(0, self.inner.controller.streams(scope)).await?;
        let journal = journal_stream();
        if *scope == journal.scope {
            found.retain(|name| *name != journal.name);
        }
        Ok(found)
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        self.inner.timely(0, self.inner.infos(stream)).await
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.inner.timely(max_bytes, self.inner.segments.events(segment, offset, max_bytes)).await
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
        self.inner.timely(pointer.length as usize, self.inner.event(pointer)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let events = commit.appends.iter().map(|append| append.event.len()).sum::<usize>();
        let bytes = events + commit.changes.iter().map(changed_bytes).sum::<usize>();
        self.inner.timely(bytes, self.inner.commit(commit)).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let Answer::Written { mark, .. } = self.inner.timely(0, self.inner.ask(Ask::Begin)).await? else {
            return Err(closed());
        };
        Ok(Box::new(StagedTransaction::new(Arc::clone(&self.inner), mark)))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.inner.timely(0, self.inner.sync()).await?;
        Ok(self.inner.with(|state| state.outcome(transaction)))
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.inner.timely(0, self.inner.sync()).await?;
        Ok(self.inner.with(|state| state.last_event_number(writer)))
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let created = async {
            self.inner.check_scope(&table.scope).await?;
            self.inner.ask(Ask::CreateTable { table: table.clone() }).await
        };
        Ok(matches!(self.inner.timely(0, created).await?, Answer::Written { .. }))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let synced = async {
            self.inner.sync().await?;
            self.inner.check_scope(scope).await
        };
        self.inner.timely(0, synced).await?;
        Ok(self.inner.with(|state| state.tables_of(scope)))
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        let answer = self.inner.timely(0, self.inner.ask(Ask::DeleteTable { table: table.clone() })).await?;
        Ok(matches!(answer, Answer::Written { .. }))
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.inner.timely(0, self.inner.sync()).await?;
        self.inner.with(|state| Ok(state.table(table)?.get(key)))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.inner.timely(0, self.inner.sync()).await?;
        self.inner.with(|state| Ok(state.table(table)?.scan(prefix, after, limit)))
    }

    async fn close(&self) -> Result<()> {
        self.inner.closed.send_replace(true);
        Ok(())
    }
}

impl Inner {
    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.sync().await?;
        if *scope == journal_stream().scope || !self.with(|state| state.tables_of(scope)).is_empty() {
            return Err(Error::not_empty(scope));
        }
        self.controller.delete_scope(scope).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        if self.layout_now(stream).await?.sealed {
            return Ok(false);
        }
        // through the journal, so that no commit of another process is caught half-way
        let done = self.ask(Ask::Seal { stream: stream.clone() }).await;
        self.layouts.forget(stream);
        done.map(|_| true)
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let infos = self.infos(&cut.stream).await?;
        cut.check(&infos)?;
        let mut forward = cut.clone();
        let mut moves = false;
        for info in &infos {
            let offset = cut.offset(&info.id).unwrap_or_default();
            if offset > info.head && offset != info.tail {
                self.check_event(&info.id, offset).await?;
            }
            moves |= offset > info.head;
            forward.advance(&info.id, offset.max(info.head));
        }
        if !moves {
            return Ok(());
        }
        match self.controller.truncate(&forward).await {
            Err(error) if error.kind() == ErrorKind::Sealed => {
                for (segment, offset) in forward.offsets() {
                    self.segments.truncate(&segment, offset).await?;
                }
                Ok(())
            }
            done => done,
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let none = || Error::invalid(format!("no event stands at {pointer}"));
        let length = pointer.length as usize;
        if !(framing::HEADER_BYTES..=framing::MAX_EVENT_BYTES + framing::HEADER_BYTES).contains(&length) {
            return Err(none());
        }
        self.segments.check_within(&pointer.segment, pointer.offset, u64::from(pointer.length)).await?;
        let bytes = self.segments.exactly(&pointer.segment, pointer.offset, length).await?;
        match framing::payload_len(pointer.offset, &bytes) {
            Ok(Some(payload)) if framing::framed_len(payload) == length as u64 => {
                Ok(bytes.slice(framing::HEADER_BYTES..))
            }
            _ => Err(none()),
        }
    }

    async fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.controller.scope_exists(scope).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("scope {scope}")))
        }
    }
}
