//! The open connections of a server, bounded per server and per address: [`Connections`].

use super::connection::Connection;
use super::exchange::{millis, now};
use kulya_auth::fair_share::{Permit, Pool, accounting_address};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection that has been idle for less is not closed for another one.
const MIN_IDLE: Duration = Duration::from_secs(1);

/// The open connections of one server.
pub(crate) struct Connections {
    pub(super) slots: Pool,
    handshakes: usize,
    started: Instant,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
    closed: Notify,
}

impl Connections {
    /// Creates a pool of `capacity` connections, of which one address gets `percent`, and of `handshakes` at
    /// a time.
    pub(crate) fn new(capacity: usize, percent: u32, handshakes: usize) -> Arc<Self> {
        Arc::new(Self {
            slots: Pool::new(capacity, percent),
            handshakes,
            started: Instant::now(),
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            closed: Notify::new(),
        })
    }

    /// Completes when a connection was closed, or one may have been idle for long enough to be closed.
    pub(crate) async fn changed(&self) {
        let _ = tokio::time::timeout(MIN_IDLE / 4, self.closed.notified()).await;
    }

    /// Opens a connection; if there is no slot, an idle connection is closed for it. A proxy's connections
    /// are not accounted to its address.
    pub(crate) fn open(
        self: &Arc<Self>,
        address: SocketAddr,
        is_proxy: bool,
    ) -> Result<OpenConnection, NoSlot> {
        let accounting_address = accounting_address(address.ip());
        let share = self.slots.share((!is_proxy).then_some(accounting_address));
        let permit = match share.try_acquire(1) {
            Some(permit) => permit,
            None => {
                let is_full = self.slots.used() >= self.slots.capacity();
                let (address, error) = if is_full {
                    (None, NoSlot::ServerFull)
                } else {
                    (Some(accounting_address), NoSlot::AddressFull)
                };
                if !self.close_idle(address) {
                    return Err(error);
                }
                share.force_acquire(1)
            }
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(id, address, accounting_address, self.started));
        self.connections().insert(id, Arc::clone(&connection));
        Ok(OpenConnection { connection, connections: Arc::clone(self), _permit: permit })
    }

    /// Starts a handshake; if there are too many, the oldest one is aborted.
    pub(crate) fn start_handshake(&self) {
        let connections = self.connections();
        let handshakes: Vec<_> = connections.values().filter(|one| one.is_in_handshake()).collect();
        if handshakes.len() <= self.handshakes {
            return;
        }
        let mut by_address: HashMap<IpAddr, usize> = HashMap::new();
        for one in &handshakes {
            *by_address.entry(one.accounting_address).or_default() += 1;
        }
        // the oldest of the address that has most of them is the least likely to complete
        let oldest = handshakes
            .iter()
            .max_by_key(|one| (by_address[&one.accounting_address], std::cmp::Reverse(one.id)));
        if let Some(oldest) = oldest {
            oldest.close();
        }
    }

    /// Closes the connection that has been idle longest, those without a request first; of one address, or of
    /// all.
    pub(super) fn close_idle(&self, address: Option<IpAddr>) -> bool {
        let now = now(self.started);
        let connections = self.connections();
        let candidates = connections
            .values()
            .filter(|one| address.is_none_or(|address| address == one.accounting_address));
        let idle = candidates.filter_map(|one| {
            let since = one.idle_since()?;
            (now.saturating_sub(since) >= millis(MIN_IDLE)).then_some((!one.has_no_request(), since, one))
        });
        match idle.min_by_key(|(has_request, since, one)| (*has_request, *since, one.id)) {
            Some((.., one)) => {
                tracing::debug!("idle connection from {} closed for another one", one.address());
                one.close();
                true
            }
            None => false,
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection cannot be opened, when no open one can be closed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// The server is at its limit: the connection waits.
    ServerFull,
    /// The address is at its limit: the connection is closed.
    AddressFull,
}

/// A connection's slot, released on drop.
pub(crate) struct OpenConnection {
    pub(crate) connection: Arc<Connection>,
    connections: Arc<Connections>,
    _permit: Permit,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.connections.connections().remove(&self.connection.id);
        self.connections.closed.notify_waiters();
    }
}
