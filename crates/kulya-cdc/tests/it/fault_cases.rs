//! Faults of the network, of the store and of other captures, the same for all databases. Whatever fails, the
//! capture goes on by itself and has each change once, or it stops with an error that says why.

use crate::own_server::{OwnServer, Stop};
use crate::proxy::{Proxy, Stalled};
use crate::running::{Running, Subject};
use crate::test_store::TestStore;
use futures::future::{Either, join_all, select};
use kulya_cdc::{CaptureSettings, CdcErrorKind};
use std::pin::pin;

/// Connections stay open, but no bytes arrive: from the server, to it, or both.
pub(crate) async fn stalled_connections_end(create: impl AsyncFn(&'static str) -> Subject) {
    let cases =
        [("stall_down", Stalled::FromServer), ("stall_up", Stalled::ToServer), ("stall_both", Stalled::Both)];
    join_all(cases.map(|(name, stalled)| {
        let create = &create;
        async move {
            let mut subject = create(name).await;
            let (proxy, url) = Proxy::before(&subject.settings.url).await;
            let mut running = subject.start(&subject.through(url));
            subject.wait_for(&mut running).await;
            proxy.stall(stalled);
            subject.load(20).await;
            subject.wait_for(&mut running).await;
            // changes arrive even if the server hears nothing; it ends the connection then
            assert!(running.control.status().restarts > 0 || stalled == Stalled::ToServer, "{name}");
            running.stop().await;
            subject.check(name).await;
        }
    }))
    .await;
}

/// The server ends in order and as after a loss of power, while its database is written.
pub(crate) async fn restarts_are_survived(server: &mut OwnServer, mut subject: Subject) {
    let mut running = subject.start(&subject.settings);
    subject.wait_for(&mut running).await;
    for stop in [Stop::Clean, Stop::Crash, Stop::Clean, Stop::Crash] {
        subject.load(5).await;
        let restart = async {
            server.stop(stop).await;
            server.start().await;
        };
        subject.load_until(restart).await;
        subject.load(5).await;
        subject.wait_for(&mut running).await;
    }
    assert!(running.control.status().restarts >= 4);
    running.stop().await;
    subject.check("restarts").await;
}

/// An administrator ends the connections of the capture; `terminate` does so.
pub(crate) async fn terminated_connections_are_opened_again(mut subject: Subject, terminate: impl AsyncFn()) {
    let mut running = subject.start(&subject.settings);
    for _ in 0..5 {
        subject.wait_for(&mut running).await;
        terminate().await;
        subject.load(5).await;
    }
    subject.wait_for(&mut running).await;
    running.stop().await;
    subject.check("terminated").await;
}

/// The store has no space for a while, at its first writes or at later ones.
pub(crate) async fn full_stores_are_waited_for(create: impl AsyncFn(&str) -> Subject) {
    for writes in [3, 6, 10, 15, 22, 30] {
        let mut subject = create("full_store").await;
        let (store, fault) = TestStore::full_after(writes);
        subject.store = store;
        let mut running = subject.start(&subject.settings);
        subject.load_until(running.retrying()).await;
        fault.allow(u64::MAX);
        subject.load(5).await;
        subject.wait_for(&mut running).await;
        running.stop().await;
        subject.check(&format!("full after {writes} writes")).await;
    }
}

/// What the second of two captures of the same name does, or the first one then.
pub(crate) enum SecondCapture {
    /// It waits for the first one.
    Waits,
    /// It takes the place of the first one, which ends with these words, or is fenced. Both may end, if the
    /// first one has stored changes meanwhile: one that is started again goes on then.
    Replaces(&'static str),
}

/// A second process captures with the same settings into the same store.
pub(crate) async fn second_captures_are_fenced(mut subject: Subject, expected: SecondCapture) {
    let mut first = subject.start(&subject.settings);
    subject.wait_for(&mut first).await;
    let mut second = subject.start(&subject.settings);
    match expected {
        SecondCapture::Waits => {
            let error = subject.load_until(second.retrying()).await;
            assert!(error.contains("in use"), "{error}");
            subject.wait_for(&mut first).await;
            first.kill().await;
            subject.wait_for(&mut second).await;
        }
        SecondCapture::Replaces(words) => {
            let (error, other) = subject.load_until(first_to_end(first, second)).await;
            let is_fenced = error.kind() == CdcErrorKind::Fenced;
            assert!(is_fenced || error.to_string().contains(words), "{error}");
            second = other;
            if let Err(error) = subject.try_wait_for(&mut second).await {
                assert_eq!(error.kind(), CdcErrorKind::Fenced, "{error}");
                second = subject.start(&subject.settings);
            }
        }
    }
    subject.load(5).await;
    subject.wait_for(&mut second).await;
    second.stop().await;
    subject.check("a second capture").await;
}

/// Two captures of the same name, with readers of the log that the server tells apart, write to one store.
pub(crate) async fn second_writers_are_fenced(mut subject: Subject, other: CaptureSettings) {
    let one = subject.start(&subject.settings);
    let two = subject.start(&other);
    let (error, mut other) = subject.load_until(first_to_end(one, two)).await;
    // a capture that starts a little later finds the position of the other one, and waits for its slot
    assert!(matches!(error.kind(), CdcErrorKind::Fenced | CdcErrorKind::Busy), "{error}");
    subject.load(5).await;
    subject.wait_for(&mut other).await;
    other.stop().await;
    subject.check("two writers").await;
}

/// Waits until one of two captures ends with an error; returns it and the other capture.
async fn first_to_end(mut one: Running, mut two: Running) -> (kulya_cdc::CdcError, Running) {
    let is_one = matches!(select(pin!(one.wait()), pin!(two.wait())).await, Either::Left(_));
    let (ended, other) = if is_one { (one, two) } else { (two, one) };
    (ended.ended().await.unwrap_err(), other)
}
