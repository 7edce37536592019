//! The server's version: product and number, from the text of its greeting.

use std::fmt;

/// The product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flavor {
    /// MySQL, and servers built from it, such as Percona Server and Aurora MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// TiDB, which has MySQL's protocol and no binary log.
    Tidb,
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Tidb => "TiDB",
        })
    }
}

/// A server's product and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVersion {
    /// The product.
    pub flavor: Flavor,
    /// Major, minor and patch number; 0 for what the text does not contain.
    pub number: (u16, u16, u16),
    /// The text of the greeting.
    pub text: String,
}

/// MariaDB's prefix for clients that expect MySQL's numbers.
const MARIADB_PREFIX: &str = "5.5.5-";

impl ServerVersion {
    /// Parses the greeting's text, such as `8.0.36` or `5.5.5-10.11.6-MariaDB-log`.
    pub fn parse(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let flavor = if lower.contains("tidb") {
            Flavor::Tidb
        } else if lower.contains("mariadb") || lower.starts_with(MARIADB_PREFIX) {
            Flavor::Mariadb
        } else {
            Flavor::Mysql
        };
        let number = match flavor {
            Flavor::Mariadb => text.strip_prefix(MARIADB_PREFIX).unwrap_or(text),
            _ => text,
        };
        let mut parts = number.split('.').map(|part| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            part.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or_default()
        });
        let mut next = || parts.next().unwrap_or_default();
        Self { flavor, number: (next(), next(), next()), text: text.to_owned() }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.number;
        write!(f, "{} {major}.{minor}.{patch}", self.flavor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_parsed() {
        for (text, expected) in [
            ("8.0.15", "MySQL 8.0.15"),
            ("8.4.0-log", "MySQL 8.4.0"),
            ("8.0.36-28.1", "MySQL 8.0.36"),
            ("5.5.5-10.11.19-MariaDB-0+deb12u1-log", "MariaDB 10.11.19"),
            ("11.4.2-MariaDB", "MariaDB 11.4.2"),
            ("8.0.11-TiDB-v7.5.0", "TiDB 8.0.11"),
            ("99999999.x", "MySQL 0.0.0"),
            ("", "MySQL 0.0.0"),
        ] {
            assert_eq!(ServerVersion::parse(text).to_string(), expected, "{text}");
        }
    }
}
