//! Streams of rows: their end, errors between rows, long rows, and streams that are not read to their end.

use super::scripted_server::{END, OK, ScriptedServer, column, error, logged_in};
use crate::mysql::connection::{Connection, ConnectionError, Reason};

/// Sends the begin of a result with the column `a`, and messages behind it.
async fn send(server: &mut ScriptedServer, messages: &[&[u8]]) {
    server.receive().await;
    for message in [&[1][..], &column("a"), END].into_iter().chain(messages.iter().copied()) {
        server.send(message).await;
    }
}

/// Reads the cells of all rows.
async fn read(connection: &mut Connection, limit: usize) -> Result<Vec<Option<Vec<u8>>>, ConnectionError> {
    let mut stream = connection.query_rows("SELECT a FROM t").await?.with_max_row_bytes(limit);
    let mut cells = Vec::new();
    while let Some(row) = stream.next_row().await? {
        cells.extend(row.cells().map(|cell| cell.map(<[u8]>::to_vec)));
    }
    assert!(stream.next_row().await?.is_none());
    Ok(cells)
}

#[tokio::test]
async fn a_connection_can_be_used_after_the_end() {
    let (mut connection, mut server) = logged_in().await;
    let (cells, ()) =
        tokio::join!(read(&mut connection, 100), send(&mut server, &[b"\x01x", b"\xfb", b"\0", END]));
    assert_eq!(cells.unwrap(), [Some(b"x".to_vec()), None, Some(Vec::new())]);
    let (rows, _) = tokio::join!(connection.query("SELECT 1"), server.answer(&["1"], &[&["1"]]));
    assert_eq!(rows.unwrap().value("1"), Some("1"));
}

#[tokio::test]
async fn a_statement_without_a_result_has_no_rows() {
    let (mut connection, mut server) = logged_in().await;
    let (cells, ()) = tokio::join!(read(&mut connection, 100), async {
        server.receive().await;
        server.send(OK).await;
    });
    assert_eq!(cells.unwrap(), []);
}

#[tokio::test]
async fn a_connection_can_be_used_after_an_error_between_rows() {
    let (mut connection, mut server) = logged_in().await;
    let changed = error(1412, "changed");
    let messages = [&b"\x01x"[..], &changed];
    let (cells, ()) = tokio::join!(read(&mut connection, 100), send(&mut server, &messages));
    let ConnectionError::Server { source, reason, .. } = cells.unwrap_err() else { panic!("another error") };
    assert_eq!((source.code, reason), (1412, Reason::Other));
    let (rows, _) = tokio::join!(connection.query("SELECT 1"), server.answer(&["1"], &[&["1"]]));
    assert_eq!(rows.unwrap().value("1"), Some("1"));
}

#[tokio::test]
async fn rows_of_several_packets_are_read_within_the_limit() {
    let length = (16 << 20) + 5;
    let long = [&[0xfe][..], &(length as u64).to_le_bytes(), &vec![b'x'; length]].concat();
    for (limit, is_read) in [(long.len(), true), (long.len() - 1, false)] {
        let (mut connection, mut server) = logged_in().await;
        let messages = [&long[..], END];
        let (cells, ()) = tokio::join!(
            async {
                let cells = read(&mut connection, limit).await;
                drop(connection);
                cells
            },
            send(&mut server, &messages)
        );
        match cells {
            Ok(cells) => assert!(is_read && cells[0].as_ref().is_some_and(|cell| cell.len() == length)),
            Err(error) => {
                assert!(
                    !is_read && matches!(error, ConnectionError::TooLong { what: "a row", .. }),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_the_connection() {
    let (mut connection, mut server) = logged_in().await;
    let ((), ()) = tokio::join!(
        async {
            let mut stream = connection.query_rows("SELECT a FROM t").await.unwrap();
            assert_eq!(stream.next_row().await.unwrap().unwrap().text(0), Some("x"));
        },
        send(&mut server, &[b"\x01x", b"\x01y"])
    );
    let error = connection.query("SELECT 1").await.unwrap_err();
    assert!(matches!(error, ConnectionError::Lost { .. }), "{error}");
    assert_eq!(server.receive().await, b"", "the server sees the connection's end");
}

#[tokio::test]
async fn size_of_the_next_row_is_known_before_it_is_read() {
    let (mut connection, mut server) = logged_in().await;
    let long = [&[0xfe][..], &100_000u64.to_le_bytes(), &vec![b'x'; 100_000]].concat();
    let messages = [&b"\x01x"[..], &long, b"\x01y", END];
    let ((), ()) = tokio::join!(
        async {
            let mut stream = connection.query_rows("SELECT a FROM t").await.unwrap();
            for size in [2, 100_009, 2] {
                assert_eq!(stream.following().await.unwrap(), Some(size));
                assert_eq!(stream.following().await.unwrap(), Some(size), "nothing was taken");
                assert!(stream.next_row().await.unwrap().is_some());
            }
            assert_eq!(stream.following().await.unwrap(), None);
            assert!(stream.next_row().await.unwrap().is_none());
            assert_eq!(stream.following().await.unwrap(), None);
        },
        send(&mut server, &messages)
    );
    let mut changed = error(1412, "changed");
    changed.truncate(9);
    for (message, size) in [(&changed[..], 9), (b"", 0)] {
        let (mut connection, mut server) = logged_in().await;
        let messages = [message];
        let ((), ()) = tokio::join!(
            async {
                let mut stream = connection.query_rows("SELECT a FROM t").await.unwrap();
                assert_eq!(stream.following().await.unwrap(), Some(size));
                stream.next_row().await.unwrap_err();
            },
            send(&mut server, &messages)
        );
    }
}

#[tokio::test]
async fn invalid_rows_are_refused() {
    for message in [&b"\x05x"[..], b"\x01x\x01y", b""] {
        let (mut connection, mut server) = logged_in().await;
        let messages = [message];
        let (cells, ()) = tokio::join!(read(&mut connection, 100), send(&mut server, &messages));
        let error = cells.unwrap_err().to_string();
        assert!(error.contains("invalid row"), "{error}");
    }
}
