//! A live replica of a database: views over captured tables, while money is transferred between its accounts
//! and the program is killed again and again.
//!
//! A few hundred transfers are made; `KULYA_TRANSFER_SECONDS=60` makes them for as long.

use crate::program::{Running, command, database, kulya, server};
use kulya_cdc::mysql::connection::{Connection, ConnectionSettings};
use kulya_testkit::SeededRng;
use std::io::BufRead;
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};
use tokio_postgres::{Client, SimpleQueryMessage};

const ACCOUNTS: u64 = 20;
/// How often the program is killed.
const ROUNDS: u64 = 6;
/// The transfers of a round, unless there is a time for them.
const TRANSFERS: u64 = 60;

/// The sum of all accounts, how many there are, the last transfer in an account and the last of all: of every
/// transaction whole, the first two never change and the others are equal.
const MONEY: &str = "SELECT a.total, a.n, a.touched, t.last_id
    FROM (SELECT SUM(balance) AS total, COUNT(*) AS n, MAX(touched) AS touched FROM account) AS a
    CROSS JOIN (SELECT MAX(id) AS last_id FROM transfer) AS t";
const REPLICA: &str = "SELECT * FROM account";
const JOINED: &str = "SELECT t.id, c.name, t.amount, a.balance FROM transfer AS t
    JOIN account AS a ON t.payer = a.id JOIN customer AS c ON a.customer = c.id";
const VIEWS: [(&str, &str); 3] = [("money", MONEY), ("replica", REPLICA), ("joined", JOINED)];

/// A session of the database.
enum Source {
    Postgres(Client),
    Mariadb(Connection),
}

impl Source {
    async fn run(&mut self, statements: &[String]) {
        match self {
            Self::Postgres(client) => client.batch_execute(&statements.join("; ")).await.unwrap(),
            Self::Mariadb(connection) => {
                for sql in statements {
                    connection.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
                }
            }
        }
    }

