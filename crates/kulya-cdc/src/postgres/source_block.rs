//! Debezium's `source` block of PostgreSQL's events.

use crate::debezium::json::{member, write};

/// What all events of a capture have in common, as JSON.
#[derive(Debug)]
pub(crate) struct SourceStart {
    /// The members before `ts_ms`.
    connector: Vec<u8>,
    /// The member `db`.
    database: Vec<u8>,
}

impl SourceStart {
    pub(crate) fn new(prefix: &str, database: &str) -> Self {
        const START: &str = concat!(
            "{\"version\":\"kulya-",
            env!("CARGO_PKG_VERSION"),
            "\",\"connector\":\"postgresql\",\"name\":"
        );
        let mut connector = START.as_bytes().to_vec();
        write(&mut connector, prefix);
        let mut db = Vec::new();
        member(&mut db, "db", database);
        Self { connector, database: db }
    }
}

/// Returns the members that name a table, as JSON.
pub(crate) fn table_members(schema: &str, table: &str) -> Vec<u8> {
    let mut out = Vec::new();
    member(&mut out, "schema", schema);
    member(&mut out, "table", table);
    out
}

/// The origin of a change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) start: &'a SourceStart,
    /// `false` for changes from the log; for snapshot rows `first`, `true`, `last`, …
    pub(crate) snapshot: &'static str,
    /// The commit time, in microseconds since 1970-01-01 UTC.
    pub(crate) committed_micros: i64,
    pub(crate) transaction: Option<u32>,
    pub(crate) lsn: u64,
    /// The end of the previous transaction's commit.
    pub(crate) last_commit_lsn: Option<u64>,
}

impl Origin<'_> {
    /// Writes the block; `table` has the members of [`table_members`].
    pub(crate) fn write(&self, table: &[u8], out: &mut Vec<u8>) {
        let micros = self.committed_micros;
        out.extend_from_slice(&self.start.connector);
        member(out, "ts_ms", &micros.div_euclid(1000));
        member(out, "snapshot", self.snapshot);
        out.extend_from_slice(&self.start.database);
        out.extend_from_slice(b",\"sequence\":\"[");
        match self.last_commit_lsn {
            Some(lsn) => {
                out.extend_from_slice(b"\\\"");
                write(out, &lsn);
                out.extend_from_slice(b"\\\"");
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\\\"");
        write(out, &self.lsn);
        out.extend_from_slice(b"\\\"]\"");
        member(out, "ts_us", &micros);
        member(out, "ts_ns", &micros.saturating_mul(1000));
        out.extend_from_slice(table);
        member(out, "txId", &self.transaction);
        member(out, "lsn", &self.lsn);
        out.extend_from_slice(b",\"xmin\":null,\"origin\":null,\"origin_lsn\":null}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn members_are_debeziums() {
        let start = SourceStart::new("shop", "db\"1");
        let mut origin = Origin {
            start: &start,
            snapshot: "false",
            committed_micros: -1,
            transaction: Some(7),
            lsn: 20,
            last_commit_lsn: Some(10),
        };
        let mut out = Vec::new();
        origin.write(&table_members("public", "t"), &mut out);
        let block: Value = serde_json::from_slice(&out).unwrap();
        let names: Vec<&String> = block.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "version",
                "connector",
                "name",
                "ts_ms",
                "snapshot",
                "db",
                "sequence",
                "ts_us",
                "ts_ns",
                "schema",
                "table",
                "txId",
                "lsn",
                "xmin",
                "origin",
                "origin_lsn"
            ]
        );
        assert_eq!((&block["sequence"], &block["ts_ms"]), (&json!(r#"["10","20"]"#), &json!(-1)));
        assert_eq!((&block["db"], &block["ts_ns"]), (&json!("db\"1"), &json!(-1000)));
        origin.last_commit_lsn = None;
        let mut out = Vec::new();
        origin.write(&[], &mut out);
        let block: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(block["sequence"], json!(r#"[null,"20"]"#));
    }
}
