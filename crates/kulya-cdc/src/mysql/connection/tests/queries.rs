//! Queries: results, errors, bounds.

use super::scripted_server::{END, OK, column, error, logged_in};
use crate::mysql::connection::{ConnectionError, NextStep, Reason};
use proptest::prelude::*;

#[tokio::test]
async fn results_are_read() {
    let (mut connection, mut server) = logged_in().await;
    let (rows, sql) = tokio::join!(
        connection.query("SHOW BINARY LOGS"),
        server.answer(&["Log_name", "File_size"], &[&["log.1", "10"], &["log.2", "20"]])
    );
    assert_eq!(sql, "SHOW BINARY LOGS");
    let rows = rows.unwrap();
    assert_eq!(rows.column(0).collect::<Vec<_>>(), ["log.1", "log.2"]);
    assert_eq!(rows.value("file_size"), Some("10"));
    let (rows, ()) = tokio::join!(connection.query("SET @a = 1"), async {
        server.receive().await;
        server.send(OK).await;
    });
    assert_eq!(rows.unwrap().rows.len(), 0);
}

#[tokio::test]
async fn a_connection_can_be_used_after_an_error_of_the_server() {
    let (mut connection, mut server) = logged_in().await;
    let (result, ()) = tokio::join!(connection.query("SELCT 1"), async {
        server.receive().await;
        server.send(&error(1064, "You have an error")).await;
    });
    let error = result.unwrap_err();
    assert_eq!((error.reason(), error.next_step()), (Some(Reason::Other), NextStep::Stop));
    let (rows, _) = tokio::join!(connection.query("SELECT 1"), server.answer(&["1"], &[&["1"]]));
    assert_eq!(rows.unwrap().value("1"), Some("1"));
}

#[tokio::test]
async fn an_error_between_rows_is_returned() {
    let (mut connection, mut server) = logged_in().await;
    let (result, ()) = tokio::join!(connection.query("SELECT a"), async {
        server.receive().await;
        for message in
            [&[1][..], &column("a"), END, b"\x01x", &error(1317, "Query execution was interrupted")]
        {
            server.send(message).await;
        }
    });
    assert_eq!(result.unwrap_err().reason(), Some(Reason::ConnectionKilled));
}

#[tokio::test]
async fn invalid_results_are_refused() {
    let a = column("a");
    for (messages, expected) in [
        (&[&b"\xfb/etc/passwd"[..]][..], "local file"),
        (&[b"\xfc\xff\xff"], "number of columns"),
        (&[b"\xfe\0\0\0\0\0\0\0\x80"], "number of columns"),
        (&[b""], "number of columns"),
        (&[&[1], b"\x03de"], "invalid column"),
        (&[&[1], &a, &a], "more columns"),
        (&[&[1], &a, END, b"\x05x"], "invalid row"),
        (&[&[1], &a, END, b"\x01x\x01y"], "invalid row"),
    ] {
        let (mut connection, mut server) = logged_in().await;
        let (result, ()) = tokio::join!(connection.query("SELECT a"), async {
            server.receive().await;
            for message in messages {
                server.send(message).await;
            }
        });
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_result_beyond_the_limit_is_refused() {
    let (mut connection, mut server) = logged_in().await;
    let long = [&[0xfd, 0, 0, 0x10][..], &vec![b'x'; 1 << 20]].concat();
    let (result, ()) = tokio::join!(
        async {
            let result = connection.query("SELECT a").await;
            drop(connection);
            result
        },
        async {
            server.receive().await;
            for message in [&[1][..], &column("a"), END] {
                server.send(message).await;
            }
            for _ in 0..20 {
                server.send(&long).await;
            }
        }
    );
    assert!(matches!(result.unwrap_err(), ConnectionError::TooLong { what: "a result", .. }));
}

#[tokio::test]
async fn a_request_beyond_a_packet_is_refused() {
    let (mut connection, _server) = logged_in().await;
    let error = connection.query(&"x".repeat(16 << 20)).await.unwrap_err();
    assert!(error.to_string().contains("16 MiB"), "{error}");
}

#[tokio::test]
async fn a_closed_connection_is_lost() {
    let (mut connection, server) = logged_in().await;
    drop(server);
    let error = connection.query("SELECT 1").await.unwrap_err();
    assert!(matches!(error, ConnectionError::Lost { .. }), "{error}");
    assert_eq!(error.next_step(), NextStep::Retry);
}

#[tokio::test]
async fn the_configuration_is_read() {
    let (mut connection, mut server) = logged_in().await;
    let (found, ()) = tokio::join!(connection.configuration(), async {
        server.answer(&["Variable_name", "Value"], &[&["log_bin", "OFF"], &["server_id", "1"]]).await;
        server.answer(&["Grants"], &[&["GRANT ALL PRIVILEGES ON *.* TO `me`@`%`"]]).await;
    });
    let problems = found.unwrap().check(&Default::default());
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("log_bin = binlog"), "{}", problems[0]);
}

proptest! {
    #[test]
    fn any_messages_are_a_result_or_an_error(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
        count in 0_u8..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut connection, mut server) = logged_in().await;
            let (_, ()) = tokio::join!(connection.query("SELECT a"), async move {
                server.receive().await;
                server.send(&[count]).await;
                for _ in 0..count {
                    server.send(&column("a")).await;
                }
                for message in &messages {
                    server.send(message).await;
                }
            });
        });
    }
}
