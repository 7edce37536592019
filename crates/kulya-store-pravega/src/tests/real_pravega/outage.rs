//! A Pravega with authentication that pauses, resumes, and is killed.

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

fn assert_unreachable<T>(result: kulya_store::Result<T>) {
    let error = result.err().expect("expected an error");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("does not answer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn authentication_works_and_an_outage_is_one_clear_error() {
    let controller = variable("KULYA_TEST_PRAVEGA_GUARDED").parse().unwrap();
    let ca_file = Some(variable("KULYA_TEST_PRAVEGA_GUARDED_AUTHORITY").into());
    let timeout = Duration::from_secs(20);
    let trusted = Settings { controller, ca_file, timeout, ..settings() };

    let anonymous =
        PravegaStore::open(trusted.clone()).await.err().expect("no credentials were given").to_string();
    assert!(anonymous.contains("set pravega_client_auth_method"), "{anonymous}");
    let wrong = Settings { credentials: Some(Credentials::basic("kulya", "wrong")), ..trusted.clone() };
    let wrong = PravegaStore::open(wrong).await.err().expect("the password is wrong").to_string();
    assert!(wrong.contains("authentication failed"), "{wrong}");
    let untrusting = Settings { ca_file: None, ..trusted.clone() };
    let untrusting = PravegaStore::open(untrusting).await.err().expect("the certificate is not trusted");
    assert_eq!(untrusting.kind(), ErrorKind::InvalidInput, "{untrusting}");

    let settings = Settings { credentials: Some(Credentials::basic("kulya", "kulya")), ..trusted };
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

    // paused: every call fails within its timeout
    let impatient =
        Settings { instance: super::instance(), timeout: Duration::from_secs(1), ..settings.clone() };
    let impatient = PravegaStore::open(impatient).await.unwrap();
    impatient.commit(commit(2)).await.unwrap();
    let delayed_count = {
        let (impatient, tails) = (impatient.clone(), tail_cut(&impatient, &orders).await.unwrap());
        let (segment, offset) = tails.offsets().next().unwrap();
        tokio::spawn(async move { impatient.wait_for_data(&segment, offset).await })
    };
    signal("STOP");
    let writer = WriterId(9);
    assert_unreachable(impatient.commit(commit(3).with_writer(writer, 3)).await);
    assert_unreachable(
        impatient.commit(Commit::events(vec![Append::keyed(&orders, "a", "alone again")])).await,
    );
    assert_unreachable(impatient.get(&positions, b"n").await);
    assert_unreachable(impatient.segments(&orders).await);
    signal("CONT");

    // resumed: the same store works, and a retry is a duplicate whatever happened to the first attempt
    let mut done = store.commit(commit(3).with_writer(writer, 3)).await;
    while done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable) {
        done = store.commit(commit(3).with_writer(writer, 3)).await;
    }
    done.unwrap();
    let mut last = impatient.get(&positions, b"n").await;
    while last.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable) {
        last = impatient.get(&positions, b"n").await;
    }
    assert_eq!(last.unwrap().unwrap().value, "3");
    let all = texts(&store, &orders).await;
    assert_eq!(all.iter().filter(|text| text.starts_with('3')).count(), 3, "{all:?}");
    // it waited throughout, or failed
    match delayed_count.await.unwrap() {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable),
    }

    // killed
    signal("KILL");
    assert_unreachable(store.commit(commit(4)).await);
    assert_unreachable(store.read(&orders.segment(0), 0, 100).await);
    assert_unreachable(PravegaStore::open(settings).await);
}
