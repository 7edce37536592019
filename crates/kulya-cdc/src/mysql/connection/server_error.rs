//! Error packets of the server: their text form, and the reason, which tells what the caller does next.
//!
//! The servers use one code, 1236, for everything that is wrong with a log position; the cases differ only in
//! the text, which MySQL 8.0.26 has changed. Both forms are recognised here, in one table.

use super::field;
use std::fmt;

/// An error packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The error number.
    pub code: u16,
    /// The SQLSTATE, if the server sent one.
    pub state: String,
    /// The server's message, one line of at most 512 characters.
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server error {}", self.code)?;
        if !self.state.is_empty() {
            write!(f, " ({})", self.state)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ServerError {}

/// The first byte of an error packet.
pub(super) const ERROR_MARKER: u8 = 0xff;

/// Decodes an error packet; `None` for other packets.
pub(super) fn decode(mut packet: &[u8]) -> Option<ServerError> {
    let input = &mut packet;
    if field::u8(input)? != ERROR_MARKER {
        return None;
    }
    let code = field::u16(input)?;
    // before the handshake is complete there is no SQLSTATE
    let state = match input {
        [b'#', a, b, c, d, e, rest @ ..] => {
            let state = [*a, *b, *c, *d, *e];
            *input = rest;
            field::display_text(&state)
        }
        _ => String::new(),
    };
    Some(ServerError { code, state, message: field::display_text(input) })
}

/// What the connection was doing when the error arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connecting and authenticating.
    Login,
    /// A statement.
    Query,
    /// Registering as a reader of the log, and reading it.
    Dump,
}

/// The reason of a server's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The server or the user has reached its limit of connections.
    TooManyConnections,
    /// The server is shutting down, or this connection was killed.
    ConnectionKilled,
    /// The server refuses the client's host after failed attempts.
    HostBlocked,
    /// No account of the server is for the client's host.
    HostNotAllowed,
    /// User or password are wrong.
    AccessDenied,
    /// The account is locked, or its password has expired.
    AccountUnusable,
    /// The server accepts only connections with TLS.
    TlsRequired,
    /// The user lacks a privilege.
    MissingPrivilege,
    /// The log from this position on has been purged.
    Purged,
    /// The position names transactions that the server does not have.
    GtidAhead,
    /// The server has no log file of this name.
    MissingFile,
    /// The position is beyond the file's end or inside an event, or the log is damaged there.
    InvalidPosition,
    /// Another reader has connected with the same server id.
    ServerIdInUse,
    /// The server writes no binary log.
    LogDisabled,
    /// The server has no GTIDs.
    GtidDisabled,
    /// An event is larger than the server's `max_allowed_packet`.
    EventTooLarge,
    /// The server's own server id is 0.
    ServerIdUnset,
    /// The server executes no statements of this kind now.
    ReadOnly,
    /// Any other error.
    Other,
}

/// Error code of the log's readers.
const LOG_READ_FAILED: u16 = 1236;

/// Texts in messages of error 1236, in lower case; the first that is found decides.
const LOG_READ_FAILURES: &[(&str, Reason)] = &[
    ("same server_uuid/server_id", Reason::ServerIdInUse),
    ("purged", Reason::Purged),
    ("more gtids than", Reason::GtidAhead),
    ("which is not in the master's binlog", Reason::GtidAhead),
    ("binlog on the master is missing the gtid", Reason::GtidAhead),
    ("could not find first log", Reason::MissingFile),
    ("binary log is not open", Reason::LogDisabled),
    ("auto_position mode", Reason::GtidDisabled),
    ("max_allowed_packet", Reason::EventTooLarge),
    ("server_id is 0", Reason::ServerIdUnset),
    ("impossible position", Reason::InvalidPosition),
    ("position > file size", Reason::InvalidPosition),
    ("bogus data in log event", Reason::InvalidPosition),
    ("binlog truncated", Reason::InvalidPosition),
    ("corrupted", Reason::InvalidPosition),
    ("event read from binlog did not pass", Reason::InvalidPosition),
];

