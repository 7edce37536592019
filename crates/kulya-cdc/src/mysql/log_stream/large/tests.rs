//! Rows and compressed transactions that are larger than what is read as a whole, from hand-made events.

use super::*;
use crate::debezium::connector::Connector;
use crate::debezium::events::EventContext;
use crate::debezium::format::EventFormat;
use crate::heartbeat::Heartbeats;
use crate::incremental::{Incremental, IncrementalState};
use crate::memory::Memory;
use crate::mysql::catalog::tests::facts;
use crate::mysql::ddl::{Flavour, ParseSettings, SqlMode, parse};
use crate::mysql::events::EventWriter;
use crate::mysql::incremental::MysqlChunks;
use crate::mysql::offset::{Gtids, LogPoint, MysqlPosition, ServerName};
use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};
use crate::mysql::stream::LogReader;
use crate::{Batch, CaptureSettings, Checkpoint, Control, Progress, Sink, ValueModes, output};
use async_trait::async_trait;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use kulya_store::clock::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a sink was handed: the keys of records, and those of events that were left out with their sizes.
#[derive(Default)]
struct Keys {
    records: Vec<String>,
    omitted: Vec<(String, usize)>,
    largest_batch: usize,
}

#[async_trait]
impl Sink for Keys {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        Ok(None)
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        let text = |key: Option<&[u8]>| String::from_utf8(key.unwrap_or(b"-").to_vec()).unwrap();
        self.records.extend(batch.records().map(|record| text(record.key)));
        self.omitted.extend(batch.omitted().map(|omitted| (text(omitted.key), omitted.bytes)));
        self.largest_batch = self.largest_batch.max(batch.size());
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, _: &Checkpoint) -> CdcResult<()> {
        self.stage(batch).await
    }
}

/// An event with a checksum, or one of a compressed transaction without.
fn event(event_type: u8, body: &[u8], is_inner: bool) -> Vec<u8> {
    let checksum = if is_inner { 0 } else { 4 };
    let length = (HEADER_LENGTH + body.len() + checksum) as u32;
    let mut event = vec![7, 0, 0, 0, event_type, 1, 0, 0, 0];
    event.extend_from_slice(&length.to_le_bytes());
    // positions wrap around, which only the place of the next event shows
    event.extend_from_slice(&if is_inner { 0u32 } else { length }.to_le_bytes());
    event.extend_from_slice(&[0, 0]);
    event.extend_from_slice(body);
    if !is_inner {
        let mut crc = Crc::new();
        crc.update(&event);
        event.extend_from_slice(&crc.sum().to_le_bytes());
    }
    event
}

fn query(sql: &str) -> Vec<u8> {
    [&[0; 8][..], &[1, 0, 0, 0, 0, b'd', 0], sql.as_bytes()].concat()
}

/// The map of the table `d.t (id INT, a LONGBLOB, b VARCHAR(9))`.
fn table_map() -> Vec<u8> {
    let fixed = [9, 0, 0, 0, 0, 0, 1, 0];
    [&fixed[..], b"\x01d\0\x01t\0", &[3, 3, 252, 15], &[3, 4, 9, 0], &[0b110]].concat()
}

fn row(id: u32, a: usize) -> Vec<u8> {
    let mut row = vec![0];
    row.extend_from_slice(&id.to_le_bytes());
    row.extend_from_slice(&(a as u32).to_le_bytes());
    row.resize(row.len() + a, b'x');
    row.extend_from_slice(b"\x01b");
    row
}

const ROWS_HEAD: &[u8] = &[9, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 7];
const LARGE: usize = MAX_WHOLE_BYTES + 1000;

fn rows() -> Vec<u8> {
    let mut rows: Vec<u8> = [row(1, 10), row(2, LARGE), row(3, 10)].concat();
    for id in 4..12 {
        rows.extend(row(id, 300_000));
    }
    rows
}

/// A transaction whose rows come in one event, in a compressed transaction, in one that is not compressed,
/// and in a compressed event of MariaDB.
fn transactions() -> [Vec<Vec<u8>>; 4] {
    let rows = rows();
    let inner = [
        event(2, &query("BEGIN"), true),
        event(19, &table_map(), true),
        event(30, &[ROWS_HEAD, &rows].concat(), true),
        event(16, &[0; 8], true),
    ]
    .concat();
    let length = (inner.len() as u64).to_le_bytes();
    let payload = |algorithm: &[u8], bytes: &[u8]| {
        let fields = [&[2, algorithm.len() as u8][..], algorithm, &[3, 9, 254], &length, &[0]].concat();
        event(40, &[&fields[..], bytes].concat(), false)
    };
    let within = |rows: Vec<u8>| {
        let (begin, commit) = (event(2, &query("BEGIN"), false), event(16, &[0; 8], false));
        vec![begin, event(19, &table_map(), false), rows, commit]
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&rows).unwrap();
    let head_v1 = &[9, 0, 0, 0, 0, 0, 1, 0, 3, 7][..];
    let compressed_head = [&[0x84][..], &(rows.len() as u32).to_be_bytes()].concat();
    let compressed = [head_v1, &compressed_head, &zlib.finish().unwrap()].concat();
    [
        within(event(30, &[ROWS_HEAD, &rows].concat(), false)),
        vec![payload(&[0], &zstd::stream::encode_all(&inner[..], 3).unwrap())],
        vec![payload(&[252, 255, 0], &inner)],
        within(event(166, &compressed, false)),
    ]
}

