//! One request and its response, and which side they wait for: [`Exchange`].

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Returns the milliseconds since the server started, plus one: 0 means never.
pub(super) fn now(started: Instant) -> u64 {
    millis(started.elapsed()) + 1
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What an exchange waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The server, which works or waits for events.
    Server,
    /// The client, which has to send more of the body.
    Body,
    /// The client, which has to read the response.
    ResponseRead,
}

impl WaitsFor {
    /// Packs it with the time of the last progress.
    pub(super) fn at(self, time: u64) -> u64 {
        time << 2 | self as u64
    }
}

/// A request and its response.
pub(super) struct Exchange {
    started: Instant,
    /// What it waits for and the time of the last progress.
    state: AtomicU64,
    /// Bytes of the response that were handed to the connection and are not written yet.
    unwritten: AtomicUsize,
    /// Resets its HTTP/2 stream.
    pub(super) stream: Option<CancellationToken>,
}

impl Exchange {
    pub(super) fn new(started: Instant, stream: Option<CancellationToken>) -> Self {
        let state = AtomicU64::new(WaitsFor::Server.at(now(started)));
        Self { started, state, unwritten: AtomicUsize::new(0), stream }
    }

    /// Sets what it waits for. That is progress unless bytes are unwritten: adding to those is none.
    pub(super) fn wait_for(&self, side: WaitsFor) {
        let at = match self.unwritten.load(Ordering::Acquire) {
            0 => now(self.started),
            _ => self.state.load(Ordering::Acquire) >> 2,
        };
        self.state.store(side.at(at), Ordering::Release);
    }

    /// Sets that it waits for the body, without progress.
    pub(super) fn wait_for_body(&self) {
        let state = self.state.load(Ordering::Acquire);
        self.state.store(WaitsFor::Body.at(state >> 2), Ordering::Release);
    }

    pub(super) fn hand_over(&self, bytes: usize) {
        self.wait_for(WaitsFor::ResponseRead);
        self.unwritten.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Bytes were written or dropped, which is progress; what it waits for stays.
    pub(super) fn bytes_written(&self, bytes: usize) {
        self.unwritten.fetch_sub(bytes, Ordering::AcqRel);
        let state = self.state.load(Ordering::Acquire);
        self.state.store((state & 3) | now(self.started) << 2, Ordering::Release);
    }

    /// Returns since when it waits for the client.
    pub(super) fn waits_for_client_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let waits = state & 3 != WaitsFor::Server as u64 || self.unwritten.load(Ordering::Acquire) > 0;
        waits.then_some(state >> 2)
    }

    /// Returns since when it waits for the client to read the response.
    pub(super) fn waits_for_read_since(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        let waits = state & 3 == WaitsFor::ResponseRead as u64 || self.unwritten.load(Ordering::Acquire) > 0;
        waits.then_some(state >> 2)
    }
}
