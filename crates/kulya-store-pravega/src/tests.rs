//! Tests of the whole store. Those that need a real Pravega are in `real_pravega`: `cargo xtask test` starts
//! one if Java and Maven are installed, and says so if they are not.

mod fake;
mod large_commits;
mod real_pravega;
mod recovered_offsets;
mod shared_pravega;
mod tails;
mod timeouts;

use crate::{PravegaStore, Settings};
use fake::FakePravega;
use kulya_store::{ErrorKind, StreamConfig, StreamId, StreamStore};
use std::sync::Arc;

async fn open(pravega: &FakePravega, instance: u128) -> Arc<PravegaStore> {
    Arc::new(PravegaStore::open(pravega.settings(instance)).await.unwrap())
}

async fn stream(store: &PravegaStore, name: &str, segments: u32) -> StreamId {
    let stream = StreamId::new("shop", name).unwrap();
    store.create_scope(&stream.scope).await.unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap();
    stream
}

/// The fake conforms to the contract like a real Pravega.
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_conforms() {
    let fakes = std::sync::Mutex::new(Vec::new());
    let report = kulya_store::conformance::run_all(|| async {
        let fake = FakePravega::start().await;
        let store = open(&fake, 1).await;
        fakes.lock().unwrap().push(fake);
        store
    })
    .await;
    assert!(report.run_count > 20, "{} cases ran", report.run_count);
}

#[tokio::test]
async fn an_unreachable_pravega_is_reported() {
    // bound and closed again: nobody listens there
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings::new(format!("tcp://{address}").parse().unwrap(), 1);
    let error = PravegaStore::open(settings).await.err().expect("connection refused");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let text = error.to_string();
    assert!(text.contains(&format!("tcp://{address} does not answer: see that it runs")), "{text}");
}
