//! Events that must stop a capture, events that may be ignored, and events made by hand for types that the
//! servers of the test data do not write.

use super::*;
use crate::error::{CdcError, CdcErrorKind};

#[test]
fn changes_that_cannot_be_captured_are_named() {
    for (file, variable) in [
        ("mysql-minimal.binlog", "binlog_row_image"),
        ("mysql-noblob.binlog", "binlog_row_image"),
        ("mysql-partial-json.binlog", "binlog_row_value_options"),
        ("mariadb-minimal.binlog", "binlog_row_image"),
        ("mariadb-noblob.binlog", "binlog_row_image"),
    ] {
        let error = first_error(file).unwrap_or_else(|| panic!("{file} was decoded"));
        assert!(error.to_string().contains(variable), "{file}: {error}");
        assert_eq!(CdcError::from(error).kind(), CdcErrorKind::Configuration, "{file}");
    }
}

#[test]
fn a_flipped_bit_breaks_the_checksum() {
    let bytes = read(MYSQL_FULL[0]);
    let mut decoder = Decoder::new(Checksum::Off);
    for (index, event) in LogFile::new(&bytes).unwrap().enumerate() {
        let (_, bytes) = event.unwrap();
        let mut corrupt = bytes.to_vec();
        let middle = bytes.len() / 2;
        corrupt[middle] ^= 0x10;
        // not in the header, whose length and type decide before
        if middle >= HEADER_LENGTH {
            let error = decoder.clone().decode(&corrupt).unwrap_err();
            assert!(matches!(error, BinlogError::Checksum { .. }), "event {index}: {error}");
        }
        decoder.decode(bytes).unwrap();
    }
}

#[test]
fn a_file_in_use_has_a_valid_checksum() {
    let bytes = read(MYSQL_FULL[0]);
    let (_, description) = LogFile::new(&bytes).unwrap().next().unwrap().unwrap();
    let mut in_use = description.to_vec();
    in_use[17] |= 1;
    assert!(Decoder::new(Checksum::Off).decode(&in_use).is_ok());
}

/// An event without a checksum.
fn event(event_type: EventType, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, event_type.0, 1, 0, 0, 0];
    bytes.extend_from_slice(&((HEADER_LENGTH + body.len()) as u32).to_le_bytes());
    bytes.extend_from_slice(&[77, 0, 0, 0]);
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Event<'_>, BinlogError> {
    Ok(Decoder::new(Checksum::Off).decode(bytes)?.1)
}

#[test]
fn every_event_type_has_a_decision() {
    for code in 0..=255 {
        let result = decode(&event(EventType(code), 0, &[])).map(|event| event == Event::Ignored);
        let is_known = EventType(code).name().is_some();
        match result {
            Err(BinlogError::UnknownEvent { event }) => assert!(!is_known, "{event}"),
            _ => assert!(is_known, "{code}"),
        }
        if !is_known {
            assert_eq!(decode(&event(EventType(code), 0x80, &[1, 2])), Ok(Event::Ignored), "{code}");
        }
    }
    let ignored = [3, 5, 13, 14, 28, 36, 37, 161].map(EventType);
    assert!(ignored.iter().all(|of| decode(&event(*of, 0, &[])) == Ok(Event::Ignored)));
    let incident = event(EventType::INCIDENT, 0, b"\x01\0\x04lost");
    assert!(decode(&incident).unwrap_err().to_string().contains("lost binlog events: lost"));
    assert_eq!(decode(&event(EventType::START_ENCRYPTION, 0, &[1, 0, 0, 0, 0])), Ok(Event::StartEncryption));
}

#[test]
fn positions_of_the_connection() {
    let rotate = event(EventType::ROTATE, 0x20, b"\x04\0\0\0\x01\0\0\0binlog.000007");
    let position = LogPosition { file: "binlog.000007", position: 1 << 32 | 4 };
    assert_eq!(decode(&rotate), Ok(Event::Rotate(position)));
    let heartbeat = event(EventType::HEARTBEAT, 0, b"binlog.000007");
    assert_eq!(decode(&heartbeat), Ok(Event::Heartbeat(LogPosition { position: 77, ..position })));
    let mut body = b"\x01\x0dbinlog.000007\x02\x09\xfe".to_vec();
    body.extend_from_slice(&(1u64 << 32 | 4).to_le_bytes());
    body.push(0);
    assert_eq!(decode(&event(EventType::HEARTBEAT_V2, 0, &body)), Ok(Event::Heartbeat(position)));
    assert!(decode(&event(EventType::HEARTBEAT_V2, 0, b"\x02\x01\x05")).is_err(), "no file");
}

