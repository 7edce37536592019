//! The connection with a real MariaDB server: the cases of both products, TLS, and MariaDB's own methods.

use crate::binlog_capture;
use crate::binlog_cases::{self, login_error};
use crate::binlog_columns::{self, recorded};
use crate::binlog_faults;
use crate::binlog_server::{ANNOTATE_ROWS, LOG, MARIADB, MARIADB_GTID, types};
use crate::binlog_uncaptured;
use crate::binlog_zoo::{self, Zoo, modes};
use crate::database::server;
use kulya_cdc::debezium::{BigintUnsignedMode, BinaryMode, DecimalMode, TimePrecision};
use kulya_cdc::mysql::connection::{
    Connection, ConnectionSettings, DumpSettings, DumpStart, NextStep, Reason, SslMode,
};

const ZOO: Zoo = Zoo {
    schema: include_str!("../data/zoo/mariadb/schema.sql"),
    changes: include_str!("../data/zoo/mariadb/changes.sql"),
    events: include_str!("../data/zoo/mariadb/default.jsonl"),
    sources: include_str!("../data/zoo/mariadb/sources.jsonl"),
    table_changes: include_str!("../data/zoo/mariadb/table-changes.jsonl"),
    has_all_schema_changes: true,
    modes: modes!("zoo/mariadb"),
};
const EXTENDED_ZOO: Zoo = Zoo {
    schema: include_str!("../data/zoo-extended/mariadb/schema.sql"),
    changes: include_str!("../data/zoo-extended/mariadb/changes.sql"),
    events: include_str!("../data/zoo-extended/mariadb/default.jsonl"),
    sources: include_str!("../data/zoo-extended/mariadb/sources.jsonl"),
    table_changes: include_str!("../data/zoo-extended/mariadb/table-changes.jsonl"),
    has_all_schema_changes: false,
    modes: modes!("zoo-extended/mariadb"),
};

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn wrong_credentials_are_refused() {
    binlog_cases::wrong_credentials_are_refused(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_limit_of_connections_is_worth_a_retry() {
    binlog_cases::the_limit_of_connections_is_worth_a_retry(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_closed_port_is_unreachable() {
    binlog_cases::a_closed_port_is_unreachable(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_configuration_is_suitable() {
    binlog_cases::the_configuration_is_suitable(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_log_is_read_from_file_and_position() {
    binlog_cases::the_log_is_read_from_file_and_position(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_killed_reader_retries() {
    binlog_cases::a_killed_reader_retries(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn heartbeats_arrive() {
    binlog_cases::heartbeats_arrive(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_row_of_20_mb_is_read() {
    binlog_cases::a_row_of_20_mb_is_read(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_missing_privilege_is_named() {
    binlog_cases::a_missing_privilege_is_named(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_older_reader_of_a_server_id_stops() {
    binlog_cases::the_older_reader_of_a_server_id_stops(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_purged_log_is_refused() {
    binlog_cases::a_purged_log_is_refused(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_log_is_read_from_gtids() {
    binlog_cases::the_log_is_read_from_gtids(MARIADB, MARIADB_GTID).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn invalid_positions_are_refused() {
    binlog_cases::invalid_positions_are_refused(MARIADB, DumpStart::MariadbGtid("0-1-999999999".to_owned()))
        .await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn statements_are_read_before_their_rows() {
    let _log = LOG.read().await;
    MARIADB.create_table("c_annotate").await;
    let start = MARIADB.log_end_as_start().await;
    MARIADB.run(&["INSERT INTO c_annotate.t VALUES (1, 'x')"]).await;
    let events = MARIADB.read(&start, 8201).await.unwrap();
    assert!(types(&events).contains(&ANNOTATE_ROWS), "{:?}", types(&events));
    // replaced for readers without the capability
    assert!(types(&events).contains(&MARIADB_GTID), "{:?}", types(&events));
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn all_methods_authenticate() {
    for (user, method) in [
        ("c_native", "IDENTIFIED VIA mysql_native_password USING PASSWORD('geheim')"),
        ("c_ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('geheim')"),
        ("c_two", "IDENTIFIED VIA unix_socket OR ed25519 USING PASSWORD('geheim')"),
    ] {
        MARIADB.create_user(user, method).await;
        for ssl_mode in [SslMode::Disabled, SslMode::Required] {
            let settings = ConnectionSettings { ssl_mode, ..MARIADB.settings_of(user, "geheim") };
            let connection = Connection::open(&settings).await.unwrap_or_else(|e| panic!("{user}: {e:?}"));
            assert_eq!(connection.account(), format!("'{user}'@'%'"));
        }
        let error = login_error(MARIADB, user, "wrong").await;
        assert_eq!(error.reason(), Some(Reason::AccessDenied), "{user}: {error:?}");
    }
}

async fn cipher(settings: &ConnectionSettings) -> String {
    let mut connection = Connection::open(settings).await.unwrap();
    let rows = connection.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await.unwrap();
    rows.value("Value").unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn tls_follows_its_mode() {
    let authority = server("KULYA_TEST_MARIADB_AUTHORITY");
    let plain = ConnectionSettings { ssl_mode: SslMode::Disabled, ..MARIADB.settings() };
    assert_eq!(cipher(&plain).await, "");
    for ssl_mode in [SslMode::Preferred, SslMode::Required] {
        assert_ne!(cipher(&ConnectionSettings { ssl_mode, ..plain.clone() }).await, "");
    }
    let trusting = ConnectionSettings { ssl_ca: Some(authority.into()), ..plain };
    let named = ConnectionSettings { host: "localhost".to_owned(), ..trusting.clone() };
    for (settings, ssl_mode) in
        [(&trusting, SslMode::VerifyCa), (&named, SslMode::VerifyCa), (&named, SslMode::VerifyIdentity)]
    {
        assert_ne!(cipher(&ConnectionSettings { ssl_mode, ..settings.clone() }).await, "");
    }
    let untrusting = ConnectionSettings { ssl_ca: None, ..named };
    for (settings, ssl_mode, expected) in [
        (&trusting, SslMode::VerifyIdentity, "not valid for this host name"),
        (&untrusting, SslMode::VerifyCa, "ssl-ca"),
        (&untrusting, SslMode::VerifyIdentity, "ssl-ca"),
    ] {
        let settings = ConnectionSettings { ssl_mode, ..settings.clone() };
        let error = Connection::open(&settings).await.err().unwrap();
        assert_eq!(error.next_step(), NextStep::Stop);
        assert!(error.to_string().contains(expected), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn the_log_is_read_over_tls() {
    let _log = LOG.read().await;
    let settings = ConnectionSettings { ssl_mode: SslMode::Required, ..MARIADB.settings() };
    let connection = Connection::open(&settings).await.unwrap();
    let start = MARIADB.log_end_as_start().await;
    let settings = DumpSettings::new(8202);
    let mut stream = connection.dump(&start, &settings).await.unwrap();
    assert!(stream.next_event().await.unwrap().is_some());
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn events_match_debeziums() {
    binlog_zoo::events_match_debeziums(MARIADB, ZOO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_snapshot_under_load_is_exact() {
    binlog_capture::a_snapshot_under_load_is_exact(MARIADB, "c_load").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_run_that_fails_is_continued() {
    binlog_capture::a_run_that_fails_is_continued(MARIADB, "c_fail").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn added_tables_are_read_once() {
    binlog_capture::added_tables_are_read_once(MARIADB, "c_added").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_table_that_is_swapped_keeps_its_stream() {
    binlog_capture::a_table_that_is_swapped_keeps_its_stream(MARIADB, "c_swap").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn what_cannot_be_captured_is_named() {
    binlog_capture::what_cannot_be_captured_is_named(MARIADB, "c_named").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_killed_capture_goes_on() {
    binlog_capture::a_killed_capture_goes_on(MARIADB, "c_kill").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn captures_survive_faults() {
    binlog_faults::captures_survive_faults(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn stalled_connections_end() {
    binlog_faults::stalled_connections_end(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn full_stores_are_waited_for() {
    binlog_faults::full_stores_are_waited_for(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn second_captures_and_writers_are_fenced() {
    binlog_faults::second_captures_and_writers_are_fenced(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn restarts_and_terminated_connections_are_survived() {
    binlog_faults::restarts_and_terminated_connections_are_survived(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn purged_logs_are_named() {
    binlog_faults::purged_logs_are_named(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn replicas_are_followed_by_gtid() {
    binlog_faults::replicas_are_followed_by_gtid(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn events_of_the_extended_zoo_match_debeziums() {
    binlog_zoo::events_match_debeziums(MARIADB, EXTENDED_ZOO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn snapshots_under_load_are_the_database() {
    let _log = LOG.read().await;
    crate::binlog_snapshots::snapshots_under_load_are_the_database(MARIADB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn snapshots_killed_within_a_table_go_on_there() {
    let _log = LOG.read().await;
    crate::binlog_snapshots::snapshots_killed_within_a_table_go_on_there(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn masked_hashed_and_cut_values_are_debeziums() {
    let recorded = recorded!("mariadb", "masks", binlog_columns::MASKED_JSON);
    binlog_columns::column_rules_are_debeziums(MARIADB, recorded).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn names_and_included_columns_are_debeziums() {
    let recorded = recorded!("mariadb", "names", &[]);
    binlog_columns::column_rules_are_debeziums(MARIADB, recorded).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn types_of_the_source_are_debeziums() {
    let recorded = recorded!("mariadb", "types", binlog_columns::TEXT_JSON);
    binlog_columns::column_rules_are_debeziums(MARIADB, recorded).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn hidden_values_are_in_no_event() {
    binlog_columns::hidden_values_are_in_no_event(MARIADB, "c_hidden").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn heartbeats_are_written_and_run_a_statement() {
    binlog_columns::heartbeats_are_written_and_run_a_statement(MARIADB, "c_beats").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn wrong_setups_are_named() {
    crate::binlog_setups::wrong_setups_are_named(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn rows_larger_than_an_event_are_left_out() {
    binlog_capture::rows_larger_than_an_event_are_left_out(MARIADB, "c_large_rows").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn transformed_events_match_debeziums() {
    let modes = crate::transform_zoo::transformed!("mariadb", table_changes);
    crate::transform_zoo::events_of_the_binlog_match_debeziums(MARIADB, modes).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn former_versions_of_rows_are_left_out() {
    binlog_capture::former_versions_of_rows_are_left_out(MARIADB, "c_versioned").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn times_do_not_depend_on_zones() {
    crate::binlog_rows::times_do_not_depend_on_zones(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn rows_have_the_definition_of_their_place() {
    crate::binlog_rows::rows_have_the_definition_of_their_place(MARIADB, "c_place").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn keys_and_limits_are_the_same_in_snapshot_and_log() {
    crate::binlog_rows::keys_and_limits_are_the_same_in_snapshot_and_log(MARIADB, "c_limits").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn helper_tables_of_migrations_have_no_events() {
    crate::binlog_rows::helper_tables_of_migrations_have_no_events(MARIADB, "c_helpers").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn versioning_comes_and_goes() {
    crate::binlog_rows::versioning_comes_and_goes(MARIADB, "c_versioning").await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn a_database_without_tables_is_captured() {
    binlog_uncaptured::a_database_without_tables_is_captured(MARIADB).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn statements_on_other_tables_are_passed_over() {
    binlog_uncaptured::statements_on_other_tables_are_passed_over(MARIADB).await;
}
