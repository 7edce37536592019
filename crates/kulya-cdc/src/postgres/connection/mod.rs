//! Connections to a PostgreSQL server: the transport with or without TLS, an SQL session, and a replication
//! connection, and one that reads tables.

pub(crate) mod copy;
mod detachable;
pub(crate) mod frames;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
pub(crate) mod replication;
pub(crate) mod server_error;
pub(crate) mod session;
mod startup;
mod tls;
mod transport;
pub(crate) mod wait;
mod wire;
