//! A connection that streams the write-ahead log (PostgreSQL documentation, "Streaming Replication
//! Protocol").
//!
//! The task that decodes the log reads the socket itself: no channel stands between, so that the memory is
//! bounded by one frame and one read, and positions are confirmed when the server asks for them. A server
//! that is silent is asked for a sign of life, and the connection ends when there is none.

pub(super) mod message;

pub(crate) use message::{EPOCH_MICROS, StreamMessage};

use super::frames::Frame;
use super::server_error::ServerError;
use super::session::{identifier, literal, parse_lsn};
use super::startup::Purpose;
use super::wire::Wire;
use crate::postgres::liveness::Liveness;
use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::BytesMut;
use kulya_store::clock::Clock;
use message::{parse_stream_message, status_update};
use postgres_protocol::message::frontend;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The code of an error that names an object that does not exist: a publication, whose definition at that
/// place in the log counts.
const UNDEFINED_OBJECT: &str = "42704";
/// The code of the warning that PostgreSQL 18 has in its place, and then it leaves the changes out.
const NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// The time between two status updates while messages arrive.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
/// The time in which a closed connection says good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the log of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogPlace {
    /// The system identifier of the cluster.
    pub(crate) system: String,
    pub(crate) timeline: u32,
    /// The end of the log.
    pub(crate) end: u64,
}

/// A replication connection.
pub(crate) struct ReplicationConnection {
    wire: Wire,
    liveness: Liveness,
    slot: String,
    clock: Arc<dyn Clock>,
    /// The position that the last status update confirmed.
    confirmed: u64,
    last_status: Instant,
    last_received: Instant,
    /// Whether the server was asked for a message since it sent the last one.
    is_asked: bool,
}

