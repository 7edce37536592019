//! Failover of PostgreSQL: a standby is promoted, and the address that the capture uses leads to it. The
//! capture goes on with each change once where its replication slot is there and all stored changes are, or
//! stops with an error that says why.

use crate::own_server::{OwnServer, Product, Stop};
use crate::postgres_workload::PostgresWorkload;
use crate::proxy::Proxy;
use crate::running::{Running, STUCK, Subject};
use kulya_cdc::{CaptureSettings, CdcErrorKind, SnapshotMode};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// The slot by which the standby reads the log.
const STANDBY_SLOT: &str = "standby";

/// A primary server with a standby, and a capture through an address that leads to the primary server.
struct Pair {
    primary: OwnServer,
    standby: OwnServer,
    workload: Arc<PostgresWorkload>,
    subject: Subject,
    proxy: Proxy,
    through: CaptureSettings,
}

impl Pair {
    async fn start(name: &str) -> Self {
        let mut primary = OwnServer::create(Product::Postgres, &["-c", "hot_standby_feedback=on"]);
        let standby = OwnServer::create(
            Product::Postgres,
            &["-c", "hot_standby_feedback=on", "-c", &format!("primary_slot_name={STANDBY_SLOT}")],
        );
        primary.start().await;
        let admin = PostgresWorkload::connect(&primary.url("postgres"));
        admin.value(&format!("SELECT pg_create_physical_replication_slot('{STANDBY_SLOT}', true)")).await;
        let (workload, settings) = PostgresWorkload::create_in(&primary.url("postgres"), name, name).await;
        let workload = Arc::new(workload);
        let (proxy, url) = Proxy::before(&settings.url).await;
        let load = Arc::clone(&workload);
        let subject = Subject::new(load, settings).await;
        let through = subject.through(url);
        let mut pair = Self { primary, standby, workload, subject, proxy, through };
        pair.start_standby().await;
        pair
    }

    /// Starts the standby. Its data folder is a copy of the one from which the primary server has started.
    async fn start_standby(&mut self) {
        let signal = self.standby.data().join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        // of another user, which removes it at the promotion
        std::fs::set_permissions(signal, std::fs::Permissions::from_mode(0o666)).unwrap();
        let port = self.primary.port();
        let source = format!("host=127.0.0.1 port={port} user=kulya password=kulya dbname=postgres");
        self.standby.add_arguments(&["-c", &format!("primary_conninfo={source}")]);
        self.standby.start().await;
    }

    /// Waits until the standby has everything that the primary server has logged.
    async fn synchronise(&self) {
        let end = self.workload.value("SELECT pg_current_wal_flush_lsn()").await;
        let sql = format!(
            "SELECT coalesce(bool_and(replay_lsn >= '{end}'), false) FROM pg_stat_replication \
             WHERE application_name = 'walreceiver'"
        );
        self.workload.wait_until(&sql).await;
    }

    /// Waits until the standby keeps a copy of the capture's slot. Its worker makes a temporary one first,
    /// and keeps it when the capture has confirmed a record of the running transactions that was logged
    /// later.
    async fn synchronise_slot(&mut self, running: &mut Running) {
        let standby = PostgresWorkload::connect(&self.standby.url("postgres"));
        for sql in ["ALTER SYSTEM SET sync_replication_slots = on", "SELECT pg_reload_conf()"] {
            standby.value(sql).await;
        }
        let is_synchronised = "SELECT coalesce(bool_and(synced AND NOT temporary), false) \
                               FROM pg_replication_slots WHERE slot_name = 'kulya_failover'";
        let kept = async {
            while standby.value(is_synchronised).await != "t" {
                self.workload.value("SELECT pg_log_standby_snapshot()").await;
                self.subject.load(1).await;
                self.subject.wait_for(running).await;
                self.synchronise().await;
                // wakes the worker
                standby.value("SELECT pg_reload_conf()").await;
            }
        };
        tokio::time::timeout(STUCK, kept).await.expect("the standby does not keep the slot");
    }

