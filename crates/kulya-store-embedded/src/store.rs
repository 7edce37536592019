//! The store itself: requests go to the committer, reads go to the state and the log files.

use crate::bell::Bell;
use crate::buffers::Buffers;
use crate::checkpoint::Checkpoint;
use crate::committer::{Committer, Waiting, spread};
use crate::disk::{Disk, FileSystem, LogFile, ReadFile};
use crate::door::Door;
use crate::folder::{Folder, LogName, from_io};
use crate::frame::FrameKey;
use crate::index::{Index, LsmIndex, ObservedIndex};
use crate::keeper::{self, Keeper};
use crate::op::SegmentKey;
use crate::opening::{self, Ready};
use crate::plan::{Batch, Laid, Reply, Request, Targets};
use crate::recovery;
use crate::state::{Segment, Slot, State};
use crate::upkeep::Upkeep;
use crate::verify::{self, Verified};
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{
    Append, Commit, CommitReceipt, Durability, Entry, Error, ErrorKind, EventPointer, Health, HealthStatus,
    Outcome, Pointers, ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId,
    StreamInfo, StreamName, StreamStore, TableChange, TableId, Transaction, TransactionId, WriterId,
};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};

/// The bytes of requests that may wait for the committer; who comes later waits outside.
const QUEUE_BYTES: usize = 64 << 20;
/// Events of more bytes are laid out where they hold nobody else up.
const BYTES_AT_ONCE: usize = 1 << 20;
/// Transaction ids are reserved in the log so many at a time, so that none is used again after a crash.
const RESERVED_TRANSACTIONS: u64 = 1 << 20;

/// A stream store in one directory, owned by this process. Clones share it; the last one dropped lets the
/// directory go.
#[derive(Clone)]
pub struct EmbeddedStore {
    /// `None` for the store's own threads, which do not keep it open. Goes before what it ends.
    pub(crate) _open: Option<Arc<Open>>,
    pub(crate) inner: Arc<Inner>,
}

/// Somebody has the store open.
pub(crate) struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.end();
    }
}

pub(crate) struct Inner {
    pub(crate) state: Arc<RwLock<State>>,
    commits: watch::Sender<u64>,
    door: Door,
    room: Arc<Semaphore>,
    pub(crate) folder: Arc<Folder>,
    /// Log files that are open for reading, by their numbers.
    pub(crate) files: Mutex<HashMap<u32, Arc<dyn ReadFile>>>,
    pub(crate) upkeep: Mutex<Upkeep>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keeper: Keeper,
    /// What the store says of itself.
    pub(crate) supervisor: Supervisor,
    /// Whether the log takes writes.
    pub(crate) log: Component,
    transactions: tokio::sync::Mutex<Ids>,
    open: Mutex<HashSet<u64>>,
    /// Events without a key so far.
    unkeyed: Arc<AtomicU32>,
    buffers: Buffers,
    closed: AtomicBool,
    is_read_only: bool,
}

/// What a store stands on, where it is not the usual.
pub struct Components {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// A log file takes no further frame once it is this long.
    pub log_file_bytes: u64,
    /// Whether requests are written, and reads done, by whoever asks, instead of by threads of the store's own: then
    /// the same requests in the same order always do the same.
    pub inline: bool,
    /// Tells when commits are made.
    pub clock: Arc<dyn Clock>,
    /// The index; `None` for the usual one, in the folder. Whatever it holds may be lost at any time.
    pub index: Option<Arc<dyn Index>>,
    /// Between two looks at the streams' retention. Checkpoints and compaction come when files are filled.
    pub maintenance_interval: Duration,
    /// The key of a store that is made, by which it knows what it has written; `None` for one of the system's chance. Whoever
    /// writes events must not know it.
    pub secret: Option<[u8; 16]>,
}

impl Default for Components {
    fn default() -> Self {
        Self {
            disk: Arc::new(FileSystem),
            log_file_bytes: 256 << 20,
            inline: false,
            clock: Arc::new(SystemClock),
            index: None,
            maintenance_interval: keeper::INTERVAL,
            secret: None,
        }
    }
}

