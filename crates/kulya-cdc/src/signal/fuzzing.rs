//! Fuzz entry point for signals as a signal table, a REST call or a command has them.

use super::{Signal, SignalRecord, names_table};
use serde_json::Value;

/// Names of tables that are compared with those of signals.
const NAMES: [&str; 4] = ["public.orders", "shop.public.orders", "a.b", "İ.ß"];

/// Reads a signal: a JSON object, or the id, the type and the data in a line each.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        match SignalRecord::from_json(&value) {
            Ok(record) => read(&record),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    read(&SignalRecord { id: line(), kind: line(), data: line() });
}

fn read(record: &SignalRecord) {
    // as it waits in a store
    let json = serde_json::to_string(record).expect("a record is JSON");
    assert_eq!(&serde_json::from_str::<SignalRecord>(&json).expect("a stored record is read"), record);
    let signal = match Signal::parse(record) {
        Ok(signal) => signal,
        Err(error) => return assert!(!error.field.is_empty() && !error.reason.contains('\n'), "{error:?}"),
    };
    let tables = match &signal {
        Signal::ExecuteSnapshot(request) => {
            let json = serde_json::to_string(request).expect("a request is JSON");
            assert_eq!(serde_json::from_str(&json).ok().as_ref(), Some(request));
            assert!(!request.tables.is_empty() && request.conditions.iter().all(|c| !c.filter.is_empty()));
            &request.tables
        }
        Signal::StopSnapshot(tables) => tables,
        _ => return,
    };
    assert!(tables.iter().all(|table| !table.is_empty() && names_table(tables, table)));
    for name in NAMES {
        let _ = names_table(tables, name);
    }
}
