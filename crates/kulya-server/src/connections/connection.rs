//! The state of one connection and its timeouts: [`Connection`], and [`InFlight`] for each of its requests.

use super::exchange::{Exchange, WaitsFor, millis, now};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The start of the HTTP/2 connection preface.
const HTTP2_PREFACE: &[u8] = b"PRI";

/// The timeouts of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Of a TLS handshake.
    pub(crate) handshake: Duration,
    /// Of the head of an HTTP/1 request, from its first byte.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// Without reading anything of a response.
    pub(crate) write: Duration,
}

impl Timeouts {
    /// The interval of the checks.
    fn check_interval(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.write);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }
}

/// The state of one connection. Times are milliseconds since the server started.
pub(crate) struct Connection {
    pub(super) id: u64,
    address: SocketAddr,
    /// The address that the connection is accounted to.
    pub(super) accounting_address: IpAddr,
    started: Instant,
    is_in_handshake: AtomicBool,
    is_http2: AtomicBool,
    is_closed: AtomicBool,
    received: AtomicUsize,
    idle_since: AtomicU64,
    /// Since when a request's head is arriving.
    head_since: AtomicU64,
    /// Since when the socket's send buffer is full.
    write_since: AtomicU64,
    exchanges: Mutex<HashMap<u64, Arc<Exchange>>>,
    pub(super) closing: CancellationToken,
}

impl Connection {
    pub(super) fn new(id: u64, address: SocketAddr, accounting_address: IpAddr, started: Instant) -> Self {
        Self {
            id,
            address,
            accounting_address,
            started,
            is_in_handshake: AtomicBool::new(true),
            is_http2: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            received: AtomicUsize::new(0),
            idle_since: AtomicU64::new(now(started)),
            head_since: AtomicU64::new(0),
            write_since: AtomicU64::new(0),
            exchanges: Mutex::default(),
            closing: CancellationToken::new(),
        }
    }

    /// Returns the client's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Completes when the connection is to be closed at once.
    pub(crate) async fn closed(&self) {
        self.closing.cancelled().await;
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.closing.cancel();
    }

    /// Ends the handshake: from here on the connection carries HTTP.
    pub(crate) fn handshake_done(&self) {
        self.is_in_handshake.store(false, Ordering::Release);
        self.idle_since.store(self.now(), Ordering::Release);
    }

    pub(super) fn is_in_handshake(&self) -> bool {
        self.is_in_handshake.load(Ordering::Acquire) && !self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn has_no_request(&self) -> bool {
        self.exchanges().is_empty()
    }

    /// Starts a request, whose head has arrived. `stream` resets its HTTP/2 stream alone.
    pub(crate) fn start_request(self: &Arc<Self>, stream: Option<CancellationToken>) -> InFlight {
        self.head_since.store(0, Ordering::Release);
        let exchange = Arc::new(Exchange::new(self.started, stream));
        let mut exchanges = self.exchanges();
        let mut id = exchanges.len() as u64;
        while exchanges.contains_key(&id) {
            id += 1;
        }
        exchanges.insert(id, Arc::clone(&exchange));
        drop(exchanges);
        InFlight { connection: Arc::clone(self), id, exchange }
    }

    /// Returns since when the connection waits for its client and for nothing else.
    pub(super) fn idle_since(&self) -> Option<u64> {
        if self.is_closed.load(Ordering::Acquire) {
            return None;
        }
        let write_since = self.write_since.load(Ordering::Acquire);
        if write_since > 0 {
            return Some(write_since);
        }
        let exchanges = self.exchanges();
        if exchanges.is_empty() {
            return Some(self.idle_since.load(Ordering::Acquire));
        }
        exchanges
            .values()
            .try_fold(0, |latest, exchange| Some(exchange.waits_for_client_since()?.max(latest)))
    }

    /// Returns why the connection has timed out. Of HTTP/2 a stream whose response is not read is reset
    /// alone.
    pub(super) fn timed_out(&self, timeouts: &Timeouts) -> Option<&'static str> {
        let now = self.now();
        let is_over = |since: u64, time: Duration| since > 0 && now.saturating_sub(since) >= millis(time);
        if is_over(self.write_since.load(Ordering::Acquire), timeouts.write) {
            return Some("write timeout: the client does not read");
        }
        if is_over(self.head_since.load(Ordering::Acquire), timeouts.head) {
            return Some("timeout: the head of a request is incomplete");
        }
        let exchanges = self.exchanges();
        if exchanges.is_empty() {
            let is_idle = is_over(self.idle_since.load(Ordering::Acquire), timeouts.idle);
            return is_idle.then_some("idle timeout");
        }
        for exchange in exchanges.values() {
            if exchange.waits_for_read_since().is_some_and(|since| is_over(since, timeouts.write)) {
                match &exchange.stream {
                    Some(stream) => stream.cancel(),
                    None => return Some("write timeout: the client does not read the response"),
                }
            }
        }
        None
    }

    /// Completes when the connection has timed out, with the reason.
    pub(crate) async fn watch(&self, timeouts: &Timeouts) -> &'static str {
        let mut ticks = tokio::time::interval(timeouts.check_interval());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(reason) = self.timed_out(timeouts) {
                return reason;
            }
        }
    }

    pub(super) fn bytes_received(&self, bytes: &[u8]) {
        let before = self.received.fetch_add(bytes.len(), Ordering::AcqRel);
        if before == 0 && bytes.starts_with(HTTP2_PREFACE) {
            self.is_http2.store(true, Ordering::Release);
        }
        // HTTP/2 keeps idle connections alive with frames of its own, and detects dead clients with pings
        if !self.is_http2.load(Ordering::Acquire) && self.exchanges().is_empty() {
            let _ = self.head_since.compare_exchange(0, self.now(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Records whether the socket's send buffer is full.
    pub(super) fn set_write_blocked(&self, is_blocked: bool) {
        if is_blocked {
            let now = self.now();
            let _ = self.write_since.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        } else {
            self.write_since.store(0, Ordering::Release);
        }
    }

    fn now(&self) -> u64 {
        now(self.started)
    }

    fn exchanges(&self) -> MutexGuard<'_, HashMap<u64, Arc<Exchange>>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request until the last byte of its response is written.
pub(crate) struct InFlight {
    connection: Arc<Connection>,
    id: u64,
    exchange: Arc<Exchange>,
}

impl InFlight {
    /// The request waits for the server: for its work, or for events.
    pub(crate) fn wait_for_server(&self) {
        self.exchange.wait_for(WaitsFor::Server);
    }

    /// The request waits for more of its body.
    pub(crate) fn wait_for_body(&self) {
        self.exchange.wait_for_body();
    }

    /// The request waits for its client to read the response.
    pub(crate) fn wait_for_client(&self) {
        self.exchange.wait_for(WaitsFor::ResponseRead);
    }

    /// Bytes of the response were handed to the connection.
    pub(crate) fn hand_over(&self, bytes: usize) {
        self.exchange.hand_over(bytes);
    }

    /// Bytes of the response were written or dropped.
    pub(crate) fn bytes_written(&self, bytes: usize) {
        self.exchange.bytes_written(bytes);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut exchanges = self.connection.exchanges();
        exchanges.remove(&self.id);
        if exchanges.is_empty() {
            self.connection.idle_since.store(self.connection.now(), Ordering::Release);
        }
    }
}
