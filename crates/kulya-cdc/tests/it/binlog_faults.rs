//! The faults of MariaDB and MySQL: those of all databases, a purged log, and failover to a replica.

use crate::binlog_server::{LOG, Server};
use crate::binlog_workload::BinlogWorkload;
use crate::fault_cases::{self, SecondCapture};
use crate::faults;
use crate::own_server::{OwnServer, Product, Stop};
use crate::proxy::Proxy;
use crate::running::Subject;
use kulya_cdc::mysql::connection::Flavor;
use kulya_cdc::{CaptureSettings, CdcErrorKind, SnapshotMode};
use std::sync::Arc;

const GTIDS: [&str; 2] = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"];

fn product(server: Server) -> Product {
    if server.flavor == Flavor::Mariadb { Product::Mariadb } else { Product::Mysql }
}

/// Returns the arguments by which a server of a replication has GTIDs.
fn gtid_arguments(product: Product) -> Vec<&'static str> {
    match product {
        Product::Mariadb => vec!["--log-slave-updates"],
        _ => GTIDS.to_vec(),
    }
}

/// A subject in a database of a server.
async fn subject(url: &str, name: &str) -> (Arc<BinlogWorkload>, Subject) {
    let (workload, settings) = BinlogWorkload::create(url, name).await;
    let workload = Arc::new(workload);
    (Arc::clone(&workload), Subject::new(workload, settings).await)
}

pub(crate) async fn captures_survive_faults(server: Server) {
    let _log = LOG.read().await;
    let url = server.url();
    faults::captures_survive_faults(async |seed| {
        BinlogWorkload::create(&url, &format!("faults_{seed}")).await
    })
    .await;
}

pub(crate) async fn stalled_connections_end(server: Server) {
    let _log = LOG.read().await;
    let url = server.url();
    fault_cases::stalled_connections_end(async |name| subject(&url, name).await.1).await;
}

pub(crate) async fn full_stores_are_waited_for(server: Server) {
    let _log = LOG.read().await;
    let url = server.url();
    fault_cases::full_stores_are_waited_for(async |name| subject(&url, name).await.1).await;
}

pub(crate) async fn second_captures_and_writers_are_fenced(server: Server) {
    let _log = LOG.read().await;
    let (_, second) = subject(&server.url(), "second").await;
    fault_cases::second_captures_are_fenced(second, SecondCapture::Replaces("same server id")).await;
    let (_, writers) = subject(&server.url(), "writers").await;
    let other = CaptureSettings { server_id: Some(77_001), ..writers.settings.clone() };
    fault_cases::second_writers_are_fenced(writers, other).await;
}

pub(crate) async fn restarts_and_terminated_connections_are_survived(server: Server) {
    let product = product(server);
    let mut server = OwnServer::start_new(product, &gtid_arguments(product)).await;
    let (_, restarts) = subject(&server.url(""), "restarts").await;
    fault_cases::restarts_are_survived(&mut server, restarts).await;
    let (workload, terminated) = subject(&server.url(""), "terminations").await;
    fault_cases::terminated_connections_are_opened_again(terminated, async || {
        let readers = "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'";
        for id in workload.run(readers).await.unwrap().column(0) {
            let _ = workload.run(&format!("KILL {id}")).await;
        }
    })
    .await;
}

pub(crate) async fn purged_logs_are_named(server: Server) {
    let product = product(server);
    let server = OwnServer::start_new(product, &gtid_arguments(product)).await;
    let (workload, mut purged) = subject(&server.url(""), "purged").await;
    purged.catch_up(&purged.settings).await.unwrap();
    for _ in 0..2 {
        purged.load(3).await;
        workload.run("FLUSH BINARY LOGS").await.unwrap();
    }
    let files = workload.run("SHOW BINARY LOGS").await.unwrap();
    let last = files.column(0).last().unwrap().to_owned();
    workload.run(&format!("PURGE BINARY LOGS TO '{last}'")).await.unwrap();
    purged.is_refused(&purged.settings, CdcErrorKind::Position, "purged").await;
    // reading all rows again is an operator's decision
    let when_needed = CaptureSettings { snapshot_mode: SnapshotMode::WhenNeeded, ..purged.settings.clone() };
    purged.catch_up(&when_needed).await.unwrap();
}

