//! A guarded Pravega, which then goes away, comes back, and goes away for good.

use super::{settings, stream, table, texts, variable};
use crate::{Credentials, PravegaStore, Settings};
use kulya_store::{Append, Commit, Condition, ErrorKind, StreamStore, TableChange, WriterId, tail_cut};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Sends a signal by name, as `kill` knows it.
fn signal(name: &str) {
    let process = variable("KULYA_TEST_PRAVEGA_GUARDED_PROCESS");
    assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
}

fn assert_away<T>(result: kulya_store::Result<T>) {
    let error = result.err().expect("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn a_guarded_pravega_lets_us_in_and_its_absence_is_one_clear_error() {
    let controller = variable("KULYA_TEST_PRAVEGA_GUARDED").parse().unwrap();
    let authorities = Some(variable("KULYA_TEST_PRAVEGA_GUARDED_AUTHORITY").into());
    let patience = Duration::from_secs(20);
    let known = Settings { controller, authorities, patience, ..settings() };

    let nobody =
        PravegaStore::open(known.clone()).await.err().expect("we have not said who we are").to_string();
    assert!(nobody.contains("refuses us: set pravega_client_auth_method"), "{nobody}");
    let wrong = Settings { credentials: Some(Credentials::basic("kulya", "wrong")), ..known.clone() };
    let wrong = PravegaStore::open(wrong).await.err().expect("that is not the password").to_string();
    assert!(wrong.contains("refuses us"), "{wrong}");
    let stranger = Settings { authorities: None, ..known.clone() };
    let stranger = PravegaStore::open(stranger).await.err().expect("nobody vouches for the server");
    assert_eq!(stranger.kind(), ErrorKind::InvalidInput, "{stranger}");

    let settings = Settings { credentials: Some(Credentials::basic("kulya", "kulya")), ..known };
    let store = Arc::new(PravegaStore::open(settings.clone()).await.unwrap());
    let orders = stream(&store, "orders", 3).await;
    let positions = table(&store).await;
    let commit = |n: u64| Commit {
        appends: ["a", "key-1", "x"].map(|key| Append::keyed(&orders, key, format!("{n} {key}"))).to_vec(),
        changes: vec![TableChange::put(&positions, "n", Condition::Any, n.to_string())],
        ..Commit::default()
    };
    store.commit(commit(1)).await.unwrap();
    store.commit(Commit::events(vec![Append::keyed(&orders, "a", "alone")])).await.unwrap();
    assert_eq!(texts(&store, &orders).await, ["1 a", "1 key-1", "1 x", "alone"]);

    // away: whoever asks gets an answer within its patience
    let hasty =
        Settings { instance: super::instance(), patience: Duration::from_secs(1), ..settings.clone() };
    let hasty = PravegaStore::open(hasty).await.unwrap();
    hasty.commit(commit(2)).await.unwrap();
    let waiting = {
        let (hasty, tails) = (hasty.clone(), tail_cut(&hasty, &orders).await.unwrap());
        let (segment, offset) = tails.offsets().next().unwrap();
        tokio::spawn(async move { hasty.wait_beyond(&segment, offset).await })
    };
    signal("STOP");
    let writer = WriterId(9);
    assert_away(hasty.commit(commit(3).by(writer, 3)).await);
    assert_away(hasty.commit(Commit::events(vec![Append::keyed(&orders, "a", "alone again")])).await);
    assert_away(hasty.get(&positions, b"n").await);
    assert_away(hasty.segments(&orders).await);
    signal("CONT");

    // back: the same store goes on, and a repetition is one whatever became of the first try
    let mut done = store.commit(commit(3).by(writer, 3)).await;
    while done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable) {
        done = store.commit(commit(3).by(writer, 3)).await;
    }
    done.unwrap();
    let mut last = hasty.get(&positions, b"n").await;
    while last.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable) {
        last = hasty.get(&positions, b"n").await;
    }
    assert_eq!(last.unwrap().unwrap().value, "3");
    let all = texts(&store, &orders).await;
    assert_eq!(all.iter().filter(|text| text.starts_with('3')).count(), 3, "{all:?}");
    // it waited through all of that, or was told
    match waiting.await.unwrap() {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable),
    }

    // gone
    signal("KILL");
    assert_away(store.commit(commit(4)).await);
    assert_away(store.read(&orders.segment(0), 0, 100).await);
    assert_away(PravegaStore::open(settings).await);
}
