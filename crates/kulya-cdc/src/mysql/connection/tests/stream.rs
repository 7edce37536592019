//! The stream of events: continuation packets, errors, silence.

use super::scripted_server::{END, OK, ScriptedServer, error, logged_in};
use crate::mysql::connection::packet::MAX_PAYLOAD;
use crate::mysql::connection::{
    BinlogStream, ConnectionError, DumpSettings, DumpStart, EventPiece, NextStep, Reason,
};
use futures::FutureExt;
use proptest::prelude::*;
use std::time::Duration;

/// Encodes an event of the given size, header included.
fn event(length: usize) -> Vec<u8> {
    let mut event: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
    event[9..13].copy_from_slice(&(length as u32).to_le_bytes());
    event
}

fn message(event: &[u8]) -> Vec<u8> {
    [&[0], event].concat()
}

/// Returns a stream of a server that has received the request for it.
async fn started(settings: DumpSettings) -> (BinlogStream, ScriptedServer) {
    let (connection, mut server) = logged_in().await;
    let start = DumpStart::File { file: "log.1".to_owned(), position: 4 };
    let (stream, ()) = tokio::join!(connection.dump(&start, &settings), async {
        let statement = server.receive().await;
        assert!(statement.starts_with(b"\x03SET SESSION net_write_timeout"));
        server.send(OK).await;
        assert_eq!(server.receive().await[0], 0x15);
        server.send(OK).await;
        let flags = u8::from(settings.ends_at_log_end);
        let expected = [b"\x12\x04\0\0\0", &[flags, 0][..], b"\x07\0\0\0log.1"].concat();
        assert_eq!(server.receive().await, expected);
    });
    (stream.unwrap(), server)
}

#[tokio::test]
async fn events_are_read_whole() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    // an event's message has one byte more
    for length in [19, 100, 64 * 1024 - 1, 64 * 1024, 1 << 20, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 30]
    {
        let expected = event(length);
        let sent = message(&expected);
        let (found, ()) = tokio::join!(stream.next_event(), server.send(&sent));
        assert!(found.unwrap().unwrap() == expected, "{length}");
    }
}

#[tokio::test]
async fn the_logs_end_is_one_only_if_it_was_asked_for() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    server.send(END).await;
    let error = stream.next_event().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Lost { .. }), "{error}");
    let settings = DumpSettings { ends_at_log_end: true, ..DumpSettings::new(7) };
    let (mut stream, mut server) = started(settings).await;
    server.send(END).await;
    for _ in 0..2 {
        assert_eq!(stream.next_event().await.unwrap(), None);
    }
}

#[tokio::test]
async fn events_are_read_in_pieces() {
    // the limit is for events in memory
    let settings = DumpSettings { max_event_bytes: 100, ..DumpSettings::new(7) };
    let (mut stream, mut server) = started(settings).await;
    for length in [19, 64 * 1024, MAX_PAYLOAD + 30] {
        let expected = event(length);
        let sent = message(&expected);
        let (pieces, ()) = tokio::join!(
            async {
                let mut pieces: Vec<EventPiece> = Vec::new();
                while pieces.last().is_none_or(|piece| !piece.is_last) {
                    pieces.push(stream.next_piece().await.unwrap().unwrap());
                }
                pieces
            },
            server.send(&sent)
        );
        assert!(pieces.iter().all(|piece| piece.bytes.len() <= 64 * 1024));
        assert!(pieces.iter().enumerate().all(|(index, piece)| piece.is_first == (index == 0)));
        let found: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect();
        assert!(found == expected, "{length}");
    }
    server.send(&error(1236, "log event entry exceeded max_allowed_packet")).await;
    assert_eq!(stream.next_piece().await.unwrap_err().reason(), Some(Reason::EventTooLarge));
}

#[tokio::test]
async fn an_event_beyond_the_limit_is_refused_at_its_header() {
    let settings = DumpSettings { max_event_bytes: 1000, ..DumpSettings::new(7) };
    let (mut stream, mut server) = started(settings).await;
    server.send(&message(&event(1000))).await;
    assert_eq!(stream.next_event().await.unwrap().unwrap().len(), 1000);
    // only the first piece of the event arrives
    let mut first = event(64 * 1024);
    first[9..13].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let sent = message(&first);
    server.send_bytes(&[0xff, 0xff, 0xff, 2]).await;
    let (found, ()) = tokio::join!(stream.next_event(), server.send_bytes(&sent));
    let error = found.unwrap_err();
    assert!(matches!(error, ConnectionError::TooLong { limit: 1001, .. }), "{error:?}");
}

