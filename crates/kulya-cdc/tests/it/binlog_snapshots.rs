//! Snapshots of MariaDB and MySQL by several readers, of tables in parts, under load, and killed in the
//! middle of a table: what is captured is the database, and no row comes twice.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::Server;
use crate::database::{MemorySink, StoredRecord, catch_up};
use crate::parallel_snapshots::{has_partial_tables, rebuild, run_until_killed};
use kulya_cdc::CaptureSettings;
use kulya_cdc::mysql::connection::{Connection, ConnectionError};
use kulya_testkit::SeededRng;

/// The servers' error for a transaction that they have rolled back.
const DEADLOCK: u16 = 1213;

/// The number of rows of each table.
const ROWS: u64 = 5000;

/// Creates the tables, and returns a session in their database.
async fn create_tables(server: Server, name: &str, padding: u32) -> Connection {
    let mut session = create(server, name).await;
    let tables = "CREATE TABLE by_number (id INT UNSIGNED PRIMARY KEY, v INT NOT NULL, pad TEXT); \
         CREATE TABLE by_pair (v INT NOT NULL, b SMALLINT ZEROFILL, id INT, pad TEXT, PRIMARY KEY (id, b)); \
         CREATE TABLE by_text (id VARCHAR(20) PRIMARY KEY, v INT NOT NULL, pad TEXT); \
         CREATE TABLE no_rows (id INT PRIMARY KEY, v INT NOT NULL)";
    script(&mut session, tables).await;
    let numbers: Vec<u64> = (1..=ROWS).collect();
    for group in numbers.chunks(500) {
        let values =
            |row: &dyn Fn(u64) -> String| group.iter().map(|n| row(*n)).collect::<Vec<_>>().join(", ");
        let pad = "x".repeat(padding as usize);
        for sql in [
            format!("INSERT INTO by_number VALUES {}", values(&|n| format!("({n}, {n}, '{pad}')"))),
            format!(
                "INSERT INTO by_pair VALUES {}",
                values(&|n| format!("({n}, {}, {}, '{pad}')", n % 5, n / 5))
            ),
            format!("INSERT INTO by_text VALUES {}", values(&|n| format!("('k{n}', {n}, '{pad}')"))),
        ] {
            session.query(&sql).await.unwrap();
        }
    }
    session
}

/// Runs transactions that change rows, and move them from one part of a table to another.
async fn load(session: &mut Connection, seed: u64, transactions: u32) {
    let mut rng = SeededRng::new(seed);
    let mut next = seed * 1_000_000 + ROWS;
    for _ in 0..transactions {
        let mut statements = Vec::new();
        for _ in 0..1 + rng.u64_below(4) {
            next += 1;
            let (old, value) = (1 + rng.u64_below(ROWS), rng.u64_below(1000));
            statements.push(match rng.u64_below(8) {
                0 => format!("DELETE FROM by_number WHERE id = {old}"),
                // beyond the numbers of a column with sign
                1 => format!("INSERT IGNORE INTO by_number VALUES (4294000000 + {next} % 900000, {value}, 'new')"),
                2 => format!("UPDATE by_number SET id = {next} WHERE id = {old}"),
                3 => format!("DELETE FROM by_number WHERE id = {old}; UPDATE by_number SET id = {old} ORDER BY id DESC LIMIT 1"),
                4 => format!("UPDATE by_pair SET id = id + 5000, b = b + 1 WHERE v = {old}"),
                5 => format!("DELETE FROM by_pair WHERE v = {old}"),
                6 => format!("UPDATE by_text SET id = 'k{next}', v = {value} WHERE id = 'k{old}'"),
                _ => format!("UPDATE by_number SET v = {value} WHERE id > {old} LIMIT 3"),
            });
        }
        transaction(session, &statements).await;
    }
}

/// Runs statements in one transaction; again, if the server ends it: the snapshot locks the tables for a
/// moment, one after the other.
async fn transaction(session: &mut Connection, statements: &[String]) {
    loop {
        let mut result = session.query("BEGIN").await;
        for sql in statements.iter().flat_map(|statement| statement.split("; ")) {
            if result.is_ok() {
                result = session.query(sql).await;
            }
        }
        match result {
            Ok(_) => {
                session.query("COMMIT").await.unwrap();
                return;
            }
            Err(ConnectionError::Server { source, .. }) if source.code == DEADLOCK => {}
            Err(error) => panic!("{statements:?}: {error:?}"),
        }
    }
}

/// Compares what was captured with the rows of the database.
async fn assert_is_database(session: &mut Connection, records: &[StoredRecord]) {
    let found = rebuild(records);
    for (table, columns) in [
        ("by_number", "'{\"id\":', id, ',\"v\":', v, '} Some(', LENGTH(pad), ')'"),
        ("by_pair", "'{\"b\":', b + 0, ',\"id\":', id, ',\"v\":', v, '} Some(', LENGTH(pad), ')'"),
        ("by_text", "'{\"id\":\"', id, '\",\"v\":', v, '} Some(', LENGTH(pad), ')'"),
    ] {
        let rows = session.query(&format!("SELECT CONCAT({columns}) FROM {table}")).await.unwrap();
        let mut expected: Vec<String> = rows.column(0).map(str::to_owned).collect();
        expected.sort();
        let found = &found[table];
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(found.len() == expected.len() && differs.is_none(), "{table}: {differs:?}");
    }
}

fn parts(server: Server, name: &str, readers: u32) -> CaptureSettings {
    CaptureSettings { snapshot_readers: readers, snapshot_chunk_rows: 700, ..settings(server, name) }
}

pub(crate) async fn snapshots_under_load_are_the_database(server: Server) {
    for readers in [1, 4] {
        let mut session = create_tables(server, "snapshot_load", 100).await;
        let settings = parts(server, "snapshot_load", readers);
        let mut sink = MemorySink::default();
        let (result, ()) =
            tokio::join!(catch_up(&settings, &mut sink), load(&mut session, u64::from(readers), 200));
        result.unwrap();
        catch_up(&settings, &mut sink).await.unwrap();
        let mark = |mark: &str| {
            let text = format!("\"snapshot\":\"{mark}\"");
            sink.records
                .iter()
                .filter(|r| r.value.as_ref().is_some_and(|value| value.contains(&text)))
                .count()
        };
        assert_eq!([mark("first"), mark("first_in_data_collection")], [1, 2]);
        assert_eq!([mark("last"), mark("last_in_data_collection")], [1, 2]);
        assert_is_database(&mut session, &sink.records).await;
    }
}

pub(crate) async fn snapshots_killed_within_a_table_go_on_there(server: Server) {
    // a commit has at most 16 MiB of events, and a table more
    let mut session = create_tables(server, "snapshot_killed", 4000).await;
    let settings = parts(server, "snapshot_killed", 3);
    let (mut sink, mut rng) = (MemorySink::default(), SeededRng::new(7));
    let (mut kills, mut within_tables) = (0, 0);
    loop {
        let is_killed_after = rng.u64_below(2) == 0;
        let run = run_until_killed(&settings, sink, rng.u64_below(2), is_killed_after);
        let ((stored, is_killed), ()) = tokio::join!(run, load(&mut session, 10 + kills, 30));
        sink = stored;
        if !is_killed {
            break;
        }
        kills += 1;
        within_tables += u32::from(has_partial_tables(&mut sink).await);
    }
    catch_up(&settings, &mut sink).await.unwrap();
    assert!(kills > 1 && within_tables > 0, "{kills} {within_tables}");
    assert_is_database(&mut session, &sink.records).await;
}
