//! The network of a gRPC client as a trait, so that tests replace it: connections, and random ids.

use async_trait::async_trait;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A bidirectional byte stream, such as a TCP connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Replaces TCP and the operating system's random number generator.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Opens a connection to the server.
    ///
    /// # Errors
    /// Any `io::Error`; the client retries.
    async fn connect(&self) -> io::Result<Box<dyn Connection>>;

    /// Returns an id that is unique among all clients of the server.
    fn random_id(&self) -> u128;
}
