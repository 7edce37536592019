//! Text output of the status of captures.

use crate::output::print_line;
use crate::registry::display::Table;
use chrono::{DateTime, SecondsFormat};
use kulya_cdc::status::{IncrementalStatus, SnapshotStatus};
use kulya_cdc::{CaptureState, CaptureStatus};

/// Prints one line for each capture.
pub(super) fn print_table(statuses: &[CaptureStatus]) {
    let mut table = Table::new(["NAME", "STATE", "POSITION", "LAG", "RECORDS", "RESTARTS"]);
    for status in statuses {
        let CaptureStatus { name, state, position, records, restarts, .. } = status;
        table.row([
            name.clone(),
            state.as_str().to_owned(),
            position.clone().unwrap_or_default(),
            lag(status).unwrap_or_default(),
            records.to_string(),
            restarts.to_string(),
        ]);
    }
    table.finish();
}

/// Prints one line for each property that is known.
pub(super) fn print_status(status: &CaptureStatus) {
    for (name, value) in properties(status) {
        if let Some(value) = value {
            print_line!("{name:<12} {value}");
        }
    }
}

fn properties(status: &CaptureStatus) -> Vec<(&'static str, Option<String>)> {
    let snapshot = status.snapshot.as_ref().map(|snapshot| {
        let left = snapshot.seconds_left.map(|left| format!(", about {left} s left")).unwrap_or_default();
        let SnapshotStatus { tables, tables_read, rows, estimated_rows, rows_per_second, .. } = snapshot;
        format!(
            "{rows} of about {estimated_rows} rows, {tables_read} of {tables} tables, {rows_per_second}/s{left}"
        )
    });
    let last_error = status.last_error.as_ref().map(|last| format!("{}: {}", time(last.time), last.error));
    let signal_error = status.signal_error.as_ref();
    let signal_error = signal_error.map(|last| format!("{}: {}", time(last.time), last.error));
    let counted = |count: u64| (count > 0).then(|| count.to_string());
    vec![
        ("name", Some(status.name.clone())),
        ("database", status.connector.clone()),
        ("state", Some(state(&status.state))),
        ("snapshot", snapshot),
        ("incremental", status.incremental_snapshot.as_ref().map(incremental)),
        ("position", status.position.clone()),
        ("lag", lag(status)),
        ("log retained", status.retained_bytes.map(|bytes| format!("{bytes} bytes"))),
        ("files behind", status.files_behind.map(|files| files.to_string())),
        ("spool", spool(status)),
        ("records", Some(format!("{}, {}/s", status.records, status.records_per_second))),
        ("last stored", status.last_stored.map(time)),
        ("last commit", status.last_committed.map(time)),
        ("restarts", counted(status.restarts)),
        ("dead letters", counted(status.dead_letters)),
        ("last error", last_error),
        ("signal error", signal_error),
    ]
}

fn incremental(status: &IncrementalStatus) -> String {
    let IncrementalStatus { table, tables_left, rows, chunks, is_paused } = status;
    let paused = if *is_paused { "paused, " } else { "" };
    let table = table.as_ref().map(|table| format!(", now {table}")).unwrap_or_default();
    format!("{paused}{rows} rows in {chunks} chunks, {tables_left} tables left{table}")
}

fn state(state: &CaptureState) -> String {
    let name = state.as_str();
    match state {
        CaptureState::Waiting { waiting_for, since } => {
            format!("{name} since {} for {waiting_for}", time(*since))
        }
        CaptureState::Retrying { error, attempt, next } => {
            format!("{name} at {}, attempt {attempt}: {error}", time(*next))
        }
        CaptureState::Stopped { error: Some(error) } => format!("{name}: {error}"),
        _ => name.to_owned(),
    }
}

fn spool(status: &CaptureStatus) -> Option<String> {
    let (transactions, bytes) = (status.spooled_transactions?, status.spooled_bytes?);
    (transactions > 0).then(|| format!("{transactions} unfinished transactions, {bytes} bytes"))
}

fn lag(status: &CaptureStatus) -> Option<String> {
    let bytes = status.lag_bytes.map(|bytes| format!("{bytes} bytes"));
    let seconds = status.lag_seconds.map(|seconds| format!("{seconds} s"));
    let parts: Vec<String> = [bytes, seconds].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Formats a time in milliseconds since 1970-01-01 00:00 UTC.
fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| millis.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_cdc::status::LastError;

    #[test]
    fn status_has_a_line_for_what_is_known() {
        let lines = |status: &CaptureStatus| {
            let known = properties(status).into_iter().filter_map(|(name, value)| Some((name, value?)));
            known.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        let stored =
            CaptureStatus { name: "shop".into(), position: Some("0/10".into()), ..Default::default() };
        assert_eq!(lines(&stored), ["name: shop", "state: stopped", "position: 0/10", "records: 0, 0/s"]);
        let snapshot = SnapshotStatus {
            tables: 2,
            tables_read: 1,
            rows: 10,
            estimated_rows: 100,
            rows_per_second: 5,
            seconds_left: Some(18),
        };
        let running = CaptureStatus {
            connector: Some("postgresql".into()),
            state: CaptureState::Retrying { error: "lost".into(), attempt: 3, next: 1000 },
            snapshot: Some(snapshot),
            incremental_snapshot: Some(IncrementalStatus {
                table: Some("public.a".into()),
                tables_left: 2,
                rows: 7,
                chunks: 3,
                is_paused: true,
            }),
            lag_bytes: Some(7),
            lag_seconds: Some(0),
            restarts: 3,
            last_error: Some(LastError { error: "lost".into(), time: 0 }),
            ..stored
        };
        let expected = [
            "name: shop",
            "database: postgresql",
            "state: retrying at 1970-01-01T00:00:01Z, attempt 3: lost",
            "snapshot: 10 of about 100 rows, 1 of 2 tables, 5/s, about 18 s left",
            "incremental: paused, 7 rows in 3 chunks, 2 tables left, now public.a",
            "position: 0/10",
            "lag: 7 bytes, 0 s",
            "records: 0, 0/s",
            "restarts: 3",
            "last error: 1970-01-01T00:00:00Z: lost",
        ];
        assert_eq!(lines(&running), expected);
    }
}
