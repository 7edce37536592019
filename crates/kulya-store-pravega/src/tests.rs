//! The store as a whole. What needs a real Pravega is in `real_pravega`: `cargo xtask test` starts one where Java and Maven
//! are, and says so where they are not.

mod fake;
mod foreign;
mod large;
mod places;
mod real_pravega;
mod silent;

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

/// The fake does what a real Pravega does, as far as the contract looks.
#[tokio::test(flavor = "multi_thread")]
async fn the_fake_keeps_the_contract() {
    let fakes = std::sync::Mutex::new(Vec::new());
    let report = kulya_store::conformance::all(|| async {
        let fake = FakePravega::start().await;
        let store = open(&fake, 1).await;
        fakes.lock().unwrap().push(fake);
        store
    })
    .await;
    assert!(report.ran > 20, "{} cases ran", report.ran);
}

#[tokio::test]
async fn a_pravega_that_is_not_there_is_said_to_be_so() {
    // bound, and closed again: nobody listens there
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings::new(format!("tcp://{nobody}").parse().unwrap(), 1);
    let error = PravegaStore::open(settings).await.err().expect("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let text = error.to_string();
    assert!(text.contains(&format!("tcp://{nobody} does not answer: see that it runs")), "{text}");
}