    /// Returns the rows of a query as lines of CSV, sorted.
    async fn rows(&mut self, query: &str) -> Vec<String> {
        let rows: Vec<Vec<Option<String>>> = match self {
            Self::Postgres(client) => {
                let messages = client.simple_query(query).await.unwrap();
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                rows.map(|row| (0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect())
                    .collect()
            }
            Self::Mariadb(connection) => connection.query(query).await.unwrap().rows,
        };
        let line = |row: Vec<Option<String>>| {
            row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(",")
        };
        let mut lines: Vec<String> = rows.into_iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Makes the tables. The notes of PostgreSQL's accounts are not in its log when something else changes.
    async fn create(&mut self) {
        let (note, stored_apart) = match self {
            Self::Postgres(_) => {
                ("repeat(md5({id}::text), 100)", "ALTER TABLE account ALTER note SET STORAGE EXTERNAL")
            }
            Self::Mariadb(_) => ("REPEAT(MD5({id}), 100)", "SET NAMES utf8mb4"),
        };
        let mut statements = vec![
            "CREATE TABLE customer (id int PRIMARY KEY, name varchar(40) NOT NULL)".to_owned(),
            "CREATE TABLE account (id int PRIMARY KEY, customer int NOT NULL, balance bigint NOT NULL, \
             touched int NOT NULL, note text)"
                .to_owned(),
            stored_apart.to_owned(),
            "CREATE TABLE transfer (id int PRIMARY KEY, payer int NOT NULL, payee int NOT NULL, \
             amount bigint NOT NULL)"
                .to_owned(),
            "INSERT INTO transfer VALUES (0, 0, 0, 0)".to_owned(),
        ];
        for id in 0..ACCOUNTS {
            let note = note.replace("{id}", &id.to_string());
            statements.push(format!("INSERT INTO customer VALUES ({id}, 'customer {id}')"));
            statements.push(format!("INSERT INTO account VALUES ({id}, {id}, 1000, 0, {note})"));
        }
        self.run(&statements).await;
    }

    /// Makes a transfer in one transaction, and now and then another change.
    async fn transfer(&mut self, rng: &mut SeededRng, id: u64) {
        let (payer, amount) = (rng.u64_below(ACCOUNTS), rng.u64_below(100));
        let payee = (payer + 1 + rng.u64_below(ACCOUNTS - 1)) % ACCOUNTS;
        let update = |sign: char, account: u64| {
            format!(
                "UPDATE account SET balance = balance {sign} {amount}, touched = {id} WHERE id = {account}"
            )
        };
        let mut statements = vec![
            "BEGIN".to_owned(),
            update('-', payer),
            format!("INSERT INTO transfer VALUES ({id}, {payer}, {payee}, {amount})"),
            update('+', payee),
        ];
        match rng.u64_below(5) {
            0 => statements.push(format!("UPDATE customer SET name = 'name {id}' WHERE id = {payee}")),
            1 => statements.push(format!("DELETE FROM transfer WHERE id = {}", id.saturating_sub(40))),
            2 => statements.push(format!("UPDATE account SET note = 'note {id}' WHERE id = {payee}")),
            _ => {}
        }
        statements.push("COMMIT".to_owned());
        self.run(&statements).await;
    }
}

/// A subscription to [`MONEY`] of a server, which checks each tick.
struct Subscription {
    running: Running,
    ticks: u64,
    /// The last transfer.
    last: u64,
}

impl Subscription {
    fn start(folder: &TempDir, url: &str) -> Self {
        let statements = format!("USE bank; SUBSCRIBE {MONEY}");
        let args = ["sql", "--url", url, "--output", "csv", "-e", &statements];
        Self { running: Running::start(&mut command(folder.path(), &args)), ticks: 0, last: 0 }
    }

    /// Reads the next line; returns whether there was one.
    fn next(&mut self) -> bool {
        let mut line = String::new();
        // the end of a killed process may be anywhere in a line
        if self.running.out.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            return false;
        }
        let line = line.trim_end();
        // the others are the header and rows of before
        if let Some(row) = line.strip_prefix("+I,").or(line.strip_prefix("+U,")) {
            (self.last, self.ticks) = (checked(row), self.ticks + 1);
        }
        true
    }

    /// Reads until a transfer is there.
    fn wait_for(&mut self, transfer: u64) {
        while self.last < transfer {
            assert!(self.next(), "the subscription ended: {}", self.running.wait_for(""));
        }
    }
}

/// Checks a row of [`MONEY`], and returns its last transfer.
fn checked(row: &str) -> u64 {
    let numbers: Vec<u64> =
        row.split(',').map(|cell| cell.parse().unwrap_or_else(|_| panic!("{row}"))).collect();
    assert!(
        numbers[..2] == [ACCOUNTS * 1000, ACCOUNTS] && numbers[2] == numbers[3],
        "a transaction in parts: {row}"
    );
    numbers[3]
}

/// Returns the rows of a statement, sorted.
fn rows(folder: &TempDir, query: &str) -> Vec<String> {
    let out = kulya(folder, &["sql", "--output", "csv", "-e", &format!("USE bank; {query}")]);
    let mut lines: Vec<String> = out.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

async fn transfers_are_whole_in_every_tick(mut source: Source, settings: &str) {
    let seconds: Option<u64> = std::env::var("KULYA_TRANSFER_SECONDS").ok().map(|text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("kulya.toml"), format!("[[cdc]]\n{settings}")).unwrap();
    source.create().await;
    kulya(&folder, &["cdc", "--until-caught-up"]);
    let creates = VIEWS.map(|(view, query)| format!("CREATE MATERIALIZED VIEW {view} AS {query};"));
    kulya(&folder, &["sql", "-e", &format!("USE bank; {}", creates.join(" "))]);
    let (mut rng, mut transfers, mut ticks) = (SeededRng::new(7), 0, 0);
    for _ in 0..ROUNDS {
        let (mut server, url) = Running::serve(&folder, &[]);
        let mut subscription = Subscription::start(&folder, &url);
        let (started, first) = (Instant::now(), transfers);
        let is_over = |transfers: u64| match seconds {
            Some(seconds) => started.elapsed() >= Duration::from_millis(seconds * 1000 / ROUNDS),
            None => transfers >= first + TRANSFERS,
        };
        while !is_over(transfers) {
            transfers += 1;
            source.transfer(&mut rng, transfers).await;
            // at first in step, then the program is behind when it is killed
            let behind = if transfers <= first + TRANSFERS / 2 { 0 } else { TRANSFERS };
            if transfers.is_multiple_of(5) {
                subscription.wait_for(transfers.saturating_sub(behind));
            }
        }
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        subscription.running.child.kill().unwrap();
        while subscription.next() {}
        ticks += subscription.ticks;
        let money = rows(&folder, "SELECT * FROM money");
        assert!(money.len() == 1 && checked(&money[0]) <= transfers, "{money:?}");
    }
    kulya(&folder, &["cdc", "--until-caught-up"]);
    for (view, query) in VIEWS {
        assert_eq!(rows(&folder, &format!("SELECT * FROM {view}")), source.rows(query).await, "{view}");
    }
    let shown = rows(
        &folder,
        "SELECT n FROM money; SELECT id FROM joined; SELECT id FROM replica; SHOW MATERIALIZED VIEWS",
    );
    let shown: Vec<&String> = shown.iter().filter(|line| line.contains(",running,")).collect();
    println!("{transfers} transfers, {ROUNDS} kills, {ticks} ticks; views, rows read and changed: {shown:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transfers_of_postgres_are_whole_in_every_tick() {
    let (client, url) = database("live_replica").await;
    let settings = format!("url = \"{url}\"\nname = \"bank\"\nstream = \"{{table}}\"\nsegments = 3\n");
    transfers_are_whole_in_every_tick(Source::Postgres(client), &settings).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn transfers_of_real_mariadb_are_whole_in_every_tick() {
    let url = server("KULYA_TEST_MARIADB");
    let mut admin = Connection::open(&ConnectionSettings::parse(&url).unwrap()).await.unwrap();
    for sql in ["DROP DATABASE IF EXISTS live_replica", "CREATE DATABASE live_replica", "USE live_replica"] {
        admin.query(sql).await.unwrap();
    }
    let settings = format!(
        "url = \"{url}live_replica\"\nname = \"bank\"\nstream = \"{{table}}\"\nsegments = 3\n[cdc.format]\nencoding = \"avro\"\n"
    );
    transfers_are_whole_in_every_tick(Source::Mariadb(admin), &settings).await;
}
