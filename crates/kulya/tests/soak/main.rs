//! Soaks: the program as it ships, under everything at once, for a time, looked at from outside. Memory, handles, threads and
//! the size on disk must stay flat, no well-behaved client may see an error or a wrong event, and the end must be orderly. One
//! is of a server with a folder of its own, the other of four servers with one store on object storage, which are killed,
//! stopped and started again.
//!
//! `KULYA_SOAK_SECONDS` says how long (60 when it is not set). Run by `cargo xtask soak --minutes 30` and
//! `cargo xtask soak --shared --minutes 10`, of a release build, and for a minute each with the other tests.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod four_servers;
mod hostile;
mod load;
#[path = "../it/program.rs"]
#[allow(dead_code, reason = "the other tests of the program use the rest")]
mod program;
mod server;
mod watch;

use crate::program::{http, kulya};
use server::Server;
use std::sync::Arc;
use std::time::Duration;
use tempfile::tempdir;
use watch::{Counts, Watch};

/// How long a soak takes where nobody says so.
const SECONDS: u64 = 60;
/// A window of the report, and of the judgement.
const WINDOW: Duration = Duration::from_secs(5);
/// Retention of the streams under load.
const KEEP: [(&str, &[&str]); 3] = [
    ("soak/by-size", &["--keep-bytes", "8MB"]),
    ("soak/by-age", &["--keep-for", "5s"]),
    ("soak/large", &["--keep-bytes", "32MB"]),
];

/// How long, by the environment.
pub(crate) fn seconds() -> u64 {
    std::env::var("KULYA_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().expect("a number of seconds"))
}

/// The windows of a soak: whole thirds.
pub(crate) fn windows() -> u64 {
    seconds().div_ceil(WINDOW.as_secs()).next_multiple_of(3).max(6)
}

#[test]
fn everything_at_once_stays_flat() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path(), &["--listen", "127.0.0.1:0"]);
    let url = server.url.clone();
    for (stream, keep) in KEEP {
        kulya(&folder, &[&["stream", "create", stream, "--segments", "2", "--url", &url], keep].concat());
    }
    let group = r#"{"serializationFormat":{"serializationFormat":"Any"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}"#;
    assert_eq!(http("PUT", &format!("{url}/v2/groups/h?namespace=soak"), group).0, 201);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let counts = Arc::new(Counts::default());
    let mut watch = Watch::new(server.child.id(), &folder.path().join("kulya-data"));
    runtime.block_on(async {
        load::start(&url, &counts);
        hostile::start(&url, &counts);
        for _ in 0..windows() {
            tokio::time::sleep(WINDOW).await;
            println!("{}", watch.sample(&counts));
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    assert_eq!(http("GET", &format!("{url}/ping"), "").0, 200);
    let (faults, said) = (counts.faults(), server.said());
    assert!(
        faults.is_empty(),
        "{} faults of well-behaved clients, first ones: {faults:#?}",
        counts.fault_count()
    );
    assert!(!said.contains("panicked"), "{said:.10000}");
    println!("{} bytes of log", said.len());
    let verdict = watch::judge(watch.samples());
    println!("{}", watch::summary(watch.samples()));
    assert!(verdict.is_empty(), "not flat: {verdict:#?}");
    assert_eq!(server.end("TERM").code(), Some(0), "it ends in order");
    kulya(&folder, &["store", "check"]);
}
