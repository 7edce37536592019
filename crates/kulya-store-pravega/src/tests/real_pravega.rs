//! What only a real server can say. Each test has a namespace of its own.

use crate::{PravegaStore, Settings};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// The URL of a server that `cargo xtask test` starts.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run cargo xtask test"))
}

fn drawn() -> u64 {
    RandomState::new().hash_one(0)
}

fn settings() -> Settings {
    let controller = server("KULYA_TEST_PRAVEGA").parse().unwrap();
    let instance = u128::from(drawn()) << 64 | u128::from(drawn());
    Settings { namespace: format!("t{:016x}.", drawn()), ..Settings::new(controller, instance) }
}

async fn open(settings: Settings) -> Arc<PravegaStore> {
    Arc::new(PravegaStore::open(settings).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn keeps_the_contract() {
    let report = kulya_store::conformance::all(|| open(settings())).await;
    println!("{} cases ran", report.ran);
    for (case, capability, reason) in &report.left_out {
        println!("left out: {case} needs {capability:?}: {reason}");
    }
    let left_out: Vec<_> = report.left_out.iter().map(|(case, _, _)| *case).collect();
    assert_eq!(
        left_out,
        [
            "a_remade_streams_segments_have_a_higher_epoch",
            "a_stream_is_kept_by_age_and_size_at_once",
            "a_cut_at_a_time_leaves_nothing_out"
        ]
    );
}
