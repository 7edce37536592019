//! The state of one live query in its store: read back at its start, and committed with its position and its
//! output.

use super::frame::{FrameError, FrameKind, FrameReader, FrameWriter};
use super::record::{QueryKind, Record, Records, Stored, StoredProgress, log_stream};
use crate::{SqlError, SqlErrorKind, SqlResult};
use bytes::Bytes;
use kulya_store::{
    Append, BoundedSegment, Commit, CommitReceipt, Condition, Durability, ErrorKind, StreamCut, StreamId,
    TableChange, Version, framing,
};

/// The size of a commit, in bytes, from which on its events are staged.
const STAGED_BYTES: usize = 4 << 20;
/// The size of a read, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// What a commit has beside the state.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) appends: Vec<Append>,
    pub(crate) durability: Durability,
}

/// The state of a query that this process runs.
pub(crate) struct StateLog {
    records: Records,
    id: u64,
    stream: StreamId,
    record: Record,
    version: Version,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is stored.
    Stored,
    /// A statement wants the query to pause; the commit is stored.
    Paused,
}

impl StateLog {
    /// Takes a query over: a process that ran it before fails at its next commit. `None` if the query was
    /// dropped.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn take_over(records: &Records, id: u64) -> SqlResult<Option<Self>> {
        loop {
            let Some(Stored { mut record, version, .. }) = records.get(id).await? else { return Ok(None) };
            record.runs += 1;
            record.error = None;
            let put = Records::put(id, &record, Condition::At(version))?;
            let receipt = match records.store.commit(Commit::changes(vec![put])).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                result => result?,
            };
            let (records, stream, version) = (records.clone(), log_stream(id)?, version_of(&receipt)?);
            return Ok(Some(Self { records, id, stream, record, version }));
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn progress(&self) -> &StoredProgress {
        &self.record.progress
    }

    /// Returns the size of the log since its last snapshot, in bytes.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.record.progress.log_end.saturating_sub(self.record.progress.log_start)
    }

    /// Reads the state back: passes on the entries of the last snapshot and of the commits behind it.
    ///
    /// # Errors
    /// `Failed` if the log is damaged; those of the store and of `sink`.
    pub(crate) async fn restore(
        &self,
        sink: impl FnMut(u32, &[u8], Option<&[u8]>) -> SqlResult<()>,
    ) -> SqlResult<()> {
        read_log(&self.records, self.id, &self.record.progress, sink).await
    }

    /// Begins again, with operators of another fingerprint.
    pub(crate) fn start_over(&mut self, fingerprint: &str) {
        let StoredProgress { commit, log_end, .. } = self.record.progress;
        self.record.fingerprint = fingerprint.to_owned();
        self.record.progress =
            StoredProgress { commit, log_start: log_end, log_end, ..StoredProgress::default() };
    }

    /// Commits frames of state, the progress that they belong to, and output, all or nothing.
    ///
    /// # Errors
    /// `Conflict` if another process runs the query, `UnknownTable` if it was dropped, and those of the
    /// store: then it is not known whether the commit is stored, and the query goes on from its stored state.
    pub(crate) async fn commit(
        &mut self,
        frames: FrameWriter,
        mut progress: StoredProgress,
        output: Output,
    ) -> SqlResult<Committed> {
        let frames = frames.finish().map_err(|error| too_large(&self.record, &error))?;
        progress.commit = self.record.progress.commit + 1;
        progress.log_start = self.record.progress.log_start;
        progress.log_end = self.record.progress.log_end + size(&frames);
        self.write(frames, progress, output).await
    }

    /// Returns the writer of the frames of the next commit.
    pub(crate) fn writer(&self, kind: FrameKind) -> FrameWriter {
        FrameWriter::new(kind, self.record.progress.commit + 1)
    }

    /// Commits a snapshot, from which on the log is read later, and truncates the log before it.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) async fn snapshot(&mut self, frames: FrameWriter) -> SqlResult<Committed> {
        let frames = frames.finish().map_err(|error| too_large(&self.record, &error))?;
        let mut progress = self.record.progress.clone();
        progress.commit += 1;
        progress.log_start = progress.log_end;
        progress.log_end += size(&frames);
        let output = Output { appends: Vec::new(), durability: Durability::Written };
        let committed = self.write(frames, progress, output).await?;
        let segment = self.stream.segment(0);
        let segments = self.records.store.segments(&self.stream).await?;
        let id = segments.first().map_or(segment, |info| info.id.clone());
        let cut = StreamCut::of(&self.stream, [(&id, self.record.progress.log_start)]);
        self.records.store.truncate(&cut).await?;
        Ok(committed)
    }

    async fn write(
        &mut self,
        frames: Vec<Bytes>,
        progress: StoredProgress,
        output: Output,
    ) -> SqlResult<Committed> {
        let state = frames.into_iter().map(|frame| Append::keyed(&self.stream, "", frame));
        let mut appends: Vec<Append> = state.collect();
        appends.extend(output.appends);
        let mut record = Record { progress, ..self.record.clone() };
        let mut version = self.version;
        loop {
            let put = Records::put(self.id, &record, Condition::At(version))?;
            let error = match self.append(&appends, put, output.durability).await {
                Ok(receipt) => {
                    self.version = version_of(&receipt)?;
                    self.record = record;
                    return Ok(if self.record.is_paused { Committed::Paused } else { Committed::Stored });
                }
                Err(error) => error,
            };
            if error.kind() != ErrorKind::Conflict {
                return Err(error.into());
            }
            // a statement may have changed the record
            let Some(stored) = self.records.get(self.id).await? else { return Err(dropped(&record)) };
            if stored.record.runs != record.runs || stored.version == version {
                return Err(run_elsewhere(&record));
            }
            record.is_paused = stored.record.is_paused;
            record.state_bytes = stored.record.state_bytes;
            version = stored.version;
        }
    }

    async fn append(
        &self,
        appends: &[Append],
        put: TableChange,
        durability: Durability,
    ) -> kulya_store::Result<CommitReceipt> {
        let store = &self.records.store;
        if appends.iter().map(|append| append.event.len()).sum::<usize>() <= STAGED_BYTES {
            let commit = Commit { appends: appends.to_vec(), changes: vec![put], ..Commit::default() };
            return store.commit(commit.durability(durability)).await;
        }
        let mut transaction = store.begin().await?;
        let (mut staged, mut bytes) = (Vec::new(), 0);
        for append in appends {
            bytes += append.event.len();
            staged.push(append.clone());
            if bytes > STAGED_BYTES {
                transaction.stage(std::mem::take(&mut staged)).await?;
                bytes = 0;
            }
        }
        if !staged.is_empty() {
            transaction.stage(staged).await?;
        }
        transaction.commit(vec![put]).await
    }

    /// Returns whether a statement wants the query to pause.
    ///
    /// # Errors
    /// `UnknownTable` if it was dropped, and those of the store.
    pub(crate) async fn is_pause_wanted(&self) -> SqlResult<bool> {
        match self.records.get(self.id).await? {
            Some(stored) => Ok(stored.record.is_paused),
            None => Err(dropped(&self.record)),
        }
    }

    /// Returns the bound of its state as it is stored now: a statement may have changed it.
    ///
    /// # Errors
    /// As [`Self::is_pause_wanted`].
    pub(crate) async fn state_bound(&self) -> SqlResult<Option<usize>> {
        match self.records.get(self.id).await? {
            Some(stored) => Ok(stored.record.state_bytes.and_then(|bytes| usize::try_from(bytes).ok())),
            None => Err(dropped(&self.record)),
        }
    }

    /// Stores that the query stopped with an error, unless another process runs it.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn stop(&mut self, error: &str) -> SqlResult<()> {
        let record = Record { error: Some(error.to_owned()), ..self.record.clone() };
        let put = Records::put(self.id, &record, Condition::At(self.version))?;
        match self.records.store.commit(Commit::changes(vec![put])).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            result => {
                self.version = version_of(&result?)?;
                self.record = record;
                Ok(())
            }
        }
    }
}

