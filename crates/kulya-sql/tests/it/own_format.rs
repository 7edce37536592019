//! A program adds a format and a codec of its own to a catalog.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use kulya_registry::Registry;
use kulya_schema::CodecType;
use kulya_sql::async_trait::async_trait;
use kulya_sql::kulya_codec::arrow::{
    BatchDecoder, BatchEncoder, CollectingDecoder, EventDecoder, RowCollector, RowKind, Scalar,
};
use kulya_sql::kulya_codec::codec::{Codec, Codecs};
use kulya_sql::kulya_codec::{CodecError, CodecResult, Serializer, SerializerConfig};
use kulya_sql::kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_sql::kulya_store::bytes::Bytes;
use kulya_sql::kulya_store::clock::ManualClock;
use kulya_sql::kulya_store::memory::MemoryStore;
use kulya_sql::kulya_store::{Append, Commit, StreamConfig, StreamStore};
use kulya_sql::{
    CatalogBackend, FormatFactory, FormatTable, OutputFormat, RowFormat, Session, SqlError, SqlErrorKind,
    SqlResult, WantedRows,
};
use std::sync::Arc;

/// Events are `name=number` pairs, separated by an option's text; each is a row.
struct Pairs;

#[derive(Debug)]
struct PairsOfTable {
    schema: SchemaRef,
    separator: String,
}

struct PairDecoder(String);

struct PairEncoder;

impl FormatFactory for Pairs {
    fn name(&self) -> &str {
        "pairs"
    }

    fn options(&self) -> &[&str] {
        &["separator"]
    }

    fn create(&self, table: FormatTable<'_>) -> SqlResult<Arc<dyn RowFormat>> {
        let types: Vec<&DataType> = table.schema.fields().iter().map(|field| field.data_type()).collect();
        if types != [&DataType::Utf8, &DataType::Int64] {
            return Err(SqlError::new(SqlErrorKind::TypeMismatch, "pairs have a STRING and a BIGINT"));
        }
        let separator = table.options.get("separator").cloned().unwrap_or_else(|| " ".to_owned());
        Ok(Arc::new(PairsOfTable { schema: table.schema, separator }))
    }
}

#[async_trait]
impl RowFormat for PairsOfTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decoder(&self, wanted: &WantedRows<'_>) -> CodecResult<Box<dyn BatchDecoder>> {
        let decoder = PairDecoder(self.separator.clone());
        let decoder = CollectingDecoder::new(decoder, &self.schema, wanted.columns)?;
        Ok(Box::new(if wanted.event_numbers { decoder.with_event_numbers() } else { decoder }))
    }

    async fn encoder(&self) -> SqlResult<Box<dyn BatchEncoder>> {
        Ok(Box::new(PairEncoder))
    }
}

impl EventDecoder for PairDecoder {
    fn decode(&mut self, event: &[u8], rows: &mut RowCollector) -> CodecResult<()> {
        let text = String::from_utf8_lossy(event);
        for pair in text.split(&self.0).filter(|pair| !pair.is_empty()) {
            let parsed = pair.split_once('=').and_then(|(name, n)| Some((name, n.parse().ok()?)));
            let (name, number) = parsed.ok_or_else(|| CodecError::Payload {
                type_name: "list of pairs".into(),
                reason: format!("{pair} is no pair"),
            })?;
            rows.insert(&[Some(Scalar::Text(name)), Some(Scalar::Integer(number))])?;
        }
        Ok(())
    }
}

impl BatchEncoder for PairEncoder {
    fn encode(&mut self, rows: &RecordBatch, _: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        let (names, numbers) =
            (rows.column(0).as_string::<i32>(), rows.column(1).as_primitive::<Int64Type>());
        let pair = |row| format!("{}={}", names.value(row), numbers.value(row)).into();
        Ok((0..rows.num_rows()).map(pair).collect())
    }
}

/// Every byte with all of its bits the other way.
struct Inverted;

impl Codec for Inverted {
    fn codec_type(&self) -> CodecType {
        CodecType { name: "inverted".into(), ..CodecType::default() }
    }

    fn encode(&self, payload: &[u8]) -> CodecResult<Vec<u8>> {
        Ok(payload.iter().map(|byte| !byte).collect())
    }

    fn decode(&self, bytes: &[u8], _: &CodecType) -> CodecResult<Vec<u8>> {
        Ok(bytes.iter().map(|byte| !byte).collect())
    }
}

