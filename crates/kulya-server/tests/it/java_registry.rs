//! REST v1 beside the Java server: the same random requests to both, and the same answers, but for the differences that
//! are meant, each of which is one rule with a name and a reason.
//!
//! `KULYA_TEST_JAVA_REGISTRY` is the Java server's URL, and `KULYA_TEST_JAVA_REGISTRY_GUARDED` that of one that knows the users
//! of the file `KULYA_TEST_JAVA_REGISTRY_ACCOUNTS`; `cargo xtask test` sets them. `KULYA_CASES` asks for more
//! histories than usual, `KULYA_SEED` for others.

mod compare;
mod draw;
mod rights;

use crate::serve_memory;
use compare::Beside;
use draw::Client;

/// Requests of one history.
const MAX_REQUESTS: u64 = 30;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
#[ignore = "needs a Java registry: cargo xtask test"]
async fn java_registry_and_ours_answer_alike() {
    let java = std::env::var("KULYA_TEST_JAVA_REGISTRY").expect("cargo xtask sets KULYA_TEST_JAVA_REGISTRY");
    let mut beside = Beside::of(java, serve_memory().await);
    let seed = number("KULYA_SEED").unwrap_or(0);
    let histories = number("KULYA_CASES").unwrap_or(200);
    for history in seed..seed + histories {
        let mut client = Client::new(history);
        // nothing of an earlier history is seen in a namespace of its own
        let namespace = format!("{}-{history}", std::process::id());
        beside.begin(&namespace);
        for number in 0..5 + client.patience(MAX_REQUESTS) {
            let request = if number < 3 { client.creation(&namespace) } else { client.request(&namespace) };
            if !beside.ask(&request).await {
                break;
            }
        }
    }
    let differences = beside.differences();
    assert!(differences.is_empty(), "{differences}");
    println!("{}", beside.summary());
    // the histories reach what they are there for
    for (status, least) in [(200, histories), (201, histories), (409, histories / 5)] {
        assert!(beside.answered(status) > least, "{}", beside.summary());
    }
}
