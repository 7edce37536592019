//! Soak tests: the release program under all kinds of load for some time. Memory, handles, threads and disk
//! usage must not grow, no well-behaved client may see an error or a wrong event, and the shutdown must be
//! graceful. One test has a server with a store in a folder, the other four servers on one object storage,
//! which are killed, stopped and restarted.
//!
//! `KULYA_SOAK_SECONDS` is the duration (default 60). Run by `cargo xtask soak --minutes 30` and
//! `cargo xtask soak --shared --minutes 10`, of a release build, and for a minute each with the other tests.

#![allow(clippy::unwrap_used, reason = "a failed test reports its line")]

mod four_servers;
mod hostile;
mod load;
mod monitor;
#[path = "../it/program.rs"]
#[allow(dead_code, reason = "the other tests of the program use the rest")]
mod program;
mod server;

use crate::program::{http, kulya};
use monitor::{Counts, Monitor};
use server::Server;
use std::sync::Arc;
use std::time::Duration;
use tempfile::tempdir;

/// Default duration of a soak test.
const DEFAULT_SECONDS: u64 = 60;
/// Interval of the samples.
const WINDOW: Duration = Duration::from_secs(5);
/// Retention of the streams under load.
const RETENTION: [(&str, &[&str]); 3] = [
    ("soak/by-size", &["--keep-bytes", "8MB"]),
    ("soak/by-age", &["--keep-for", "5s"]),
    ("soak/large", &["--keep-bytes", "32MB"]),
];

/// Returns the duration in seconds.
pub(crate) fn seconds() -> u64 {
    std::env::var("KULYA_SOAK_SECONDS")
        .map_or(DEFAULT_SECONDS, |text| text.parse().expect("a number of seconds"))
}

/// Returns the number of samples, a multiple of 3.
pub(crate) fn windows() -> u64 {
    seconds().div_ceil(WINDOW.as_secs()).next_multiple_of(3).max(6)
}

#[test]
fn everything_at_once_stays_flat() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0"]);
    let url = server.url.clone();
    for (stream, retention) in RETENTION {
        kulya(
            &folder,
            &[&["stream", "create", stream, "--segments", "2", "--url", &url], retention].concat(),
        );
    }
    let group = r#"{"serializationFormat":{"serializationFormat":"Any"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}"#;
    assert_eq!(http("PUT", &format!("{url}/v2/groups/h?namespace=soak"), group).0, 201);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let counts = Arc::new(Counts::default());
    let mut monitor = Monitor::new(server.child.id(), &folder.path().join("kulya-data"));
    runtime.block_on(async {
        load::start(&url, &counts);
        hostile::start(&url, &counts);
        for _ in 0..windows() {
            tokio::time::sleep(WINDOW).await;
            println!("{}", monitor.sample(&counts));
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    assert_eq!(http("GET", &format!("{url}/ping"), "").0, 200);
    let (faults, log) = (counts.faults(), server.log());
    assert!(
        faults.is_empty(),
        "{} faults of well-behaved clients, first ones: {faults:#?}",
        counts.fault_count()
    );
    assert!(!log.contains("panicked"), "{log:.10000}");
    println!("{} bytes of log", log.len());
    let growth = monitor::find_growth(monitor.samples());
    println!("{}", monitor::summary(monitor.samples()));
    assert!(growth.is_empty(), "growth: {growth:#?}");
    assert_eq!(server.stop("TERM").code(), Some(0), "a graceful shutdown");
    kulya(&folder, &["store", "check"]);
}
