//! The server's limits: [`Limits`].

use super::memory_limit::BodyRate;
use crate::connections::Timeouts;
use kulya_auth::admission::AdmissionRates;
use std::time::Duration;

/// Limits of time, connections, requests and memory. They hold for the whole server unless they say
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. For another one the connection that has been idle longest is closed; if there
    /// is none, new connections wait in the system's queue.
    pub connections: usize,
    /// What one address may have of the free connections, requests and bytes, in percent; 100 disables the
    /// limit, for servers behind a proxy.
    pub address_percent: u32,
    /// TLS handshakes at a time; for another one the oldest is aborted.
    pub handshakes: usize,
    /// The timeout of a TLS handshake.
    pub handshake_time: Duration,
    /// The timeout of a request's head, from its first byte.
    pub head_time: Duration,
    /// How long an HTTP/1 connection may be idle between requests.
    pub idle_time: Duration,
    /// The timeout of a request's body, plus a second for each
    /// [`body_bytes_per_second`](Self::body_bytes_per_second) received.
    pub body_time: Duration,
    /// The minimum rate of a body, in bytes per second. See [`body_time`](Self::body_time).
    pub body_bytes_per_second: u32,
    /// The upper bound of a body's timeout; imports have none.
    pub max_body_time: Duration,
    /// The time from the end of a request's body to its response; for exports, imports and tails twenty times
    /// as long.
    pub request_time: Duration,
    /// The time after which a client that reads nothing of its response is disconnected.
    pub write_time: Duration,
    /// The duration from which a request is logged as slow; zero disables the warning.
    pub slow_time: Duration,
    /// Requests at a time, including those that tail a stream.
    pub requests: usize,
    /// Requests per second of one caller: a user, or an address without credentials. 0: unlimited.
    pub requests_per_second: u32,
    /// Requests of one caller in a burst.
    pub burst: u32,
    /// Failed logins per second from one address. 0: unlimited.
    pub failures_per_second: u32,
    /// Bytes of memory for request bodies, for events read for responses, and for responses that are not sent
    /// yet. A response has up to about 70 MiB, so a lower limit rejects the largest ones.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1000,
            address_percent: 75,
            handshakes: 128,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(120),
            body_time: Duration::from_secs(20),
            body_bytes_per_second: 1000,
            max_body_time: Duration::from_secs(300),
            request_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            slow_time: Duration::from_secs(3),
            requests: 4096,
            requests_per_second: 100_000,
            burst: 200_000,
            failures_per_second: 10,
            bytes: 1 << 30,
        }
    }
}

impl Limits {
    pub(crate) fn timeouts(&self) -> Timeouts {
        let Self { handshake_time, head_time, idle_time, write_time, .. } = *self;
        Timeouts { handshake: handshake_time, head: head_time, idle: idle_time, write: write_time }
    }

    /// Returns the percentage of the connections that one address may have: more than of requests, since
    /// connections cost little and idle ones are closed for others.
    pub(crate) fn connections_percent(&self) -> u32 {
        100 - (100 - self.address_percent.min(100)) / 5
    }

    pub(super) fn admission_rates(&self) -> AdmissionRates {
        let Self { requests_per_second, burst, failures_per_second, .. } = *self;
        AdmissionRates { requests_per_second, burst, failures_per_second }
    }

    pub(super) fn body_rate(&self, is_long: bool) -> BodyRate {
        BodyRate {
            time: self.body_time,
            bytes_per_second: self.body_bytes_per_second,
            max_time: (!is_long).then_some(self.max_body_time),
        }
    }
}