async fn backend() -> CatalogBackend {
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::with_clock(Arc::new(ManualClock::default())));
    let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
    CatalogBackend::new(store, registry)
}

async fn rows(session: &mut Session, sql: &str) -> Result<String, String> {
    let results = session.execute(sql).await.map_err(|e| e.to_string())?;
    results.last().unwrap().write(OutputFormat::Csv).map_err(|e| e.to_string())
}

#[tokio::test]
async fn a_format_of_the_program_is_read_and_written() {
    let backend = backend().await.format(Pairs);
    let store = Arc::clone(&backend.store);
    let mut session = Session::new("kulya", backend).await.unwrap();
    let create = "CREATE DATABASE shop; USE shop; CREATE TABLE t (name STRING, n BIGINT, place BIGINT METADATA FROM 'offset' VIRTUAL) WITH ('format' = 'pairs', 'pairs.separator' = ', ')";
    session.execute(create).await.unwrap();
    let stream = "shop/t".parse().unwrap();
    let events = ["a=1, b=2", "", "c=3"].map(|event| Append::keyed(&stream, "k", event));
    store.commit(Commit::events(events.into())).await.unwrap();
    let found = rows(&mut session, "SELECT n, place, name FROM t").await.unwrap();
    assert_eq!(found, "n,place,name\n1,0,a\n2,0,b\n3,24,c\n");
    let found = rows(&mut session, "SELECT name FROM t WHERE n > 1").await.unwrap();
    assert_eq!(found, "name\nb\nc\n");
    rows(&mut session, "INSERT INTO t VALUES ('d', 4)").await.unwrap();
    let found = rows(&mut session, "SELECT COUNT(*) AS rows_now, SUM(n) AS total FROM t").await.unwrap();
    assert_eq!(found, "rows_now,total\n4,10\n");
    let hinted = "SELECT COUNT(*) AS n FROM t /*+ OPTIONS('pairs.separator' = ';') */";
    let error = rows(&mut session, hinted).await.unwrap_err();
    assert!(error.contains("event shop/t/0.#epoch.0@0+16") && error.contains("is no pair"), "{error}");
    for (sql, expected) in [
        ("CREATE TABLE u (n BIGINT) WITH ('format' = 'pairs')", "pairs have a STRING and a BIGINT"),
        (
            "CREATE TABLE u (a STRING, n BIGINT) WITH ('format' = 'pairs', 'pairs.sep' = ' ')",
            "unknown option 'pairs.sep': options are pairs.separator",
        ),
        (
            "CREATE TABLE u (a STRING) WITH ('format' = 'pair')",
            "unknown format 'pair': did you mean 'pairs'?",
        ),
        (
            "CREATE TABLE u (a STRING) WITH ('format' = 'colours')",
            "debezium-avro, canal-json, maxwell-json, pairs",
        ),
    ] {
        let error = rows(&mut session, sql).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn events_with_a_codec_of_the_program_are_read() {
    let backend = backend().await;
    let group = GroupId::new("shop", "t");
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let schema = SchemaInfo::new("", Format::Avro, schema);
    let properties = GroupProperties::new(Format::Avro, Compatibility::AllowAny, true);
    let mut session = Session::new("kulya", backend.clone()).await.unwrap();
    session.execute("CREATE DATABASE shop").await.unwrap();
    let stream = "shop/t".parse().unwrap();
    backend.store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    let config = SerializerConfig::new(group).create_group(properties).register_schema().codec(Inverted);
    let writer = Serializer::new(Arc::clone(&backend.registry), schema, config).await.unwrap();
    #[derive(serde::Serialize)]
    struct Row {
        a: i32,
    }
    let event = Append::keyed(&stream, "k", writer.serialize(&Row { a: 7 }).unwrap());
    backend.store.commit(Commit::events(vec![event])).await.unwrap();
    let error = rows(&mut session, "SELECT a FROM shop.t").await.unwrap_err();
    assert!(error.contains("unknown codec \"inverted\""), "{error}");
    let backend = backend.codecs(Codecs::default().with(Inverted));
    let mut session = Session::new("kulya", backend).await.unwrap();
    assert_eq!(rows(&mut session, "SELECT a FROM shop.t").await.unwrap(), "a\n7\n");
}
