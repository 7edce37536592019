//! The connection with a real MySQL server: the cases of both products, and MySQL's own methods.

use crate::binlog_capture;
use crate::binlog_cases::{self, login_error};
use crate::binlog_columns::{self, recorded};
use crate::binlog_faults;
use crate::binlog_server::{LOG, MYSQL, MYSQL_GTID, contains, encode};
use crate::binlog_uncaptured;
use crate::binlog_zoo::{self, Zoo, modes};
use kulya_cdc::debezium::{BigintUnsignedMode, BinaryMode, DecimalMode, TimePrecision};
use kulya_cdc::mysql::connection::{
    Connection, ConnectionError, ConnectionSettings, DumpStart, NextStep, Reason, SslMode,
};

const ZOO: Zoo = Zoo {
    schema: include_str!("../data/zoo/mysql8/schema.sql"),
    changes: include_str!("../data/zoo/mysql8/changes.sql"),
    events: include_str!("../data/zoo/mysql8/default.jsonl"),
    sources: include_str!("../data/zoo/mysql8/sources.jsonl"),
    table_changes: include_str!("../data/zoo/mysql8/table-changes.jsonl"),
    has_all_schema_changes: true,
    modes: modes!("zoo/mysql8"),
};
const EXTENDED_ZOO: Zoo = Zoo {
    schema: include_str!("../data/zoo-extended/mysql8/schema.sql"),
    changes: include_str!("../data/zoo-extended/mysql8/changes.sql"),
    events: include_str!("../data/zoo-extended/mysql8/default.jsonl"),
    sources: include_str!("../data/zoo-extended/mysql8/sources.jsonl"),
    table_changes: include_str!("../data/zoo-extended/mysql8/table-changes.jsonl"),
    has_all_schema_changes: false,
    modes: modes!("zoo-extended/mysql8"),
};

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn wrong_credentials_are_refused() {
    binlog_cases::wrong_credentials_are_refused(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_limit_of_connections_is_worth_a_retry() {
    binlog_cases::the_limit_of_connections_is_worth_a_retry(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_closed_port_is_unreachable() {
    binlog_cases::a_closed_port_is_unreachable(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_configuration_is_suitable() {
    binlog_cases::the_configuration_is_suitable(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_log_is_read_from_file_and_position() {
    binlog_cases::the_log_is_read_from_file_and_position(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_killed_reader_retries() {
    binlog_cases::a_killed_reader_retries(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn heartbeats_arrive() {
    binlog_cases::heartbeats_arrive(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_row_of_20_mb_is_read() {
    binlog_cases::a_row_of_20_mb_is_read(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_missing_privilege_is_named() {
    binlog_cases::a_missing_privilege_is_named(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_older_reader_of_a_server_id_stops() {
    binlog_cases::the_older_reader_of_a_server_id_stops(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_purged_log_is_refused() {
    binlog_cases::a_purged_log_is_refused(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_log_is_read_from_gtids() {
    binlog_cases::the_log_is_read_from_gtids(MYSQL, MYSQL_GTID).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn invalid_positions_are_refused() {
    let uuid = MYSQL.value("SELECT @@server_uuid").await;
    let ahead = encode(&format!("{uuid}:1-999999999"));
    binlog_cases::invalid_positions_are_refused(MYSQL, DumpStart::MysqlGtid(ahead)).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn all_methods_authenticate() {
    for (user, method) in [
        ("c_native", "IDENTIFIED WITH mysql_native_password BY 'geheim'"),
        ("c_sha2", "IDENTIFIED WITH caching_sha2_password BY 'geheim'"),
        (
            "c_long",
            "IDENTIFIED WITH caching_sha2_password BY 'geheim geheim geheim geheim geheim geheim geheim'",
        ),
        ("c_empty", "IDENTIFIED WITH caching_sha2_password BY ''"),
    ] {
        MYSQL.create_user(user, method).await;
        let password = method.split('\'').nth(1).unwrap();
        // the first login sends the password, the second finds its hash in the server's memory
        for _ in 0..2 {
            let connection = Connection::open(&MYSQL.settings_of(user, password)).await;
            let connection = connection.unwrap_or_else(|e| panic!("{user}: {e:?}"));
            assert_eq!(connection.account(), format!("'{user}'@'%'"));
        }
        let error = login_error(MYSQL, user, "wrong").await;
        assert_eq!(error.reason(), Some(Reason::AccessDenied), "{user}: {error:?}");
    }
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn the_servers_key_is_fetched_only_if_allowed() {
    MYSQL.create_user("c_key", "IDENTIFIED WITH caching_sha2_password BY 'geheim'").await;
    let settings = MYSQL.settings_of("c_key", "geheim");
    let strict = ConnectionSettings { get_server_public_key: false, ..settings.clone() };
    let error = Connection::open(&strict).await.err().unwrap();
    assert!(error.to_string().contains("get-server-public-key=true"), "{error}");
    Connection::open(&settings).await.unwrap();
    // now the server knows the hash
    Connection::open(&strict).await.unwrap();
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn other_methods_are_refused_by_name() {
    MYSQL.create_user("c_sha256", "IDENTIFIED WITH sha256_password BY 'geheim'").await;
    let error = login_error(MYSQL, "c_sha256", "geheim").await;
    assert!(matches!(error, ConnectionError::Authentication { .. }), "{error:?}");
    assert!(error.to_string().contains("sha256_password"), "{error}");
}

/// The server's TLS library of 2019 does not agree with rustls.
#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_failed_tls_handshake_says_what_to_do() {
    let settings = ConnectionSettings { ssl_mode: SslMode::Required, ..MYSQL.settings() };
    let error = Connection::open(&settings).await.err().unwrap();
    assert!(matches!(error, ConnectionError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("ssl-mode=disabled"), "{error}");
    assert_eq!(error.next_step(), NextStep::Stop);
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn an_empty_set_of_gtids_reads_everything() {
    let _log = LOG.write().await;
    // without earlier log files nothing of the set is purged
    MYSQL.run(&["RESET MASTER"]).await;
    MYSQL.create_table("c_all").await;
    let start = DumpStart::MysqlGtid(0_u64.to_le_bytes().to_vec());
    let events = MYSQL.read(&start, 8301).await.unwrap();
    assert!(events.iter().any(|event| contains(event, "CREATE TABLE c_all.t")));
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn events_match_debeziums() {
    binlog_zoo::events_match_debeziums(MYSQL, ZOO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_snapshot_under_load_is_exact() {
    binlog_capture::a_snapshot_under_load_is_exact(MYSQL, "c_load").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_run_that_fails_is_continued() {
    binlog_capture::a_run_that_fails_is_continued(MYSQL, "c_fail").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn added_tables_are_read_once() {
    binlog_capture::added_tables_are_read_once(MYSQL, "c_added").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_table_that_is_swapped_keeps_its_stream() {
    binlog_capture::a_table_that_is_swapped_keeps_its_stream(MYSQL, "c_swap").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn what_cannot_be_captured_is_named() {
    binlog_capture::what_cannot_be_captured_is_named(MYSQL, "c_named").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_killed_capture_goes_on() {
    binlog_capture::a_killed_capture_goes_on(MYSQL, "c_kill").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_snapshot_waits_for_writers() {
    binlog_capture::a_snapshot_waits_for_writers(MYSQL, "c_wait").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_snapshot_rolls_back_no_transaction() {
    binlog_capture::a_snapshot_rolls_back_no_transaction(MYSQL, "c_order").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn captures_survive_faults() {
    binlog_faults::captures_survive_faults(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn stalled_connections_end() {
    binlog_faults::stalled_connections_end(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn full_stores_are_waited_for() {
    binlog_faults::full_stores_are_waited_for(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn second_captures_and_writers_are_fenced() {
    binlog_faults::second_captures_and_writers_are_fenced(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn restarts_and_terminated_connections_are_survived() {
    binlog_faults::restarts_and_terminated_connections_are_survived(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn purged_logs_are_named() {
    binlog_faults::purged_logs_are_named(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn replicas_are_followed_by_gtid() {
    binlog_faults::replicas_are_followed_by_gtid(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn replicas_without_gtids_are_refused() {
    binlog_faults::replicas_without_gtids_are_refused().await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn events_of_the_extended_zoo_match_debeziums() {
    binlog_zoo::events_match_debeziums(MYSQL, EXTENDED_ZOO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn snapshots_under_load_are_the_database() {
    let _log = LOG.read().await;
    crate::binlog_snapshots::snapshots_under_load_are_the_database(MYSQL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn snapshots_killed_within_a_table_go_on_there() {
    let _log = LOG.read().await;
    crate::binlog_snapshots::snapshots_killed_within_a_table_go_on_there(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn masked_hashed_and_cut_values_are_debeziums() {
    let recorded = recorded!("mysql8", "masks", &[]);
    binlog_columns::column_rules_are_debeziums(MYSQL, recorded).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn names_and_included_columns_are_debeziums() {
    let recorded = recorded!("mysql8", "names", &[]);
    binlog_columns::column_rules_are_debeziums(MYSQL, recorded).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn types_of_the_source_are_debeziums() {
    let recorded = recorded!("mysql8", "types", &[]);
    binlog_columns::column_rules_are_debeziums(MYSQL, recorded).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn hidden_values_are_in_no_event() {
    binlog_columns::hidden_values_are_in_no_event(MYSQL, "c_hidden").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn heartbeats_are_written_and_run_a_statement() {
    binlog_columns::heartbeats_are_written_and_run_a_statement(MYSQL, "c_beats").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn wrong_setups_are_named() {
    crate::binlog_setups::wrong_setups_are_named(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn rows_larger_than_an_event_are_left_out() {
    binlog_capture::rows_larger_than_an_event_are_left_out(MYSQL, "c_large_rows").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn transformed_events_match_debeziums() {
    let modes = crate::transform_zoo::transformed!("mysql8", table_changes);
    crate::transform_zoo::events_of_the_binlog_match_debeziums(MYSQL, modes).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn times_do_not_depend_on_zones() {
    crate::binlog_rows::times_do_not_depend_on_zones(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn rows_have_the_definition_of_their_place() {
    crate::binlog_rows::rows_have_the_definition_of_their_place(MYSQL, "c_place").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn keys_and_limits_are_the_same_in_snapshot_and_log() {
    crate::binlog_rows::keys_and_limits_are_the_same_in_snapshot_and_log(MYSQL, "c_limits").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn helper_tables_of_migrations_have_no_events() {
    crate::binlog_rows::helper_tables_of_migrations_have_no_events(MYSQL, "c_helpers").await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn a_database_without_tables_is_captured() {
    binlog_uncaptured::a_database_without_tables_is_captured(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn statements_on_other_tables_are_passed_over() {
    binlog_uncaptured::statements_on_other_tables_are_passed_over(MYSQL).await;
}
