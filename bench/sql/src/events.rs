//! Made-up events, the same in every run, as files for Flink and DuckDB and as streams of a folder for Kulya:
//! orders as JSON and as Avro, and Debezium's events of a table with a primary key.

use crate::measure::Fallible;
use bytes::Bytes;
use kulya_store::{Append, Commit, Durability, Scope, StreamConfig, StreamId, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The columns of orders, as CREATE TABLE has them.
pub const ORDERS: &str = "id BIGINT, buyer STRING, item STRING, category INT, price DOUBLE, ts TIMESTAMP(3)";
/// The columns of changes.
pub const CHANGES: &str = "id BIGINT, customer INT, status STRING, amount DOUBLE, updated TIMESTAMP(3)";
/// The scope of the streams.
pub const SCOPE: &str = "bench";
/// The schema that Flink derives of orders.
pub const AVRO: &str = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"id","type":["null","long"],"default":null},{"name":"buyer","type":["null","string"],"default":null},{"name":"item","type":["null","string"],"default":null},{"name":"category","type":["null","int"],"default":null},{"name":"price","type":["null","double"],"default":null},{"name":"ts","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null}]}"#;

const BATCH: u64 = 1000;
const CATEGORIES: u64 = 1000;
/// The milliseconds of 2024-01-01.
const BEGIN_MS: u64 = 1_704_067_200_000;
const SYNC: [u8; 16] = *b"kulya benchmark.";

/// Files of the same events, and the folder with the streams.
pub struct Files<'a> {
    pub folder: &'a Path,
}

impl Files<'_> {
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

/// Makes all files and streams.
pub async fn make(files: &Files<'_>, count: u64) -> Fallible {
    let store = EmbeddedStore::open(files.folder.join("kulya"))?;
    store.create_scope(&Scope::new(SCOPE)?).await?;
    orders(files, &store, count).await?;
    changes(files, &store, count).await?;
    store.close().await?;
    Ok(())
}

/// A stream that is filled in batches.
struct Filled<'a> {
    store: &'a EmbeddedStore,
    stream: StreamId,
    pending: Vec<Append>,
}

impl<'a> Filled<'a> {
    async fn new(store: &'a EmbeddedStore, name: &str) -> Fallible<Self> {
        let stream: StreamId = format!("{SCOPE}/{name}").parse()?;
        store.create_stream(&stream, StreamConfig::with_segments(4)).await?;
        Ok(Self { store, stream, pending: Vec::new() })
    }

    async fn push(&mut self, key: u64, event: &[u8]) -> Fallible {
        self.pending.push(Append::keyed(&self.stream, &key.to_string(), Bytes::copy_from_slice(event)));
        if self.pending.len() as u64 == BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Fallible {
        let events = std::mem::take(&mut self.pending);
        self.store.commit(Commit::events(events).durability(Durability::Written)).await?;
        Ok(())
    }
}

async fn orders(files: &Files<'_>, store: &EmbeddedStore, count: u64) -> Fallible {
    let mut random = Random(7);
    let mut lines = BufWriter::new(File::create(files.path("orders.jsonl"))?);
    let mut container = Container::new(BufWriter::new(File::create(files.path("orders.avro"))?))?;
    let (mut json, mut avro) =
        (Filled::new(store, "orders-json").await?, Filled::new(store, "orders-avro").await?);
    let (mut line, mut datum) = (String::new(), Vec::new());
    for id in 0..count {
        let (buyer, item) = (random.below(50_000), random.below(10_000));
        let (category, price) = (random.below(CATEGORIES), random.below(40_000) as f64 / 4.0);
        let millis = BEGIN_MS + id * 10;
        line.clear();
        write!(
            line,
            r#"{{"id":{id},"buyer":"buyer-{buyer}","item":"item-{item}","category":{category},"price":{price},"ts":"{}"}}"#,
            Timestamp(millis)
        )?;
        writeln!(lines, "{line}")?;
        json.push(id, line.as_bytes()).await?;
        datum.clear();
        put_long(&mut datum, id);
        put_text(&mut datum, &format!("buyer-{buyer}"));
        put_text(&mut datum, &format!("item-{item}"));
        put_long(&mut datum, category);
        datum.push(2);
        datum.extend(price.to_le_bytes());
        put_long(&mut datum, millis);
        container.push(&datum)?;
        avro.push(id, &datum).await?;
    }
    json.flush().await?;
    avro.flush().await?;
    container.end()?;
    lines.flush()?;
    Ok(())
}

/// A value of the second type of a union with null.
fn put_long(datum: &mut Vec<u8>, value: u64) {
    datum.push(2);
    put_varint(datum, value);
}

fn put_text(datum: &mut Vec<u8>, text: &str) {
    datum.push(2);
    put_varint(datum, text.len() as u64);
    datum.extend(text.as_bytes());
}

/// A number that is not negative, in Avro's zigzag form.
fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// An Avro container file, which Flink reads.
struct Container {
    out: BufWriter<File>,
    block: Vec<u8>,
    count: u64,
}

impl Container {
    fn new(mut out: BufWriter<File>) -> Fallible<Self> {
        let mut head = b"Obj\x01".to_vec();
        put_varint(&mut head, 1);
        for text in ["avro.schema", AVRO] {
            put_varint(&mut head, text.len() as u64);
            head.extend(text.as_bytes());
        }
        head.push(0);
        head.extend(SYNC);
        out.write_all(&head)?;
        Ok(Self { out, block: Vec::new(), count: 0 })
    }

