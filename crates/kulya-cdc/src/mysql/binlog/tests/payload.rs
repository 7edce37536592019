//! Compressed transactions. They are made of a real file's events, because the server that wrote the test
//! data is older than this compression.

use super::*;

/// The events of one transaction as a server puts them into a payload: positions 0, no checksums.
fn inner_events() -> Vec<u8> {
    let mut inner = Vec::new();
    for event in LogFile::new(&read(MYSQL_V1[0])).unwrap() {
        let (_, bytes) = event.unwrap();
        let header = EventHeader::decode(bytes).unwrap();
        if matches!(
            header.event_type,
            EventType::TABLE_MAP | EventType::WRITE_ROWS_V1 | EventType::UPDATE_ROWS_V1
        ) {
            let mut event = bytes.to_vec();
            event[13..17].fill(0);
            inner.extend_from_slice(&event);
        }
    }
    inner
}

/// A TRANSACTION_PAYLOAD event without a checksum.
fn payload(algorithm: &[u8], uncompressed_length: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = vec![2, algorithm.len() as u8];
    body.extend_from_slice(algorithm);
    let [a, b, c, d] = uncompressed_length.to_le_bytes();
    body.extend_from_slice(&[3, 9, 254, a, b, c, d, 0, 0, 0, 0]);
    let [a, b, c, d] = (bytes.len() as u32).to_le_bytes();
    body.extend_from_slice(&[1, 9, 254, a, b, c, d, 0, 0, 0, 0]);
    // a field that is not known, and the end of the fields
    body.extend_from_slice(&[9, 1, 0, 0]);
    body.extend_from_slice(bytes);
    event(40, &body)
}

fn event(event_type: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, event_type, 1, 0, 0, 0];
    bytes.extend_from_slice(&((19 + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(body);
    bytes
}

/// Decodes a payload: the inner events' bytes one after the other.
fn unpack(event: &[u8], limit: u64) -> Result<Vec<u8>, BinlogError> {
    let mut decoder = Decoder::new(Checksum::Off).with_max_event_bytes(limit);
    let (_, Event::TransactionPayload(payload)) = decoder.decode(event)? else { panic!("not a payload") };
    let mut events = payload.events()?;
    let mut all = Vec::new();
    while let Some(bytes) = events.next_event()? {
        let (header, event) = decoder.decode_inner(bytes)?;
        assert_eq!(header.end_position, 0);
        assert!(matches!(event, Event::TableMap(_) | Event::Rows(_)));
        all.extend_from_slice(bytes);
    }
    Ok(all)
}

#[test]
fn compressed_transactions_give_their_events() {
    let inner = inner_events();
    let length = inner.len() as u32;
    let compressed = zstd::stream::encode_all(&inner[..], 3).unwrap();
    assert!(compressed.len() < inner.len());
    for event in [
        payload(&[0], length, &compressed),
        payload(&[252, 255, 0], length, &inner),
        payload(&[0], length, &zstd::stream::encode_all(&inner[..], 19).unwrap()),
    ] {
        assert!(unpack(&event, LIMIT).unwrap() == inner);
    }
}

#[test]
fn unreadable_payloads_stop() {
    let inner = inner_events();
    let length = inner.len() as u32;
    let compressed = zstd::stream::encode_all(&inner[..], 3).unwrap();
    let mut corrupt = compressed.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 8].fill(0xff);
    let part = "a compressed transaction";
    for (name, event, limit, expected) in [
        ("length", payload(&[0], length + 1, &compressed), LIMIT, Some(BinlogError::Malformed { part })),
        (
            "incomplete",
            payload(&[252, 255, 0], length, &inner[..20]),
            LIMIT,
            Some(BinlogError::Malformed { part }),
        ),
        (
            "algorithm",
            payload(&[1], length, &inner),
            LIMIT,
            Some(BinlogError::CompressionAlgorithm { part, algorithm: 1 }),
        ),
        ("corrupt", payload(&[0], length, &corrupt), LIMIT, None),
        ("truncated", payload(&[0], length, &compressed[..middle]), LIMIT, None),
        (
            "nested",
            payload(&[252, 255, 0], 19, &event(40, &[])),
            LIMIT,
            Some(BinlogError::Malformed { part }),
        ),
    ] {
        let error = unpack(&event, limit).unwrap_err();
        match expected {
            Some(expected) => assert_eq!(error, expected, "{name}"),
            // without a checksum of its own, damaged zstd may give other bytes
            None => assert!(
                matches!(error, BinlogError::Decompression { .. } | BinlogError::Malformed { .. }),
                "{name}: {error}"
            ),
        }
    }
    let error = unpack(&payload(&[0], length, &compressed), 1000).unwrap_err();
    assert!(matches!(error, BinlogError::TooLarge { limit: 1000, .. }), "{error}");
}

#[test]
fn an_event_of_zeros_is_not_expanded_beyond_the_limit() {
    let mut head = event(31, &[]);
    head[9..13].copy_from_slice(&(1u32 << 26).to_le_bytes());
    let zeros = std::io::Read::take(std::io::repeat(0), (1 << 26) - 19);
    let compressed = zstd::stream::encode_all(std::io::Read::chain(&head[..], zeros), 1).unwrap();
    assert!(compressed.len() < 10_000, "{}", compressed.len());
    let error = unpack(&payload(&[0], 1 << 26, &compressed), LIMIT).unwrap_err();
    assert_eq!(error, BinlogError::TooLarge { part: "an event", bytes: 1 << 26, limit: LIMIT });
}
