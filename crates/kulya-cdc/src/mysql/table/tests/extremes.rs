//! The recorded events of Debezium for extreme values and defaults, of MySQL. Values of Debezium that are not
//! copied are named here with the reason.

use super::replay::{Image, fields, read, replay};
use super::*;
use std::collections::BTreeMap;

/// Columns with Debezium's value and ours.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    // Java's character sets are not the server's
    (
        "chars.l1",
        r#""€\ufffd‚\ufffd\ufffd\ufffd\ufffdŸ\u00a0ÿ""#,
        r#""€\u0081‚\u008d\u008f\u0090\u009dŸ\u00a0ÿ""#,
    ),
    ("chars.sj", r#""漢字＼""#, r#""漢字\\""#),
    ("chars.sj", r#""＼〜""#, r#""\\〜""#),
    // the same number of 32 bits, of which Java prints a digit too many
    ("numbers.f", "1.17549435e-38", "1.1754944e-38"),
    // 2024-02-31 stops Debezium, unless failures are set to warnings
    ("times.dt5", "0", "null"),
];

/// The same in a snapshot.
const SNAPSHOT_DIFFERENCES: &[(&str, &str, &str)] = &[
    // SELECT prints six digits, which the select list avoids
    ("numb.f24", "16777200.0", "16777216.0"),
    ("numbers.fu", "16777200.0", "16777216.0"),
    ("numbers.f", "1.17549e-38", "1.1754944e-38"),
    // 2024-02-31 is no date, nor the second of March
    ("times.dt5", "1709337600000000", "null"),
    // the default of SHOW CREATE TABLE, which has its own escapes
    ("defs.bn", r#""YWJcMA==""#, r#""YWI=""#),
];

/// Negative times within JSON, which Debezium garbles.
const TEXTS: [(&str, &str); 2] =
    [("631:0-60:0-59", "-630:59:59"), ("01:0-1:0-1.00000-1", "-00:00:00.000001")];

/// Filled by the clock: the column and the row's id.
const CLOCK: &[(&str, i64)] = &[("dtc", 1), ("dtcn", 1), ("tsc", 1), ("tscn", 1), ("dtcn", 2), ("tscn", 2)];

type Events = BTreeMap<String, Vec<Json>>;

/// The recorded events by table; of the snapshot, or of the log.
fn recorded(is_snapshot: bool) -> Events {
    let mut events = Events::new();
    let text = String::from_utf8(read("debezium/extremes.jsonl")).unwrap();
    let all = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    for event in all.filter(|event| (event["op"] == "r") == is_snapshot) {
        events.entry(event["topic"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    events
}

fn event(topic: &str, op: &str, before: Option<&Image>, after: Option<&Image>) -> Json {
    let image = if op == "d" { before } else { after };
    let json = |json: Option<&[u8]>| json.map_or(Json::Null, parse_json);
    let mut event = json!({
        "topic": topic,
        "op": op,
        "key": json(image.and_then(|image| image.key.as_deref())),
        "before": json(before.map(|image| &*image.row)),
        "after": json(after.map(|image| &*image.row)),
    });
    for part in ["before", "after"].into_iter().filter(|_| topic == "zoo.zoo.defs") {
        let Some(row) = event[part].as_object_mut() else { continue };
        let id = row["id"].as_i64();
        for (column, _) in CLOCK.iter().filter(|(_, row)| Some(*row) == id) {
            row[*column] = json!("*");
        }
    }
    event
}

/// Replaces Debezium's values that are not copied, and counts them.
fn correct(event: &mut Json, differences: &[(&str, &str, &str)]) -> usize {
    let table = event["topic"].as_str().unwrap().replace("zoo.zoo.", "");
    let mut count = 0;
    for part in ["before", "after"] {
        for (name, value) in event[part].as_object_mut().into_iter().flatten() {
            let column = format!("{table}.{name}");
            let is_it = |(of, theirs, _): &&(&str, &str, &str)| {
                *of == column && parse_json(theirs.as_bytes()) == *value
            };
            if let Some((.., ours)) = differences.iter().find(is_it) {
                *value = parse_json(ours.as_bytes());
                count += 1;
            }
            if let Json::String(text) = value {
                TEXTS.iter().for_each(|(theirs, ours)| *text = text.replace(theirs, ours));
            }
        }
    }
    count
}

/// Compares the log's events one by one; those of a snapshot stand in any order.
fn compare(found: &Events, expected: Events, differences: &[(&str, &str, &str)], is_snapshot: bool) {
    let (mut compared, mut corrected) = (0, 0);
    for (topic, expected) in expected {
        let found = &found[&topic];
        assert!(is_snapshot || found.len() == expected.len(), "{topic}");
        for (number, mut expected) in
            expected.into_iter().enumerate().filter(|(_, event)| event["skip"] != true)
        {
            corrected += correct(&mut expected, differences);
            let similar: Vec<&Json> = match is_snapshot {
                true => found.iter().filter(|found| found["key"] == expected["key"]).collect(),
                false => vec![&found[number]],
            };
            assert!(similar.contains(&&expected), "{topic}\nfound    {similar:#?}\nexpected {expected:#}");
            compared += 1;
        }
    }
    assert!(compared > 50, "{compared}");
    assert!(corrected >= differences.len(), "{corrected}");
}

#[test]
fn the_log_of_mysql_is_debeziums() {
    let files = ["mysql-full.1.binlog", "mysql-full.2.binlog", "debezium/defaults.binlog"];
    let mut found = Events::new();
    replay(&files, MYSQL, &debezium(), |change| {
        let events = found.entry(change.topic.clone()).or_default();
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let key = |image: Option<&Image>| image.and_then(|image| image.key.clone());
        match (before, after) {
            (Some(_), Some(_)) if key(before) != key(after) => {
                events.push(event(&change.topic, "d", before, None));
                events.push(event(&change.topic, "c", None, after));
            }
            (Some(_), Some(_)) => events.push(event(&change.topic, "u", before, after)),
            (Some(_), None) => events.push(event(&change.topic, "d", before, None)),
            _ => events.push(event(&change.topic, "c", None, after)),
        }
    });
    compare(&found, recorded(false), DIFFERENCES, false);
}

#[test]
fn the_snapshot_of_mysql_is_debeziums() {
    let files = ["mysql-full.1.binlog", "mysql-full.2.binlog", "debezium/defaults.binlog"];
    let schemas = replay(&files, MYSQL, &debezium(), |_| {});
    let mut found = Events::new();
    for file in ["mysql-select.tsv", "debezium/defaults-snapshot.tsv"] {
        for line in String::from_utf8(read(file)).unwrap().lines() {
            let (name, fields) = fields(line);
            let table = Table::new("zoo", schemas.table("zoo", name).unwrap(), &debezium(), Flavour::MySql);
            let fields: Vec<Option<&[u8]>> = fields.iter().map(Option::as_deref).collect();
            let (mut row, mut key) = (Vec::new(), Vec::new());
            let field = |index: usize| fields.get(index).copied().flatten();
            table.write_text_row(field, &mut row, &mut Vec::new());
            let span = table.write_text_key(field, &mut key);
            let key = span.map(|(span, _)| span.of(&key).to_vec());
            let image = Image { row, key, is_current: true };
            found.entry(table.topic.clone()).or_default().push(event(&table.topic, "r", None, Some(&image)));
        }
    }
    compare(&found, recorded(true), SNAPSHOT_DIFFERENCES, true);
}
