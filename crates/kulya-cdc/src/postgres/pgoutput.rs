//! Decoder of `pgoutput` messages, protocol version 1 (PostgreSQL documentation, "Logical Replication Message
//! Formats"); `streamed` decodes what version 2 adds. It accepts any bytes without panics.

use bytes::Buf;

/// A message of `pgoutput`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Begin {
        /// The log position of the transaction's commit record.
        commit_lsn: u64,
        /// The time of the commit in microseconds since 2000-01-01.
        committed_micros: i64,
        xid: u32,
    },
    Commit {
        /// The log position after the commit record.
        end_lsn: u64,
    },
    /// A message of `pg_logical_emit_message`.
    Logical {
        is_transactional: bool,
        lsn: u64,
        prefix: &'a str,
        content: &'a [u8],
    },
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<OldTuple<'a>>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        old: OldTuple<'a>,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// A type's or an origin's name, which are not used.
    Ignored,
}

/// A table's description, which the log contains before the first change of the table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) id: u32,
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) identity: ReplicaIdentity,
    pub(crate) columns: Vec<RelationColumn>,
}

/// The columns of an old row that the log contains (`REPLICA IDENTITY`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaIdentity {
    /// The primary key, if there is one.
    Default,
    Nothing,
    Full,
    Index,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationColumn {
    pub(crate) name: String,
    /// Whether the column is part of the replica identity.
    pub(crate) is_identity: bool,
    pub(crate) type_oid: u32,
    pub(crate) type_modifier: i32,
}

/// A row's cells, in the relation's column order.
pub(crate) type Tuple<'a> = Vec<Cell<'a>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    /// An unchanged TOAST value, which the log does not contain.
    Unchanged,
    Text(&'a [u8]),
}

/// The part of a row before a change that the log contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OldTuple<'a> {
    /// The replica identity's columns; the others are null.
    Key(Tuple<'a>),
    /// The whole row (REPLICA IDENTITY FULL).
    Full(Tuple<'a>),
}

/// Decodes a message; `None` for malformed bytes.
pub(crate) fn decode(bytes: &[u8]) -> Option<Message<'_>> {
    let input = &mut &*bytes;
    let message = match u8(input)? {
        b'B' => {
            Message::Begin { commit_lsn: u64(input)?, committed_micros: u64(input)? as i64, xid: u32(input)? }
        }
        b'C' => {
            let (_flags, _commit_lsn, end_lsn, _time) = (u8(input)?, u64(input)?, u64(input)?, u64(input)?);
            Message::Commit { end_lsn }
        }
        b'M' => {
            let (is_transactional, lsn, prefix) = (u8(input)? & 1 == 1, u64(input)?, text(input)?);
            let length = u32(input)? as usize;
            let content = take(input, length)?;
            Message::Logical { is_transactional, lsn, prefix, content }
        }
        b'R' => Message::Relation(relation(input)?),
        b'I' => {
            let relation = u32(input)?;
            (u8(input)? == b'N').then_some(())?;
            Message::Insert { relation, new: tuple(input)? }
        }
        b'U' => {
            let relation = u32(input)?;
            let (old, kind) = match u8(input)? {
                b'K' => (Some(OldTuple::Key(tuple(input)?)), u8(input)?),
                b'O' => (Some(OldTuple::Full(tuple(input)?)), u8(input)?),
                kind => (None, kind),
            };
            (kind == b'N').then_some(())?;
            Message::Update { relation, old, new: tuple(input)? }
        }
        b'D' => {
            let relation = u32(input)?;
            let old = match u8(input)? {
                b'K' => OldTuple::Key(tuple(input)?),
                b'O' => OldTuple::Full(tuple(input)?),
                _ => return None,
            };
            Message::Delete { relation, old }
        }
        b'T' => {
            let count = u32(input)? as usize;
            u8(input)?; // the flags CASCADE and RESTART IDENTITY, which Debezium ignores
            let relations: Option<Vec<u32>> = (0..count.min(input.len())).map(|_| u32(input)).collect();
            Message::Truncate { relations: relations.filter(|found| found.len() == count)? }
        }
        b'Y' | b'O' => return Some(Message::Ignored),
        _ => return None,
    };
    input.is_empty().then_some(message)
}

/// The beginning of a change that is larger than an event can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutChange<'a> {
    pub(crate) relation: u32,
    /// The cells of the first row that are there.
    pub(crate) cells: Tuple<'a>,
}

/// Decodes the beginning of a change; `None` for other messages and for malformed bytes.
pub(crate) fn decode_cut_change(bytes: &[u8]) -> Option<CutChange<'_>> {
    let input = &mut &*bytes;
    matches!(u8(input)?, b'I' | b'U' | b'D').then_some(())?;
    let relation = u32(input)?;
    u8(input)?; // which row it is
    let cells = (0..u16(input)?).map_while(|_| cell(input)).collect();
    Some(CutChange { relation, cells })
}

