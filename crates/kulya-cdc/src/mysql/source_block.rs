//! Debezium's `source` block of MySQL and MariaDB: where a change comes from. What is the same for all
//! changes of a table is prepared once.

use super::ddl::Flavour;
use crate::debezium::json;

/// The `source` block of a table's events.
#[derive(Debug, Clone)]
pub struct SourceBlock {
    /// From the version to the name of `ts_ms`.
    start: Box<[u8]>,
    /// The database, to the name of `ts_us`.
    database: Box<[u8]>,
    /// The table, to the name of `server_id`.
    table: Box<[u8]>,
}

/// The origin of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// When the change was made, in microseconds since 1970-01-01 UTC.
    pub micros: i64,
    /// `false` for changes from the log; for snapshot rows `first`, `true`, `last`, …
    pub snapshot: &'a str,
    /// The number of the server that made the change; 0 for a snapshot.
    pub server_id: u32,
    /// The transaction's GTID; `None` without GTIDs and for a snapshot.
    pub gtid: Option<&'a str>,
    /// The log file.
    pub file: &'a str,
    /// The position of the row event in the file, or of the snapshot.
    pub position: u64,
    /// The number of the row in its event, from 0.
    pub row: u64,
    /// The connection that made the change; `None` if the log does not say.
    pub thread: Option<u32>,
    /// The statement, if it is wanted and in the log.
    pub query: Option<&'a str>,
}

impl SourceBlock {
    /// Prepares the block of a table, or of a database, with the topic prefix of the capture.
    pub fn new(flavour: Flavour, prefix: &str, database: &str, table: Option<&str>) -> Self {
        let connector = match flavour {
            Flavour::MySql => "mysql",
            Flavour::MariaDb => "mariadb",
        };
        let mut start = concat!("{\"version\":\"kulya-", env!("CARGO_PKG_VERSION"), "\"").as_bytes().to_vec();
        json::member(&mut start, "connector", connector);
        json::member(&mut start, "name", prefix);
        start.extend_from_slice(b",\"ts_ms\":");
        let mut before_micros = Vec::new();
        json::member(&mut before_micros, "db", database);
        before_micros.extend_from_slice(b",\"sequence\":null,\"ts_us\":");
        let mut before_server = Vec::new();
        json::member(&mut before_server, "table", &table);
        before_server.extend_from_slice(b",\"server_id\":");
        Self { start: start.into(), database: before_micros.into(), table: before_server.into() }
    }

    /// Writes the block of a change.
    pub fn write(&self, origin: &Origin<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start);
        json::write(out, &origin.micros.div_euclid(1000));
        json::member(out, "snapshot", origin.snapshot);
        out.extend_from_slice(&self.database);
        json::write(out, &origin.micros);
        json::member(out, "ts_ns", &origin.micros.saturating_mul(1000));
        out.extend_from_slice(&self.table);
        json::write(out, &origin.server_id);
        json::member(out, "gtid", &origin.gtid);
        json::member(out, "file", origin.file);
        json::member(out, "pos", &origin.position);
        json::member(out, "row", &origin.row);
        json::member(out, "thread", &origin.thread);
        json::member(out, "query", &origin.query);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_debeziums_order() {
        let origin = Origin {
            micros: 1_795_475_531_222_701,
            snapshot: "false",
            server_id: 8,
            gtid: Some("cc10baa6-e78f-11f1-80eb-02fc00000001:245"),
            file: "binlog.000002",
            position: 283_328,
            row: 1,
            thread: Some(35),
            query: None,
        };
        let mut out = Vec::new();
        SourceBlock::new(Flavour::MySql, "zoo", "zoo", Some("a \"b\"")).write(&origin, &mut out);
        let expected = concat!(
            r#"{"version":"kulya-"#,
            env!("CARGO_PKG_VERSION"),
            r#"","connector":"mysql","name":"zoo","ts_ms":1795475531222,"snapshot":"false","db":"zoo","#,
            r#""sequence":null,"ts_us":1795475531222701,"ts_ns":1795475531222701000,"table":"a \"b\"","#,
            r#""server_id":8,"gtid":"cc10baa6-e78f-11f1-80eb-02fc00000001:245","file":"binlog.000002","#,
            r#""pos":283328,"row":1,"thread":35,"query":null}"#,
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn snapshots_have_no_transaction() {
        let origin = Origin {
            micros: -1,
            snapshot: "first",
            server_id: 0,
            gtid: None,
            file: "binlog.000001",
            position: 4,
            row: 0,
            thread: None,
            query: Some("insert"),
        };
        let mut out = Vec::new();
        SourceBlock::new(Flavour::MariaDb, "p", "d", Some("t")).write(&origin, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["connector"], "mariadb");
        assert_eq!((&value["ts_ms"], &value["ts_us"]), (&serde_json::json!(-1), &serde_json::json!(-1)));
        assert_eq!(
            (&value["gtid"], &value["query"]),
            (&serde_json::Value::Null, &serde_json::json!("insert"))
        );
    }
}
