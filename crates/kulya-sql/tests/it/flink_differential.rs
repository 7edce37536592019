//! The same bounded queries over the same events in Flink SQL and in Kulya: orders as JSON, Avro and
//! Protobuf, and as Kulya writes them by a registry; and the current rows of Debezium's changes as JSON and
//! as Avro.

use crate::flink_sql::{FlinkSql, Mode, Rows};
use crate::flink_text::{Style, text};
use bytes::Bytes;
use kulya_registry::Registry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_sql::{CatalogBackend, Session, StatementResult};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{Append, Commit, StreamConfig, StreamId, StreamStore};
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

/// The number of events of each kind; `KULYA_EVENTS` sets another one.
const EVENTS: usize = 5000;
/// The events of one commit.
const BATCH: usize = 1000;
const SEED: u64 = 7;
/// Of so many queries over orders one is asked in Protobuf too, and of each Flink is asked in JSON or in
/// Avro; in every format with `KULYA_ALL=1`.
const SAMPLED: usize = 3;

/// A query of the file.
struct Query {
    sql: String,
    /// Why its rows are others than Flink's.
    difference: Option<String>,
}

impl Query {
    fn is_of_changes(&self) -> bool {
        self.sql.contains("FROM changes")
    }
}

fn queries() -> Vec<Query> {
    let path = format!("{}/tests/data/flink_queries.sql", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let query = |block: &str| {
        let difference = block.lines().find_map(|line| line.strip_prefix("-- differs: ")).map(str::to_owned);
        let lines: Vec<&str> = block.lines().filter(|line| !line.starts_with("--")).collect();
        let sql = lines.join("\n").trim().trim_end_matches(';').to_owned();
        Query { sql, difference }
    };
    text.split("\n\n").map(query).filter(|query| !query.sql.is_empty()).collect()
}

/// A database of Flink's, with the events in one format.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Avro,
    Protobuf,
    /// Changes as JSON.
    Debezium,
    /// Changes as Avro, whose current rows Flink takes by the position in the log: its format for them needs
    /// a registry of Confluent's.
    Envelopes,
}

impl Form {
    const ALL: [Self; 5] = [Self::Json, Self::Avro, Self::Protobuf, Self::Debezium, Self::Envelopes];

    fn database(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Avro => "avro",
            Self::Protobuf => "protobuf",
            Self::Debezium => "debezium",
            Self::Envelopes => "envelopes",
        }
    }

    /// Flink refuses change logs in batch mode.
    fn mode(self) -> Mode {
        if self == Self::Debezium { Mode::Streaming } else { Mode::Batch }
    }

    /// Kulya's databases that have the same rows. Protobuf has no null in arrays and maps.
    fn of_kulya(self) -> &'static [&'static str] {
        match self {
            Self::Json | Self::Avro => &["json", "avro", "registry"],
            Self::Protobuf => &["protobuf"],
            Self::Debezium | Self::Envelopes => &["debezium", "envelopes"],
        }
    }

    /// The statements that create the table in Flink.
    fn create(self, folder: &Path) -> Vec<String> {
        let columns = |name: &str| read(folder, &format!("{name}.columns"));
        let table = |name: &str, columns: &str, file: &str, options: &str| {
            let path = folder.join(file);
            format!("CREATE TABLE {name} ({columns}) WITH ('path' = 'file://{}', {options})", path.display())
        };
        let file = |format: &str| format!("'connector' = 'filesystem', 'format' = '{format}'");
        let database = self.database();
        let mut statements = vec![format!("CREATE DATABASE {database}"), format!("USE {database}")];
        let orders = |name: &str| format!("{}, {WATERMARK}", columns(name));
        match self {
            Self::Json => statements.push(table("orders", &orders("orders"), "orders.jsonl", &file("json"))),
            Self::Avro => statements.push(table("orders", &orders("orders"), "orders.avro", &file("avro"))),
            Self::Protobuf => {
                let options = format!("'connector' = 'events', 'format' = 'protobuf', {MESSAGE}");
                statements.push(table("orders", &orders("messages"), "orders.messages", &options));
            }
            Self::Debezium => {
                let options = file("debezium-json");
                statements.push(table("changes", &columns("changes"), "changes.jsonl", &options));
            }
            Self::Envelopes => {
                let row = columns("changes");
                let columns =
                    format!("`before` ROW<{row}>, `after` ROW<{row}>, `source` ROW<lsn BIGINT>, op STRING");
                statements.push(table("envelopes", &columns, "changes.avro", &file("avro")));
                statements.push(CURRENT_ROWS.to_owned());
            }
        }
        statements
    }
}

