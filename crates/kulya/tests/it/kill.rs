//! kill -9 of `kulya cdc` at any moment: the stream has every change of the database exactly once, in order
//! per key.
//!
//! Two writers commit to one table, each to its own keys, and record what they committed. Meanwhile `kulya
//! cdc` is started and killed twenty times: while it connects, during the snapshot, and while it streams the
//! log. Random numbers come from a seed (`KULYA_SEED` sets another), and the moments depend on events, not on
//! time.

use crate::program::{Running, command, connect, database, kulya};
use kulya_store::{StreamId, StreamStore, bounded_read};
use kulya_store_embedded::EmbeddedStore;
use kulya_testkit::SeededRng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use tempfile::tempdir;
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::Client;

const SEED: u64 = 20_261_124;
const KILLS: u64 = 20;
const WRITERS: u64 = 2;
/// Keys of each writer; writer 1 has those from 1000 on, and so on.
const KEYS: u64 = 40;
/// Rows of another table, so that the snapshot takes a while.
const OTHER_ROWS: u64 = 20_000;

/// A change of a key: `c`, `u` or `d`, and the row's sequence number before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    key: u64,
    op: String,
    before: Option<u64>,
    after: Option<u64>,
}

/// A writer's committed transactions.
type History = Arc<Mutex<Vec<Vec<Step>>>>;

struct Writer {
    client: Client,
    rng: SeededRng,
    first_key: u64,
    sequence: u64,
    rows: BTreeMap<u64, u64>,
    history: History,
    /// One transaction for each permit; completed ones are counted in `done`.
    allowed: Arc<Semaphore>,
    done: Arc<Semaphore>,
}

impl Writer {
    async fn run(mut self) {
        while let Ok(permit) = self.allowed.clone().acquire_owned().await {
            permit.forget();
            self.transaction().await;
            self.done.add_permits(1);
        }
    }

    async fn transaction(&mut self) {
        let (mut sql, mut steps, mut rows) = ("BEGIN;".to_owned(), Vec::new(), self.rows.clone());
        for _ in 0..=self.rng.u64_below(5) {
            let key = self.first_key + self.rng.u64_below(KEYS);
            self.sequence += 1;
            let (before, after) = (rows.get(&key).copied(), self.sequence);
            let pad =
                "x".repeat(if self.rng.u64_below(20) == 0 { 5000 } else { self.rng.u64_below(50) as usize });
            let (op, after) = match before {
                None => {
                    write!(sql, "INSERT INTO ledger VALUES ({key}, {after}, '{pad}');").unwrap();
                    ("c", Some(after))
                }
                Some(_) if self.rng.u64_below(4) == 0 => {
                    write!(sql, "DELETE FROM ledger WHERE id = {key};").unwrap();
                    ("d", None)
                }
                Some(_) => {
                    write!(sql, "UPDATE ledger SET seq = {after}, pad = '{pad}' WHERE id = {key};").unwrap();
                    ("u", Some(after))
                }
            };
            match after {
                Some(after) => rows.insert(key, after),
                None => rows.remove(&key),
            };
            steps.push(Step { key, op: op.to_owned(), before, after });
        }
        if self.rng.u64_below(8) == 0 {
            self.client.batch_execute(&(sql + "ROLLBACK;")).await.unwrap();
        } else {
            self.client.batch_execute(&(sql + "COMMIT;")).await.unwrap();
            self.rows = rows;
            self.history.lock().await.push(steps);
        }
    }
}

/// Both writers, driven a number of transactions at a time.
struct Workload {
    allowed: Vec<Arc<Semaphore>>,
    done: Vec<Arc<Semaphore>>,
    histories: Vec<History>,
}

