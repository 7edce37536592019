//! A session that reads tables by COPY. Unlike the SQL session it hands out the frames as they arrive, so
//! that a row costs no task switch, and a row of any size takes bounded memory.

use super::frames::Frame;
use super::startup::Purpose;
use super::wait::wait_for;
use super::wire::Wire;
use crate::postgres::settings::Target;
use crate::{CdcError, CdcResult};
use bytes::BytesMut;
use postgres_protocol::message::frontend;

/// A session that reads tables.
pub(crate) struct CopySession {
    wire: Wire,
    target: Target,
    /// The process id of the server's backend.
    process: String,
}

impl CopySession {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`, `Configuration`.
    pub(crate) async fn open(target: &Target) -> CdcResult<Self> {
        let mut wire = Wire::open(target, Purpose::Session).await?;
        let process = wire.query_row("SELECT pg_backend_pid()", target.liveness.lost_after).await?;
        let process = process.into_iter().flatten().next().unwrap_or_default();
        let process = String::from_utf8_lossy(&process).into_owned();
        Ok(Self { wire, target: target.clone(), process })
    }

    /// Runs statements without results.
    ///
    /// # Errors
    /// What the server reports.
    pub(crate) async fn execute(&mut self, sql: &str) -> CdcResult<()> {
        self.send(sql).await?;
        let mut result = Ok(());
        loop {
            let frame = self.next_frame().await?;
            match frame.tag {
                b'E' => result = Err(self.wire.server_error(&frame.payload)),
                b'Z' => return result,
                _ => {}
            }
        }
    }

    /// Starts a COPY TO STDOUT.
    ///
    /// # Errors
    /// What the server reports.
    pub(crate) async fn start(&mut self, sql: &str) -> CdcResult<()> {
        self.send(sql).await?;
        loop {
            let frame = self.next_frame().await?;
            match frame.tag {
                b'H' => return Ok(()),
                b'E' => return Err(self.wire.server_error(&frame.payload)),
                _ => {}
            }
        }
    }

    /// Returns the next line of the COPY; `None` after the last. Of a line that is larger than an event can
    /// be, only the beginning is kept.
    ///
    /// # Errors
    /// What the server reports; `Unreachable`.
    pub(crate) async fn next_line(&mut self) -> CdcResult<Option<Frame>> {
        loop {
            let frame = self.next_frame().await?;
            match frame.tag {
                b'd' => return Ok(Some(frame)),
                b'Z' => return Ok(None),
                b'E' => return Err(self.wire.server_error(&frame.payload)),
                _ => {}
            }
        }
    }

    /// Ends the session. Errors do not matter any more.
    pub(crate) async fn close(mut self) {
        let mut message = BytesMut::new();
        frontend::terminate(&mut message);
        let _ = self.wire.send(&message).await;
    }

    /// Waits for the next frame. A table may have many rows before the first one that is read.
    async fn next_frame(&mut self) -> CdcResult<Frame> {
        loop {
            if let Some(frame) = self.wire.take_frame()? {
                return Ok(frame);
            }
            wait_for(&self.target, &self.process, "rows of the snapshot", self.wire.receive()).await?;
        }
    }

    async fn send(&mut self, sql: &str) -> CdcResult<()> {
        let mut query = BytesMut::new();
        frontend::query(sql, &mut query).map_err(|e| {
            CdcError::configuration("a table or column has a zero byte in its name").because(e)
        })?;
        self.wire.send(&query).await
    }
}
