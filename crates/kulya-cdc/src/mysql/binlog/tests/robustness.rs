//! Any bytes and damaged events give a value or an error, and use memory in proportion to their length.

use super::value::Value;
use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// An event without a checksum.
#[derive(Debug, Clone)]
struct Sample {
    event: Vec<u8>,
    /// The table map before a row event.
    table_map: Option<Vec<u8>>,
    flavor: Flavor,
}

/// The events of all files.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let mut samples = Vec::new();
    for file in MYSQL_FULL.iter().chain(&MYSQL_V1).chain(&MARIADB_FULL).chain(&MARIADB_COMPRESSED) {
        let bytes = read(file);
        let checksum_length = if file.contains("full") { 4 } else { 0 };
        let flavor = if file.contains("mariadb") { Flavor::MariaDb } else { Flavor::MySql };
        let mut current = None;
        for event in LogFile::new(&bytes).unwrap() {
            let bytes = event.unwrap().1;
            let mut event = bytes[..bytes.len() - checksum_length].to_vec();
            set_length(&mut event);
            let mut table_map = None;
            match EventType(event[4]) {
                EventType::FORMAT_DESCRIPTION => continue,
                EventType::TABLE_MAP => current = Some(event.clone()),
                _ => table_map = current.clone(),
            }
            // long events cost time and show nothing that short ones do not
            if event.len() < 5000 {
                samples.push(Sample { event, table_map, flavor });
            }
        }
    }
    samples
});

fn set_length(event: &mut [u8]) {
    let length = event.len() as u32;
    if let Some(field) = event.get_mut(9..13) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}

/// Decodes everything that an event contains, and returns the number of cells.
fn decode_all(decoder: &mut Decoder, maps: &mut TableMaps, bytes: &[u8]) -> Result<usize, BinlogError> {
    let mut cells = 0;
    match decoder.decode(bytes)?.1 {
        Event::TableMap(event) => _ = maps.prepare(&event)?,
        Event::Rows(event) => {
            let Some(map) = maps.0.get(&event.table_id) else { return Ok(0) };
            let mut rows = event.rows(map)?;
            let mut row = Row::default();
            while rows.next_row(&mut row)? {
                for value in row.before.iter().chain(&row.after) {
                    cells += 1;
                    check_value(value, bytes.len())?;
                }
            }
        }
        Event::TransactionPayload(payload) => {
            let mut events = payload.events()?;
            while let Some(inner) = events.next_event()? {
                decoder.decode_inner(inner)?;
            }
        }
        _ => {}
    }
    Ok(cells)
}

fn check_value(value: &Value<'_>, length: usize) -> Result<(), BinlogError> {
    let mut text = String::new();
    match value {
        Value::Json(document) => {
            document.write_text(&mut text)?;
            document.write_compact(&mut String::new())?;
            assert!(text.len() <= 40 * length, "{} bytes of text", text.len());
        }
        Value::Decimal(decimal) => decimal.write_text(&mut text),
        Value::Compressed(compressed) => assert!(compressed.decompress(LIMIT)?.len() as u64 <= LIMIT),
        _ => {}
    }
    Ok(())
}

fn decoder(flavor: Flavor) -> Decoder {
    let file = if flavor == Flavor::MariaDb { MARIADB_COMPRESSED[0] } else { MYSQL_V1[0] };
    let bytes = read(file);
    let mut decoder = Decoder::new(Checksum::Off).with_max_event_bytes(LIMIT);
    decoder.decode(LogFile::new(&bytes).unwrap().next().unwrap().unwrap().1).unwrap();
    decoder
}

static DECODERS: LazyLock<[Decoder; 2]> = LazyLock::new(|| [Flavor::MySql, Flavor::MariaDb].map(decoder));

impl Sample {
    fn decoder(&self) -> Decoder {
        DECODERS[usize::from(self.flavor == Flavor::MariaDb)].clone()
    }
}

