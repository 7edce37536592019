//! The open connections: how many there are per address, what each is waiting for, and which one is closed
//! when there is no slot for another or its client is too slow.
//!
//! A connection is *idle* while it waits for its client: for a handshake, for a request's head or body, or
//! for the client to read a response. It is not idle while the server works or waits for events. When all
//! slots are taken, the connection that has been idle longest is closed, those without a request first.
//! Nothing here reads or writes: [`TrackedIo`] and the metered bodies report progress, and
//! [`Connection::watch`] checks the timeouts.

mod connection;
mod exchange;
mod pool;
mod tracked_io;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

pub(crate) use connection::{Connection, InFlight, Timeouts};
pub(crate) use pool::{Connections, NoSlot, OpenConnection};
pub(crate) use tracked_io::TrackedIo;
