//! What a client has from elsewhere where it is not the machine's own: connections, and numbers that nobody else draws.

use async_trait::async_trait;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes there and back, in order, until one end goes away.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Another network than the machine's.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// A new connection to the server.
    async fn connect(&self) -> io::Result<Box<dyn Connection>>;

    /// A number that nobody else draws.
    fn draw(&self) -> u128;
}