#[test]
fn undamaged_events_are_decoded() {
    let mut cells = 0;
    for sample in SAMPLES.iter() {
        let (mut decoder, mut maps) = (sample.decoder(), TableMaps::default());
        if let Some(table_map) = &sample.table_map {
            decode_all(&mut decoder, &mut maps, table_map).unwrap();
        }
        cells += decode_all(&mut decoder, &mut maps, &sample.event).unwrap();
    }
    assert!(SAMPLES.len() > 500 && cells > 3000, "{} events, {cells} cells", SAMPLES.len());
}

/// A change of an event's bytes: at a place in proportion to its length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(u16, u8),
    Fill(u16, u8),
    Remove(u16, u8),
    Repeat(u16, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<u16>(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Damage::Fill(at, byte)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Damage::Repeat(at, length)),
    ]
}

impl Damage {
    fn apply(&self, event: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) * event.len() / (usize::from(u16::MAX) + 1);
        let end = |start: usize, length: u8| (start + usize::from(length)).min(event.len());
        match *self {
            Self::Flip(at, bits) => {
                let at = place(at);
                event[at] ^= bits;
            }
            Self::Fill(at, byte) => {
                let start = place(at);
                let end = end(start, 8);
                event[start..end].fill(byte);
            }
            Self::Remove(at, length) => {
                let start = place(at).max(1);
                let end = end(start, length).max(start);
                event.drain(start..end);
            }
            Self::Repeat(at, length) => {
                let start = place(at);
                let part = event[start..end(start, length)].to_vec();
                event.splice(start..start, part);
            }
        }
        set_length(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn damaged_events_are_decoded_or_rejected(
        index in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..4),
        is_map_damaged in any::<bool>(),
    ) {
        let mut sample = SAMPLES[index.index(SAMPLES.len())].clone();
        for damage in damages {
            damage.apply(sample.table_map.as_mut().filter(|_| is_map_damaged).unwrap_or(&mut sample.event));
        }
        let (mut decoder, mut maps) = (sample.decoder(), TableMaps::default());
        if let Some(table_map) = &sample.table_map {
            let _ = decode_all(&mut decoder, &mut maps, table_map);
        }
        let _ = decode_all(&mut decoder, &mut maps, &sample.event);
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected(event_type: u8, body: Vec<u8>) {
        let mut event = vec![0; HEADER_LENGTH];
        event[4] = event_type;
        event.extend_from_slice(&body);
        set_length(&mut event);
        let _ = decode_all(&mut DECODERS[1].clone(), &mut TableMaps::default(), &event);
        let _ = Decoder::new(Checksum::Crc32).decode(&event);
        let _ = Decoder::new(Checksum::Off).decode(&body);
        if let Ok(file) = LogFile::new(&[&MAGIC[..], &body].concat()) {
            prop_assert!(file.count() <= body.len());
        }
    }

    #[test]
    fn any_json_is_printed_or_rejected(json_type in 0u8..16, body in prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..200)) {
        let bytes = [&[json_type][..], &body].concat();
        let table = b"\x01s\0\x01t\0\x01\xf5\x01\x04\x01";
        let mut map = vec![0; HEADER_LENGTH + 8];
        map[4] = EventType::TABLE_MAP.0;
        map.extend_from_slice(table);
        set_length(&mut map);
        let mut rows = vec![0; HEADER_LENGTH + 8];
        rows[4] = EventType::WRITE_ROWS_V1.0;
        rows.extend_from_slice(&[1, 0xff, 0]);
        rows.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        rows.extend_from_slice(&bytes);
        set_length(&mut rows);
        let (mut decoder, mut maps) = (DECODERS[0].clone(), TableMaps::default());
        prop_assert_eq!(decode_all(&mut decoder, &mut maps, &map), Ok(0));
        let _ = decode_all(&mut decoder, &mut maps, &rows);
    }
}
