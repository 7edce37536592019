//! Connections to a PostgreSQL server: the transport with or without TLS, an SQL session, and a replication
//! connection.

pub(crate) mod replication;
pub(crate) mod server_error;
pub(crate) mod session;
mod startup;
mod tls;
mod transport;
pub(crate) mod wait;
