//! The records of a transaction's begin and end (topic `prefix.transaction`).

use super::TransactionId;
use crate::debezium::connector::Connector;
use crate::debezium::json::write;
use crate::debezium::modes::Compatibility;

/// Writes the key of both records.
pub fn write_key(out: &mut Vec<u8>, id: &TransactionId<'_>) {
    out.extend_from_slice(b"{\"id\":");
    id.write(out);
    out.push(b'}');
}

/// Writes the value of a begin. `millis` is the time of the commit in milliseconds since 1970-01-01 UTC
/// ([`begin_millis`]).
pub fn write_begin(out: &mut Vec<u8>, id: &TransactionId<'_>, millis: i64) {
    out.extend_from_slice(b"{\"status\":\"BEGIN\",\"id\":");
    id.write(out);
    out.extend_from_slice(b",\"event_count\":null,\"data_collections\":null,\"ts_ms\":");
    write(out, &millis);
    out.push(b'}');
}

/// Writes the value of an end, with the events of all tables and of each
/// ([`TransactionCounts::finish`](super::TransactionCounts::finish)).
pub fn write_end(out: &mut Vec<u8>, id: &TransactionId<'_>, total: u64, counts: &[(&str, u64)], millis: i64) {
    out.extend_from_slice(b"{\"status\":\"END\",\"id\":");
    id.write(out);
    out.extend_from_slice(b",\"event_count\":");
    write(out, &total);
    out.extend_from_slice(b",\"data_collections\":[");
    for (place, (name, count)) in counts.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"data_collection\":");
        write(out, name);
        out.extend_from_slice(b",\"event_count\":");
        write(out, count);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"ts_ms\":");
    write(out, &millis);
    out.push(b'}');
}

/// Returns the time that a begin has: the transaction's own; with MariaDB and [`Compatibility::Debezium`] the
/// time of the log's event before it, if there was one, because Debezium reads the transaction's time too
/// late.
pub fn begin_millis(
    connector: Connector,
    compat: Compatibility,
    transaction_millis: i64,
    event_before_millis: Option<i64>,
) -> i64 {
    match (connector, compat) {
        (Connector::Mariadb, Compatibility::Debezium) => event_before_millis.unwrap_or(transaction_millis),
        _ => transaction_millis,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_have_debeziums_members() {
        let id = TransactionId::Postgres { xid: 1336, lsn: 7 };
        let mut out = Vec::new();
        write_key(&mut out, &id);
        write_begin(&mut out, &id, 5);
        write_end(&mut out, &id, 3, &[("zoo.a", 1), ("zoo.\"b\"", 2)], 6);
        write_end(&mut out, &id, 0, &[], -6);
        let expected = [
            r#"{"id":"1336:7"}"#,
            r#"{"status":"BEGIN","id":"1336:7","event_count":null,"data_collections":null,"ts_ms":5}"#,
            r#"{"status":"END","id":"1336:7","event_count":3,"data_collections":["#,
            r#"{"data_collection":"zoo.a","event_count":1},"#,
            r#"{"data_collection":"zoo.\"b\"","event_count":2}],"ts_ms":6}"#,
            r#"{"status":"END","id":"1336:7","event_count":0,"data_collections":[],"ts_ms":-6}"#,
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
    }

    #[test]
    fn only_debeziums_mariadb_has_the_time_before() {
        for (connector, compat, before, expected) in [
            (Connector::Mariadb, Compatibility::Debezium, Some(1), 1),
            (Connector::Mariadb, Compatibility::Debezium, None, 2),
            (Connector::Mariadb, Compatibility::Corrected, Some(1), 2),
            (Connector::Mysql, Compatibility::Debezium, Some(1), 2),
            (Connector::Postgresql, Compatibility::Debezium, Some(1), 2),
        ] {
            assert_eq!(begin_millis(connector, compat, 2, before), expected, "{connector:?} {compat:?}");
        }
    }
}