/// Transaction ids: the last one given, and up to which they are reserved.
struct Ids {
    last: u64,
    reserved: u64,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in `path`, or makes one when the folder is empty or not there. Reads the log behind the last
    /// checkpoint; all of it when the index is lost.
    ///
    /// Errors: `Locked` (another process owns it), `InvalidInput` (a folder of something else), `Corrupt` (damage
    /// in the middle of the log, or a newer format), `Full`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Components::default())
    }

    /// The same on other components.
    pub fn open_with(path: impl AsRef<Path>, components: Components) -> Result<Self> {
        let disk = Arc::clone(&components.disk);
        let folder = Arc::new(Folder::take(path.as_ref(), disk, components.secret)?);
        let supervisor = Supervisor::default();
        let index = components.index.clone().unwrap_or_else(|| Arc::new(LsmIndex::at(&folder.index())));
        let index: Arc<dyn Index> = Arc::new(ObservedIndex::new(index, supervisor.component("store.index")));
        let recovered = recovery::recover(&folder, &index)?;
        let Ready { state, checkpoint, log } = opening::ready(&folder, recovered)?;
        Self::start(folder, state, checkpoint, Some(log), supervisor, components)
    }

    /// A store whose state is known; without a log to write to, one that is only read.
    pub(crate) fn start(
        folder: Arc<Folder>,
        state: State,
        checkpoint: Option<Checkpoint>,
        log: Option<Box<dyn LogFile>>,
        supervisor: Supervisor,
        components: Components,
    ) -> Result<Self> {
        let Components { log_file_bytes, inline, clock, maintenance_interval, .. } = components;
        let log_health = supervisor.component("store.log");
        let is_read_only = log.is_none();
        let commits = watch::channel(state.end.sequence).0;
        let last_id = state.last_transaction;
        let synced = state.end.sequence;
        let is_crowded = state.is_crowded() || state.files.by_id.len() > 1 && checkpoint.is_none();
        let state = Arc::new(RwLock::new(state));
        let bell = Arc::new(Bell::default());
        let unkeyed = Arc::new(AtomicU32::new(0));
        let committer = |log| {
            let read = state.read().unwrap_or_else(PoisonError::into_inner);
            let end = read.position;
            let name = read.files.by_id.get(&end.file).map(|info| info.name).expect("the last file is known");
            Committer {
                state: Arc::clone(&state),
                commits: commits.clone(),
                folder: Arc::clone(&folder),
                log,
                end,
                name,
                file_bytes: log_file_bytes,
                synced,
                frames: FrameKey::new(folder.key(), name),
                mark: folder.mark_file(),
                unkeyed: Arc::clone(&unkeyed),
                clock: Arc::clone(&clock),
                buffer: Vec::new(),
                failed: None,
                health: log_health.clone(),
                lock_checked: Instant::now(),
                is_full: false,
                bell: Arc::clone(&bell),
            }
        };
        let door = match log.map(committer) {
            Some(committer) if inline => Door::inline(committer),
            Some(committer) => Door::thread(committer, &supervisor)?,
            None => Door::closed(),
        };
        let upkeep = Upkeep {
            state: Arc::clone(&state),
            folder: Arc::clone(&folder),
            file_bytes: log_file_bytes,
            last: checkpoint,
        };
        let inner = Arc::new(Inner {
            state,
            commits,
            door,
            room: Arc::new(Semaphore::new(QUEUE_BYTES)),
            folder,
            files: Mutex::default(),
            upkeep: Mutex::new(upkeep),
            bell,
            clock,
            keeper: Keeper::new(maintenance_interval, &supervisor),
            supervisor,
            log: log_health,
            transactions: tokio::sync::Mutex::new(Ids { last: last_id, reserved: last_id }),
            open: Mutex::default(),
            unkeyed,
            buffers: Buffers::default(),
            closed: AtomicBool::new(false),
            is_read_only,
        });
        if !inline && !is_read_only {
            keeper::start(&inner)?;
        }
        if is_crowded && !is_read_only {
            inner.bell.ring();
        }
        Ok(Self { _open: Some(Arc::new(Open(Arc::clone(&inner)))), inner })
    }

    /// The format that this program writes.
    pub const FORMAT: &str = crate::folder::FORMAT;

    /// Copies the store, as it is now, to a new or empty folder, while it is in use; gives the number of bytes. What was
    /// acknowledged before the call is in the copy.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<u64> {
        drop(self.state()?);
        let to = to.as_ref().to_owned();
        self.aside(move |store| {
            let folder = &store.inner.folder;
            crate::backup::copy(&*folder.disk, folder.path(), &to)
        })
        .await
    }

    /// The same of the store in a folder, whoever has it open: this process, another on this machine, or nobody. What was
    /// acknowledged before the call is in the copy. The folder is only read.
    ///
    /// # Errors
    /// `InvalidInput` (a folder of something else, or the copy's is not empty), `Corrupt` (a log file is missing), `Full`.
    pub fn backup_folder(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
        crate::backup::copy(&FileSystem, from.as_ref(), to.as_ref())
    }

    /// Reads every frame of the log and compares it with its checksum. The index is not asked.
    pub async fn verify(&self) -> Result<Verified> {
        drop(self.state()?);
        self.aside(|store| {
            let _upkeep = store.inner.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
            verify::verify(&store.inner.folder, &store.log_names()?)
        })
        .await
    }

    /// Does now what the store does from time to time: applies the streams' retention, takes a checkpoint, and gives back
    /// the room of what cannot be read any more. It is done by the thread that does it otherwise. Errors leave the store as
    /// it was.
    pub async fn maintain(&self) -> Result<()> {
        drop(self.state()?);
        if self.inner.is_read_only {
            return Err(read_only());
        }
        keeper::ask(self).await
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.inner.door.is_inline()
    }

    /// How many log files there are, and their bytes together.
    pub fn disk_usage(&self) -> Result<(usize, u64)> {
        let names = self.log_names()?;
        let mut bytes = 0;
        for name in &names {
            // what was compacted meanwhile is counted under its new name the next time
            let Some(file) = self.inner.folder.read_log(*name)? else { continue };
            let path = self.inner.folder.log(*name);
            bytes += file.length().map_err(|e| from_io(&format!("cannot read {}", path.display()), e))?;
        }
        Ok((names.len(), bytes))
    }

    /// The log files, in the order of the log.
    fn log_names(&self) -> Result<Vec<LogName>> {
        Ok(self.state()?.files.in_order().into_iter().map(|(_, info)| info.name).collect())
    }

    pub(crate) fn state(&self) -> Result<RwLockReadGuard<'_, State>> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.inner.state.read().map_err(|_| half_changed())
    }

    /// Why the committer takes nothing any more.
    fn ended(&self) -> Error {
        if self.inner.closed.load(Ordering::Acquire) {
            return closed();
        }
        if self.inner.is_read_only {
            return read_only();
        }
        let reason = self.inner.log.reason().unwrap_or_else(|| "the committer ended".into());
        Error::new(ErrorKind::Failed, format!("{reason}: open the store again"))
    }

    /// Has the committer do something; gives what was asked back, with the answer.
    async fn ask(&self, request: Request) -> Result<(Request, Reply)> {
        let room =
            u32::try_from(room_of(&request).min(QUEUE_BYTES)).expect("the queue is smaller than 4 GiB");
        let room = Arc::clone(&self.inner.room).acquire_many_owned(room).await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { request, reply, _room: room };
        self.inner.door.send(waiting).await.ok_or_else(|| self.ended())?;
        let (request, reply) = answer.await.map_err(|_| self.ended())?;
        Ok((request, reply?))
    }

    async fn create(&self, request: Request) -> Result<bool> {
        match self.ask(request).await? {
            (_, Reply::Created(is_new)) => Ok(is_new),
            (_, Reply::Committed { .. }) => Ok(false),
        }
    }

    async fn change(&self, request: Request) -> Result<CommitReceipt> {
        let (request, reply) = self.ask(request).await?;
        let Reply::Committed { starts, versions, duplicate } = reply else {
            return Ok(CommitReceipt::default());
        };
        let mut pointers = Pointers::default();
        if let Request::Commit { batch, .. } | Request::Stage { batch, .. } = request {
            // of what was staged nothing has its place yet
            pointers = batch.pointers(&starts);
            self.inner.buffers.keep(batch.laid.map_or_else(Vec::new, Laid::into_buffer));
        }
        Ok(CommitReceipt { pointers, versions, duplicate })
    }

    /// Nothing, after which everything that was written is synced.
    pub(crate) async fn sync(&self) -> Result<()> {
        let (batch, changes, durability) = (Batch::default(), Vec::new(), Durability::Synced);
        self.change(Request::Commit { batch, changes, writer: None, durability }).await.map(drop)
    }

    /// Lays events out for the committer, which judges them: what cannot be laid out here it will refuse, or not, as
    /// things stand when their turn comes.
    async fn batch(&self, appends: Vec<Append>) -> Result<Batch> {
        let bytes: usize = appends.iter().map(|append| append.event.len()).sum();
        if bytes > BYTES_AT_ONCE { self.aside(|store| store.lay(appends)).await } else { self.lay(appends) }
    }

    fn lay(&self, appends: Vec<Append>) -> Result<Batch> {
        let targets = Targets::find(&*self.state()?, &appends);
        let laid = targets.ok().map(|targets| {
            Laid::out(&targets, &appends, self.inner.buffers.take(), || spread(&self.inner.unkeyed))
        });
        Ok(Batch { appends, laid })
    }

    /// A log file; `None` when it was compacted away since its number was looked up.
    pub(crate) fn file(&self, number: u32) -> Result<Option<Arc<dyn ReadFile>>> {
        let files = || self.inner.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files().get(&number) {
            return Ok(Some(Arc::clone(file)));
        }
        let name = self.state()?.files.by_id.get(&number).map(|info| info.name);
        let Some(name) = name else { return Ok(None) };
        let file = self.inner.folder.read_log(name)?;
        if let Some(file) = &file {
            files().insert(number, Arc::clone(file));
            if !self.state()?.files.by_id.contains_key(&number) {
                // compacted away meanwhile: to keep it open would keep its room
                files().remove(&number);
            }
        }
        Ok(file)
    }

    /// Does what waits for the disk where it holds nobody else up: on a thread for such work where there is a runtime, and
    /// where there is none (on the keeper's thread, under another executor) at once.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let runtime = tokio::runtime::Handle::try_current();
        let Some(runtime) = runtime.ok().filter(|_| !self.is_inline()) else { return work(self) };
        let store = self.clone();
        let done = runtime.spawn_blocking(move || work(&store)).await;
        done.map_err(|e| Error::new(ErrorKind::Failed, "a read was cut off").because(e))?
    }
}

