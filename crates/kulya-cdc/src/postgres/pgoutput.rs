//! Decoder of `pgoutput` messages, protocol version 1 (PostgreSQL documentation, "Logical Replication Message
//! Formats"), except those that the transport decodes (begin, commit, message). It accepts any bytes without
//! panics.

use bytes::{Buf, Bytes};

/// A message of `pgoutput`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple,
    },
    Update {
        relation: u32,
        old: Option<OldTuple>,
        new: Tuple,
    },
    Delete {
        relation: u32,
        old: OldTuple,
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
    pub(crate) columns: Vec<RelationColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationColumn {
    pub(crate) name: String,
    /// Whether the column is part of the replica identity.
    pub(crate) identity: bool,
    pub(crate) type_oid: u32,
    pub(crate) type_modifier: i32,
}

/// A row's cells, in the relation's column order.
pub(crate) type Tuple = Vec<Cell>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    /// An unchanged TOAST value, which the log does not contain.
    Unchanged,
    Text(Bytes),
}

/// The part of a row before a change that the log contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OldTuple {
    /// The replica identity's columns; the others are null.
    Key(Tuple),
    /// The whole row (REPLICA IDENTITY FULL).
    Full(Tuple),
}

/// Decodes a message; `None` for malformed bytes.
pub(crate) fn decode(mut bytes: Bytes) -> Option<Message> {
    let input = &mut bytes;
    let message = match u8(input)? {
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

fn relation(input: &mut Bytes) -> Option<Relation> {
    let (id, schema, table) = (u32(input)?, text(input)?, text(input)?);
    u8(input)?; // the kind of replica identity, which follows from the old tuples
    let columns = (0..u16(input)?).map(|_| {
        let identity = u8(input)? & 1 == 1;
        Some(RelationColumn {
            identity,
            name: text(input)?,
            type_oid: u32(input)?,
            type_modifier: u32(input)? as i32,
        })
    });
    let columns: Option<Vec<_>> = columns.collect();
    // an empty schema name means pg_catalog
    let schema = if schema.is_empty() { "pg_catalog".to_owned() } else { schema };
    Some(Relation { id, schema, table, columns: columns? })
}

fn tuple(input: &mut Bytes) -> Option<Tuple> {
    let cells = (0..u16(input)?).map(|_| {
        Some(match u8(input)? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let length = u32(input)? as usize;
                (length <= input.len()).then(|| Cell::Text(input.split_to(length)))?
            }
            _ => return None,
        })
    });
    cells.collect()
}

fn u8(input: &mut Bytes) -> Option<u8> {
    input.try_get_u8().ok()
}

fn u16(input: &mut Bytes) -> Option<u16> {
    input.try_get_u16().ok()
}

fn u32(input: &mut Bytes) -> Option<u32> {
    input.try_get_u32().ok()
}

/// Decodes a zero-terminated string.
fn text(input: &mut Bytes) -> Option<String> {
    let end = input.iter().position(|byte| *byte == 0)?;
    let text = input.split_to(end);
    input.advance(1);
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    fn message(parts: &[&[u8]]) -> Option<Message> {
        decode(Bytes::from(parts.concat()))
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
                columns: vec![RelationColumn {
                    name: "id".into(),
                    identity: true,
                    type_oid: 23,
                    type_modifier: -1
                }],
            }))
        );
        let row: &[u8] = b"\0\x03t\0\0\0\x011nu";
        let cells = vec![Cell::Text(Bytes::from_static(b"1")), Cell::Null, Cell::Unchanged];
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
            assert_eq!(decode(Bytes::from_static(bad)), None, "{bad:?}");
        }
        assert_eq!(message(&[b"I", &id, b"N", row, b"!"]), None, "trailing bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(tag in prop::sample::select(b"RIUDTYO".to_vec()), bytes: Vec<u8>) {
            let mut input = BytesMut::new();
            input.put_u8(tag);
            input.put_slice(&bytes);
            let _ = decode(input.freeze());
        }
    }
}
