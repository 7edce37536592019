//! REST v1 compared with the Java server: the same random requests to both give the same responses, except
//! for known differences, each of which is a rule with a name and a reason.
//!
//! `KULYA_TEST_JAVA_REGISTRY` is the Java server's URL, and `KULYA_TEST_JAVA_REGISTRY_GUARDED` that of one
//! that knows the users of the file `KULYA_TEST_JAVA_REGISTRY_ACCOUNTS`; `cargo xtask test` sets them.
//! `KULYA_CASES` asks for more histories than usual, `KULYA_SEED` for others.

mod compare;
mod draw;
mod rights;

use crate::serve_memory;
use compare::Comparison;
use draw::Client;

/// Requests of one history.
const MAX_REQUESTS: u64 = 30;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test]
#[ignore = "needs a Java registry: cargo xtask test"]
async fn responds_like_the_java_registry() {
    let java = std::env::var("KULYA_TEST_JAVA_REGISTRY").expect("cargo xtask sets KULYA_TEST_JAVA_REGISTRY");
    let mut local = Comparison::of(java, serve_memory().await);
    let seed = number("KULYA_SEED").unwrap_or(0);
    let histories = number("KULYA_CASES").unwrap_or(200);
    for history in seed..seed + histories {
        let mut client = Client::new(history);
        // each history has a namespace of its own
        let namespace = format!("{}-{history}", std::process::id());
        local.begin(&namespace);
        for number in 0..5 + client.patience(MAX_REQUESTS) {
            let request = if number < 3 { client.creation(&namespace) } else { client.request(&namespace) };
            if !local.send(&request).await {
                break;
            }
        }
    }
    let differences = local.differences();
    assert!(differences.is_empty(), "{differences}");
    println!("{}", local.summary());
    // the histories cover the interesting statuses
    for (status, least) in [(200, histories), (201, histories), (409, histories / 5)] {
        assert!(local.responded(status) > least, "{}", local.summary());
    }
}
