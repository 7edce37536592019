//! Runs the statement files of `tests/slt`: each file on a store of its own.
//!
//! The form is that of sqllogictest: records are separated by empty lines.
//!
//! ```text
//! statement ok
//! CREATE TABLE t (id INT)
//!
//! statement error 42P07 has table t already
//! CREATE TABLE t (id INT)
//!
//! query
//! SELECT * FROM t
//! ----
//! id
//! 7
//! ```
//!
//! `statement message TEXT` compares the message of a completed statement, `query rowsort` sorts the rows,
//! and lines that start with `#` are comments. Files whose names begin with
//! `captured_` have captured tables. Results are CSV with a header line. `KULYA_REGENERATE=1` writes what
//! the statements give now into the files, to be reviewed.

use crate::live_captures;
use kulya_registry::Registry;
use kulya_sql::{
    BackendFactory, CatalogBackend, CatalogOptions, LiveRunner, LiveSettings, OutputFormat, Session,
    SqlError, SqlResult, StatementResult,
};
use kulya_store::StreamStore;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::supervision::Supervisor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The smallest number of records that the files have together.
const MIN_RECORDS: usize = 380;

struct Record {
    /// The number of its first line.
    line: usize,
    /// The number of the line after it.
    end: usize,
    head: String,
    sql: String,
    expected: Option<String>,
}

fn records(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() || lines[at].starts_with('#') {
            at += 1;
            continue;
        }
        let line = at + 1;
        let end = lines[at..].iter().position(|line| line.is_empty()).map_or(lines.len(), |n| at + n);
        let block = &lines[at + 1..end];
        let split = block.iter().position(|line| *line == "----");
        let sql = block[..split.unwrap_or(block.len())].join("\n");
        let expected = split.map(|split| block[split + 1..].join("\n"));
        records.push(Record { line, end: end + 1, head: lines[at].to_owned(), sql, expected });
        at = end;
    }
    records
}

/// Returns the record as it is now: the head and the result.
async fn run(session: &mut Session, record: &Record) -> (String, Option<String>) {
    let result = session.execute(&record.sql).await;
    let words: Vec<&str> = record.head.splitn(3, ' ').collect();
    let found = match (last(&result), words.as_slice()) {
        (Err(error), ["statement", "error", expected]) if matches(error, expected) => record.head.clone(),
        (Err(error), _) => format!("statement error {} {error}", error.kind().sqlstate()),
        (Ok(_), ["statement", "ok"]) => record.head.clone(),
        (Ok(StatementResult::Completed(message)), _) => format!("statement message {message}"),
        (Ok(rows), ["query", how @ ..]) => {
            let found = rows.write(OutputFormat::Csv).unwrap();
            let mut lines: Vec<&str> = found.lines().collect();
            if how == ["rowsort"]
                && let [_, rows @ ..] = lines.as_mut_slice()
            {
                rows.sort_unstable();
            }
            return (record.head.clone(), Some(lines.join("\n")));
        }
        (Ok(_), _) => "query".to_owned(),
    };
    (found, None)
}

fn matches(error: &SqlError, expected: &str) -> bool {
    let (state, text) = expected.split_once(' ').unwrap_or((expected, ""));
    error.kind().sqlstate() == state && error.to_string().contains(text)
}

fn last(results: &SqlResult<Vec<StatementResult>>) -> Result<&StatementResult, &SqlError> {
    Ok(results.as_ref()?.last().unwrap())
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the statements of all files.
pub(crate) fn all_statements() -> Vec<String> {
    let of_file = |file: PathBuf| {
        let records = records(&std::fs::read_to_string(file).unwrap());
        records.into_iter().map(|record| record.sql).collect::<Vec<_>>()
    };
    files().into_iter().flat_map(of_file).collect()
}

/// Opens the same store for every catalog.
struct SameStore(CatalogBackend);

#[async_trait::async_trait]
impl BackendFactory for SameStore {
    async fn open(&self, _: &CatalogOptions) -> SqlResult<CatalogBackend> {
        Ok(self.0.clone())
    }
}

/// Returns a session on a store in memory, which every catalog of it opens, too.
pub(crate) async fn session_on_a_new_store() -> Session {
    session_on(new_backend().await).await
}

async fn new_backend() -> CatalogBackend {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::with_clock(Arc::new(ManualClock::default())));
    let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
    CatalogBackend::new(store, registry)
}

async fn session_on(backend: CatalogBackend) -> Session {
    let runner =
        LiveRunner::start("kulya", backend.clone(), LiveSettings::default(), Supervisor::default()).await;
    let session = Session::new("kulya", backend.clone()).await.unwrap();
    session.live(runner.unwrap()).backend_factory(SameStore(backend))
}

#[tokio::test]
async fn statements_of_the_files_have_their_results() {
    let (mut count, mut failures) = (0, Vec::new());
    for file in files() {
        let backend = new_backend().await;
        if file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("captured_")) {
            live_captures::capture_examples(&backend).await;
        }
        let mut session = session_on(backend).await.allow_files();
        session.execute("CREATE DATABASE shop; USE shop").await.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (mut now, mut copied) = (Vec::new(), 0);
        for record in records(&text) {
            count += 1;
            let (head, result) = run(&mut session, &record).await;
            let shown = match &result {
                Some(rows) => format!("{head}\n{}\n----\n{rows}", record.sql),
                None => format!("{head}\n{}", record.sql),
            };
            if (&head, &result) != (&record.head, &record.expected) {
                let name = file.file_name().unwrap().to_string_lossy();
                failures.push(format!("{name}:{}:\n{shown}", record.line));
            }
            now.extend(lines[copied..record.line - 1].iter().map(|line| (*line).to_owned()));
            now.push(shown);
            copied = record.end - 1;
        }
        if std::env::var_os("KULYA_REGENERATE").is_some() {
            now.extend(lines[copied..].iter().map(|line| (*line).to_owned()));
            std::fs::write(&file, now.join("\n") + "\n").unwrap();
        }
    }
    assert!(failures.is_empty(), "{} of {count} records:\n{}", failures.len(), failures.join("\n\n"));
    assert!(count >= MIN_RECORDS, "{count} records");
}
