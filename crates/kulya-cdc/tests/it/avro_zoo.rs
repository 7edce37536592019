//! Debezium's events of all zoos in all modes, encoded as Avro by their Connect schemas and decoded again by
//! another library: the same values.

use crate::golden::{Zoo, zoo};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_cdc::debezium::avro::AvroEncoding;
use kulya_cdc::debezium::connect_schema::ConnectSchema;
use kulya_codec::AvroValue;
use kulya_codec::apache_avro::{self, reader::datum::GenericDatumReader};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Whether a decoded value is that of an event in JSON.
pub(crate) fn is_same(avro: &AvroValue, json: &Value) -> bool {
    let bytes = |found: &[u8]| json.as_str().is_some_and(|text| STANDARD.encode(found) == text);
    let number = |found: f64, expected: Option<f64>| match json.as_str() {
        Some("NaN") => found.is_nan(),
        Some("Infinity") => found == f64::INFINITY,
        Some("-Infinity") => found == f64::NEG_INFINITY,
        _ => expected == Some(found),
    };
    match avro {
        AvroValue::Union(_, value) => is_same(value, json),
        AvroValue::Null => json.is_null(),
        AvroValue::Boolean(found) => json.as_bool() == Some(*found),
        AvroValue::Int(found) | AvroValue::Date(found) | AvroValue::TimeMillis(found) => {
            json.as_i64() == Some(i64::from(*found))
        }
        AvroValue::Long(found) | AvroValue::TimestampMillis(found) => json.as_i64() == Some(*found),
        AvroValue::Float(found) => {
            number(f64::from(*found), json.as_f64().map(|found| f64::from(found as f32)))
        }
        AvroValue::Double(found) => number(*found, json.as_f64()),
        AvroValue::String(found) => json.as_str() == Some(found),
        AvroValue::Bytes(found) => bytes(found),
        AvroValue::Decimal(found) => Vec::<u8>::try_from(found).is_ok_and(|found| bytes(&found)),
        AvroValue::Array(items) => json.as_array().is_some_and(|expected| {
            items.len() == expected.len()
                && items.iter().zip(expected).all(|(item, json)| is_same(item, json))
        }),
        AvroValue::Map(values) => json.as_object().is_some_and(|members| {
            let same =
                |(name, json): (&String, &Value)| values.get(name).is_some_and(|value| is_same(value, json));
            values.len() == members.len() && members.iter().all(same)
        }),
        // names of fields may be adjusted
        AvroValue::Record(fields) => json.as_object().is_some_and(|members| {
            let mut fields_and_members = fields.iter().zip(members.values());
            fields.len() == members.len() && fields_and_members.all(|((_, value), json)| is_same(value, json))
        }),
        other => panic!("{other:?}"),
    }
}

/// The files of modes in the folder of a zoo.
fn modes(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let no_modes = ["default.jsonl", "schemas.jsonl", "sources.jsonl", "table-changes.jsonl"];
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_mode = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".jsonl") && !no_modes.contains(&name)
    };
    let read = |path: std::path::PathBuf| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    files.filter(is_mode).map(read).collect()
}

/// The encodings by the Connect schema.
#[derive(Default)]
struct Encodings(HashMap<String, (AvroEncoding, apache_avro::Schema)>);

impl Encodings {
    fn of(&mut self, schema: &Value) -> &(AvroEncoding, apache_avro::Schema) {
        self.0.entry(schema.to_string()).or_insert_with_key(|text| {
            let connect = ConnectSchema::parse(text.as_bytes()).unwrap();
            let encoding = AvroEncoding::new(&connect, &[]).unwrap_or_else(|e| panic!("{e}: {schema}"));
            kulya_schema::avro::parse(encoding.schema()).unwrap();
            let parsed = apache_avro::Schema::parse_str(encoding.schema()).unwrap();
            (encoding, parsed)
        })
    }

    /// Encodes and decodes the events of tables; returns their number.
    fn check(&mut self, what: &str, events: &[Value]) -> usize {
        let mut count = 0;
        for event in events {
            let (schema, payload) = (&event["value"]["schema"], &event["value"]["payload"]);
            if !schema["name"].as_str().is_some_and(|name| name.ends_with(".Envelope")) {
                continue;
            }
            let (encoding, parsed) = self.of(schema);
            let mut bytes = Vec::new();
            encoding
                .write(payload.to_string().as_bytes(), &mut bytes)
                .unwrap_or_else(|e| panic!("{what}: {e}: {event}"));
            let reader = GenericDatumReader::builder(parsed).build().unwrap();
            let mut rest = bytes.as_slice();
            let value = reader.read_value(&mut rest).unwrap();
            assert!(rest.is_empty(), "{what}: {} bytes are left of {event}", rest.len());
            assert!(is_same(&value, payload), "{what}: {value:?}\nis not {payload}");
            count += 1;
        }
        count
    }
}

#[test]
fn events_of_all_zoos_survive_avro() {
    let zoos: [(&str, Zoo); 6] = [
        ("zoo/postgres", zoo!("zoo/postgres")),
        ("zoo/mariadb", zoo!("zoo/mariadb", table_changes)),
        ("zoo/mysql8", zoo!("zoo/mysql8", table_changes)),
        ("zoo-extended/postgres", zoo!("zoo-extended/postgres")),
        ("zoo-extended/mariadb", zoo!("zoo-extended/mariadb", table_changes)),
        ("zoo-extended/mysql8", zoo!("zoo-extended/mysql8", table_changes)),
    ];
    let (mut count, mut encodings) = (0, Encodings::default());
    for (folder, zoo) in zoos {
        for (mode, file) in modes(folder) {
            count += encodings.check(&format!("{folder} {mode}"), &zoo.events(&file, true, &[]));
        }
    }
    assert!(count > 10_000, "{count} events");
}
