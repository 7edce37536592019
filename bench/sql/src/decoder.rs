//! The decoders alone: the events of a stream are in memory, and become batches of two columns.

use crate::events::{AVRO, ORDERS, SCOPE};
use crate::measure::{Fallible, cpu_of, peak_of};
use crate::table::Figure;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use kulya_codec::arrow::{
    AvroPayloads, BatchDecoder, FlinkJsonOptions, JsonRows, PlainDecoder, flink_columns,
};
use kulya_schema::{Format, SchemaInfo};
use kulya_store::{StreamId, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;

/// The columns that the query reads: category and price.
const COLUMNS: [usize; 2] = [3, 4];
const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Measures a decoder in this process, which has nothing else in its memory than the events.
pub async fn run(folder: &Path, what: &str) -> Fallible<Figure> {
    let chunks = read(folder, &format!("{SCOPE}/{what}")).await?;
    let mut decoder: Box<dyn BatchDecoder> = match what {
        "orders-avro" => {
            let schema = SchemaInfo::new("record", Format::Avro, AVRO);
            let payloads = AvroPayloads::new(&schema, Some(COLUMNS.to_vec()))?;
            Box::new(PlainDecoder::new(payloads, schema)?)
        }
        _ => {
            let fields =
                [Field::new("category", DataType::Int32, true), Field::new("price", DataType::Float64, true)];
            debug_assert!(ORDERS.contains("category INT, price DOUBLE"));
            let columns = flink_columns(&Schema::new(fields.to_vec()));
            Box::new(JsonRows::flink(&columns, FlinkJsonOptions::default())?)
        }
    };
    let before = cpu_of("self");
    let mut rows = 0;
    for events in &chunks {
        let events: Vec<&[u8]> = events.iter().map(Bytes::as_ref).collect();
        let mut next = 0;
        while next < events.len() {
            let decoded = decoder.decode(&events[next..], next as u64);
            if let Some(error) = decoded.failed {
                return Err(error.into());
            }
            next += decoded.count;
            if next < events.len() {
                rows += decoder.flush()?.map_or(0, |batch| batch.rows.num_rows());
            }
        }
    }
    rows += decoder.flush()?.map_or(0, |batch| batch.rows.num_rows());
    Ok(Figure { cpu: cpu_of("self") - before, peak: peak_of("self"), answer: rows.to_string() })
}

async fn read(folder: &Path, stream: &str) -> Fallible<Vec<Vec<Bytes>>> {
    let store = EmbeddedStore::open(folder.join("kulya"))?;
    let stream: StreamId = stream.parse()?;
    let mut chunks = Vec::new();
    for segment in store.segments(&stream).await? {
        let mut offset = segment.head;
        while offset < segment.tail {
            let chunk = store.read(&segment.id, offset, MAX_CHUNK_BYTES).await?;
            offset = chunk.next;
            chunks.push(chunk.events.into_iter().map(|(_, event)| event).collect());
        }
    }
    store.close().await?;
    Ok(chunks)
}