    fn push(&mut self, datum: &[u8]) -> Fallible {
        self.block.extend(datum);
        self.count += 1;
        if self.count == BATCH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Fallible {
        let mut head = Vec::new();
        put_varint(&mut head, std::mem::take(&mut self.count));
        put_varint(&mut head, self.block.len() as u64);
        self.out.write_all(&head)?;
        self.out.write_all(&std::mem::take(&mut self.block))?;
        self.out.write_all(&SYNC)?;
        Ok(())
    }

    fn end(mut self) -> Fallible {
        if self.count > 0 {
            self.write()?;
        }
        Ok(self.out.flush()?)
    }
}

/// Each event has the row before it, as of a table with REPLICA IDENTITY FULL. A fifth of the count are keys.
async fn changes(files: &Files<'_>, store: &EmbeddedStore, count: u64) -> Fallible {
    const STATES: [&str; 4] = ["new", "paid", "sent", "closed"];
    let mut random = Random(11);
    let mut lines = BufWriter::new(File::create(files.path("changes.jsonl"))?);
    let mut stream = Filled::new(store, "changes").await?;
    let keys = (count / 5).max(1);
    let mut rows: Vec<Option<String>> = vec![None; keys as usize];
    let mut line = String::new();
    for number in 0..count {
        let key = random.below(keys);
        let millis = BEGIN_MS + number * 10;
        let before = rows[key as usize].take();
        let after = if before.is_some() && random.below(10) == 0 {
            None
        } else {
            let (customer, status) = (random.below(5000), STATES[random.below(4) as usize]);
            let amount = random.below(100_000) as f64 / 4.0;
            Some(format!(
                r#"{{"id":{key},"customer":{customer},"status":"{status}","amount":{amount},"updated":"{}"}}"#,
                Timestamp(millis)
            ))
        };
        let op = match (&before, &after) {
            (None, _) => "c",
            (Some(_), Some(_)) => "u",
            (Some(_), None) => "d",
        };
        let or_null = |row: &Option<String>| row.clone().unwrap_or_else(|| "null".to_owned());
        line.clear();
        write!(
            line,
            r#"{{"before":{},"after":{},"source":{{"connector":"postgresql","name":"shop","ts_ms":{millis},"db":"shop","schema":"public","table":"orders","lsn":{number}}},"op":"{op}","ts_ms":{}}}"#,
            or_null(&before),
            or_null(&after),
            millis + 3
        )?;
        writeln!(lines, "{line}")?;
        stream.push(key, line.as_bytes()).await?;
        rows[key as usize] = after;
    }
    stream.flush().await?;
    lines.flush()?;
    Ok(())
}

/// A timestamp as Flink's JSON has it.
struct Timestamp(u64);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // days of March-based years (Hinnant, "chrono-compatible low-level date algorithms")
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let days = seconds / 86_400 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}")
    }
}
