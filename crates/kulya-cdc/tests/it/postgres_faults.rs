//! The faults of PostgreSQL: those of all databases, and replication slots that are gone.

use crate::database::{Database, MemorySink, catch_up, server};
use crate::fault_cases::{self, SecondCapture};
use crate::faults;
use crate::own_server::{OwnServer, Product};
use crate::postgres_workload::PostgresWorkload;
use crate::proxy::Proxy;
use crate::running::Subject;
use kulya_cdc::{CaptureSettings, CdcErrorKind};
use std::sync::Arc;

/// An account with the password `kulya` whose secret has one iteration in place of 4,096, which are most of
/// the work of a short capture.
const QUICK_LOGIN: &str = "DROP ROLE IF EXISTS kulya_quick
CREATE ROLE kulya_quick SUPERUSER LOGIN REPLICATION PASSWORD \
'SCRAM-SHA-256$1:a3VseWEtdGVzdHMtc2FsdA==$bc/79djXLFX36kSzc1/FJIQROBoga3KPnagjQNW93rQ=:00g2vZ528MyScTsSHaKFsRjwENkILVQ8yGBl7zSZ+A4='";

/// A subject in a new database of the shared server.
async fn subject(name: &str) -> Subject {
    let (workload, settings) = PostgresWorkload::create(name).await;
    Subject::new(Arc::new(workload), settings).await
}

/// A subject in the database `postgres` of a server of the test.
async fn subject_of(server: &OwnServer, name: &str) -> (Arc<PostgresWorkload>, Subject) {
    let (workload, settings) = PostgresWorkload::create_in(&server.url("postgres"), name, name).await;
    let workload = Arc::new(workload);
    (Arc::clone(&workload), Subject::new(workload, settings).await)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn captures_survive_faults() {
    let database = Database::create("faults").await;
    database.script(QUICK_LOGIN).await;
    let url = database.url().replace("kulya:kulya@", "kulya_quick:kulya@");
    faults::captures_survive_faults(async |seed| {
        let name = format!("faults_{seed}");
        PostgresWorkload::create_in(&url, &name, &name).await
    })
    .await;
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn stalled_connections_end() {
    fault_cases::stalled_connections_end(async |name| {
        let mut subject = subject(name).await;
        subject.settings.url +=
            "?keepalives_idle=1&keepalives_interval=1&keepalives_retries=1&connect_timeout=2";
        subject
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn full_stores_are_waited_for() {
    fault_cases::full_stores_are_waited_for(subject).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn second_captures_are_fenced() {
    fault_cases::second_captures_are_fenced(subject("second").await, SecondCapture::Waits).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn second_writers_are_fenced() {
    let (workload, settings) = PostgresWorkload::create("writers").await;
    workload.run("CREATE PUBLICATION kulya_writers FOR TABLE acc, hist").await.unwrap();
    let subject = Subject::new(Arc::new(workload), settings).await;
    let other = CaptureSettings { slot: "kulya_writers_2".into(), ..subject.settings.clone() };
    fault_cases::second_writers_are_fenced(subject, other).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn restarts_and_terminated_connections_are_survived() {
    let mut server = OwnServer::start_new(Product::Postgres, &[]).await;
    let (workload, subject) = subject_of(&server, "restarts").await;
    fault_cases::restarts_are_survived(&mut server, subject).await;
    let (_, subject) = subject_of(&server, "terminated").await;
    fault_cases::terminated_connections_are_opened_again(subject, async || {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kulya'";
        workload.run(sql).await.unwrap();
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn dropped_slots_are_named() {
    let mut subject = subject("dropped").await;
    let (proxy, url) = Proxy::before(&subject.settings.url).await;
    let mut running = subject.start(&subject.through(url));
    subject.wait_for(&mut running).await;
    // nothing listens there
    proxy.move_to("127.0.0.1:1".into());
    subject.load(3).await;
    let drop_slot = "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots \
                     WHERE slot_name = 'kulya_dropped' AND active; \
                     SELECT pg_drop_replication_slot('kulya_dropped')";
    let admin = subject_admin().await;
    admin.batch_execute(drop_slot).await.unwrap();
    let (_, address) = subject.settings.url.split_once('@').unwrap();
    proxy.move_to(address.split('/').next().unwrap().to_owned());
    running.refused(CdcErrorKind::Position, "replication slot kulya_dropped of dropped does not exist").await;
}

async fn subject_admin() -> tokio_postgres::Client {
    let url = server("KULYA_TEST_POSTGRES");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn slots_without_their_log_are_named() {
    let settings = ["-c", "max_slot_wal_keep_size=1MB", "-c", "min_wal_size=32MB", "-c", "max_wal_size=32MB"];
    let server = OwnServer::start_new(Product::Postgres, &settings).await;
    let (workload, mut subject) = subject_of(&server, "lost").await;
    subject.catch_up(&subject.settings).await.unwrap();
    let is_lost = "SELECT wal_status = 'lost' FROM pg_replication_slots WHERE slot_name = 'kulya_lost'";
    while workload.value(is_lost).await != "t" {
        subject.load(1).await;
        workload.run("SELECT pg_switch_wal()").await.unwrap();
        workload.run("CHECKPOINT").await.unwrap();
    }
    let words = "PostgreSQL has removed the log that replication slot kulya_lost needs";
    subject.is_refused(&subject.settings, CdcErrorKind::Position, words).await;
    // a new store: before the snapshot, which would be in vain
    let mut sink = MemorySink::default();
    let error = catch_up(&subject.settings, &mut sink).await.unwrap_err().to_string();
    assert!(error.contains(words) && error.contains("run SELECT pg_drop_replication_slot"), "{error}");
    assert_eq!(sink.records, []);
}
