//! Fuzz entry point for the bytes of a connection: packets, the messages of login, responses of queries.

use super::authentication::Method;
use super::handshake::{Greeting, LoginMessage};
use super::packet::{Collector, Framer};
use super::version::ServerVersion;
use super::{dump, grants, query, rsa, server_error, text_row};
use bytes::{Bytes, BytesMut};

/// Longest message that is collected, in bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Takes messages out of bytes that arrive in chunks, which must give the same messages as all bytes at once,
/// and reads each message as everything that a server may send.
pub(crate) fn read(bytes: &[u8]) {
    let messages = messages(bytes, bytes.len().max(1));
    let chunk = bytes.first().map_or(1, |byte| usize::from(*byte % 17) + 1);
    assert_eq!(self::messages(bytes, chunk), messages);
    messages.iter().for_each(|message| read_message(message));
    read_message(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = (ServerVersion::parse(&text), grants::Grants::parse(text.lines()));
}

/// Returns the messages up to the first invalid packet.
fn messages(bytes: &[u8], chunk: usize) -> Vec<Bytes> {
    let (mut framer, mut collector) = (Framer::default(), Collector::default());
    let (mut input, mut messages) = (BytesMut::new(), Vec::new());
    for chunk in bytes.chunks(chunk) {
        input.extend_from_slice(chunk);
        loop {
            let piece = match framer.next(&mut input) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(_) => return messages,
            };
            match collector.add(piece, MAX_MESSAGE_BYTES, dump::message_bytes) {
                Ok(message) => messages.extend(message),
                Err(_) => return messages,
            }
        }
    }
    messages
}

fn read_message(packet: &[u8]) {
    if let Ok(greeting) = Greeting::decode(packet) {
        let (_, method) = (greeting.tls_request(), Method::from_name(&greeting.method));
        if let Some(method) = method {
            let proof = method.response(b"secret", method.nonce(&greeting.nonce));
            let response = greeting.response(greeting.has_tls(), "me", method.name(), &proof);
            assert!(response.len() < 512);
        }
    }
    if let Some(LoginMessage::MethodData(key)) = LoginMessage::decode(packet) {
        let _ = rsa::encrypt(key, b"secret", &[7; 20]);
    }
    if let Some(error) = server_error::decode(packet) {
        for phase in [server_error::Phase::Login, server_error::Phase::Query, server_error::Phase::Dump] {
            let _ = error.reason(phase);
        }
        assert!(!error.to_string().is_empty());
    }
    let _ = (query::is_end(packet), query::column_name(packet));
    let mut cells = Vec::new();
    for columns in [0, 1, 3, 4096] {
        let row = query::row(packet, columns);
        let is_row = text_row::split(packet, columns, &mut cells);
        assert_eq!(is_row, row.is_some(), "{columns} columns");
        let Some(row) = row.filter(|_| is_row) else { continue };
        assert_eq!(row.len(), cells.len());
        for (text, cell) in row.iter().zip(&cells) {
            let bytes = cell.clone().map(|range| packet.get(range).expect("a cell is in its packet"));
            assert_eq!(bytes.map(String::from_utf8_lossy).as_deref(), text.as_deref());
        }
    }
}
