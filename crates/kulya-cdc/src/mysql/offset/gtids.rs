//! Transactions by their ids, of either product.

use crate::mysql::gtid::{Gtid, GtidError, GtidSet, MariadbGtid, MariadbPosition};
use std::fmt;

/// The id of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionId {
    /// MySQL's.
    Mysql(Gtid),
    /// MariaDB's.
    Mariadb(MariadbGtid),
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mysql(gtid) => gtid.fmt(f),
            Self::Mariadb(gtid) => gtid.fmt(f),
        }
    }
}

/// The transactions before a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gtids {
    /// MySQL's set.
    Mysql(GtidSet),
    /// The last transaction of each of MariaDB's domains.
    Mariadb(MariadbPosition),
}

impl Gtids {
    /// Parses the text that a server has for its transactions.
    ///
    /// # Errors
    /// Those of the text.
    pub(crate) fn parse(is_mariadb: bool, text: &str) -> Result<Self, GtidError> {
        Ok(if is_mariadb { Self::Mariadb(text.parse()?) } else { Self::Mysql(text.parse()?) })
    }

    pub(crate) fn is_mariadb(&self) -> bool {
        matches!(self, Self::Mariadb(_))
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Mysql(set) => set.is_empty(),
            Self::Mariadb(position) => position.is_empty(),
        }
    }

    /// Adds a transaction; one of the other product is ignored.
    pub(crate) fn add(&mut self, id: &TransactionId) {
        match (self, id) {
            (Self::Mysql(set), TransactionId::Mysql(gtid)) => set.add(gtid),
            (Self::Mariadb(position), TransactionId::Mariadb(gtid)) => {
                position.advance(*gtid);
            }
            _ => {}
        }
    }

    pub(crate) fn contains(&self, id: &TransactionId) -> bool {
        match (self, id) {
            (Self::Mysql(set), TransactionId::Mysql(gtid)) => set.contains(gtid),
            (Self::Mariadb(position), TransactionId::Mariadb(gtid)) => position.contains(*gtid),
            _ => false,
        }
    }

    /// Whether every transaction is in `other` too.
    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mysql(set), Self::Mysql(other)) => set.is_subset(other),
            (Self::Mariadb(position), Self::Mariadb(other)) => position.is_subset(other),
            _ => false,
        }
    }
}

impl fmt::Display for Gtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mysql(set) => set.fmt(f),
            Self::Mariadb(position) => position.fmt(f),
        }
    }
}