/// Kulya's databases.
const DATABASES: [&str; 6] = ["json", "avro", "registry", "protobuf", "debezium", "envelopes"];
const WATERMARK: &str = "WATERMARK FOR placed AS placed";
const MESSAGE: &str = "'protobuf.message-class-name' = 'kulya.test.Order'";
const CURRENT_ROWS: &str = "CREATE VIEW changes AS
    SELECT e.`after`.id, e.`after`.customer, e.`after`.status, e.`after`.amount, e.`after`.updated FROM (
      SELECT *, row_number() OVER (PARTITION BY coalesce(`after`.id, `before`.id) ORDER BY `source`.lsn DESC) AS n
      FROM envelopes
    ) AS e WHERE n = 1 AND op <> 'd'";

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// A query for Flink.
struct Question<'a> {
    query: &'a Query,
    form: Form,
}

/// Returns what Flink is asked.
fn questions(queries: &[Query]) -> Vec<Question<'_>> {
    let is_all = std::env::var_os("KULYA_ALL").is_some();
    let is_asked = |form: Form, index: usize, query: &Query| match form {
        Form::Debezium | Form::Envelopes if !query.is_of_changes() => false,
        Form::Json | Form::Avro | Form::Protobuf if query.is_of_changes() => false,
        _ if is_all => true,
        Form::Json | Form::Debezium => index.is_multiple_of(2),
        Form::Avro | Form::Envelopes => !index.is_multiple_of(2),
        Form::Protobuf => index.is_multiple_of(SAMPLED),
    };
    let of_query = |(index, query)| {
        Form::ALL
            .into_iter()
            .filter(move |form| is_asked(*form, index, query))
            .map(move |form| Question { query, form })
    };
    queries.iter().enumerate().flat_map(of_query).collect()
}

