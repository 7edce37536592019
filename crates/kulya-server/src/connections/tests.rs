//! Timeouts and limits of connections.

use super::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn timeouts() -> Timeouts {
    let seconds = Duration::from_secs;
    Timeouts { handshake: seconds(10), head: seconds(10), idle: seconds(120), write: seconds(30) }
}

fn connected(connections: &Arc<Connections>, port: u16) -> OpenConnection {
    let open = connections.open(address(port), false).unwrap();
    open.connection.handshake_done();
    open
}

async fn advance(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn heads_responses_and_idle_connections_time_out() {
    let connections = Connections::new(10, 100, 10);
    let (idle, head) = (connected(&connections, 1), connected(&connections, 2));
    let timed_out = |open: &OpenConnection| open.connection.timed_out(&timeouts());
    head.connection.bytes_received(b"GET /pi");
    advance(9).await;
    assert_eq!((timed_out(&idle), timed_out(&head)), (None, None));
    advance(1).await;
    assert_eq!(timed_out(&head), Some("timeout: the head of a request is incomplete"));
    let request = head.connection.start_request(None);
    assert_eq!(timed_out(&head), None, "it has arrived");
    advance(100).await;
    assert_eq!(timed_out(&head), None, "the server works");
    request.hand_over(10);
    request.wait_for_server();
    advance(15).await;
    // such as a tail's keep-alive
    request.hand_over(3);
    request.wait_for_server();
    advance(14).await;
    assert_eq!(timed_out(&head), None);
    advance(1).await;
    assert_eq!(
        timed_out(&head),
        Some("write timeout: the client does not read the response"),
        "though the server has nothing more to send"
    );
    request.bytes_written(3);
    request.bytes_written(5);
    assert_eq!(timed_out(&head), None, "a part was read");
    request.bytes_written(5);
    advance(1000).await;
    assert_eq!(timed_out(&head), None, "a tail waits for events");
    assert_eq!(timed_out(&idle), Some("idle timeout"));
    drop(request);
    assert_eq!(timed_out(&head), None);
}

#[tokio::test(start_paused = true)]
async fn of_http2_one_stream_is_reset_and_the_connection_stays() {
    let connections = Connections::new(10, 100, 10);
    let open = connected(&connections, 1);
    open.connection.bytes_received(b"PRI * HTTP/2.0\r\n");
    advance(1000).await;
    let (one, other) = (CancellationToken::new(), CancellationToken::new());
    let stalled = open.connection.start_request(Some(one.clone()));
    let _working = open.connection.start_request(Some(other.clone()));
    stalled.wait_for_client();
    advance(31).await;
    assert_eq!(open.connection.timed_out(&timeouts()), None);
    assert_eq!((one.is_cancelled(), other.is_cancelled()), (true, false));
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_is_closed_first() {
    let connections = Connections::new(4, 100, 10);
    let opens: Vec<_> = (0..4).map(|port| connected(&connections, port)).collect();
    let working = opens[0].connection.start_request(None);
    let trickling = opens[1].connection.start_request(None);
    trickling.wait_for_body();
    advance(2).await;
    // the third is idle for longer than the fourth
    drop(opens[3].connection.start_request(None));
    let close = |count: usize| {
        assert!(connections.close_idle(None));
        let is_closed: Vec<_> = opens.iter().map(|open| open.connection.closing.is_cancelled()).collect();
        assert_eq!(is_closed.iter().filter(|is| **is).count(), count);
        is_closed
    };
    assert_eq!(close(1), [false, false, true, false]);
    assert_eq!(close(2), [false, true, true, false], "the fourth had a request just now");
    advance(2).await;
    assert_eq!(close(3), [false, true, true, true]);
    assert!(!connections.close_idle(None), "the first waits for the server");
    drop(working);
}

#[tokio::test(start_paused = true)]
async fn an_address_at_its_limit_loses_idle_connections() {
    let connections = Connections::new(8, 75, 10);
    let mut opens: Vec<_> = (0..6).map(|port| connected(&connections, port)).collect();
    assert_eq!(
        connections.open(address(7), false).err(),
        Some(NoSlot::AddressFull),
        "all were opened just now"
    );
    let other = SocketAddr::from(([10, 0, 0, 2], 1));
    opens.push(connections.open(other, false).unwrap());
    assert!(connections.open(other, true).is_ok(), "a proxy's connections are not accounted");
    advance(2).await;
    let one_more = connections.open(address(7), false).unwrap();
    assert!(opens[0].connection.closing.is_cancelled());
    drop((opens, one_more));
    assert_eq!(connections.slots.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_handshake_is_aborted_for_the_next() {
    let connections = Connections::new(100, 100, 3);
    let handshake = |last: u8| {
        let open = connections.open(SocketAddr::from(([10, 0, 0, last], 1)), false).unwrap();
        connections.start_handshake();
        open
    };
    let opens = [handshake(2), handshake(1), handshake(1), handshake(1)];
    let is_closed: Vec<_> = opens.iter().map(|open| open.connection.closing.is_cancelled()).collect();
    assert_eq!(is_closed, [false, true, false, false], "of the address with most of them");
    opens[2].connection.handshake_done();
    let _next = handshake(3);
    assert!(!opens[0].connection.closing.is_cancelled(), "one has completed");
}
