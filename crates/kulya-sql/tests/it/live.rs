//! Live queries with their store: restarts, failures at each write, and processes that run the same one.

use kulya_registry::Registry;
use kulya_sql::{
    CatalogBackend, Execution, LiveRunner, LiveSettings, LiveState, OutputFormat, Session, StatementResult,
};
use kulya_store::clock::ManualClock;
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::supervision::Supervisor;
use kulya_store::{ErrorKind, StreamStore, bounded_read};
use std::sync::Arc;

pub(crate) async fn backend(store: Arc<dyn StreamStore>) -> CatalogBackend {
    let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
    CatalogBackend::new(store, registry)
}

pub(crate) async fn runner(backend: &CatalogBackend) -> LiveRunner {
    let settings = LiveSettings::default();
    LiveRunner::start("kulya", backend.clone(), settings, Supervisor::default()).await.unwrap()
}

pub(crate) async fn session(backend: &CatalogBackend, runner: Option<&LiveRunner>) -> Session {
    let session = Session::new("kulya", backend.clone()).await.unwrap();
    match runner {
        Some(runner) => session.live(runner.clone()),
        None => session,
    }
}

pub(crate) async fn execute(session: &mut Session, text: &str) {
    session.execute(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
}

pub(crate) async fn rows(session: &mut Session, text: &str) -> Vec<String> {
    let results = session.execute(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let text = results.last().unwrap().write(OutputFormat::Csv).unwrap();
    let mut rows: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    rows
}

const TABLES: &str = "CREATE DATABASE shop; USE shop;
    CREATE TABLE orders (id BIGINT, customer STRING, amount BIGINT);
    CREATE TABLE accounts (id INT, balance BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = 'debezium-json');
    CREATE TABLE journal (id INT, balance BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = 'debezium-json');
    CREATE MATERIALIZED VIEW totals AS SELECT customer, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY customer;
    CREATE MATERIALIZED VIEW money AS SELECT SUM(a.balance) + SUM(j.balance) AS total
        FROM accounts AS a JOIN journal AS j ON a.id = j.id;";

/// A tick's worth of changes: a transfer between two tables, in one transaction, and an order.
fn changes(round: i64) -> String {
    format!(
        "EXECUTE STATEMENT SET BEGIN
         INSERT INTO accounts VALUES (1, {}), (2, {});
         INSERT INTO journal VALUES (1, {}), (2, {});
         END;
         INSERT INTO orders VALUES ({round}, 'c{}', {round})",
        100 - round,
        100 + 2 * round,
        100 - round,
        100,
        round % 3,
    )
}

async fn expected(session: &mut Session) -> Vec<String> {
    rows(session, "SELECT customer, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY customer").await
}

#[tokio::test(flavor = "multi_thread")]
async fn views_go_on_after_each_restart() {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let backend = backend(store).await;
    let mut live = runner(&backend).await;
    let mut session = session(&backend, Some(&live)).await;
    execute(&mut session, TABLES).await;
    for round in 1..12 {
        execute(&mut session, &changes(round)).await;
        if round % 2 == 0 {
            // read up to here; the odd rounds are read by the next process
            rows(&mut session, "SELECT * FROM totals").await;
        }
        match round % 3 {
            // without a last commit, as after kill -9
            0 => drop(live),
            _ => live.stop().await,
        }
        live = runner(&backend).await;
        session = self::session(&backend, Some(&live)).await;
        execute(&mut session, "USE shop").await;
        assert_eq!(rows(&mut session, "SELECT * FROM totals").await, expected(&mut session).await, "{round}");
        assert_eq!(rows(&mut session, "SELECT * FROM money").await, ["400"], "{round}");
    }
}

/// Every view is right, whatever write of its process failed.
#[tokio::test(flavor = "multi_thread")]
async fn views_survive_a_failure_at_each_write() {
    let mut failures = 0;
    for allowed in 0..24 {
        let store =
            Arc::new(FaultyStore::failing_after(MemoryStore::new(), u64::MAX, ErrorKind::Unreachable));
        let backend = backend(Arc::clone(&store) as Arc<dyn StreamStore>).await;
        let live = runner(&backend).await;
        let mut session = session(&backend, Some(&live)).await;
        execute(&mut session, TABLES).await;
        execute(&mut session, &changes(1)).await;
        rows(&mut session, "SELECT * FROM totals").await;
        store.allow(allowed);
        let failed = session.execute(&changes(2)).await.is_err();
        failures += u32::from(failed);
        live.stop().await;
        store.allow(u64::MAX);
        let live = runner(&backend).await;
        let mut session = self::session(&backend, Some(&live)).await;
        execute(&mut session, "USE shop").await;
        assert_eq!(
            rows(&mut session, "SELECT * FROM totals").await,
            expected(&mut session).await,
            "{allowed}"
        );
        assert_eq!(rows(&mut session, "SELECT * FROM money").await, ["400"], "{allowed}");
    }
    assert!(failures >= 3, "{failures} failures");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_takes_a_view_over() {
    let backend = backend(Arc::new(MemoryStore::new())).await;
    let first = runner(&backend).await;
    let mut session = session(&backend, Some(&first)).await;
    execute(&mut session, TABLES).await;
    execute(&mut session, &changes(1)).await;
    rows(&mut session, "SELECT * FROM totals").await;
    let second = runner(&backend).await;
    let mut other = self::session(&backend, Some(&second)).await;
    execute(&mut other, "USE shop").await;
    rows(&mut other, "SELECT * FROM totals").await;
    // the first learns of it by its next commit
    execute(&mut other, &changes(2)).await;
    first.stop().await;
    assert_eq!(rows(&mut other, "SELECT * FROM totals").await, expected(&mut other).await);
    assert!(second.statuses().iter().all(|status| status.state == LiveState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_write_each_change_once() {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let backend = backend(Arc::clone(&store)).await;
    let mut live = runner(&backend).await;
    let mut session = session(&backend, Some(&live)).await;
    execute(&mut session, TABLES).await;
    execute(
        &mut session,
        "CREATE TABLE copies (id BIGINT, amount BIGINT);
         CREATE TABLE sums (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED) WITH ('format' = 'debezium-json');
         SET 'execution.runtime-mode' = 'streaming';
         INSERT INTO copies SELECT id, amount FROM orders WHERE amount > 1;
         INSERT INTO sums SELECT customer, SUM(amount) FROM orders GROUP BY customer;
         RESET",
    )
    .await;
    let error = session
        .execute("SET 'execution.runtime-mode' = 'streaming'; INSERT INTO copies SELECT SUM(id), SUM(amount) FROM orders")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the format of table copies only adds rows"), "{error}");
    let error = session.execute("INSERT INTO orders SELECT * FROM orders").await.unwrap_err();
    assert!(error.to_string().contains("the query reads table orders, which it writes"), "{error}");
    execute(&mut session, "RESET").await;
    for round in 1..8_usize {
        execute(&mut session, &changes(round as i64)).await;
        if round % 2 == 1 {
            match round % 4 {
                1 => drop(live),
                _ => live.stop().await,
            }
            live = runner(&backend).await;
            session = self::session(&backend, Some(&live)).await;
            execute(&mut session, "USE shop").await;
        }
        let copies = "shop/copies".parse().unwrap();
        let segments = store.segments(&copies).await.unwrap();
        // the events of each order but the first
        while bounded_read(&*store, &copies).await.unwrap().len() < round - 1 {
            let waits = segments.iter().map(|info| store.wait_for_data(&info.id, info.tail));
            futures::future::select_all(waits).await.0.unwrap();
        }
    }
    // the last commit of both
    live.stop().await;
    let live = runner(&backend).await;
    live.stop().await;
    let mut session = self::session(&backend, None).await;
    execute(&mut session, "USE shop").await;
    assert_eq!(
        rows(&mut session, "SELECT * FROM copies").await,
        rows(&mut session, "SELECT id, amount FROM orders WHERE amount > 1").await
    );
    let jobs = rows(&mut session, "SHOW JOBS").await;
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    for (change, state) in [("PAUSE", "paused"), ("RESUME", "")] {
        execute(&mut session, &format!("ALTER JOB '3' {change}")).await;
        let jobs = rows(&mut session, "SHOW JOBS").await;
        assert_eq!(jobs[0].split(',').nth_back(5), Some(state), "{jobs:?}");
    }
    execute(&mut session, "STOP JOB '3'").await;
    let error = session.execute("STOP JOB '3'").await.unwrap_err();
    assert!(error.to_string().contains("there is no job 3"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_as_they_are_committed() {
    let backend = backend(Arc::new(MemoryStore::new())).await;
    let mut session = session(&backend, None).await;
    execute(
        &mut session,
        "CREATE DATABASE shop; USE shop; CREATE TABLE orders (customer STRING, amount BIGINT)",
    )
    .await;
    let mut writer = self::session(&backend, None).await;
    execute(&mut writer, "USE shop").await;
    let statement = kulya_sql::parse_statements(
        "SUBSCRIBE SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer",
    );
    let started = session.start(statement.unwrap().remove(0)).await.unwrap();
    let Execution::Rows(mut changes) = started else { panic!("rows") };
    let mut next = async |writer: &mut Session, insert: &str| {
        execute(writer, insert).await;
        let batch = changes.next().await.unwrap().unwrap();
        let schema = batch.schema();
        let result = StatementResult::Rows { schema, batches: vec![batch], warnings: Vec::new() };
        let text = result.write(OutputFormat::Csv).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        next(&mut writer, "INSERT INTO orders VALUES ('ann', 1)").await,
        ["op,customer,total", "+I,ann,1"]
    );
    assert_eq!(
        next(&mut writer, "INSERT INTO orders VALUES ('ann', 2), ('bob', 5)").await,
        ["op,customer,total", "-U,ann,1", "+U,ann,3", "+I,bob,5"]
    );
}
