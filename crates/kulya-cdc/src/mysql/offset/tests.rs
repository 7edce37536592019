use super::*;
use crate::CdcErrorKind;
use crate::mysql::connection::{DumpStart, Rows};

const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

fn rows(rows: &[&[Option<&str>]]) -> Rows {
    let row = |row: &&[Option<&str>]| row.iter().map(|cell| cell.map(str::to_owned)).collect();
    Rows { columns: Vec::new(), rows: rows.iter().map(row).collect() }
}

const FILES: &[&[Option<&str>]] =
    &[&[Some("log.000002"), Some("500"), Some("No")], &[Some("log.000003"), Some("900"), Some("No")]];

fn mysql(uuid: &str, mode: &str, executed: &str, purged: &str) -> ServerLog {
    let values = rows(&[&[Some("1"), Some(uuid), Some(mode), Some(executed), Some(purged)]]);
    ServerLog::from_rows(false, &values, &rows(FILES)).unwrap()
}

fn mariadb(executed: &str) -> ServerLog {
    let values = rows(&[&[Some("1"), None, Some("ON"), Some(executed), Some("")]]);
    ServerLog::from_rows(true, &values, &rows(FILES)).unwrap()
}

fn offset(gtids: &str, file: &str, position: u64) -> MysqlPosition {
    let is_mariadb = !gtids.contains(':') && !gtids.is_empty();
    MysqlPosition {
        server: ServerName { uuid: (!is_mariadb).then(|| A.to_owned()), id: 1 },
        point: LogPoint::new(file, position),
        gtids: Gtids::parse(is_mariadb, gtids).unwrap(),
        has_anonymous: false,
        cuts: BTreeMap::new(),
        snapshot_reads: None,
        is_snapshot_unfinished: false,
        coverage: None,
    }
}

fn mysql_id(text: &str) -> TransactionId {
    TransactionId::Mysql(text.parse().unwrap())
}

#[test]
fn mysql_starts_by_ids_if_they_tell_all() {
    let stored = offset(&format!("{A}:1-5"), "log.000002", 300);
    let DumpStart::MysqlGtid(set) = &stored.gtids_start() else { panic!("no set") };
    let by_file = DumpStart::File { file: "log.000002".into(), position: 300 };
    let executed = format!("{A}:1-9");
    for (mode, has_anonymous, expected) in [
        ("ON", false, DumpStart::MysqlGtid(set.clone())),
        ("ON", true, by_file.clone()),
        ("ON_PERMISSIVE", false, by_file.clone()),
        ("OFF_PERMISSIVE", true, by_file.clone()),
        ("OFF", false, by_file),
    ] {
        let stored = MysqlPosition { has_anonymous, ..stored.clone() };
        assert_eq!(stored.start(&mysql(A, mode, &executed, "")).unwrap(), expected, "{mode} {has_anonymous}");
    }
    // another server of the replication
    let start = stored.start(&mysql(B, "ON", &executed, &format!("{A}:1-5"))).unwrap();
    assert_eq!(start, DumpStart::MysqlGtid(set.clone()));
    // a server without transactions so far
    let stored = offset("", "log.000002", 300);
    let start = stored.start(&mysql(A, "ON", "", "")).unwrap();
    assert_eq!(start, DumpStart::File { file: "log.000002".into(), position: 300 });
}

impl MysqlPosition {
    fn gtids_start(&self) -> DumpStart {
        match &self.gtids {
            Gtids::Mysql(set) => DumpStart::MysqlGtid(set.to_bytes()),
            Gtids::Mariadb(position) => DumpStart::MariadbGtid(position.to_string()),
        }
    }
}

#[test]
fn mariadb_starts_by_ids() {
    let stored = offset("0-1-5,3-1-7", "log.000001", 300);
    let start = stored.start(&mariadb("0-2-9,3-1-7,4-1-1")).unwrap();
    assert_eq!(start, DumpStart::MariadbGtid("0-1-5,3-1-7".into()));
}

