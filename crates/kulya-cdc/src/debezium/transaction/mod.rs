//! Transaction metadata (`provide.transaction.metadata`): the `transaction` block of events, the number of
//! events of a transaction by table, and the records of its begin and end.

mod boundary;
mod counts;
mod java_map;

pub use boundary::{begin_millis, write_begin, write_end, write_key};
pub use counts::TransactionCounts;

use super::json::write;

/// The id of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionId<'a> {
    /// PostgreSQL: `xid:lsn`. Debezium takes the position of the event itself, so that the events of one
    /// transaction, its begin and its end have different ids.
    Postgres {
        /// The number of the transaction.
        xid: u32,
        /// A position in the write-ahead log.
        lsn: u64,
    },
    /// MySQL and MariaDB: the GTID.
    Gtid(&'a str),
}

impl TransactionId<'_> {
    /// Writes the id as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Postgres { xid, lsn } => {
                out.push(b'"');
                write(out, xid);
                out.push(b':');
                write(out, lsn);
                out.push(b'"');
            }
            Self::Gtid(gtid) => {
                write(out, gtid);
            }
        }
    }
}

/// An event's position in its transaction, Debezium's `transaction` block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOrder<'a> {
    /// The transaction.
    pub id: TransactionId<'a>,
    /// The event's number in the transaction, from 1.
    pub total_order: u64,
    /// The event's number among those of its table in the transaction, from 1.
    pub data_collection_order: u64,
}

impl TransactionOrder<'_> {
    /// Writes the block as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        self.id.write(out);
        out.extend_from_slice(b",\"total_order\":");
        write(out, &self.total_order);
        out.extend_from_slice(b",\"data_collection_order\":");
        write(out, &self.data_collection_order);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_source() {
        let mut out = Vec::new();
        let id = TransactionId::Postgres { xid: 1336, lsn: 63_113_896 };
        TransactionOrder { id, total_order: 2, data_collection_order: 1 }.write(&mut out);
        let expected = r#"{"id":"1336:63113896","total_order":2,"data_collection_order":1}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