fn history() -> SchemaHistory {
    let facts = facts("8.0.36");
    let mut history = SchemaHistory::new(TableNameCase::Sensitive);
    for sql in [
        "CREATE DATABASE d CHARACTER SET latin1",
        "CREATE TABLE t (id INT PRIMARY KEY, a LONGBLOB, b VARCHAR(9))",
    ] {
        let settings = ParseSettings { server: facts.version, sql_mode: SqlMode(0) };
        let statement = parse(sql.as_bytes(), settings).unwrap();
        let charset = &Collated::new("latin1");
        let default_database = Some("d").filter(|_| sql.contains("TABLE"));
        let session =
            Session { default_database, server_charset: charset, explicit_defaults_for_timestamp: true };
        history.apply(&statement, &session).unwrap();
    }
    history
}

/// Reads events as they come from a server, in pieces of 64 KiB.
async fn captured(events: &[Vec<u8>]) -> CdcResult<Keys> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (cancel, control) = (CancellationToken::new(), Control::default());
    let on_progress = |_: Progress| ();
    let (mut output, input) = output::connect(&clock, &on_progress, &cancel, &control, Memory::default());
    let format = EventFormat { topic_prefix: "p".into(), ..EventFormat::default() };
    let context = Arc::new(EventContext::new(Connector::Mysql, format, ValueModes::default(), ""));
    let point = LogPoint::new("log.1", 4);
    let position = MysqlPosition {
        server: ServerName { uuid: None, id: 1 },
        point: point.clone(),
        gtids: Gtids::parse(false, "").unwrap(),
        has_anonymous: true,
        cuts: BTreeMap::new(),
        snapshot_reads: None,
        is_snapshot_unfinished: false,
        coverage: None,
        incremental: IncrementalState::default(),
    };
    let reader = LogReader::new(point, history(), facts("8.0.36"), Arc::new(|_: &str, _: &str| true));
    let writer = EventWriter::new(Arc::clone(&context), Flavour::MySql);
    let heartbeats = Heartbeats::new(&CaptureSettings::default(), &context, &output);
    let target = CaptureSettings { url: "mysql://me@db/d".into(), ..CaptureSettings::default() };
    let target = target.mysql_target().unwrap();
    let settings = Arc::clone(&target.settings);
    let reader_context = Arc::clone(&context);
    let new_reader = move || MysqlChunks::new(target.clone(), Arc::clone(&reader_context), facts("8.0.36"));
    let incremental = (settings, Incremental::new(1, new_reader));
    let mut stream = LogStream::new(reader, writer, position, None, incremental, heartbeats, &output);
    let mut keys = Keys::default();
    let read = async {
        for event in events {
            if event.len() <= MAX_WHOLE_BYTES {
                stream.on_event(event, &mut output).await?;
                continue;
            }
            let mut large = stream.begin_large(&event[..64 << 10])?;
            for piece in event.chunks(64 << 10) {
                stream.on_piece(&mut large, piece, &mut output).await?;
            }
            stream.end_large(large, &mut output).await?;
        }
        stream.finish(&mut output).await?;
        drop(output);
        Ok::<(), CdcError>(())
    };
    let (read, written) = tokio::join!(read, input.write_to(&mut keys, &on_progress, &control));
    read.and(written)?;
    Ok(keys)
}

#[tokio::test]
async fn of_large_rows_the_key_is_kept_however_they_come() {
    let row_length = row(2, LARGE).len();
    for (way, events) in transactions().iter().enumerate() {
        let keys = captured(events).await.unwrap();
        let ids = std::iter::once(1).chain(3..12);
        let expected: Vec<String> = ids.map(|id| format!("{{\"id\":{id}}}")).collect();
        assert_eq!(keys.records, expected, "{way}");
        assert_eq!(keys.omitted, [("{\"id\":2}".to_owned(), row_length)], "{way}");
        assert!(keys.largest_batch < 2 << 20, "{way}: {}", keys.largest_batch);
    }
}

#[tokio::test]
async fn damaged_events_end_the_capture() {
    for (way, events) in transactions().iter().enumerate() {
        let index = events.iter().enumerate().max_by_key(|(_, event)| event.len()).unwrap().0;
        let damaged = |change: fn(&mut Vec<u8>)| {
            let mut events = events.clone();
            change(&mut events[index]);
            events
        };
        for change in [
            // a checksum, and a byte in the middle
            |event: &mut Vec<u8>| *event.last_mut().unwrap() ^= 1,
            |event: &mut Vec<u8>| {
                let middle = event.len() / 2;
                event[middle] ^= 1;
            },
        ] {
            let error = captured(&damaged(change)).await.err().unwrap();
            assert_eq!(error.kind(), CdcErrorKind::Source, "{way}: {error}");
        }
    }
}

#[tokio::test]
async fn texts_of_statements_are_passed_over_and_others_are_refused_by_name() {
    let text = event(29, &vec![b'x'; LARGE], false);
    let mut events = vec![text];
    events.extend(transactions()[0].clone());
    assert_eq!(captured(&events).await.unwrap().omitted.len(), 1);
    let statement = event(2, &query(&"x".repeat(LARGE)), false);
    let error = captured(&[statement]).await.err().unwrap().to_string();
    assert!(error.contains("QUERY of ") && error.contains("limit"), "{error}");
}