/// Asks Flink in several sessions at once.
fn answers(folder: &Path, questions: &[Question<'_>]) -> Vec<Result<Rows, String>> {
    let pending = Mutex::new(questions.iter().enumerate());
    let answers = Mutex::new(vec![Err("not asked".to_owned()); questions.len()]);
    let work = || {
        let mut flink = FlinkSql::connect();
        for form in Form::ALL {
            for sql in form.create(folder) {
                flink.execute(form.mode(), &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        }
        loop {
            let Some((index, Question { query, form })) = pending.lock().unwrap().next() else { break };
            flink.execute(form.mode(), &format!("USE {}", form.database())).unwrap();
            let answer = flink.execute(form.mode(), &query.sql);
            answers.lock().unwrap()[index] = answer;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    answers.into_inner().unwrap()
}

/// Kulya with the same tables.
struct Kulya {
    session: Session,
    backend: CatalogBackend,
}

impl Kulya {
    async fn new() -> Self {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::with_clock(Arc::new(ManualClock::default())));
        let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
        let backend = CatalogBackend::new(store, registry);
        Self { session: Session::new("kulya", backend.clone()).await.unwrap(), backend }
    }

    /// Creates the tables.
    async fn with_tables(folder: &Path) -> Self {
        let mut kulya = Self::new().await;
        let columns = |name: &str| read(folder, &format!("{name}.columns"));
        let stream = "'scan.streams' = 'events'";
        let (orders, messages) = (columns("orders"), columns("messages"));
        let descriptors = format!("'protobuf.descriptor-set' = '{}'", read(folder, "orders.descriptors"));
        for (database, file, columns, options) in [
            ("json", "orders.jsonl", &orders, ""),
            ("avro", "orders.datums", &orders, ""),
            ("protobuf", "orders.messages", &messages, &format!(", {MESSAGE}, {descriptors}")),
        ] {
            let create = format!(
                "CREATE TABLE orders ({columns}, {WATERMARK}) WITH ('format' = '{database}', {stream}{options})"
            );
            kulya.table(database, &create, events(folder, file)).await;
        }
        // events that Kulya writes by the registry are the same orders
        let create = format!(
            "CREATE TABLE orders ({orders}, {WATERMARK}); INSERT INTO orders SELECT * FROM json.orders"
        );
        kulya.table("registry", &create, Vec::new()).await;
        let changes = |format: &str| {
            let columns = columns("changes");
            format!(
                "CREATE TABLE changes ({columns}, PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = '{format}', {stream})"
            )
        };
        kulya.table("debezium", &changes("debezium-json"), events(folder, "changes.jsonl")).await;
        let datums = events(folder, "changes.datums");
        let datums = kulya.with_header("envelopes", &read(folder, "changes.avsc"), datums).await;
        kulya.table("envelopes", &changes("debezium-avro"), datums).await;
        kulya
    }

    /// Registers the schema of a database's events, and puts the registry's header before them.
    async fn with_header(&self, database: &str, schema: &str, datums: Vec<Bytes>) -> Vec<Bytes> {
        let (registry, group) = (&self.backend.registry, GroupId::new(database, "events"));
        let properties = GroupProperties::new(Format::Avro, Compatibility::AllowAny, true);
        registry.create_group(&group, properties).await.unwrap();
        let version = registry.add_schema(&group, SchemaInfo::new("", Format::Avro, schema)).await.unwrap();
        let id = registry.encoding_id(&group, &version, "").await.unwrap();
        datums.into_iter().map(|datum| [&id.header()[..], &datum].concat().into()).collect()
    }

    /// Creates a table in a database of its own, and its stream with these events.
    async fn table(&mut self, database: &str, create: &str, events: Vec<Bytes>) {
        let stream: StreamId = format!("{database}/events").parse().unwrap();
        let store = &self.backend.store;
        store.create_scope(&stream.scope).await.unwrap();
        // the events of a row are in one segment, in order
        let segments = if create.contains("PRIMARY KEY") { 1 } else { 2 };
        store.create_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap();
        let mut number = 0;
        for batch in events.chunks(BATCH) {
            let appends = batch.iter().map(|event| {
                number += 1;
                Append::keyed(&stream, number.to_string(), event.clone())
            });
            store.commit(Commit::events(appends.collect())).await.unwrap();
        }
        self.session.execute(&format!("USE {database}")).await.unwrap();
        self.session.execute(create).await.unwrap_or_else(|error| panic!("{create}: {error}"));
    }

    async fn rows(&mut self, sql: &str) -> Result<Rows, String> {
        let mut results = self.session.execute(sql).await.map_err(|error| error.to_string())?;
        let Some(StatementResult::Rows { batches, .. }) = results.pop() else { return Ok(Rows::new()) };
        let mut rows = Rows::new();
        for batch in batches {
            let value = |row, column: &arrow::array::ArrayRef| {
                (!column.is_null(row)).then(|| text(column, row, Style::Session))
            };
            let of_row = |row| batch.columns().iter().map(|column| value(row, column)).collect();
            rows.extend((0..batch.num_rows()).map(of_row));
        }
        Ok(rows)
    }
}

/// Reads the events of a file: lines, or what stands behind its length.
fn events(folder: &Path, file: &str) -> Vec<Bytes> {
    let bytes = Bytes::from(std::fs::read(folder.join(file)).unwrap());
    if file.ends_with(".jsonl") {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        return lines.map(|line| bytes.slice_ref(line)).collect();
    }
    let (mut rest, mut events) = (bytes, Vec::new());
    while !rest.is_empty() {
        let length = rest.split_to(4);
        let length = u32::from_be_bytes(length.as_ref().try_into().unwrap());
        events.push(rest.split_to(length as usize));
    }
    events
}

/// Compares the rows of a query; returns how they differ.
fn difference(flink: Result<Rows, String>, kulya: Result<Rows, String>) -> Option<String> {
    let (mut flink, mut kulya) = match (flink, kulya) {
        (Ok(flink), Ok(kulya)) => (flink, kulya),
        (Err(flink), _) => return Some(format!("Flink refuses it: {flink}")),
        (_, Err(kulya)) => return Some(format!("Kulya refuses it: {kulya}")),
    };
    flink.sort_unstable();
    kulya.sort_unstable();
    if flink == kulya {
        return None;
    }
    let only = |these: &Rows, those: &Rows| {
        let rows = these.iter().filter(|row| those.binary_search(row).is_err());
        rows.take(3).map(|row| format!("\n  {row:?}")).collect::<String>()
    };
    let (only_kulya, only_flink) = (only(&kulya, &flink), only(&flink, &kulya));
    Some(format!("{} rows and {} of Flink; here{only_kulya}\nFlink{only_flink}", kulya.len(), flink.len()))
}

#[tokio::test]
#[ignore = "needs Flink SQL: cargo xtask flink-sql"]
async fn flink_sql_has_equal_rows_in_each_format() {
    let count = std::env::var("KULYA_EVENTS").map_or(EVENTS, |count| count.parse().unwrap());
    let folder = std::env::temp_dir().join(format!("kulya-flink-differential-{}", std::process::id()));
    FlinkSql::connect().make_events(&folder, count, SEED);
    let queries = queries();
    let of_changes = queries.iter().filter(|query| query.is_of_changes()).count();
    assert!(queries.len() - of_changes >= 40 && of_changes >= 10, "{} queries", queries.len());
    let questions = questions(&queries);
    let answers = answers(&folder, &questions);
    let mut kulya = Kulya::with_tables(&folder).await;
    let (mut wrong, mut equal) = (Vec::new(), 0);
    for query in &queries {
        for database in DATABASES {
            let of_query = |(question, _): &(&Question<'_>, _)| {
                std::ptr::eq(question.query, query) && question.form.of_kulya().contains(&database)
            };
            let theirs: Vec<_> = questions.iter().zip(&answers).filter(of_query).collect();
            if theirs.is_empty() {
                continue;
            }
            kulya.rows(&format!("USE {database}")).await.unwrap();
            let ours = kulya.rows(&query.sql).await;
            for (question, answer) in theirs {
                let title = format!("{database}, in Flink {}: {}", question.form.database(), query.sql);
                match (difference(answer.clone(), ours.clone()), &query.difference) {
                    (Some(found), None) => wrong.push(format!("{title}\n{found}")),
                    (None, Some(known)) => wrong.push(format!("{title}\nis equal, and not: {known}")),
                    (None, None) => equal += 1,
                    (Some(_), Some(_)) => {}
                }
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    println!("{} answers of Flink over {count} events, {equal} comparisons equal", answers.len());
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n\n"));
}
