//! The recorded events of Debezium, in all modes. Values are Debezium's own, with `compat` set so.

use super::replay::{Change, fields, read, replay};
use super::*;
use crate::debezium::{BigintUnsignedMode, BinaryMode, DecimalMode, TimePrecision};

fn lines(file: &str) -> Vec<Json> {
    let text = String::from_utf8(read(&format!("debezium/{file}"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of recordings, and the modes with which they were made.
fn recordings() -> Vec<(&'static str, ValueModes)> {
    let time = |precision| ValueModes { time_precision: Some(precision), ..debezium() };
    let binary = |binary| ValueModes { binary, ..debezium() };
    let decimal = |decimal| ValueModes { decimal, ..debezium() };
    let precise = ValueModes { bigint_unsigned: Some(BigintUnsignedMode::Precise), ..debezium() };
    vec![
        ("default", debezium()),
        ("bigint_precise", precise),
        ("binary_base64", binary(BinaryMode::Base64)),
        ("binary_base64_url_safe", binary(BinaryMode::Base64UrlSafe)),
        ("binary_hex", binary(BinaryMode::Hex)),
        ("decimal_double", decimal(DecimalMode::Double)),
        ("decimal_string", decimal(DecimalMode::String)),
        ("time_connect", time(TimePrecision::Connect)),
        ("time_isostring", time(TimePrecision::Isostring)),
        ("time_microseconds", time(TimePrecision::Microseconds)),
        ("time_nanoseconds", time(TimePrecision::Nanoseconds)),
    ]
}

/// The recorded events of a mode: those of the default modes, with what is different.
fn expected(server: &str, mode: &str) -> Vec<Json> {
    let mut events = lines(&format!("{server}-events.jsonl"));
    for difference in lines(&format!("{server}-modes.jsonl")).iter().filter(|line| line["mode"] == mode) {
        let event = &mut events[difference["event"].as_u64().unwrap() as usize];
        for part in ["key", "before", "after"] {
            for (name, value) in difference[part].as_object().into_iter().flatten() {
                event[part][name] = value.clone();
            }
        }
    }
    if server == "mariadb" {
        events.iter_mut().for_each(correct_old_connector);
    }
    events
}

/// MariaDB's connector was version 3.5. Version 3.6, with which MySQL's events were recorded, corrects two
/// values: zero values of TIMESTAMP are null, and so are nanoseconds that exceed 64 bits.
fn correct_old_connector(event: &mut Json) {
    let Some(after) = event["after"].as_object_mut() else { return };
    if after.get("ts") == Some(&json!("1970-01-01T00:00:00Z")) {
        after["ts"] = Json::Null;
    }
    let wrapped = [json!(-4_852_116_231_933_723_624_i64), json!(6_283_264_147_419_104_232_i64)];
    if after.get("dt6").is_some_and(|nanos| wrapped.contains(nanos)) {
        after["dt6"] = Json::Null;
    }
}

fn event(topic: &str, op: &str, key: Option<&[u8]>, before: Option<&[u8]>, after: Option<&[u8]>) -> Json {
    let json = |json: Option<&[u8]>| json.map_or(Json::Null, parse_json);
    let (key, mut before, mut after) = (json(key), json(before), json(after));
    // filled by the clock
    for row in [&mut before, &mut after].into_iter().filter(|_| topic == "zoo.zoo.gen") {
        if let Some(row) = row.as_object_mut() {
            row["ts"] = json!("*");
        }
    }
    json!({ "topic": topic, "op": op, "key": key, "before": before, "after": after })
}

/// The events of a change: two if the key has changed.
fn events_of(change: &Change) -> Vec<Json> {
    let [before, after] = [&change.before, &change.after].map(Option::as_ref);
    let [old, new] = [before, after].map(|image| image.and_then(|image| image.key.as_deref()));
    let [before, after] = [before, after].map(|image| image.map(|image| &*image.row));
    let topic = &change.topic;
    match (before, after) {
        (Some(_), Some(_)) if old != new => {
            vec![event(topic, "d", old, before, None), event(topic, "c", new, None, after)]
        }
        (Some(_), Some(_)) => vec![event(topic, "u", new, before, after)],
        (Some(_), None) => vec![event(topic, "d", old, before, None)],
        _ => vec![event(topic, "c", new, None, after)],
    }
}

/// The events of the log behind the rows of the snapshot.
fn log_events(server: &str, version: ServerVersion, modes: &ValueModes, snapshot_rows: usize) -> Vec<Json> {
    let mut events = Vec::new();
    let mut rows = 0;
    replay(&[&format!("debezium/{server}.binlog")], version, modes, |change| {
        rows += 1;
        if rows > snapshot_rows {
            events.extend(events_of(&change));
        }
    });
    events
}

fn snapshot_events(server: &str, version: ServerVersion, modes: &ValueModes) -> Vec<Json> {
    let mut schemas = history();
    schemas.set_database("zoo", Collated::new("utf8mb4"));
    let sql = String::from_utf8(read("debezium/schema.sql")).unwrap();
    for statement in sql.lines().filter(|line| line.starts_with("CREATE TABLE")) {
        apply(&mut schemas, version, 0, "zoo", statement.as_bytes());
    }
    let rows = String::from_utf8(read(&format!("debezium/{server}-snapshot.tsv"))).unwrap();
    let events = rows.lines().map(|line| {
        let (name, fields) = fields(line);
        let table = Table::new("zoo", schemas.table("zoo", name).unwrap(), modes, version.flavour);
        let fields: Vec<Option<&[u8]>> = fields.iter().map(Option::as_deref).collect();
        let (mut row, mut key, mut report) = (Vec::new(), Vec::new(), Vec::new());
        let field = |index: usize| fields.get(index).copied().flatten();
        table.write_text_row(field, &mut row, &mut report);
        assert_eq!(report, []);
        let span = table.write_text_key(field, &mut key);
        event(&table.topic, "r", span.map(|(span, _)| span.of(&key)), None, Some(&row))
    });
    events.collect()
}

fn check(server: &str, version: ServerVersion) {
    for (mode, modes) in recordings() {
        let expected = expected(server, mode);
        let mut found = snapshot_events(server, version, &modes);
        found.extend(log_events(server, version, &modes, found.len()));
        for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(found == expected, "{server} {mode} {number}\nfound    {found}\nexpected {expected}");
        }
        assert_eq!(found.len(), expected.len(), "{server} {mode}");
    }
}

#[test]
fn rows_of_mysql_are_debeziums() {
    check("mysql", MYSQL);
}

#[test]
fn rows_of_mariadb_are_debeziums() {
    check("mariadb", MARIADB);
}
