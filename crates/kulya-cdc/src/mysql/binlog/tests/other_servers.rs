//! Events of other servers and settings than those of the log files: MySQL 8.0.26, 8.0.32, 9.0.1 and 9.6.0,
//! and MariaDB with `mysql56_temporal_format=OFF`.

use super::value::Value;
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn decode(bytes: &[u8]) -> Event<'_> {
    Decoder::new(Checksum::Crc32).decode(bytes).unwrap().1
}

#[test]
fn tagged_transactions_of_9_6() {
    let bytes = hex("9bae8569 23 01000000 76000000 f5000000 8000
         0102000000000001
         55778904029911f1b1b84ef0c4956feb 00 0100000000000000 0100000000000000 0e00000000000000
         55778904029911f1b1b84ef0c4956feb 0a6d79746167 0100000000000000 0100000000000000 0300000000000000
         d2546417");
    let Event::PreviousGtids(set) = decode(&bytes) else { panic!("not a set") };
    assert_eq!(set.to_string(), "55778904-0299-11f1-b1b8-4ef0c4956feb:1-13:mytag:1-2");
    assert_eq!(set.to_bytes(), bytes[HEADER_LENGTH..bytes.len() - 4]);

    let bytes = hex("afae8569 2a 01000000 53000000 48010000 0000
         02 78 00 0000 02aaee25020804650222c503c502e1029cc10311035502dead03 040c 060a6d79746167
         0800 0a04 0c7f1cf3b814244a06 10a104 12430f0b 7872ad08");
    let Event::TransactionStart(start) = decode(&bytes) else { panic!("not a start") };
    let gtid = start.gtid.unwrap();
    assert_eq!(gtid.to_string(), "55778904-0299-11f1-b1b8-4ef0c4956feb:mytag:3");
    assert!(!start.may_have_statements && !set.contains(&gtid));
    assert_eq!((start.last_committed, start.sequence_number), (0, 1));
    // the events up to the commit, at 245 to 541 in the file
    assert_eq!(start.transaction_length, Some(541 - 245));
    assert_eq!((start.immediate_server_version, start.original_server_version), (Some(90_600), Some(90_600)));
    assert_eq!(start.immediate_commit_micros.unwrap() / 1_000_000, 0x6985_aeaf, "the header's time");
}

#[test]
fn a_compressed_transaction_of_8_0_32() {
    let bytes = hex(
        "45130a65 28 01000000 9d000000 af010000 0000
         020100 0301b3 01017c 00
         28b52ffd0058840300e2861520a029ad01ffff5c55f1aa623375b985c76d89e33d9f37ecfc5a83b699bd894c01ff4d08826fbb
         0ae267584b52efeeb98a073be8754cfcd25a926a3018b5c89ac5b6c1b66d08c29a03782579b885d1c840e6a7ac25a90a00a004
         c43deae2a09a2d291920e0022ae03e30f200bc010000 790396cc",
    );
    let mut decoder = Decoder::new(Checksum::Crc32);
    let Event::TransactionPayload(payload) = decoder.decode(&bytes).unwrap().1 else {
        panic!("not a payload")
    };
    assert_eq!((payload.compression, payload.uncompressed_length), (PayloadCompression::Zstd, Some(0xb3)));
    let mut events = payload.events().unwrap();
    let mut found = Vec::new();
    let mut map = None;
    while let Some(bytes) = events.next_event().unwrap() {
        let (header, event) = decoder.decode_inner(bytes).unwrap();
        match &event {
            Event::TableMap(event) => map = Some(TableMap::prepare(event).unwrap()),
            Event::Rows(event) => {
                let map = map.as_ref().unwrap();
                let (mut rows, mut row) = (event.rows(map).unwrap(), Row::default());
                assert!(rows.next_row(&mut row).unwrap());
                assert_eq!((row.before.len(), row.after.len()), (0, map.types().len()));
                assert!(
                    row.after.iter().all(|value| matches!(value, Value::Int(_) | Value::Bytes(_))),
                    "{row:?}"
                );
                assert!(!rows.next_row(&mut row).unwrap());
            }
            _ => {}
        }
        found.push(header.event_type);
    }
    assert_eq!(found, [EventType::QUERY, EventType::TABLE_MAP, EventType::WRITE_ROWS, EventType::XID]);
}

#[test]
fn invisible_columns_of_8_0_26() {
    let bytes = hex(
        "5ed19c61 13 01000000 55000000 03040000 0000
         7c00000000000100056d7973716c000274310006030303fcfc080202023f0101d00304fcff003f04120266310266320266330266
         340266350266360c0138 bc25c2c4",
    );
    let Event::TableMap(event) = decode(&bytes) else { panic!("not a table map") };
    let map = TableMap::prepare(&event).unwrap();
    let columns: Vec<_> = map
        .columns()
        .iter()
        .map(|column| (column.name.as_deref().unwrap(), column.is_visible.unwrap(), column.is_unsigned))
        .collect();
    assert_eq!(
        columns,
        [
            ("f1", false, Some(true)),
            ("f2", false, Some(true)),
            ("f3", true, Some(false)),
            ("f4", true, None),
            ("f5", true, None),
            ("f6", false, Some(true))
        ]
    );
    assert_eq!([3, 4].map(|index: usize| map.columns()[index].collation), [Some(255), Some(63)]);
}

#[test]
fn vectors_of_9_0_1() {
    let map = hex("f32eb366 13 01000000 6d000000 ff040000 0000
         5700000000000100036474620003626172000408f2fcf2030402040401018002053f01fcff000d02020404240269640d
         766563746f725f636f6c756d6e03666f6f0e766563746f725f636f6c756d6e320801000c01f0 76da9fbe");
    let rows = hex(
        "f32eb366 1e 01000000 7a000000 79050000 0000
         5700000000000100020004ff0401000000000000000800 0000cdcc8c3fcdcc0c4010000000cdcc8c3fcdcc0c4033335340cdcc8c40
         00020000000000000008000000ae47813fae4781bf0300626172100000000000284200002c420000304200003442 ffc74427",
    );
    let Event::TableMap(event) = decode(&map) else { panic!("not a table map") };
    let map = TableMap::prepare(&event).unwrap();
    let collations: Vec<_> = map.columns().iter().map(|column| column.collation).collect();
    assert_eq!(collations, [None, Some(63), Some(255), Some(63)], "vectors count as texts");
    let Event::Rows(event) = decode(&rows) else { panic!("not rows") };
    let (mut rows, mut row) = (event.rows(&map).unwrap(), Row::default());
    let floats = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    assert!(rows.next_row(&mut row).unwrap());
    let [long, short] = [floats(&[1.1, 2.2, 3.3, 4.4]), floats(&[1.1, 2.2])];
    assert_eq!(row.after, [Value::UInt(1), Value::Vector(&short), Value::Null, Value::Vector(&long)]);
    assert!(rows.next_row(&mut row).unwrap());
    let [short, long] = [floats(&[1.01, -1.01]), floats(&[42.0, 43.0, 44.0, 45.0])];
    assert_eq!(
        row.after,
        [Value::UInt(2), Value::Vector(&short), Value::Bytes(b"bar"), Value::Vector(&long)]
    );
    assert!(!rows.next_row(&mut row).unwrap());
}

#[test]
fn old_temporal_formats_of_mariadb() {
    let map = hex("00000000 13 01000000 39000000 00000000 0000
         160000000000 0100 0161000175 0004030b0c07000f010100040c026964027430026430027330");
    let rows = hex(
        "00000000 17 01000000 45000000 00000000 0000
         160000000000 0100 040f f001000000c01dfe80c5aa8b68120000f079e065 f002000000a7f57f000000000000000001000000",
    );
    let mut decoder = Decoder::new(Checksum::Off);
    let Event::TableMap(event) = decoder.decode(&map).unwrap().1 else { panic!("not a table map") };
    let map = TableMap::prepare(&event).unwrap();
    let Event::Rows(event) = decoder.decode(&rows).unwrap().1 else { panic!("not rows") };
    let (mut rows, mut row) = (event.rows(&map).unwrap(), Row::default());
    for (time, date_time, seconds) in [
        ("-12:34:56.000000", "2024-02-29 12:34:56.000000", 1_709_210_096),
        ("838:59:59.000000", "0000-00-00 00:00:00.000000", 1),
    ] {
        assert!(rows.next_row(&mut row).unwrap());
        let [_, Value::Time(found), Value::DateTime(date), Value::Timestamp(instant)] = row.after[..] else {
            panic!("{row:?}");
        };
        assert_eq!((found.to_string().as_str(), date.to_string().as_str()), (time, date_time));
        assert_eq!((instant.seconds, instant.micros), (seconds, 0));
    }
    assert!(!rows.next_row(&mut row).unwrap());
}
