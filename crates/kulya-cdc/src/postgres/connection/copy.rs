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

/// The next line of a COPY.
pub(crate) enum Line {
    Arrived(Frame),
    /// It has not arrived wholly.
    Missing {
        /// The size of the line, in bytes; 0 if it is not known.
        bytes: usize,
    },
    /// There is none.
    End,
}

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

    /// Takes the next line of the COPY, if it has arrived. Of a line that is larger than an event can be,
    /// only the beginning is kept.
    ///
    /// # Errors
    /// What the server reports.
    pub(crate) fn take_line(&mut self) -> CdcResult<Line> {
        while let Some(frame) = self.wire.take_frame()? {
            match frame.tag {
                b'd' => return Ok(Line::Arrived(frame)),
                b'Z' => return Ok(Line::End),
                b'E' => return Err(self.wire.server_error(&frame.payload)),
                _ => {}
            }
        }
        Ok(Line::Missing { bytes: self.wire.wanted_bytes() })
    }

    /// Waits until more bytes have arrived.
    ///
    /// # Errors
    /// `Unreachable` when the connection is closed.
    pub(crate) async fn receive(&mut self) -> CdcResult<()> {
        wait_for(&self.target, &self.process, "rows of the snapshot", self.wire.receive()).await.map(drop)
    }

    /// Returns whether another line follows the one that was taken last.
    ///
    /// # Errors
    /// `Unreachable` when the connection is closed.
    pub(crate) async fn is_followed(&mut self) -> CdcResult<bool> {
        loop {
            let next = self.wire.next_tag();
            match wait_for(&self.target, &self.process, "rows of the snapshot", next).await? {
                b'd' => return Ok(true),
                // a notice, a setting, a notification
                b'N' | b'S' | b'A' => drop(self.next_frame().await?),
                _ => return Ok(false),
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