pub(crate) fn read_only() -> Error {
    Error::invalid("the store is open for reading only")
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

/// A panic came between the parts of a change.
fn half_changed() -> Error {
    let what = "a panic left what the store knows of its log half changed: open the store again";
    Error::new(ErrorKind::Failed, what)
}

/// About how many bytes a request holds while it waits.
fn room_of(request: &Request) -> usize {
    let appends = |appends: &[Append]| appends.iter().map(|a| 2 * a.event.len() + 64).sum::<usize>();
    let changes = |changes: &[TableChange]| {
        changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len) + 64).sum::<usize>()
    };
    64 + match request {
        Request::Commit { batch, changes: wanted, .. } => appends(&batch.appends) + changes(wanted),
        Request::Stage { batch, .. } => appends(&batch.appends),
        Request::CommitStaged { changes: wanted, .. } => changes(wanted),
        _ => 0,
    }
}

#[async_trait]
impl StreamStore for EmbeddedStore {
    fn health(&self) -> Health {
        if self.inner.state.is_poisoned() {
            self.inner.log.set(HealthStatus::Failed, half_changed().to_string());
        }
        self.inner.supervisor.health()
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.create(Request::CreateScope(scope.clone())).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.create(Request::DeleteScope(scope.clone())).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.state()?.scopes.iter().cloned().collect())
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        self.create(Request::CreateStream(stream.clone(), config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let state = self.state()?;
        let found = state.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.create(Request::UpdateStream(stream.clone(), config)).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        // a part of a millisecond: what was committed in it is rounded down to its beginning
        let time = u64::try_from(since_epoch.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let state = self.state()?;
        let found = state.stream(stream)?;
        let mut cut = StreamCut::of(stream, []);
        for (number, segment) in (0u32..).zip(&found.segments) {
            let key = SegmentKey { stream: found.id, number };
            let id = SegmentId { stream: stream.clone(), number, epoch: found.epoch };
            cut.advance(&id, state.offset_at(key, segment, time)?);
        }
        Ok(cut)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.create(Request::SealStream(stream.clone())).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.create(Request::DeleteStream(stream.clone())).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        cut.check(&self.segments(&cut.stream).await?)?;
        let checked = cut.clone();
        let check = move |store: &Self| {
            checked.offsets().try_for_each(|(segment, offset)| store.check_boundary(&segment, offset))
        };
        self.aside(check).await?;
        self.create(Request::Truncate(cut.clone())).await.map(drop)
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.streams.keys().filter(|s| s.scope == *scope).map(|s| s.name.clone()).collect())
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let state = self.state()?;
        let found = state.stream(stream)?;
        let count = found.segments.len() as f64;
        let info = |(number, segment): (u32, &Segment)| SegmentInfo {
            id: SegmentId { stream: stream.clone(), number, epoch: found.epoch },
            key_range: f64::from(number) / count..f64::from(number + 1) / count,
            head: segment.head,
            tail: segment.tail,
        };
        Ok((0u32..).zip(&found.segments).map(info).collect())
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let segment = segment.clone();
        self.aside(move |store| store.read_now(&segment, offset, max_bytes)).await
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut commits = self.inner.commits.subscribe();
        loop {
            commits.borrow_and_update();
            {
                let state = self.state()?;
                if state.segment(segment)?.1.tail > offset {
                    return Ok(());
                }
                if state.stream(&segment.stream)?.sealed {
                    return Err(Error::sealed(&segment.stream));
                }
            }
            commits.changed().await.map_err(|_| closed())?;
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        // one small read: cheaper than handing it to another thread
        self.event_now(pointer)
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        let Commit { appends, changes, writer, durability } = commit;
        let batch = self.batch(appends).await?;
        self.change(Request::Commit { batch, changes, writer, durability }).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        drop(self.state()?);
        let mut ids = self.inner.transactions.lock().await;
        if ids.last == ids.reserved {
            let up_to = ids.reserved + RESERVED_TRANSACTIONS;
            self.create(Request::ReserveTransactions { up_to }).await?;
            ids.reserved = up_to;
        }
        ids.last += 1;
        let transaction = ids.last;
        drop(ids);
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).insert(transaction);
        Ok(Box::new(Staged { store: self.clone(), transaction, begun: false }))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        let Ok(id) = u64::try_from(transaction.0) else { return Ok(Outcome::Unknown) };
        if let Some(done) = self.state()?.outcomes.get(&id) {
            return Ok(Outcome::Committed(done.clone()));
        }
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(if open.contains(&id) { Outcome::Open } else { Outcome::Unknown })
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        Ok(self.state()?.writers.last(writer))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.tables.keys().filter(|t| t.scope == *scope).map(|t| t.name.clone()).collect())
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.create(Request::DeleteTable(table.clone())).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.create(Request::CreateTable(table.clone())).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        let state = self.state()?;
        let found = state.slot(state.table(table)?, key)?;
        let entry = |slot: Slot| {
            Some(Entry { key: Bytes::copy_from_slice(key), value: slot.value?, version: slot.version })
        };
        Ok(found.and_then(entry))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let state = self.state()?;
        state.entries(state.table(table)?, prefix, after, limit)
    }

