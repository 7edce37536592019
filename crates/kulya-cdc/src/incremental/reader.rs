//! The contract of a source that reads chunks, and the task in which it does so, so that the log is streamed
//! meanwhile.

use super::cut::Cut;
use super::state::{TableProgress, Work};
use super::window::RowKey;
use crate::signal::{SnapshotRequest, names_table};
use crate::{CdcError, CdcErrorKind, CdcResult};
use async_trait::async_trait;
use kulya_store::supervision;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// The size of a chunk, in bytes, beyond which it ends before its number of rows is reached.
const MAX_CHUNK_BYTES: usize = 8 << 20;

/// Reads chunks on connections of its own.
#[async_trait]
pub(crate) trait ChunkReader: Send + 'static {
    type Cut: Cut;
    /// A table in the version of a chunk.
    type Table: Send;
    /// A row.
    type Row: Send;

    /// Lists the captured tables, each with the names by which a request may name it; the first is its own.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`: it is tried again.
    async fn tables(&mut self) -> CdcResult<Vec<Vec<String>>>;

    /// Reads a chunk: the rows of the table after the last key, in key order, at one point of the log.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`: it is tried again. Other errors are reasons to leave out the table.
    async fn read(&mut self, request: &ChunkRequest) -> CdcResult<Chunk<Self>>
    where
        Self: Sized;
}

/// Which chunk is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkRequest {
    pub(crate) table: TableProgress,
    /// The maximum number of rows.
    pub(crate) max_rows: u32,
}

/// A chunk.
pub(crate) struct Chunk<R: ChunkReader> {
    pub(crate) cut: R::Cut,
    pub(crate) table: R::Table,
    pub(crate) rows: Vec<ChunkRow<R::Row>>,
    /// The progress of the table with these rows; `None` at its end.
    pub(crate) after: Option<TableProgress>,
}

/// A row of a chunk.
pub(crate) struct ChunkRow<R> {
    pub(crate) key: RowKey,
    pub(crate) row: R,
}

/// What became of a work.
pub(crate) enum ReadOutcome<R: ChunkReader> {
    Tables(Vec<Vec<String>>),
    Chunk(Chunk<R>),
}

/// The number of rows of the next chunk: fewer after a chunk that had too many bytes.
#[derive(Debug)]
pub(crate) struct RowLimit {
    rows: u32,
}

impl RowLimit {
    pub(crate) fn new() -> Self {
        Self { rows: u32::MAX }
    }

    /// Returns the number of rows to be asked for.
    pub(crate) fn rows(&self, max_rows: u32) -> u32 {
        self.rows.min(max_rows).max(1)
    }

    /// Returns whether a chunk of this size is to end.
    pub(crate) fn is_reached(bytes: usize) -> bool {
        bytes >= MAX_CHUNK_BYTES
    }

    /// Takes note of a chunk that ended because of its size, or that had all its rows.
    pub(crate) fn on_chunk(&mut self, rows: usize, is_cut: bool) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).max(1);
        self.rows = if is_cut { rows } else { self.rows.saturating_mul(2) };
    }
}

/// Returns the tables that a request names, and the names that no table has.
pub(crate) fn requested_tables(
    request: &SnapshotRequest,
    captured: &[Vec<String>],
) -> (Vec<TableProgress>, Vec<String>) {
    let mut found: Vec<TableProgress> = Vec::new();
    let mut unknown = Vec::new();
    for pattern in &request.tables {
        let pattern = std::slice::from_ref(pattern);
        let is_named = |names: &&Vec<String>| names.iter().any(|name| names_table(pattern, name));
        let mut named = captured.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            unknown.extend_from_slice(pattern);
        }
        for names in named {
            let Some(name) = names.first() else { continue };
            let is_meant =
                |tables: &String| names.iter().any(|name| names_table(std::slice::from_ref(tables), name));
            let condition = request.conditions.iter().find(|condition| is_meant(&condition.tables));
            let table = TableProgress {
                table: name.clone(),
                filter: condition.map(|condition| condition.filter.clone()),
                surrogate_key: request.surrogate_key.clone(),
                ..TableProgress::default()
            };
            if !found.contains(&table) {
                found.push(table);
            }
        }
    }
    (found, unknown)
}

/// The task of a reader. It ends when this is dropped, and closes its connections.
pub(super) struct ReaderTask<R: ChunkReader> {
    work: mpsc::Sender<(Work, u32)>,
    outcomes: mpsc::Receiver<CdcResult<ReadOutcome<R>>>,
    _task: AbortOnDropHandle<Option<()>>,
}

impl<R: ChunkReader> ReaderTask<R> {
    pub(super) fn start(mut reader: R) -> Self {
        let (work, mut works) = mpsc::channel::<(Work, u32)>(1);
        let (sender, outcomes) = mpsc::channel(1);
        let task = supervision::spawn_logged("reader of chunks", async move {
            while let Some((work, max_rows)) = works.recv().await {
                let outcome = match work {
                    Work::FindTables(_) => reader.tables().await.map(ReadOutcome::Tables),
                    Work::ReadChunk(table) => {
                        reader.read(&ChunkRequest { table, max_rows }).await.map(ReadOutcome::Chunk)
                    }
                };
                if sender.send(outcome).await.is_err() {
                    return;
                }
            }
        });
        Self { work, outcomes, _task: AbortOnDropHandle::new(task) }
    }

    /// Gives it work. It must have none.
    pub(super) fn request(&self, work: Work, max_rows: u32) -> bool {
        self.work.try_send((work, max_rows)).is_ok()
    }

    /// Waits for the outcome. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> CdcResult<ReadOutcome<R>> {
        let ended = || CdcError::new(CdcErrorKind::Unreachable, "the reader of chunks has ended");
        self.outcomes.recv().await.unwrap_or_else(|| Err(ended()))
    }

    /// Returns the outcome if there is one.
    pub(super) fn try_outcome(&mut self) -> Option<CdcResult<ReadOutcome<R>>> {
        self.outcomes.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::RowCondition;

    #[test]
    fn requests_name_tables_by_expressions() {
        let condition =
            |tables: &str, filter: &str| RowCondition { tables: tables.into(), filter: filter.into() };
        let request = SnapshotRequest {
            id: String::new(),
            tables: ["public.a", "shop.public.B", r"public\.part.*", "public.none"].map(str::to_owned).into(),
            conditions: vec![condition("public.b", "x > 1"), condition(".*", "y")],
            surrogate_key: Some("n".into()),
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let captured = [
            names(&["public.a", "shop.public.a"]),
            names(&["public.b", "shop.public.b"]),
            names(&["public.p_1", "public.parted"]),
            names(&["public.other"]),
        ];
        let (found, unknown) = requested_tables(&request, &captured);
        let found: Vec<(&str, Option<&str>)> =
            found.iter().map(|table| (table.table.as_str(), table.filter.as_deref())).collect();
        assert_eq!(found, [("public.a", Some("y")), ("public.b", Some("x > 1")), ("public.p_1", Some("y"))]);
        assert_eq!(unknown, ["public.none"]);
    }

    #[test]
    fn wide_rows_make_small_chunks() {
        let mut limit = RowLimit::new();
        assert_eq!(limit.rows(1024), 1024);
        limit.on_chunk(10, true);
        assert_eq!(limit.rows(1024), 10);
        limit.on_chunk(10, false);
        assert_eq!(limit.rows(1024), 20);
        limit.on_chunk(0, true);
        assert_eq!(limit.rows(1024), 1);
        (0..40).for_each(|_| limit.on_chunk(1, false));
        assert_eq!(limit.rows(1024), 1024);
    }
}