impl ReplicationConnection {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`, `Configuration`.
    pub(crate) async fn open(target: &Target, clock: Arc<dyn Clock>) -> CdcResult<Self> {
        let wire = Wire::open(target, Purpose::Replication).await?;
        let now = Instant::now();
        Ok(Self {
            wire,
            liveness: target.liveness,
            slot: target.settings.slot.clone(),
            clock,
            confirmed: 0,
            last_status: now,
            last_received: now,
            is_asked: false,
        })
    }

    /// Starts streaming from a position of a slot; with `is_streaming` also transactions that have not ended.
    ///
    /// # Errors
    /// `Busy` when the slot is in use; `Unreachable`, `Source`.
    pub(crate) async fn start(
        &mut self,
        slot: &str,
        lsn: u64,
        publication: &str,
        is_streaming: bool,
    ) -> CdcResult<()> {
        slot.clone_into(&mut self.slot);
        self.confirmed = lsn;
        let protocol = if is_streaming { "'2', streaming 'on'" } else { "'1'" };
        let sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {:X}/{:X} (proto_version {protocol}, messages 'true', publication_names {})",
            identifier(slot),
            lsn >> 32,
            lsn & 0xffff_ffff,
            literal(&identifier(publication)),
        );
        let mut query = BytesMut::new();
        frontend::query(&sql, &mut query)
            .map_err(|e| CdcError::configuration("invalid slot name").because(e))?;
        self.wire.send(&query).await?;
        let started = tokio::time::timeout(self.liveness.lost_after, self.started()).await;
        started.unwrap_or_else(|_| Err(self.wire.lost("it does not respond")))
    }

    async fn started(&mut self) -> CdcResult<()> {
        loop {
            let frame = self.wire.next_frame().await?;
            match frame.tag {
                b'W' => return Ok(()),
                b'E' => return Err(self.server_error(&frame)),
                _ => {}
            }
        }
    }

    /// Returns where the server's log is now.
    ///
    /// # Errors
    /// `Unreachable`; `Source` for malformed values.
    pub(crate) async fn log_place(&mut self) -> CdcResult<LogPlace> {
        let row = self.wire.query_row("IDENTIFY_SYSTEM", self.liveness.lost_after).await?;
        let text = |index: usize| {
            let value = row.get(index).and_then(Option::as_deref).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let timeline = text(1).parse();
        let timeline = timeline.map_err(|_| CdcError::source(format!("{:?} is no timeline", text(1))))?;
        Ok(LogPlace { system: text(0), timeline, end: parse_lsn(&text(2))? })
    }

    /// Returns the history of a timeline: from which ones it has branched off, and where.
    ///
    /// # Errors
    /// `Unreachable`, and what the server reports.
    pub(crate) async fn timeline_history(&mut self, timeline: u32) -> CdcResult<String> {
        let sql = format!("TIMELINE_HISTORY {timeline}");
        let row = self.wire.query_row(&sql, self.liveness.lost_after).await?;
        let content = row.get(1).and_then(Option::as_deref).unwrap_or_default();
        Ok(String::from_utf8_lossy(content).into_owned())
    }

    /// Returns the next message that has arrived wholly; `None` when more must be received.
    ///
    /// # Errors
    /// What the server reports; `Source` for malformed messages.
    pub(crate) fn next_received(&mut self) -> CdcResult<Option<StreamMessage>> {
        while let Some(frame) = self.wire.take_frame()? {
            match frame.tag {
                b'd' => {
                    let message = parse_stream_message(frame);
                    return message
                        .map(Some)
                        .ok_or_else(|| CdcError::source("malformed replication message"));
                }
                b'E' => return Err(self.server_error(&frame)),
                b'N' => self.check_notice(&frame)?,
                b'c' | b'C' | b'Z' => return Err(self.wire.lost("it ended the replication stream")),
                // parameters
                _ => {}
            }
        }
        Ok(None)
    }

    /// Lets messages arrive without waking the runtime, until [`receive`](Self::receive) finds none.
    pub(crate) fn detach(&mut self) {
        self.wire.detach();
    }

    /// Waits until more bytes have arrived; returns their number. Sends status updates meanwhile when they
    /// are due. Dropping the future while it waits loses nothing; while it sends a status update, the
    /// connection must be given up.
    ///
    /// # Errors
    /// `Unreachable` when the connection is lost or the server is silent.
    pub(crate) async fn receive(&mut self) -> CdcResult<usize> {
        if self.last_status.elapsed() >= STATUS_INTERVAL {
            self.send_status(false).await?;
        }
        loop {
            let Liveness { ask_after, lost_after } = self.liveness;
            let silence = if self.is_asked { lost_after } else { ask_after };
            match tokio::time::timeout_at(self.last_received + silence, self.wire.receive()).await {
                Ok(received) => {
                    let bytes = received?;
                    self.last_received = Instant::now();
                    self.is_asked = false;
                    return Ok(bytes);
                }
                Err(_) if self.is_asked => {
                    let seconds = lost_after.as_secs();
                    return Err(self.wire.lost(&format!("it has been silent for {seconds} s")));
                }
                Err(_) => {
                    self.is_asked = true;
                    self.send_status(true).await?;
                }
            }
        }
    }

    /// Sends a status update if one is due, while nothing is received.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(crate) async fn report_status_if_due(&mut self) -> CdcResult<()> {
        // what is not received meanwhile is no sign of a silent server
        self.last_received = Instant::now();
        if self.last_status.elapsed() >= STATUS_INTERVAL { self.send_status(false).await } else { Ok(()) }
    }

    /// Confirms that everything before this position is stored durably.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(crate) async fn confirm(&mut self, lsn: u64) -> CdcResult<()> {
        self.confirmed = self.confirmed.max(lsn);
        self.send_status(false).await
    }

    /// Returns the last confirmed position: everything before it is stored.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Requests a message with the position up to which the server has sent the log.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(crate) async fn request_position(&mut self) -> CdcResult<()> {
        self.send_status(true).await
    }

    /// Confirms the last position again, because the server requested a reply.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(crate) async fn reply(&mut self) -> CdcResult<()> {
        self.send_status(false).await
    }

    /// Ends the stream, so that the server releases the slot. Errors do not matter any more.
    pub(crate) async fn close(mut self) {
        let mut message = BytesMut::new();
        frontend::copy_done(&mut message);
        frontend::terminate(&mut message);
        let close = async {
            self.send_status(false).await?;
            self.wire.send(&message).await
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
    }

    async fn send_status(&mut self, is_reply_requested: bool) -> CdcResult<()> {
        self.last_status = Instant::now();
        let micros = self.clock.since_epoch().as_micros() as i64;
        let message = status_update(self.confirmed, micros, is_reply_requested);
        self.wire.send(&message).await
    }

    /// Checks that a warning is none of changes that are left out.
    fn check_notice(&self, frame: &Frame) -> CdcResult<()> {
        let notice = ServerError::parse(&frame.payload);
        if notice.code == NOT_IN_PREREQUISITE_STATE {
            return Err(self.undecodable(notice));
        }
        tracing::debug!(%notice, "PostgreSQL says");
        Ok(())
    }

    /// Returns the error of an object that is missing at a place of the log.
    fn undecodable(&self, error: ServerError) -> CdcError {
        let what = format!(
            "PostgreSQL cannot decode the log: {error}: it was dropped at a place that has not been read yet: drop slot {} \
             and capture under another name, or set snapshot-mode = \"when_needed\" to read all rows again",
            self.slot
        );
        CdcError::new(CdcErrorKind::Position, what).because(error)
    }

    fn server_error(&self, frame: &Frame) -> CdcError {
        let error = ServerError::parse(&frame.payload);
        if error.code == UNDEFINED_OBJECT {
            return self.undecodable(error);
        }
        if error.kind() != CdcErrorKind::Busy {
            return self.wire.server_error(&frame.payload);
        }
        let what =
            format!("replication slot {} is in use: stop the other process, or set another slot", self.slot);
        CdcError::new(CdcErrorKind::Busy, what).because(error)
    }
}