/// Reads the state of a query as it is stored, and passes its entries on.
///
/// # Errors
/// As [`StateLog::restore`]; `Failed` with the kind `Truncated` of the store if a snapshot has replaced the
/// log since the record was read.
pub(crate) async fn read_log(
    records: &Records,
    id: u64,
    progress: &StoredProgress,
    mut sink: impl FnMut(u32, &[u8], Option<&[u8]>) -> SqlResult<()>,
) -> SqlResult<()> {
    let stream = log_stream(id)?;
    if progress.log_end == progress.log_start {
        return Ok(());
    }
    let segments = records.store.segments(&stream).await?;
    let Some(segment) = segments.into_iter().next() else { return Err(SqlError::internal()) };
    let mut part = BoundedSegment::between(segment, progress.log_start, progress.log_end)?;
    let mut reader = FrameReader::default();
    while let Some(chunk) = part.next_framed(&*records.store, CHUNK_BYTES).await? {
        for (offset, event) in chunk.offsets().zip(chunk.payloads()) {
            let read =
                reader.read(event, |node, key, value| sink(node, key, value).map_err(Unreadable::Sink));
            read.map_err(|error| error.into_sql(&stream, offset))?;
        }
    }
    let last = reader.end().map_err(|error| Unreadable::Frame(error).into_sql(&stream, progress.log_end))?;
    if last > progress.commit {
        let what = format!(
            "stream {stream} has commit {last} of a live query, whose record ends at {}",
            progress.commit
        );
        return Err(SqlError::new(SqlErrorKind::Failed, what));
    }
    Ok(())
}

/// Why a log cannot be read.
enum Unreadable {
    Frame(FrameError),
    Sink(SqlError),
}

impl From<FrameError> for Unreadable {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl Unreadable {
    fn into_sql(self, stream: &StreamId, offset: u64) -> SqlError {
        match self {
            Self::Sink(error) => error,
            Self::Frame(error) => {
                let what = format!("the state in stream {stream} at offset {offset} cannot be read: {error}");
                SqlError::new(SqlErrorKind::Failed, what).because(error)
            }
        }
    }
}

/// Returns the kind and the name of a query, for messages.
pub(crate) fn shown(record: &Record) -> String {
    match record.kind {
        QueryKind::View => format!("materialized view {}", record.name),
        QueryKind::Job => format!("job {}", record.name),
    }
}

fn run_elsewhere(record: &Record) -> SqlError {
    let what = format!("{} is run by another process", shown(record));
    SqlError::new(SqlErrorKind::Conflict, what)
}

fn dropped(record: &Record) -> SqlError {
    SqlError::new(SqlErrorKind::UnknownTable, format!("{} was dropped", shown(record)))
}

fn too_large(record: &Record, error: &FrameError) -> SqlError {
    SqlError::new(
        SqlErrorKind::TooComplex,
        format!("the state of {} cannot be stored: {error}", shown(record)),
    )
}

fn version_of(receipt: &CommitReceipt) -> SqlResult<Version> {
    receipt.versions.first().copied().ok_or_else(SqlError::internal)
}

fn size(frames: &[Bytes]) -> u64 {
    frames.iter().map(|frame| framing::framed_len(frame.len())).sum()
}
