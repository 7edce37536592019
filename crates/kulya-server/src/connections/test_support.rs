//! Requests for other modules' tests.

use super::connection::InFlight;
use super::pool::Connections;
use std::net::SocketAddr;
use std::sync::Arc;

/// Returns a request on a connection without timeouts.
pub(crate) fn in_flight() -> Arc<InFlight> {
    let connections = Connections::new(1, 100, 1);
    let open = connections.open(SocketAddr::from(([10, 0, 0, 1], 1)), false).ok().unwrap();
    Arc::new(open.connection.start_request(None))
}
