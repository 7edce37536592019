//! Errors of the connection. Each says what the caller does next ([`ConnectionError::next_step`]), and its
//! text says what an operator does, where possible by a statement.

use super::packet::PacketError;
use super::server_error::{Phase, Reason, ServerError};
use crate::{CdcError, CdcErrorKind};
use std::io;
use std::time::Duration;
use thiserror::Error;

/// What the caller does after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Connect again after a delay, and continue at the stored position.
    Retry,
    /// Stop until the settings or the server's configuration are changed as the message says.
    Stop,
    /// Stop: the stored position is not valid in this server's log, and an operator must decide.
    StopAtPosition,
}

/// An error of the connection. No text contains a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The server cannot be reached.
    #[error("cannot connect to {server}: is it running, and is the address in the URL right?")]
    Unreachable {
        /// Host and port.
        server: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The server does not respond in time.
    #[error("{server} did not respond within {} s", seconds.as_secs_f32())]
    Timeout {
        /// Host and port.
        server: String,
        /// The timeout.
        seconds: Duration,
    },
    /// The server sent neither events nor heartbeats for several heartbeat periods.
    #[error("connection to {server} lost: neither an event nor a heartbeat within {} s", seconds.as_secs_f32())]
    Silent {
        /// Host and port.
        server: String,
        /// The time without data.
        seconds: Duration,
    },
    /// The connection was closed by the server or the network, as it is too when the server process ends or
    /// the reading thread is killed.
    #[error("connection to {server} lost")]
    Lost {
        /// Host and port.
        server: String,
        /// The cause, if it was not closed in order.
        #[source]
        source: Option<io::Error>,
    },
    /// The server responded with an error.
    #[error("{what}")]
    Server {
        /// The consequence, and what to do.
        what: String,
        /// The reason.
        reason: Reason,
        /// The server's error.
        #[source]
        source: ServerError,
    },
    /// The account needs an authentication method that is not supported, or not over this connection.
    #[error("authentication failed at {server} for user {user}: {what}")]
    Authentication {
        /// Host and port.
        server: String,
        /// The user.
        user: String,
        /// What is missing, and what to do.
        what: String,
    },
    /// TLS is not possible, or the server's certificate is not trusted.
    #[error("TLS to {server} failed: {what}")]
    Tls {
        /// Host and port.
        server: String,
        /// What is wrong, and what to do.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The bytes are not of this protocol.
    #[error("{server} sent {what}: is it a MySQL or MariaDB server?")]
    Malformed {
        /// Host and port.
        server: String,
        /// What cannot be decoded.
        what: &'static str,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A message exceeds its limit.
    #[error("{server} sent {what} of at least {bytes} bytes, more than {limit}: {advice}")]
    TooLong {
        /// Host and port.
        server: String,
        /// An event or a result.
        what: &'static str,
        /// The size, as far as it is known.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
        /// What to do.
        advice: &'static str,
    },
    /// The start of the log, or a setting of reading it, cannot be sent.
    #[error("{what}")]
    InvalidRequest {
        /// What is wrong, and what to do.
        what: String,
    },
}

impl ConnectionError {
    /// Returns what the caller does next.
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Silent { .. } | Self::Lost { .. } => {
                NextStep::Retry
            }
            // a network that fails looks the same as a server without TLS
            Self::Tls { source: Some(source), .. } if is_end(&**source) => NextStep::Retry,
            Self::Server { reason, .. } => reason.next_step(),
            Self::Authentication { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. }
            | Self::InvalidRequest { .. } => NextStep::Stop,
        }
    }

    /// Returns the reason of a server's error.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Server { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// Whether the other side has ended the connection.
fn is_end(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

impl Reason {
    fn next_step(self) -> NextStep {
        match self {
            Self::TooManyConnections | Self::ConnectionKilled => NextStep::Retry,
            Self::Purged | Self::GtidAhead | Self::MissingFile | Self::InvalidPosition => {
                NextStep::StopAtPosition
            }
            _ => NextStep::Stop,
        }
    }
}

impl From<ConnectionError> for CdcError {
    fn from(error: ConnectionError) -> Self {
        let kind = match (&error, error.next_step()) {
            (_, NextStep::Retry) => CdcErrorKind::Unreachable,
            (_, NextStep::StopAtPosition) => CdcErrorKind::Position,
            (ConnectionError::Malformed { .. } | ConnectionError::TooLong { .. }, _) => CdcErrorKind::Source,
            (ConnectionError::Server { reason: Reason::Other, .. }, _) => CdcErrorKind::Source,
            _ => CdcErrorKind::Configuration,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}

/// The two ends of a connection, as errors name them.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Host and port.
    pub(super) server: String,
    pub(super) user: String,
    /// The account as the server names it, `'user'@'host'`; before the login, with the host `%`.
    pub(super) account: String,
}

impl Endpoint {
    pub(super) fn server_error(&self, source: ServerError, phase: Phase) -> ConnectionError {
        let reason = source.reason(phase);
        ConnectionError::Server { what: self.advice(reason, phase), reason, source }
    }

    pub(super) fn malformed(&self, what: &'static str) -> ConnectionError {
        ConnectionError::Malformed { server: self.server.clone(), what, source: None }
    }

    pub(super) fn lost(&self, source: Option<io::Error>) -> ConnectionError {
        ConnectionError::Lost { server: self.server.clone(), source }
    }

    pub(super) fn packet_error(
        &self,
        error: PacketError,
        what: &'static str,
        advice: &'static str,
    ) -> ConnectionError {
        let server = self.server.clone();
        match error {
            PacketError::TooLong { bytes, limit } => {
                ConnectionError::TooLong { server, what, bytes, limit, advice }
            }
            PacketError::Sequence { .. } => ConnectionError::Malformed {
                server,
                what: "packets out of sequence",
                source: Some(Box::new(error)),
            },
        }
    }

    pub(super) fn authentication(&self, what: impl Into<String>) -> ConnectionError {
        let (server, user) = (self.server.clone(), self.user.clone());
        ConnectionError::Authentication { server, user, what: what.into() }
    }

    /// Returns the text of a server's error: the consequence, and what to do.
    fn advice(&self, reason: Reason, phase: Phase) -> String {
        let Self { server, user, account } = self;
        match reason {
            Reason::TooManyConnections => format!(
                "{server} has no free connection: raise the limit with SET GLOBAL max_connections, or the account's"
            ),
            Reason::ConnectionKilled => format!("{server} ended the connection"),
            Reason::HostBlocked => format!(
                "{server} blocks this host after failed connections: run FLUSH HOSTS, or TRUNCATE TABLE performance_schema.host_cache"
            ),
            Reason::HostNotAllowed => format!(
                "{server} has no account {user} for this host: run CREATE USER {account} IDENTIFIED BY '…'"
            ),
            Reason::AccessDenied => format!(
                "authentication failed at {server} for user {user}: check user and password in the URL and the host of the account, and set ssl-mode=required if the account requires TLS"
            ),
            Reason::AccountUnusable => format!(
                "the account {account} at {server} is locked or its password has expired: run ALTER USER {account} ACCOUNT UNLOCK, or set a new password with ALTER USER {account} IDENTIFIED BY '…'"
            ),
            Reason::TlsRequired => {
                format!("{server} accepts only connections with TLS: set ssl-mode=required")
            }
            Reason::MissingPrivilege if phase == Phase::Dump => format!(
                "user {user} may not read the binary log of {server}: run GRANT REPLICATION SLAVE ON *.* TO {account}"
            ),
            Reason::MissingPrivilege => {
                format!(
                    "user {user} lacks a privilege at {server}: grant {account} what the server's error names"
                )
            }
            Reason::Purged => format!(
                "the binary log of {server} no longer contains the stored position, because it was purged: take a new snapshot, and keep the log longer with SET GLOBAL binlog_expire_logs_seconds = 604800"
            ),
            Reason::GtidAhead => format!(
                "the stored position names transactions that {server} does not have: it is another server, or has lost transactions; check the address, or take a new snapshot"
            ),
            Reason::MissingFile => format!(
                "the binary log file of the stored position does not exist at {server}, because it was purged or the server is another one: compare with SHOW BINARY LOGS, or take a new snapshot"
            ),
            Reason::InvalidPosition => format!(
                "the stored position is no beginning of an event in the binary log of {server}, or the log is damaged there: check that the server is the same, or take a new snapshot"
            ),
            Reason::ServerIdInUse => format!(
                "another reader has connected to {server} with the same server id: stop it, or set another server id"
            ),
            Reason::LogDisabled => format!(
                "{server} writes no binary log: set log_bin = binlog under [mysqld] in its option file and restart it"
            ),
            Reason::GtidDisabled => {
                format!("{server} has no GTIDs: start by file and position, or set gtid_mode = ON")
            }
            Reason::EventTooLarge => format!(
                "an event is larger than the packets that {server} sends: run SET GLOBAL max_allowed_packet = 1073741824"
            ),
            Reason::ServerIdUnset => {
                format!("{server} has no server id and sends no log: run SET GLOBAL server_id = 1")
            }
            Reason::ReadOnly => format!("{server} does not execute the statement because it is read-only"),
            Reason::Other => match phase {
                Phase::Login => format!("{server} rejected the connection"),
                Phase::Query => format!("{server} rejected a statement"),
                Phase::Dump => format!("{server} stopped sending the binary log"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { server: "db:3306".into(), user: "reader".into(), account: "'reader'@'10.%'".into() }
    }

    fn error(code: u16, message: &str, phase: Phase) -> ConnectionError {
        let source = ServerError { code, state: String::new(), message: message.to_owned() };
        endpoint().server_error(source, phase)
    }

    #[test]
    fn errors_say_what_to_do() {
        for (error, step, kind, text) in [
            (
                error(1227, "", Phase::Dump),
                NextStep::Stop,
                CdcErrorKind::Configuration,
                "GRANT REPLICATION SLAVE ON *.* TO 'reader'@'10.%'",
            ),
            (
                error(1045, "", Phase::Login),
                NextStep::Stop,
                CdcErrorKind::Configuration,
                "authentication failed",
            ),
            (error(1040, "", Phase::Login), NextStep::Retry, CdcErrorKind::Unreachable, "max_connections"),
            (error(1053, "", Phase::Dump), NextStep::Retry, CdcErrorKind::Unreachable, "ended"),
            (
                error(1236, "have been purged", Phase::Dump),
                NextStep::StopAtPosition,
                CdcErrorKind::Position,
                "new snapshot",
            ),
            (error(4052, "", Phase::Dump), NextStep::Stop, CdcErrorKind::Configuration, "server id"),
            (error(1064, "", Phase::Query), NextStep::Stop, CdcErrorKind::Source, "rejected a statement"),
            (endpoint().lost(None), NextStep::Retry, CdcErrorKind::Unreachable, "db:3306 lost"),
            (endpoint().malformed("bytes"), NextStep::Stop, CdcErrorKind::Source, "MySQL"),
        ] {
            let shown = error.to_string();
            assert!(shown.contains(text) && shown.contains("db:3306"), "{shown}");
            assert!(!shown.ends_with('.'), "{shown}");
            assert_eq!(error.next_step(), step, "{shown}");
            assert_eq!(CdcError::from(error).kind(), kind, "{shown}");
        }
    }
}