impl Workload {
    async fn start(url: &str, seed: u64) -> Self {
        let mut this = Self { allowed: Vec::new(), done: Vec::new(), histories: Vec::new() };
        for number in 0..WRITERS {
            let (allowed, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let history = History::default();
            let writer = Writer {
                client: connect(url).await,
                rng: SeededRng::new(seed + number),
                first_key: number * 1000,
                sequence: 0,
                rows: BTreeMap::new(),
                history: Arc::clone(&history),
                allowed: Arc::clone(&allowed),
                done: Arc::clone(&done),
            };
            tokio::spawn(writer.run());
            this.allowed.push(allowed);
            this.done.push(done);
            this.histories.push(history);
        }
        this
    }

    /// Runs `transactions` of each writer, concurrently.
    async fn advance(&self, transactions: u64) {
        for allowed in &self.allowed {
            allowed.add_permits(transactions as usize);
        }
        for done in &self.done {
            done.acquire_many(transactions as u32).await.unwrap().forget();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn capture_killed_twenty_times_is_exactly_once() {
    let seed = std::env::var("KULYA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}");
    let (client, url) = database("kill_nine").await;
    let setup = format!(
        "CREATE TABLE ledger (id int PRIMARY KEY, seq bigint NOT NULL, pad text NOT NULL);
         ALTER TABLE ledger REPLICA IDENTITY FULL;
         CREATE TABLE other AS SELECT i AS id, repeat('x', 100) AS pad FROM generate_series(1, {OTHER_ROWS}) i;"
    );
    client.batch_execute(&setup).await.unwrap();
    let workload = Workload::start(&url, seed).await;
    workload.advance(50).await;

    let folder = tempdir().unwrap();
    let capture = ["cdc", "--postgres", &url, "--name", "k", "--stream", "{table}", "--segments", "3"];
    let mut rng = SeededRng::new(seed ^ 0xd1ce);
    for round in 0..KILLS {
        let mut running = Running::start(command(folder.path(), &capture).env("KULYA_LOG", "info"));
        // the first rounds are killed before the snapshot is stored, so that it starts again
        let phase = if round < 4 { round % 2 } else { rng.u64_below(4) };
        match phase {
            0 => workload.advance(rng.u64_below(60)).await,
            1 => {
                let line = if round < 4 { "snapshot started" } else { "k: " };
                running.wait_for(line);
                workload.advance(rng.u64_below(30)).await;
            }
            _ => {
                running.wait_for("streaming the log");
                for _ in 0..rng.u64_below(4) {
                    workload.advance(10 + rng.u64_below(40)).await;
                    running.wait_for("stored ");
                }
                workload.advance(rng.u64_below(80)).await;
            }
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        workload.advance(rng.u64_below(20)).await;
    }
    kulya(&folder, &[&capture[..], &["--until-caught-up"]].concat());

    let steps = stored_steps(&folder.path().join("kulya-data")).await;
    for (number, history) in (0..WRITERS).zip(&workload.histories) {
        let keys = number * 1000..(number + 1) * 1000;
        let own: Vec<Step> = steps.iter().filter(|step| keys.contains(&step.key)).cloned().collect();
        let history = history.lock().await;
        println!("writer {number}: {} transactions, {} events", history.len(), own.len());
        assert!(own.len() > 500, "the workload was too small");
        check(&history, &own);
    }
}

/// Returns the events of the table's stream, in order per segment.
async fn stored_steps(folder: &std::path::Path) -> Vec<Step> {
    let store = EmbeddedStore::open(folder).unwrap();
    let events = bounded_read(&store, &StreamId::new("k", "ledger").unwrap()).await.unwrap();
    let others = bounded_read(&store, &StreamId::new("k", "other").unwrap()).await.unwrap();
    assert_eq!(others.len() as u64, OTHER_ROWS, "each row of the snapshot once");
    store.close().await.unwrap();
    events
        .iter()
        .map(|(_, event)| {
            let event: Value = serde_json::from_slice(event).unwrap();
            let number = |side: &str, column: &str| event[side].get(column).and_then(Value::as_u64);
            Step {
                key: number("after", "id").or(number("before", "id")).unwrap(),
                op: event["op"].as_str().unwrap().to_owned(),
                before: number("before", "seq"),
                after: number("after", "seq"),
            }
        })
        .collect()
}

fn by_key(steps: impl IntoIterator<Item = Step>) -> BTreeMap<u64, Vec<Step>> {
    let mut keys: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    for step in steps {
        keys.entry(step.key).or_default().push(step);
    }
    keys
}

/// Checks that for some number of transactions the stream has, per key, the rows they left as the snapshot
/// and then every step of the other transactions.
fn check(history: &[Vec<Step>], stored: &[Step]) {
    let read: BTreeMap<u64, u64> =
        stored.iter().filter(|step| step.op == "r").map(|step| (step.key, step.after.unwrap())).collect();
    let actual = by_key(stored.iter().cloned());
    let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
    let mut candidates = 0;
    for seen in 0..=history.len() {
        if let Some(steps) = seen.checked_sub(1).map(|last| &history[last]) {
            for step in steps {
                match step.after {
                    Some(after) => rows.insert(step.key, after),
                    None => rows.remove(&step.key),
                };
            }
        }
        if rows == read {
            candidates += 1;
            let row = |(key, seq): (&u64, &u64)| Step {
                key: *key,
                op: "r".into(),
                before: None,
                after: Some(*seq),
            };
            let expected = by_key(rows.iter().map(row).chain(history[seen..].concat()));
            if expected == actual {
                return;
            }
        }
    }
    panic!(
        "no snapshot of the writer's transactions explains the stored events ({candidates} agree with the snapshot's rows)"
    );
}

#[test]
fn check_detects_lost_repeated_and_reordered_events() {
    let step = |key, op: &str, before, after| Step { key, op: op.into(), before, after };
    let history = vec![
        vec![step(1, "c", None, Some(1))],
        vec![step(1, "u", Some(1), Some(2)), step(2, "c", None, Some(3))],
        vec![step(1, "d", Some(2), None)],
    ];
    let good = vec![
        step(1, "r", None, Some(1)),
        step(1, "u", Some(1), Some(2)),
        step(2, "c", None, Some(3)),
        step(1, "d", Some(2), None),
    ];
    check(&history, &good);
    let change = |change: &dyn Fn(&mut Vec<Step>)| {
        let mut steps = good.clone();
        change(&mut steps);
        std::panic::catch_unwind(|| check(&history, &steps)).is_err()
    };
    assert!(change(&|steps| drop(steps.remove(1))));
    assert!(change(&|steps| drop(steps.pop())));
    assert!(change(&|steps| steps.push(good[2].clone())));
    assert!(change(&|steps| steps.swap(1, 3)));
    assert!(!change(&|steps| steps.swap(2, 3)), "other keys may come between");
}