#[test]
fn starts_that_would_lose_changes_are_refused() {
    let by_set = || offset(&format!("{A}:1-5"), "log.000002", 300);
    let by_file = |file, position| offset("", file, position);
    for (stored, log, expected) in [
        (
            by_set(),
            mysql(A, "ON", &format!("{A}:1-9"), &format!("{A}:1-7")),
            "purged transactions that are not stored yet (3e11fa47-71ca-11e1-9e33-c80aa9429562:6-7)",
        ),
        (
            by_set(),
            mysql(A, "ON", &format!("{A}:1-4"), ""),
            "does not have (3e11fa47-71ca-11e1-9e33-c80aa9429562:5)",
        ),
        (by_set(), mysql(B, "ON", "", ""), "does not have"),
        (by_set(), mysql(B, "ON_PERMISSIVE", &format!("{A}:1-9"), ""), "valid on that server only"),
        (by_set(), mariadb("0-1-5"), "is of MySQL, but the server is MariaDB"),
        (by_file("log.000001", 4), mysql(A, "OFF", "", ""), "purged (the first one is log.000002)"),
        (by_file("log.000003", 901), mysql(A, "OFF", "", ""), "behind the end of that file, 900 bytes"),
        (by_file("log.000003", 4), mysql(B, "OFF", "", ""), "SET PERSIST gtid_mode = ON"),
        (offset("0-1-5,7-1-1", "log.000002", 4), mariadb("0-1-9"), "nothing of the replication domain 7"),
        (offset("0-1-5", "log.000002", 4), mariadb("0-1-4"), "GTID 0-1-5, which the server does not have"),
        (offset("0-1-5", "log.000002", 4), mariadb(""), "nothing of the replication domain 0"),
    ] {
        let error = stored.start(&log).unwrap_err();
        let line = error.to_string();
        assert_eq!(error.kind(), CdcErrorKind::Position, "{line}");
        assert!(line.contains(expected) && !line.contains('\n') && !line.ends_with('.'), "{line}");
        assert!(line.contains("take a new snapshot"), "{line}");
    }
}

#[test]
fn cuts_hold_until_the_log_has_reached_them() {
    let orders = TableName::new("shop", "orders");
    let mut stored = offset(&format!("{A}:1-5"), "log.000002", 300);
    let cut = Cut {
        gtids: Gtids::parse(false, &format!("{A}:1-7")).unwrap(),
        point: Some(LogPoint::new("log.000002", 700)),
    };
    stored.cuts.insert(orders.clone(), cut);
    let at = |position| LogPoint::new("log.000002", position);
    for (id, start, expected) in [
        (Some(format!("{A}:7")), 900, true),
        (Some(format!("{A}:8")), 300, false),
        (None, 600, true),
        (None, 700, false),
    ] {
        let id = id.map(|id| mysql_id(&id));
        let cut = &stored.cuts[&orders];
        assert_eq!(cut.contains(id.as_ref(), &at(start)), expected, "{id:?} {start}");
    }
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<MysqlPosition>(&text).unwrap(), stored, "{text}");
    for (number, position, left) in [(6, 500, 1), (7, 600, 1), (8, 800, 0)] {
        stored.advance(Some(&mysql_id(&format!("{A}:{number}"))), at(position));
        assert_eq!(stored.cuts.len(), left, "{number}");
    }
    assert_eq!(stored.gtids.to_string(), format!("{A}:1-8"));
}

#[test]
fn a_cut_on_a_former_server_is_told_by_ids_only() {
    let orders = TableName::new("shop", "orders");
    let mut stored = offset(&format!("{A}:1-5"), "log.000002", 300);
    let cut = Cut {
        gtids: Gtids::parse(false, &format!("{A}:1-7")).unwrap(),
        point: Some(LogPoint::new("log.000009", 700)),
    };
    stored.cuts.insert(orders.clone(), cut);
    stored.move_to(ServerName { uuid: Some(B.into()), id: 1 });
    assert!(!stored.cuts[&orders].contains(None, &LogPoint::new("log.000001", 4)));
    stored.advance(Some(&mysql_id(&format!("{A}:6"))), LogPoint::new("log.000001", 100));
    stored.advance(Some(&mysql_id(&format!("{A}:7"))), LogPoint::new("log.000001", 200));
    assert!(stored.cuts.is_empty());
}

#[test]
fn positions_without_transactions_only_go_forward() {
    let mut stored = offset("0-1-5", "log.000002", 300);
    for (file, position, expected) in [
        ("log.000002", 300, false),
        ("log.000002", 200, false),
        ("log.000002", 400, true),
        ("log.000003", 4, true),
        ("log.000002", 900, false),
    ] {
        assert_eq!(stored.advance_to(LogPoint::new(file, position)), expected, "{file} {position}");
    }
}

#[test]
fn a_stored_position_is_read_back() {
    for stored in
        [offset(&format!("{A}:1-5:tag:1"), "log.000002", 300), offset("0-1-5,3-1-7", "log.000002", 4)]
    {
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<MysqlPosition>(&text).unwrap(), stored, "{text}");
    }
    let text = r#"{"product":"mariadb","server_id":1,"file":"f","position":4,"gtids":"0-x"}"#;
    assert!(serde_json::from_str::<MysqlPosition>(text).is_err());
    let mut stored = offset("", "log.000002", 300);
    stored.advance(None, LogPoint::new("log.000002", 400));
    stored.finish_snapshot(vec!["shop.*".to_owned()]);
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(
        text,
        format!(
            r#"{{"product":"mysql","server_uuid":"{A}","server_id":1,"file":"log.000002","position":400,"has_anonymous":true,"coverage":["shop.*"]}}"#
        )
    );
}