    async fn close(&self) -> Result<()> {
        self.aside(|store| {
            store.inner.end();
            Ok(())
        })
        .await
    }
}

impl Inner {
    /// Lets the committer finish what waits, then ends it.
    fn end(&self) {
        self.bell.close();
        self.keeper.join();
        self.closed.store(true, Ordering::Release);
        self.door.close();
        self.commits.send_modify(|_| ());
    }
}

/// A transaction whose events are in the log already, invisible until its commit.
struct Staged {
    store: EmbeddedStore,
    transaction: u64,
    /// Whether the log knows of it.
    begun: bool,
}

#[async_trait]
impl Transaction for Staged {
    fn id(&self) -> TransactionId {
        TransactionId(self.transaction.into())
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        self.begun = true;
        let batch = self.store.batch(appends).await?;
        self.store.change(Request::Stage { transaction: self.transaction, batch }).await.map(drop)
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let request = Request::CommitStaged { transaction: self.transaction, changes };
        let done = self.store.change(request).await;
        // a refused commit ends the transaction too, by the drop
        self.begun = done.is_err();
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        if std::mem::take(&mut self.begun) {
            self.store.change(Request::AbortStaged { transaction: self.transaction }).await?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.store.inner.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.transaction);
        if !self.begun {
            return;
        }
        // nobody waits for this: should it not get there, the next opening forgets the transaction anyway
        let Ok(room) = Arc::clone(&self.store.inner.room).try_acquire_many_owned(1) else { return };
        let request = Request::AbortStaged { transaction: self.transaction };
        self.store.inner.door.post(Waiting { request, reply: oneshot::channel().0, _room: room });
    }
}
