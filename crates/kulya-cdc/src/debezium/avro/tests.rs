//! Schemas and bytes beside those of the converter in Java (`tests/data/avro/README.md`), and what Avro
//! cannot represent.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(schema: &Value) -> ConnectSchema {
    ConnectSchema::parse(schema.to_string().as_bytes()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The encoding of a struct with one column.
fn of_column(field: &str) -> AvroEncoding {
    let schema = format!(r#"{{"type":"struct","fields":[{field}],"optional":false,"name":"r.R"}}"#);
    AvroEncoding::new(&ConnectSchema::parse(schema.as_bytes()).unwrap(), &[]).unwrap()
}

fn encoded(encoding: &AvroEncoding, json: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    encoding.write(json.as_bytes(), &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

#[test]
fn columns_have_the_converters_schemas_and_bytes() {
    let mut column = None;
    let (mut columns, mut values) = (0, 0);
    for line in include_str!("../../../tests/data/avro/columns.tsv").lines() {
        match *line.split('\t').collect::<Vec<_>>() {
            ["", value, bytes] => {
                let found = encoded(column.as_ref().unwrap(), &format!(r#"{{"c":{value}}}"#)).unwrap();
                assert_eq!(hex(&found), bytes, "{value} in {column:?}");
                values += 1;
            }
            [field, avro] => {
                let encoding = of_column(field);
                let expected = format!(
                    r#"{{"type":"record","name":"R","namespace":"r","fields":[{avro}],"connect.name":"r.R"}}"#
                );
                // numbers have other digits in Java
                let schema = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                assert_eq!(schema(encoding.schema()), schema(&expected), "{field}");
                column = Some(encoding);
                columns += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert!(columns > 200 && values > 700, "{columns} columns, {values} values");
}

#[test]
fn events_have_the_converters_schemas_and_bytes() {
    for line in include_str!("../../../tests/data/avro/events.tsv").lines() {
        let [event, avro, bytes]: [&str; 3] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let event: Value = serde_json::from_str(event).unwrap();
        let encoding = AvroEncoding::new(&parse(&event["schema"]), &[]).unwrap();
        assert_eq!(encoding.schema(), avro);
        assert_eq!(json!(encoding.type_name()), event["schema"]["name"]);
        assert_eq!(hex(&encoded(&encoding, &event["payload"].to_string()).unwrap()), bytes, "{event}");
    }
}

#[test]
fn numbers_that_json_does_not_have_are_texts() {
    for (kind, text, bytes) in [
        ("float", "NaN", "0000c07f"),
        ("float", "-Infinity", "000080ff"),
        ("double", "NaN", "000000000000f87f"),
        ("double", "Infinity", "000000000000f07f"),
    ] {
        let encoding = of_column(&format!(r#"{{"type":"{kind}","optional":false,"field":"c"}}"#));
        assert_eq!(hex(&encoded(&encoding, &format!(r#"{{"c":"{text}"}}"#)).unwrap()), bytes, "{text}");
        assert!(encoded(&encoding, r#"{"c":"1"}"#).is_err());
    }
}

#[test]
fn key_is_an_attribute() {
    let fields = json!([{"type":"int32","optional":false,"field":"order id"}]);
    let schema = parse(&json!({"type":"struct","fields":fields,"optional":false,"name":"my-db.t.Envelope"}));
    let encoding = AvroEncoding::new(&schema, &["order id".to_owned()]).unwrap();
    assert_eq!(encoding.type_name(), "my_db.t.Envelope");
    assert_eq!(
        encoding.schema(),
        r#"{"type":"record","name":"Envelope","namespace":"my_db.t","fields":[{"name":"order_id","type":"int"}],"connect.name":"my-db.t.Envelope","x-primary-key":["order_id"]}"#
    );
    assert_eq!(encoded(&encoding, r#"{"order id":-1}"#).unwrap(), [1]);
}

#[test]
fn tables_without_an_avro_schema_are_named() {
    let refused = |schema: Value| AvroEncoding::new(&parse(&schema), &[]).unwrap_err().to_string();
    let int = |name: &str| json!({"type":"int32","optional":false,"field":name});
    let of_fields =
        |name: &str, fields: Value| json!({"type":"struct","optional":false,"name":name,"fields":fields});
    let same = of_fields("a.Envelope", json!([int("a b"), int("a-b")]));
    assert_eq!(refused(same), "a-b: two fields are called a_b in Avro: leave one out, or rename it");
    let mut structs = [of_fields("a.P", json!([int("x")])), of_fields("a.P", json!([int("y")]))];
    structs.iter_mut().enumerate().for_each(|(index, part)| part["field"] = json!(format!("f{index}")));
    let different = refused(of_fields("a.Envelope", json!(structs)));
    assert_eq!(different, "f1: two structs a.P have different fields");
    assert_eq!(refused(int("x")), "an event is a struct");
}

/// A schema that has every kind of value.
fn every_kind() -> ConnectSchema {
    let column = |name: &str, kind: &str| json!({"type":kind,"optional":false,"field":name});
    let optional = |kind: &str| json!({"type":kind,"optional":true});
    let map = |keys: &str| {
        let keys = json!({"type":keys,"optional":false});
        json!({"type":"map","optional":false,"keys":keys,"values":optional("string"),"field":"m"})
    };
    let mut entries = map("int16");
    entries["field"] = json!("e");
    let point = json!({"type":"struct","optional":true,"name":"g.Point","field":"p","fields":[column("x", "double")]});
    let fields = json!([
        column("b", "boolean"), column("i", "int16"), column("l", "int64"), column("f", "float"),
        column("s", "string"), column("y", "bytes"),
        {"type":"array","optional":false,"items":optional("int32"),"field":"a"},
        map("string"), entries, point,
        {"type":"int32","optional":true,"default":7,"field":"o"},
    ]);
    parse(&json!({"type":"struct","optional":false,"name":"r.R","fields":fields}))
}

const EVERY_KIND: &str = r#"{"b":true,"i":-3,"l":9223372036854775807,"f":1.5,"s":"a\n\"ä\ud83d\ude00","y":"AAE=","a":[1,null],"m":{"k\t":"v","l":null},"e":[[2,"w"]],"p":{"x":0.0},"o":null}"#;

#[test]
fn values_of_every_kind_are_encoded() {
    let encoding = AvroEncoding::new(&every_kind(), &[]).unwrap();
    let expected = [
        "01",
        "05",
        "feffffffffffffffff01",
        "0000c03f",
        "12610a22c3a4f09f9880",
        "040001",
        "04020200 00",
        "04 046b09 020276 026c 00 00",
        "02 04 020277 00",
        "02 0000000000000000",
        "02",
    ];
    let bytes = encoded(&encoding, EVERY_KIND).unwrap();
    assert_eq!(hex(&bytes), expected.concat().replace(' ', ""));
    let spaced = EVERY_KIND.replace("[1,null]", " [ 1 , null ] ").replace(",\"", " , \"");
    assert_eq!(encoded(&encoding, &spaced).unwrap(), bytes);
}

#[test]
fn values_that_do_not_fit_are_named() {
    let encoding = AvroEncoding::new(&every_kind(), &[]).unwrap();
    for (part, replacement, expected) in [
        ("-3", "40000", "i: 40000 is not an integer of 16 bits"),
        ("-3", "1.5", "i: 1.5 is not an integer of 16 bits"),
        ("-3", "null", "i: a number is expected, not null"),
        ("9223372036854775807", "9223372036854775808", "l: 9223372036854775808 is not an integer of 64 bits"),
        ("1.5", "\"x\"", "f: a number is expected, not a text"),
        ("1.5", "1.5.5", "f: 1.5.5 is not a number"),
        ("true", "1", "b: a boolean is expected, not a number"),
        ("\"AAE=\"", "\"AAE\"", "y: bytes in base64 are expected, not another text"),
        ("\"AAE=\"", "\"====\"", "y: bytes in base64 are expected, not another text"),
        ("\\n", "\\x", "s: a text has an invalid escape"),
        ("\\ude00", "x", "s: a text has an invalid escape"),
        ("[1,null]", "{}", "a: '[' is expected, not an object"),
        ("[1,null]", "[1 2]", "a: a comma or the end is expected, not a number"),
        ("{\"x\":0.0}", "{}", "p.x: an object lacks it"),
        ("\"b\":true,", "", "b: an object lacks it"),
        ("\"o\":null", "\"z\":null", "an object has a member that the schema does not have here"),
        ("\"o\":null}", "\"o\":null", "a comma or the end is expected, not the end"),
        ("\"o\":null}", "\"o\":null}}", "the end is expected, not '}'"),
        ("\"o\":null}", "\"o\":null,\"o\":1}", "an object has a member that the schema does not have here"),
    ] {
        assert!(EVERY_KIND.contains(part), "{part}");
        let error = encoded(&encoding, &EVERY_KIND.replacen(part, replacement, 1)).unwrap_err();
        assert_eq!(error, expected, "{part} {replacement}");
    }
    assert_eq!(encoding.write(b"\xff", &mut Vec::new()).unwrap_err().to_string(), "the event is not UTF-8");
    // an optional value may be absent
    let without = EVERY_KIND.replace(r#","p":{"x":0.0},"o":null"#, "");
    assert_eq!(encoded(&encoding, &without).unwrap().last_chunk(), Some(&[0, 2]));
}

proptest! {
    #[test]
    fn any_bytes_are_encoded_or_refused(bytes: Vec<u8>) {
        let encoding = AvroEncoding::new(&every_kind(), &[]).unwrap();
        let _ = encoding.write(&bytes, &mut Vec::new());
    }

    #[test]
    fn damaged_events_are_encoded_or_refused(place in 0..EVERY_KIND.len(), bytes in prop::collection::vec(any::<u8>(), 0..4)) {
        let encoding = AvroEncoding::new(&every_kind(), &[]).unwrap();
        let mut event = EVERY_KIND.as_bytes().to_vec();
        let end = (place + bytes.len()).min(event.len());
        event.splice(place..end, bytes);
        let mut out = Vec::new();
        let _ = encoding.write(&event, &mut out);
        prop_assert!(out.len() <= 2 * event.len() + 64);
    }

    #[test]
    fn texts_and_bytes_are_those_of_the_json(text: String, bytes: Vec<u8>) {
        use base64::Engine;
        let value = json!({"c": text}).to_string();
        let encoding = of_column(r#"{"type":"string","optional":false,"field":"c"}"#);
        let found = encoded(&encoding, &value).unwrap();
        prop_assert!(found.ends_with(text.as_bytes()));
        let value = json!({"c": base64::engine::general_purpose::STANDARD.encode(&bytes)}).to_string();
        let encoding = of_column(r#"{"type":"bytes","optional":false,"field":"c"}"#);
        let found = encoded(&encoding, &value).unwrap();
        prop_assert!(found.ends_with(&bytes));
    }
}
