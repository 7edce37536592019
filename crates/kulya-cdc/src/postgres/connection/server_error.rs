//! Errors that a PostgreSQL server reports, and what a capture does about each (PostgreSQL documentation,
//! "PostgreSQL Error Codes"). One table serves both kinds of connections.

use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind};
use std::fmt;

/// An error or notice of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// The code of five characters, `SQLSTATE`.
    pub(crate) code: String,
    pub(crate) message: String,
    /// Detail and hint, empty when the server gives none.
    pub(crate) detail: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        write!(f, " [{}]", self.code)
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    /// Parses the fields of an error or notice message; missing fields are empty.
    pub(crate) fn parse(payload: &[u8]) -> Self {
        let mut error = Self { code: String::new(), message: String::new(), detail: String::new() };
        for field in payload.split(|byte| *byte == 0) {
            let Some((kind, text)) = field.split_first() else { continue };
            let text = String::from_utf8_lossy(text);
            match kind {
                b'C' => error.code = text.into_owned(),
                b'M' => error.message = text.into_owned(),
                b'D' | b'H' if error.detail.is_empty() => error.detail = text.into_owned(),
                b'H' => error.detail = format!("{}; {text}", error.detail),
                _ => {}
            }
        }
        error
    }

    /// Returns the server's error that is the cause of an error.
    pub(crate) fn cause_of(error: &CdcError) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// Converts a driver's error; `None` when the server reported none.
    pub(crate) fn of_driver(error: &tokio_postgres::Error) -> Option<Self> {
        let error = error.as_db_error()?;
        let detail = [error.detail(), error.hint()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Some(Self { code: error.code().code().to_owned(), message: error.message().to_owned(), detail })
    }

    /// Returns what the capture does about the error.
    pub(crate) fn kind(&self) -> CdcErrorKind {
        match self.code.as_str() {
            // the slot is in use
            "55006" => CdcErrorKind::Busy,
            // administrator commands, start and shutdown, lost connections, resources, conflicts, time limits
            "25P03" | "25P04" | "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "55P03" | "40001"
            | "40P01" => CdcErrorKind::Unreachable,
            code if code.starts_with("08") || code.starts_with("53") || code.starts_with("58") => {
                CdcErrorKind::Unreachable
            }
            // authentication, database name, privileges
            "28P01" | "28000" | "3D000" | "42501" => CdcErrorKind::Configuration,
            _ => CdcErrorKind::Source,
        }
    }

    /// Returns the error of a statement, or of the log, of a server, with what to do where that is known.
    pub(super) fn on_statement(self, server: &str) -> CdcError {
        let advice = match self.code.as_str() {
            "42501" => self.privilege_advice(),
            "22021" => {
                "the database has bytes that are not text in its encoding (SQL_ASCII does not check them): \
                 correct these rows, or exclude the table"
                    .into()
            }
            _ => String::new(),
        };
        let advice = if advice.is_empty() { advice } else { format!(": {advice}") };
        CdcError::new(self.kind(), format!("PostgreSQL at {server} failed: {self}{advice}")).because(self)
    }

    /// Says what mends a missing privilege, which the message names if it is in English.
    fn privilege_advice(&self) -> String {
        let lacking = |what: &str| self.message.strip_prefix("permission denied for ")?.strip_prefix(what);
        if let Some(table) = lacking("table ") {
            return format!("run GRANT SELECT ON TABLE {table} TO the URL's user");
        }
        if let Some(schema) = lacking("schema ") {
            return format!("run GRANT USAGE ON SCHEMA {schema} TO the URL's user");
        }
        if let Some(function) = lacking("function ") {
            return format!("run GRANT EXECUTE ON FUNCTION {function} TO the URL's user");
        }
        if let Some(database) = lacking("database ") {
            return format!("run GRANT CREATE ON DATABASE {database} TO the URL's user");
        }
        if self.message.starts_with("must be owner of ") {
            return "let the owner of the tables or a superuser run it".into();
        }
        if self.message.contains("row-level security") {
            return "run ALTER ROLE … BYPASSRLS for the URL's user".into();
        }
        "GRANT the role what it lacks; where row-level security is the reason, ALTER ROLE … BYPASSRLS".into()
    }

    /// Returns the error of opening a connection, with what to do.
    pub(crate) fn on_connect(self, target: &Target) -> CdcError {
        let server = target.server();
        let user = &target.user;
        let what = match self.code.as_str() {
            "28P01" => authentication_failed(target),
            "28000" => {
                format!("PostgreSQL at {server} does not accept user {user} on this connection: {self}")
            }
            "3D000" => {
                format!("PostgreSQL at {server} has no database {:?}: check the URL", target.database)
            }
            _ => format!("PostgreSQL at {server} rejected the connection: {self}"),
        };
        CdcError::new(self.kind(), what).because(self)
    }
}

/// Returns the message of a user or password that the server does not accept.
pub(super) fn authentication_failed(target: &Target) -> String {
    format!(
        "authentication failed at PostgreSQL at {} for user {}: check name and password in the URL",
        target.server(),
        target.user
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_parsed() {
        let error = ServerError::parse(b"SFATAL\0C57P01\0Mterminating connection\0Dwhy\0Hwhat\0\0");
        assert_eq!(error.to_string(), "terminating connection (why; what) [57P01]");
        assert_eq!(ServerError::parse(b"\0M\0\xff"), ServerError::parse(b""));
    }

    #[test]
    fn cause_is_in_the_message_once_and_known_ones_have_advice() {
        for (code, advice) in
            [("42501", ": GRANT the role"), ("22021", ": the database has bytes"), ("57P01", "")]
        {
            let error = ServerError { code: code.into(), message: "no".into(), detail: String::new() };
            let text = error.on_statement("db:1").to_string();
            assert!(text.starts_with(&format!("PostgreSQL at db:1 failed: no [{code}]{advice}")), "{text}");
        }
    }

    #[test]
    fn missing_privileges_have_their_statement() {
        for (message, advice) in [
            ("permission denied for table b", "run GRANT SELECT ON TABLE b TO "),
            ("permission denied for schema s", "run GRANT USAGE ON SCHEMA s TO "),
            ("permission denied for function f", "run GRANT EXECUTE ON FUNCTION f TO "),
            ("permission denied for database d", "run GRANT CREATE ON DATABASE d TO "),
            ("must be owner of table a", "let the owner of the tables or a superuser run it"),
            (
                "query would be affected by row-level security policy for table \"t\"",
                "run ALTER ROLE … BYPASSRLS",
            ),
        ] {
            let error = ServerError { code: "42501".into(), message: message.into(), detail: String::new() };
            let text = error.on_statement("db:1").to_string();
            assert!(text.contains(&format!("[42501]: {advice}")), "{text}");
        }
    }

    #[test]
    fn codes_say_what_to_do() {
        for (code, kind) in [
            ("57P01", CdcErrorKind::Unreachable),
            ("25P04", CdcErrorKind::Unreachable),
            ("57P03", CdcErrorKind::Unreachable),
            ("53300", CdcErrorKind::Unreachable),
            ("08006", CdcErrorKind::Unreachable),
            ("55006", CdcErrorKind::Busy),
            ("28P01", CdcErrorKind::Configuration),
            ("42704", CdcErrorKind::Source),
        ] {
            let error = ServerError { code: code.into(), message: String::new(), detail: String::new() };
            assert_eq!(error.kind(), kind, "{code}");
        }
    }
}