#[test]
fn tagged_and_anonymous_transactions() {
    // version 1, length, last required field, then fields: flags, uuid, number, tag, the two numbers, time,
    // length, version
    let mut body = vec![0x02, 0x70, 0x00];
    body.extend_from_slice(&[0x00, 0x02, 0x02]);
    body.extend_from_slice(&[
        0xee, 0x81, 0x02, 0xc1, 0x02, 0x01, 0x03, 0x41, 0x03, 0x81, 0x03, 0xc1, 0x03, 0xc5,
    ]);
    body.extend_from_slice(&[0x03, 0x22, 0x22, 0xee, 0xfd, 0x03, 0xee, 0xfd, 0x03, 0xee, 0xfd, 0x03]);
    body.extend_from_slice(&[0x04, 0x04, 0x06, 0x06, b't', b'a', b'g', 0x08, 0x00, 0x0a, 0x04]);
    body.extend_from_slice(&[0x0c, 0x7f, 0x39, 0x7d, 0x89, 0x70, 0xdb, 0x2d, 0x06]);
    body.extend_from_slice(&[0x10, 0xc3, 0x02, 0x0b, 0x12, 0xc3, 0x02, 0x0b]);
    let Event::TransactionStart(start) = decode(&event(EventType::GTID_TAGGED, 0, &body)).unwrap().clone()
    else {
        panic!("not a start");
    };
    assert_eq!(start.gtid.unwrap().to_string(), "77a0b0c0-d0e0-f0f1-1111-77ff77ff77ff:tag:1");
    assert!(start.may_have_statements);
    assert_eq!((start.last_committed, start.sequence_number), (0, 1));
    assert_eq!(start.original_commit_micros, Some(1_739_270_369_410_361));
    assert_eq!((start.transaction_length, start.immediate_server_version), (Some(90_200), Some(90_200)));
    body[2] = 0x18; // a field that readers have to know, and this one does not
    assert!(decode(&event(EventType::GTID_TAGGED, 0, &body)).is_err());

    // a transaction from another server: both times and both versions
    let mut body = vec![0; 25];
    body.push(2);
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0x80, 4, 0, 0, 0, 0, 0, 0, 100]);
    body.extend_from_slice(&(80_036u32 | 1 << 31).to_le_bytes());
    body.extend_from_slice(&80_035u32.to_le_bytes());
    let anonymous = event(EventType::ANONYMOUS_GTID, 0, &body);
    let Event::TransactionStart(start) = decode(&anonymous).unwrap() else { panic!("not a start") };
    assert_eq!((start.gtid, start.transaction_length), (None, Some(100)));
    assert_eq!((start.immediate_commit_micros, start.original_commit_micros), (Some(5), Some(4)));
    assert_eq!((start.immediate_server_version, start.original_server_version), (Some(80_036), Some(80_035)));
    assert!(decode(&event(EventType::GTID, 0, &body)).is_err(), "transaction 0");
}

#[test]
fn visibility_and_default_collations() {
    // t(a int, b varchar(10), c varchar(10)): a is invisible; c has another collation than the default
    let mut body = vec![9, 0, 0, 0, 0, 0, 1, 0];
    body.extend_from_slice(b"\x01s\0\x01t\0\x03\x03\x0f\x0f\x04\x28\0\x28\0\x06");
    body.extend_from_slice(&[12, 1, 0b0110_0000, 2, 5, 45, 1, 252, 255, 0, 200, 1, 0]);
    let bytes = event(EventType::TABLE_MAP, 0, &body);
    let Event::TableMap(table) = decode(&bytes).unwrap() else { panic!("not a table map") };
    let map = TableMap::prepare(&table).unwrap();
    let visible: Vec<_> = map.columns().iter().map(|column| column.is_visible).collect();
    assert_eq!(visible, [Some(false), Some(true), Some(true)]);
    let collations: Vec<_> = map.columns().iter().map(|column| column.collation).collect();
    assert_eq!(collations, [None, Some(45), Some(255)]);
    assert!(map.matches(&table) && (table.table_id, table.schema, table.table) == (9, "s", "t"));

    let rows = event(EventType::WRITE_ROWS, 0, b"\x09\0\0\0\0\0\x01\0\x02\0\x02\x03\0\0\0\0\0\0\0");
    let Event::Rows(rows) = decode(&rows).unwrap() else { panic!("not rows") };
    assert_eq!(rows.rows(&map).unwrap_err(), BinlogError::ColumnCount { expected: 3, found: 2 });
    assert!(rows.is_statement_end() && rows.table_id == 9);
}

#[test]
fn files_that_are_no_binlogs() {
    assert_eq!(LogFile::new(b"\xfdbin\0").unwrap_err(), BinlogError::Encrypted);
    assert_eq!(LogFile::new(b"\xfeb").unwrap_err(), BinlogError::NotABinlog);
    let bytes = read("mysql-minimal.binlog");
    let truncated: Vec<_> = LogFile::new(&bytes[..bytes.len() - 1]).unwrap().collect();
    assert!(truncated.last().unwrap().is_err() && truncated.len() > 3);
}
