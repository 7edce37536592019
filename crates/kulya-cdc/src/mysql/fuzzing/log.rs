//! The log: events in their order, sets of GTIDs, packets.

use super::tables::LogTables;
use super::{facts, kinds};
use crate::debezium::fuzzing::all_modes;
use crate::mysql::binlog::{BinlogError, Checksum, Decoder, Event, EventType, HEADER_LENGTH, LogFile, MAGIC};
use crate::mysql::connection::fuzzing as connection;
use crate::mysql::gtid::{Gtid, GtidSet, MariadbGtid, MariadbPosition};
use flate2::Crc;

/// Largest event after decompression, in bytes.
const MAX_EVENT_BYTES: u64 = 1 << 20;
/// Number of events that are read of a compressed transaction.
const MAX_INNER_EVENTS: usize = 200;

/// Reads bytes; the first one selects what they are.
pub(crate) fn run(bytes: &[u8]) {
    if bytes.starts_with(&MAGIC) {
        return read_file(bytes);
    }
    let Some((selector, rest)) = bytes.split_first() else { return };
    match selector & 0b11 {
        0 => read_gtids(rest),
        1 => connection::read(rest),
        2 => rest.split(|byte| *byte == b'\n').take(8).for_each(kinds::write_text_as_every_kind),
        _ => read_events(*selector >> 2, rest),
    }
}

fn read_file(bytes: &[u8]) {
    let Ok(file) = LogFile::new(bytes) else { return };
    let mut log = Log::new(false, 0);
    for event in file {
        let Ok((position, event)) = event else { break };
        assert!(position as usize + event.len() <= bytes.len());
        if log.read(event).is_err() {
            break;
        }
    }
}

/// Reads events. `options` has a bit for MariaDB and one for checksums; the rest selects modes.
fn read_events(options: u8, bytes: &[u8]) {
    let (is_mariadb, has_checksums) = (options & 1 != 0, options & 2 != 0);
    let mut log = Log::new(is_mariadb, usize::from(options >> 2));
    let checksum = if has_checksums { Checksum::Crc32 } else { Checksum::Off };
    log.read(&format_description(is_mariadb, checksum)).expect("the format is valid");
    let mut rest = bytes;
    while let Some(([code, low, high], tail)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (body, tail) = tail.split_at(length);
        let _ = log.read(&event(EventType(*code), body, checksum));
        rest = tail;
    }
}

/// Returns an event with a header, and a valid checksum if there are checksums.
fn event(event_type: EventType, body: &[u8], checksum: Checksum) -> Vec<u8> {
    let checksum_length = if checksum == Checksum::Crc32 { 4 } else { 0 };
    let mut event = vec![0; HEADER_LENGTH];
    let length = (HEADER_LENGTH + body.len() + checksum_length) as u32;
    let fields = [(4, &[event_type.0][..]), (5, &1u32.to_le_bytes()), (9, &length.to_le_bytes())];
    for (offset, bytes) in fields {
        event.splice(offset..offset + bytes.len(), bytes.iter().copied());
    }
    event.extend_from_slice(body);
    if checksum == Checksum::Crc32 {
        let mut crc = Crc::new();
        crc.update(&event);
        event.extend_from_slice(&crc.sum().to_le_bytes());
    }
    event
}

fn format_description(is_mariadb: bool, checksum: Checksum) -> Vec<u8> {
    let version: &[u8] = if is_mariadb { b"10.11.19-MariaDB-log" } else { b"8.0.36" };
    let mut body = 4u16.to_le_bytes().to_vec();
    body.extend_from_slice(version);
    body.resize(2 + 50 + 4, 0);
    body.push(HEADER_LENGTH as u8);
    // the lengths of the fixed parts are the known ones
    body.resize(body.len() + 40, 0);
    body.push(if checksum == Checksum::Crc32 { 1 } else { 0 });
    if checksum == Checksum::Off {
        body.extend_from_slice(&[0; 4]);
    }
    event(EventType::FORMAT_DESCRIPTION, &body, checksum)
}

/// A log that is read.
struct Log {
    decoder: Decoder,
    tables: LogTables,
}

impl Log {
    fn new(is_mariadb: bool, modes: usize) -> Self {
        let decoder = Decoder::new(Checksum::Off).with_max_event_bytes(MAX_EVENT_BYTES);
        let all = all_modes();
        let modes = all.get(modes % all.len()).cloned().unwrap_or_default();
        Self { decoder, tables: LogTables::new(facts(is_mariadb), modes) }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), BinlogError> {
        let (header, event) = self.decoder.decode(bytes)?;
        assert_eq!(header.length as usize, bytes.len());
        let Event::TransactionPayload(payload) = event else { return self.tables.visit(&event) };
        let mut events = payload.events()?;
        for _ in 0..MAX_INNER_EVENTS {
            let Some(inner) = events.next_event()? else { break };
            assert!(inner.len() as u64 <= MAX_EVENT_BYTES);
            let (_, inner) = self.decoder.decode_inner(inner)?;
            self.tables.visit(&inner)?;
        }
        Ok(())
    }
}

impl LogTables {
    fn visit(&mut self, event: &Event<'_>) -> Result<(), BinlogError> {
        match event {
            Event::TableMap(map) => return self.define(map),
            Event::Rows(rows) => return self.write(rows),
            Event::PreviousGtids(set) => check_set(set),
            Event::MariadbGtidList(position) => check_position(position),
            Event::Query(query) => assert!(query.sql.len() as u64 <= MAX_EVENT_BYTES),
            other => assert!(!format!("{other:?}").is_empty()),
        }
        Ok(())
    }
}

/// Reads bytes and text as transactions; what is read has the same bytes and text again.
fn read_gtids(bytes: &[u8]) {
    if let Ok(set) = GtidSet::from_bytes(bytes) {
        check_set(&set);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(gtid) = text.parse::<Gtid>() {
        assert_eq!(gtid.to_string().parse::<Gtid>().as_ref(), Ok(&gtid));
    }
    if let Ok(gtid) = text.parse::<MariadbGtid>() {
        assert_eq!(gtid.to_string().parse::<MariadbGtid>(), Ok(gtid));
    }
    if let Ok(position) = text.parse::<MariadbPosition>() {
        check_position(&position);
    }
    let (one, other) = text.split_once('\n').unwrap_or((&text, ""));
    if let (Ok(one), Ok(other)) = (one.parse::<GtidSet>(), other.parse::<GtidSet>()) {
        [&one, &other].into_iter().for_each(check_set);
        check_operations(&one, &other);
    }
}

fn check_set(set: &GtidSet) {
    assert_eq!(GtidSet::from_bytes(&set.to_bytes()).as_ref(), Ok(set));
    assert_eq!(set.to_string().parse::<GtidSet>().as_ref(), Ok(set));
}

fn check_position(position: &MariadbPosition) {
    assert_eq!(position.to_string().parse::<MariadbPosition>().as_ref(), Ok(position));
}

fn check_operations(one: &GtidSet, other: &GtidSet) {
    let mut all = one.clone();
    all.union(other);
    assert!(one.is_subset(&all) && other.is_subset(&all));
    let mut rest = all.clone();
    rest.subtract(one);
    assert!(rest.is_subset(other));
    rest.union(one);
    assert_eq!(rest, all);
    assert_eq!(one.is_subset(other), all == *other);
}