impl ServerError {
    /// Returns the reason.
    pub(super) fn reason(&self, phase: Phase) -> Reason {
        match self.code {
            // 1203: too many connections of the user; 1226: a limit of the account
            1040 | 1203 | 1226 => Reason::TooManyConnections,
            // shutdown, aborted, killed (MySQL; MariaDB), interrupted, closed for inactivity
            1053 | 1152 | 1317 | 1927 | 3169 | 4031 => Reason::ConnectionKilled,
            1129 => Reason::HostBlocked,
            1130 => Reason::HostNotAllowed,
            1045 | 1698 if phase == Phase::Login => Reason::AccessDenied,
            // 3118: MySQL, 4151: MariaDB
            1820 | 1862 | 3118 | 4151 => Reason::AccountUnusable,
            3159 => Reason::TlsRequired,
            1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1698 => Reason::MissingPrivilege,
            1290 | 1836 => Reason::ReadOnly,
            4052 => Reason::ServerIdInUse,
            1373 => Reason::MissingFile,
            1381 => Reason::LogDisabled,
            LOG_READ_FAILED => self.log_reason(),
            _ => Reason::Other,
        }
    }

    fn log_reason(&self) -> Reason {
        let message = self.message.to_lowercase();
        let found = LOG_READ_FAILURES.iter().find(|(text, _)| message.contains(text));
        found.map_or(Reason::Other, |(_, reason)| *reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(code: u16, message: &str) -> ServerError {
        ServerError { code, state: String::new(), message: message.to_owned() }
    }

    #[test]
    fn error_packets_are_decoded() {
        let found = decode(b"\xff\xd4\x04#HY000Could not find\nit").unwrap();
        assert_eq!(found.to_string(), "server error 1236 (HY000): Could not find it");
        assert_eq!(decode(b"\xff\x10\x04Too many").unwrap().to_string(), "server error 1040: Too many");
        for other in [&b""[..], b"\xff", b"\xff\x01", b"\0\xd4\x04"] {
            assert_eq!(decode(other), None);
        }
    }

    #[test]
    fn the_reason_of_error_1236_is_in_its_text() {
        for (message, expected) in [
            (
                "A slave with the same server_uuid/server_id as this slave has connected to the master; the first event 'binlog.000001' at 4, the last event read from './binlog.000001' at 124, the last byte read from './binlog.000001' at 155.",
                Reason::ServerIdInUse,
            ),
            (
                "A replica with the same server_uuid/server_id as this replica has connected to the source; the first event",
                Reason::ServerIdInUse,
            ),
            (
                "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has purged binary logs containing GTIDs that the slave requires.",
                Reason::Purged,
            ),
            (
                "Cannot replicate because the source purged required binary logs. Replicate the missing transactions from elsewhere",
                Reason::Purged,
            ),
            (
                "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and required binlog files have been purged.",
                Reason::Purged,
            ),
            (
                "Slave has more GTIDs than the master has, using the master's SERVER_UUID. This may indicate that the end of the binary log was truncated",
                Reason::GtidAhead,
            ),
            (
                "Error: connecting slave requested to start from GTID 0-1-99, which is not in the master's binlog",
                Reason::GtidAhead,
            ),
            ("Could not find first log file name in binary log index file", Reason::MissingFile),
            ("Binary log is not open", Reason::LogDisabled),
            (
                "The replication sender thread cannot start in AUTO_POSITION mode: this server has GTID_MODE = OFF instead of ON.",
                Reason::GtidDisabled,
            ),
            (
                "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on master",
                Reason::EventTooLarge,
            ),
            ("Misconfigured master - master server_id is 0", Reason::ServerIdUnset),
            (
                "Client requested master to start replication from position > file size",
                Reason::InvalidPosition,
            ),
            ("bogus data in log event; the first event", Reason::InvalidPosition),
            ("something new", Reason::Other),
        ] {
            assert_eq!(error(1236, message).reason(Phase::Dump), expected, "{message}");
        }
    }

    #[test]
    fn codes_have_reasons() {
        for (code, phase, expected) in [
            (1045, Phase::Login, Reason::AccessDenied),
            (1045, Phase::Dump, Reason::MissingPrivilege),
            (1227, Phase::Dump, Reason::MissingPrivilege),
            (1698, Phase::Login, Reason::AccessDenied),
            (1040, Phase::Login, Reason::TooManyConnections),
            (1053, Phase::Dump, Reason::ConnectionKilled),
            (1927, Phase::Query, Reason::ConnectionKilled),
            (4052, Phase::Dump, Reason::ServerIdInUse),
            (1064, Phase::Query, Reason::Other),
        ] {
            assert_eq!(error(code, "").reason(phase), expected, "{code} {phase:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_packet_or_not(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Some(error) = decode(&bytes) {
                prop_assert!(error.message.chars().count() <= 512);
                prop_assert!(!error.message.contains('\n'));
            }
        }
    }
}