/// Makes a server the replica of another one.
async fn replicate(product: Product, from: &OwnServer, to: &OwnServer, has_gtids: bool) {
    let replica = BinlogWorkload::connect(&to.url(""));
    let by = match product {
        Product::Mariadb => "MASTER_USE_GTID = slave_pos",
        _ if has_gtids => "MASTER_AUTO_POSITION = 1, GET_MASTER_PUBLIC_KEY = 1",
        _ => "GET_MASTER_PUBLIC_KEY = 1",
    };
    let source = format!(
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'kulya', \
         MASTER_PASSWORD = 'kulya', {by}",
        from.port()
    );
    for sql in [source.as_str(), "START SLAVE"] {
        replica.run(sql).await.unwrap();
    }
}

/// Starts a replication of two servers. The replica begins without the administrator's account of its own,
/// which would be a transaction of its own.
async fn start_pair(product: Product, arguments: &[&str], has_gtids: bool) -> [OwnServer; 2] {
    let source = OwnServer::start_new(product, arguments).await;
    let replica: Vec<&str> = arguments.iter().copied().chain(["--server-id=2"]).collect();
    let replica = OwnServer::start_new(product, &replica).await;
    let reset = BinlogWorkload::connect(&replica.url(""));
    reset.run("RESET MASTER").await.unwrap();
    replicate(product, &source, &replica, has_gtids).await;
    [source, replica]
}

/// Waits until the replica has what the source has.
async fn synchronise(source: &BinlogWorkload, replica: &BinlogWorkload, table: &str) {
    let checksum = format!("CHECKSUM TABLE {table}.acc, {table}.hist");
    let state = async |server: &BinlogWorkload| server.run(&checksum).await.map(|rows| rows.rows);
    let expected = state(source).await.unwrap();
    while state(replica).await.ok().as_ref() != Some(&expected) {
        tokio::task::yield_now().await;
    }
}

/// Ends the replication on a replica, so that it is a source.
async fn promote(product: Product, replica: &BinlogWorkload) {
    for sql in ["STOP SLAVE", "RESET SLAVE ALL"] {
        replica.run(sql).await.unwrap();
    }
    if product == Product::Mariadb {
        // the new source writes to a domain of its own
        replica.run("SET GLOBAL gtid_domain_id = 2").await.unwrap();
    }
}

/// A replica takes the place of its source: by GTID the capture goes on.
pub(crate) async fn replicas_are_followed_by_gtid(server: Server) {
    let product = product(server);
    let [mut source, replica] = start_pair(product, &gtid_arguments(product), true).await;
    let (workload, mut subject) = subject(&source.url(""), "failover").await;
    let (proxy, url) = Proxy::before(&subject.settings.url).await;
    let through = subject.through(url);
    let mut running = subject.start(&through);
    subject.load(10).await;
    subject.wait_for(&mut running).await;
    let new = BinlogWorkload::connect(&replica.url(""));
    subject.load(5).await;
    subject.wait_for(&mut running).await;
    synchronise(&workload, &new, "failover").await;
    source.stop(Stop::Crash).await;
    promote(product, &new).await;
    workload.move_to_server(&replica.url("")).await;
    proxy.move_to(replica.address());
    subject.load(10).await;
    subject.wait_for(&mut running).await;
    running.stop().await;
    subject.check("failover").await;
    // the former source lacks what is stored by now
    source.start().await;
    proxy.move_to(source.address());
    subject.is_refused(&through, CdcErrorKind::Position, "check the address").await;
}

/// MySQL without GTIDs: a position of another server means nothing on the replica.
pub(crate) async fn replicas_without_gtids_are_refused() {
    let [mut source, replica] = start_pair(Product::Mysql, &[], false).await;
    let (workload, mut subject) = subject(&source.url(""), "by_file").await;
    let (proxy, url) = Proxy::before(&subject.settings.url).await;
    let mut running = subject.start(&subject.through(url));
    subject.load(10).await;
    subject.wait_for(&mut running).await;
    let new = BinlogWorkload::connect(&replica.url(""));
    synchronise(&workload, &new, "by_file").await;
    source.stop(Stop::Crash).await;
    promote(Product::Mysql, &new).await;
    proxy.move_to(replica.address());
    running.refused(CdcErrorKind::Position, "valid on that server only").await;
}