#[tokio::test]
async fn errors_of_the_server_have_reasons() {
    for (code, text, reason, step) in [
        (
            1236,
            "Could not find first log file name in binary log index file",
            Reason::MissingFile,
            NextStep::StopAtPosition,
        ),
        (1236, "binary logs have been purged", Reason::Purged, NextStep::StopAtPosition),
        (1236, "Slave has more GTIDs than the master has", Reason::GtidAhead, NextStep::StopAtPosition),
        (
            1236,
            "A slave with the same server_uuid/server_id as this slave",
            Reason::ServerIdInUse,
            NextStep::Stop,
        ),
        (4052, "", Reason::ServerIdInUse, NextStep::Stop),
        (1053, "Server shutdown in progress", Reason::ConnectionKilled, NextStep::Retry),
        (
            1227,
            "Access denied; you need the REPLICATION SLAVE privilege",
            Reason::MissingPrivilege,
            NextStep::Stop,
        ),
    ] {
        let (mut stream, mut server) = started(DumpSettings::new(7)).await;
        server.send(&message(&event(30))).await;
        server.send(&error(code, text)).await;
        assert!(stream.next_event().await.unwrap().is_some());
        let error = stream.next_event().await.unwrap_err();
        assert_eq!((error.reason(), error.next_step()), (Some(reason), step), "{error}");
        let error = stream.next_event().await.unwrap_err();
        assert!(matches!(error, ConnectionError::Lost { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_missing_privilege_is_named_with_its_grant() {
    let (connection, mut server) = logged_in().await;
    let start = DumpStart::File { file: String::new(), position: 4 };
    let settings = DumpSettings::new(7);
    let (result, ()) = tokio::join!(connection.dump(&start, &settings), async {
        server.receive().await;
        server.send(OK).await;
        server.receive().await;
        server.send(&error(1045, "Access denied for user 'me'@'h' (using password: YES)")).await;
    });
    let error = result.err().unwrap().to_string();
    assert!(error.contains("GRANT REPLICATION SLAVE ON *.* TO 'me'@'%'"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn silence_of_three_heartbeat_periods_is_a_loss() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    let started = tokio::time::Instant::now();
    for _ in 0..5 {
        // within the time
        tokio::time::advance(Duration::from_secs(29)).await;
        server.send(&message(&event(30))).await;
        assert!(stream.next_event().await.unwrap().is_some());
    }
    let error = stream.next_event().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Silent { .. }), "{error}");
    assert!(error.to_string().contains("within 30 s"), "{error}");
    assert_eq!(error.next_step(), NextStep::Retry);
    assert_eq!(started.elapsed().as_secs(), 5 * 29 + 30);
}

#[tokio::test(start_paused = true)]
async fn silence_inside_an_event_is_a_loss_too() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    server.send_bytes(&[100, 0, 0, 1, 0, 1, 2]).await;
    let error = stream.next_event().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    let expected = event(200_000);
    let sent = message(&expected);
    let length = (sent.len() as u32).to_le_bytes();
    let bytes = [&[length[0], length[1], length[2], 1][..], &sent].concat();
    for chunk in bytes.chunks(10_000).take(20) {
        server.send_bytes(chunk).await;
        assert!(stream.next_event().now_or_never().is_none());
    }
    server.send_bytes(&bytes[200_000..]).await;
    assert!(stream.next_event().await.unwrap().unwrap() == expected);
}

#[tokio::test]
async fn a_closed_connection_is_lost() {
    let (mut stream, mut server) = started(DumpSettings::new(7)).await;
    server.send_bytes(&[100, 0, 0, 1, 0, 1, 2]).await;
    drop(server);
    let error = stream.next_event().await.unwrap_err();
    assert!(matches!(error, ConnectionError::Lost { source: None, .. }), "{error}");
}

#[tokio::test]
async fn messages_that_are_no_events_are_refused() {
    for (sent, expected) in [
        (&b"\x05abc"[..], "no event"),
        (b"", "no event"),
        (b"\0short", "another length"),
        (&[&message(&event(30))[..], b"x"].concat(), "another length"),
        (b"\xff\x01", "incomplete error"),
    ] {
        let (mut stream, mut server) = started(DumpSettings::new(7)).await;
        server.send(sent).await;
        let error = stream.next_event().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_events_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), framed: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut stream, mut server) = started(DumpSettings::new(7)).await;
            if framed {
                server.send(&bytes).await;
            } else {
                server.send_bytes(&bytes).await;
            }
            drop(server);
            while let Ok(Some(event)) = stream.next_event().await {
                assert!(event.len() <= bytes.len());
            }
        });
    }
}