fn relation(input: &mut &[u8]) -> Option<Relation> {
    let (id, schema, table) = (u32(input)?, text(input)?.to_owned(), text(input)?.to_owned());
    let identity = match u8(input)? {
        b'n' => ReplicaIdentity::Nothing,
        b'f' => ReplicaIdentity::Full,
        b'i' => ReplicaIdentity::Index,
        _ => ReplicaIdentity::Default,
    };
    let columns = (0..u16(input)?).map(|_| {
        let is_identity = u8(input)? & 1 == 1;
        Some(RelationColumn {
            is_identity,
            name: text(input)?.to_owned(),
            type_oid: u32(input)?,
            type_modifier: u32(input)? as i32,
        })
    });
    let columns: Option<Vec<_>> = columns.collect();
    // an empty schema name means pg_catalog
    let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
    Some(Relation { id, schema, table, identity, columns: columns? })
}

fn tuple<'a>(input: &mut &'a [u8]) -> Option<Tuple<'a>> {
    (0..u16(input)?).map(|_| cell(input)).collect()
}

fn cell<'a>(input: &mut &'a [u8]) -> Option<Cell<'a>> {
    Some(match u8(input)? {
        b'n' => Cell::Null,
        b'u' => Cell::Unchanged,
        b't' => {
            let length = u32(input)? as usize;
            Cell::Text(take(input, length)?)
        }
        _ => return None,
    })
}

fn u8(input: &mut &[u8]) -> Option<u8> {
    input.try_get_u8().ok()
}

fn u16(input: &mut &[u8]) -> Option<u16> {
    input.try_get_u16().ok()
}

fn u32(input: &mut &[u8]) -> Option<u32> {
    input.try_get_u32().ok()
}

fn u64(input: &mut &[u8]) -> Option<u64> {
    input.try_get_u64().ok()
}

/// Takes `length` bytes.
fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}

/// Decodes a zero-terminated string.
fn text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let end = input.iter().position(|byte| *byte == 0)?;
    let text = take(input, end)?;
    input.advance(1);
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(parts: &[&[u8]]) -> Option<Message<'static>> {
        decode(parts.concat().leak())
    }

    #[test]
    fn messages_are_decoded() {
        let columns: &[u8] = b"\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff";
        assert_eq!(
            message(&[b"R", &7u32.to_be_bytes(), b"public\0t\0d", columns]),
            Some(Message::Relation(Relation {
                id: 7,
                schema: "public".into(),
                table: "t".into(),
                identity: ReplicaIdentity::Default,
                columns: vec![RelationColumn {
                    name: "id".into(),
                    is_identity: true,
                    type_oid: 23,
                    type_modifier: -1
                }],
            }))
        );
        let (lsn, zero) = (9u64.to_be_bytes(), [0; 8]);
        assert_eq!(
            message(&[b"B", &lsn, &lsn, &7u32.to_be_bytes()]),
            Some(Message::Begin { commit_lsn: 9, committed_micros: 9, xid: 7 })
        );
        assert_eq!(message(&[b"C\0", &zero, &lsn, &zero]), Some(Message::Commit { end_lsn: 9 }));
        assert_eq!(
            message(&[b"M\x01", &lsn, b"p\0\0\0\0\x02hi"]),
            Some(Message::Logical { is_transactional: true, lsn: 9, prefix: "p", content: b"hi" })
        );
        let row: &[u8] = b"\0\x03t\0\0\0\x011nu";
        let cells = vec![Cell::Text(b"1"), Cell::Null, Cell::Unchanged];
        let id = 7u32.to_be_bytes();
        assert_eq!(
            message(&[b"I", &id, b"N", row]),
            Some(Message::Insert { relation: 7, new: cells.clone() })
        );
        assert_eq!(
            message(&[b"U", &id, b"O", row, b"N", row]),
            Some(Message::Update {
                relation: 7,
                old: Some(OldTuple::Full(cells.clone())),
                new: cells.clone()
            })
        );
        assert_eq!(
            message(&[b"U", &id, b"N", row]),
            Some(Message::Update { relation: 7, old: None, new: cells.clone() })
        );
        assert_eq!(
            message(&[b"D", &id, b"K", row]),
            Some(Message::Delete { relation: 7, old: OldTuple::Key(cells) })
        );
        assert_eq!(
            message(&[b"T", &2u32.to_be_bytes(), b"\0", &id, &id]),
            Some(Message::Truncate { relations: vec![7, 7] })
        );
        for bad in [&b""[..], b"X", b"I\0", b"T\xff\xff\xff\xff\0", b"I\0\0\0\x07N\0\x01t\xff\xff\xff\xff"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        assert_eq!(message(&[b"I", &id, b"N", row, b"!"]), None, "trailing bytes");
        let cut = [b"U", &id[..], b"O\0\x03t\0\0\0\x011nt\0\x01\0\0abc"].concat();
        let cells = vec![Cell::Text(b"1"), Cell::Null];
        assert_eq!(decode_cut_change(&cut), Some(CutChange { relation: 7, cells }));
        assert_eq!(decode_cut_change(b"M\0"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(tag in prop::sample::select(b"BCMRIUDTYO".to_vec()), bytes: Vec<u8>) {
            let message = [&[tag], &bytes[..]].concat();
            let _ = (decode(&message), decode_cut_change(&message));
        }
    }
}
