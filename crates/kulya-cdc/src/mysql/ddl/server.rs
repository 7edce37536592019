//! What the meaning of a statement's text depends on: the server's kind and version, and the session's
//! `sql_mode`.

/// The kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MySQL, or Percona Server.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// A server's kind and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerVersion {
    /// MySQL or MariaDB.
    pub flavour: Flavour,
    /// Major × 10000 + minor × 100 + patch, as in versioned comments: 80036, 101119.
    pub number: u32,
}

impl ServerVersion {
    /// Reads the value of `@@version`, such as `8.0.36` or `10.11.19-MariaDB-log`; `None` if it does not
    /// start with three numbers below 100.
    pub fn parse(text: &str) -> Option<Self> {
        let flavour = if text.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
        // some MariaDB servers announce themselves as a MySQL that old replicas accept
        let text = match flavour {
            Flavour::MariaDb => text.strip_prefix("5.5.5-").unwrap_or(text),
            Flavour::MySql => text,
        };
        let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
        let mut parts = text.get(..end)?.split('.').map(|part| part.parse::<u32>().ok().filter(|n| *n < 100));
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        Some(Self { flavour, number: major * 10_000 + minor * 100 + patch })
    }

    /// Whether the text inside a versioned comment is part of the statement. `version` is the number behind
    /// `/*!`, if there is one; `for_mariadb` says that the comment starts with `/*M!`.
    pub(super) fn runs_comment(self, version: Option<u32>, for_mariadb: bool) -> bool {
        let Some(version) = version else { return true };
        // MariaDB left MySQL's version numbers after 5.6, so features of MySQL 5.7 to 9.9 are not its own
        let foreign = self.flavour == Flavour::MariaDb && (50_700..=99_999).contains(&version);
        version <= self.number && (for_mariadb || !foreign)
    }
}

/// A session's `sql_mode`, as the number that a query event has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SqlMode(pub u64);

impl SqlMode {
    /// `REAL_AS_FLOAT`: REAL is FLOAT.
    pub const REAL_AS_FLOAT: u64 = 1;
    /// `ANSI_QUOTES`: double quotes enclose names.
    pub const ANSI_QUOTES: u64 = 1 << 2;
    /// `ORACLE` of MariaDB: DATE is DATETIME, BLOB is LONGBLOB, NUMBER is a type.
    pub const ORACLE: u64 = 1 << 9;
    /// `MAXDB` of MariaDB: TIMESTAMP is DATETIME.
    pub const MAXDB: u64 = 1 << 12;
    /// `NO_BACKSLASH_ESCAPES`: a backslash is a character like others.
    pub const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

    /// Whether a mode is set.
    pub fn has(self, mode: u64) -> bool {
        self.0 & mode != 0
    }
}

/// What the reader must know besides the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseSettings {
    /// The server that wrote the log.
    pub server: ServerVersion,
    /// The mode of the session that ran the statement.
    pub sql_mode: SqlMode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, expected) in [
            ("8.0.15", Some((Flavour::MySql, 80_015))),
            ("8.0.36-28.1", Some((Flavour::MySql, 80_036))),
            ("10.11.19-MariaDB-0+deb12u1-log", Some((Flavour::MariaDb, 101_119))),
            ("5.5.5-10.6.21-MariaDB", Some((Flavour::MariaDb, 100_621))),
            ("8.0", None),
            ("8.0.100", None),
            ("", None),
        ] {
            let found = ServerVersion::parse(text).map(|version| (version.flavour, version.number));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn versioned_comments_run_by_flavour() {
        let mysql = ServerVersion { flavour: Flavour::MySql, number: 80_036 };
        let mariadb = ServerVersion { flavour: Flavour::MariaDb, number: 101_119 };
        for (version, for_mariadb, on_mysql, on_mariadb) in [
            (None, false, true, true),
            (Some(40_100), false, true, true),
            (Some(50_699), false, true, true),
            (Some(50_700), false, true, false),
            (Some(80_023), false, true, false),
            (Some(80_037), false, false, false),
            (Some(99_999), false, false, false),
            (Some(100_301), false, false, true),
            (Some(110_000), false, false, false),
            (Some(50_701), true, true, true),
        ] {
            assert_eq!(mysql.runs_comment(version, for_mariadb), on_mysql, "{version:?}");
            assert_eq!(mariadb.runs_comment(version, for_mariadb), on_mariadb, "{version:?}");
        }
    }
}
