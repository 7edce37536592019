//! A connection that exchanges frames with the server: connects, authenticates, sends and receives.

use super::frames::{Frame, FrameBuffer};
use super::server_error::ServerError;
use super::session::SESSION_OPTIONS;
use super::startup::{Purpose, Startup, Step};
use super::transport::{self, Transport};
use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The size of a read in bytes.
const READ_BYTES: usize = 128 << 10;

/// A connection.
pub(super) struct Wire {
    stream: Transport,
    buffer: FrameBuffer,
    server: String,
}

impl Wire {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`, `Configuration`.
    pub(super) async fn open(target: &Target, purpose: Purpose) -> CdcResult<Self> {
        let stream = transport::open(target).await?;
        let mut wire = Self { stream, buffer: FrameBuffer::default(), server: target.server() };
        let start = wire.authenticate(target, purpose);
        match tokio::time::timeout(target.connect_timeout, start).await {
            Ok(result) => result?,
            Err(_) => return Err(wire.lost("it does not respond")),
        }
        Ok(wire)
    }

    async fn authenticate(&mut self, target: &Target, purpose: Purpose) -> CdcResult<()> {
        let mut startup = Startup::new(target, purpose);
        let options = format!("{} {SESSION_OPTIONS} -c lc_monetary=C", target.options);
        let first = startup.first_message(&options)?;
        self.send(&first).await?;
        loop {
            match startup.on_frame(self.next_frame().await?)? {
                Step::Send(message) => self.send(&message).await?,
                Step::Ready => return Ok(()),
            }
        }
    }

    /// Sends bytes. When the future is dropped meanwhile, the connection must be given up.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(super) async fn send(&mut self, mut message: &[u8]) -> CdcResult<()> {
        let sent = async {
            while message.has_remaining() {
                self.stream.write_buf(&mut message).await?;
            }
            self.stream.flush().await
        };
        let sent: Result<(), std::io::Error> = sent.await;
        sent.map_err(|e| self.lost("see the cause").because(e))
    }

    /// Waits until more bytes have arrived; returns their number. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Unreachable` when the connection is closed.
    pub(super) async fn receive(&mut self) -> CdcResult<usize> {
        self.buffer.bytes.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.buffer.bytes).await {
            Ok(0) => Err(self.lost("it closed the connection")),
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(self.lost("see the cause").because(e)),
        }
    }

    /// Takes the next frame that has arrived.
    ///
    /// # Errors
    /// `Source` for a length that no frame has.
    pub(super) fn take_frame(&mut self) -> CdcResult<Option<Frame>> {
        self.buffer
            .take()
            .map_err(|length| CdcError::source(format!("the server sent a message of {} bytes", length.0)))
    }

    /// Returns the size of the frame of which only a part has arrived, as far as it will be kept, in bytes; 0
    /// if it is not known.
    pub(super) fn wanted_bytes(&self) -> usize {
        self.buffer.wanted_bytes()
    }

    /// Waits until the beginning of the next frame has arrived; returns its type.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(super) async fn next_tag(&mut self) -> CdcResult<u8> {
        loop {
            if let Some(tag) = self.buffer.next_tag() {
                return Ok(tag);
            }
            self.receive().await?;
        }
    }

    /// Waits for the next frame. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`receive`](Self::receive) and [`take_frame`](Self::take_frame).
    pub(super) async fn next_frame(&mut self) -> CdcResult<Frame> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.receive().await?;
        }
    }

    /// Returns the error that the payload of an error frame reports.
    pub(super) fn server_error(&self, payload: &[u8]) -> CdcError {
        ServerError::parse(payload).on_statement(&self.server)
    }

    pub(super) fn lost(&self, why: &str) -> CdcError {
        let what = format!("the connection to PostgreSQL at {} is lost: {why}", self.server);
        CdcError::new(CdcErrorKind::Unreachable, what)
    }
}