    /// Promotes the standby, and leads the capture and the load to it.
    async fn fail_over(&mut self) {
        let url = self.standby.url("postgres");
        self.workload.move_to_server(&url).await;
        assert_eq!(self.workload.value("SELECT pg_promote(true, 60)").await, "t");
        self.proxy.move_to(self.standby.address());
    }
}

/// The standby has no slot of the capture: changes would be missing.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_promoted_standby_without_the_slot_is_named() {
    let mut pair = Pair::start("without_slot").await;
    let mut running = pair.subject.start(&pair.through);
    pair.subject.wait_for(&mut running).await;
    pair.synchronise().await;
    pair.primary.stop(Stop::Crash).await;
    pair.fail_over().await;
    pair.subject.load(5).await;
    running.refused(CdcErrorKind::Position, "the server was promoted").await;
    // reading all rows again is an operator's decision
    let when_needed = CaptureSettings { snapshot_mode: SnapshotMode::WhenNeeded, ..pair.through.clone() };
    pair.subject.catch_up(&when_needed).await.unwrap();
}

/// While the standby is not promoted yet, the capture waits. Slots are synchronised from PostgreSQL 17 on.
#[tokio::test]
#[ignore = "needs PostgreSQL 17: run cargo xtask test"]
async fn synchronised_slots_survive_a_failover() {
    let mut pair = Pair::start("failover").await;
    for sql in [
        // a slot has no log before its publication
        "CREATE PUBLICATION kulya_failover FOR TABLE acc, hist",
        "SELECT pg_create_logical_replication_slot('kulya_failover', 'pgoutput', false, false, true)",
        &format!("ALTER SYSTEM SET synchronized_standby_slots = '{STANDBY_SLOT}'"),
        "SELECT pg_reload_conf()",
    ] {
        pair.workload.value(sql).await;
    }
    let mut running = pair.subject.start(&pair.through);
    pair.subject.load(10).await;
    pair.subject.wait_for(&mut running).await;
    pair.synchronise_slot(&mut running).await;
    pair.subject.load(10).await;
    pair.synchronise().await;
    pair.primary.stop(Stop::Crash).await;
    // the standby is reached before it is promoted
    pair.proxy.move_to(pair.standby.address());
    let error = running.retrying_with("is a standby").await;
    assert!(error.contains("capture from the primary server"), "{error}");
    pair.fail_over().await;
    pair.subject.load(10).await;
    pair.subject.wait_for(&mut running).await;
    running.stop().await;
    pair.subject.check("failover").await;
    // the former primary server has an older timeline
    pair.primary.start().await;
    pair.proxy.move_to(pair.primary.address());
    pair.subject.is_refused(&pair.through, CdcErrorKind::Position, "former primary server").await;
}

/// The standby was behind: it lacks changes that are stored, and whatever it logs in their place would be
/// skipped.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_promoted_standby_without_stored_changes_is_named() {
    let mut pair = Pair::start("behind").await;
    let mut running = pair.subject.start(&pair.through);
    pair.subject.wait_for(&mut running).await;
    pair.synchronise().await;
    pair.standby.stop(Stop::Clean).await;
    pair.subject.load(5).await;
    pair.subject.wait_for(&mut running).await;
    pair.primary.stop(Stop::Crash).await;
    running.kill().await;
    pair.standby.start().await;
    pair.fail_over().await;
    let create = "SELECT pg_create_logical_replication_slot('kulya_behind', 'pgoutput')";
    pair.workload.value(create).await;
    // the capture must not find it ahead of the stored position, which is another error
    pair.subject.is_refused(&pair.through, CdcErrorKind::Position, "changes may be missing").await;
    pair.subject.load(30).await;
    pair.subject.is_refused(&pair.through, CdcErrorKind::Position, "changes may be missing").await;
}
