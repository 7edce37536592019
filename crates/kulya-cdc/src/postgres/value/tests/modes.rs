//! Values in every mode, from the catalog's type to JSON. What Debezium writes was recorded with its engine,
//! or follows from its documentation.

use super::super::write::{write_unavailable, write_value};
use super::kinds::{catalog_type, kind, modes};
use crate::debezium::Compatibility;
use crate::debezium::Written;
use crate::postgres::column::{CatalogType, Kind, KindContext};
use kulya_store::framing::MAX_EVENT_BYTES;
use proptest::prelude::*;
use serde_json::Value;

fn written(kind: &Kind, text: &str) -> Option<String> {
    let mut out = b"before".to_vec();
    let written = write_value(kind, text.as_bytes(), &mut out);
    let json = String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned();
    let is_nothing = matches!(written, Written::Null | Written::NotAValue);
    assert_eq!(is_nothing, json.is_empty(), "{kind:?} {text}");
    match written {
        Written::NotAValue => None,
        Written::Null => Some("null".to_owned()),
        _ => Some(json),
    }
}

/// What is written for `corrected` and for `debezium`; `=` is the same, `-` no value, `x` no column.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    ("bool", "", "t", "true", "="),
    ("bool", "", "f", "false", "="),
    ("bool", "", "x", "-", "="),
    ("int8", "", "-9223372036854775808", "-9223372036854775808", "="),
    ("int4", "", "x", "-", "="),
    ("float4", "", "3.4028235e+38", "3.4028235e+38", "="),
    ("float4", "", "0.1", "0.1", "="),
    ("float8", "", "-Infinity", "\"-Infinity\"", "="),
    ("text", "", "a\"b\\\n\u{1}ä", "\"a\\\"b\\\\\\n\\u0001ä\"", "="),
    ("inet", "", "10.1.2.3/24", "\"10.1.2.3/24\"", "="),
    ("name", "", "nm", "\"nm\"", "null"),
    ("float4", "", "1e-45", "1e-45", "1.4e-45"),
    ("int2vector", "", "1 2", "x", "[]"),
    ("oidvector", "", "1 2", "x", "[]"),
    ("mood[]", "", "{sad,NULL}", "[\"sad\",null]", "null"),
    ("mood[]", "", "{sad,ok}", "[\"sad\",\"ok\"]", "="),
    ("ltree[]", "", "{a.b,NULL}", "[\"a.b\",null]", "null"),
    ("text[]", "", "{a,NULL}", "[\"a\",null]", "="),
    ("date[]", "", "{infinity,-infinity}", "[-2147472692,-2147472691]", "[-622191234,-625821272]"),
    ("date[]", "", "{\"0044-03-15 BC\",2024-02-29}", "[-735160,19782]", "[-703383,19782]"),
    (
        "date[]",
        "time-precision=isostring",
        "{infinity,-infinity,\"0044-03-15 BC\"}",
        "[\"-5877611-06-21Z\",\"-5877611-06-22Z\",\"-0043-03-15Z\"]",
        "[\"+292278994-08-16Z\",\"+292269055-12-02Z\",\"0044-03-15Z\"]",
    ),
    ("timestamp[]", "", "{infinity}", "[9223372036825200000]", "="),
    ("timestamp[]", "", "{\"0001-01-01 00:00:00 BC\"}", "[-62167219200000000]", "[-62135596800000000]"),
    (
        "timestamptz[]",
        "",
        "{infinity,-infinity,\"0044-03-15 12:00:00+00 BC\"}",
        "[\"infinity\",\"-infinity\",\"-0043-03-15T12:00:00.000000Z\"]",
        "[\"infinity\",\"+292269055-12-02T23:00:00.000000Z\",\"0044-03-15T12:00:00.000000Z\"]",
    ),
    ("name", "include-unknown-types=true", "nm", "\"nm\"", "="),
    ("mood", "", "sad", "\"sad\"", "="),
    // decimals
    ("numeric:5,2", "", "-999.99", "\"/nlh\"", "="),
    ("numeric:10,2", "", "0.00", "\"AA==\"", "="),
    ("numeric:10,2", "", "12", "\"BLA=\"", "="),
    ("numeric:38,0", "", "99999999999999999999999999999999999999", "\"SztMqFqGxHoJiiI//////w==\"", "="),
    ("numeric:50,10", "", "1000000000000000000000000000000.0000000000", "\"HWMp8cNcpL+rufVhAAAAAAA=\"", "?"),
    ("numeric:5,2", "", "NaN", "null", "="),
    ("numeric:5,2", "", "1.234", "-", "="),
    ("numeric:5,-2", "", "12300", "\"ew==\"", "?"),
    ("numeric:5,-2", "", "-100", "\"/w==\"", "?"),
    ("numeric:5,-2", "", "0", "\"AA==\"", "="),
    ("numeric:5,-2", "", "12", "-", "?"),
    ("numeric:3,5", "", "0.00123", "\"ew==\"", "="),
    ("numeric", "", "1.10", "{\"scale\":1,\"value\":\"Cw==\"}", "="),
    ("numeric:-2147483648", "", "1.10", "{\"scale\":1,\"value\":\"Cw==\"}", "="),
    ("numeric:3", "", "1.10", "{\"scale\":1,\"value\":\"Cw==\"}", "="),
    (
        "numeric",
        "",
        "1000000000000000000000000000000",
        "{\"scale\":0,\"value\":\"DJ8snNBGdO3qQAAAAA==\"}",
        "=",
    ),
    ("numeric", "", "-0.00001", "{\"scale\":5,\"value\":\"/w==\"}", "="),
    ("numeric", "", "Infinity", "null", "="),
    ("numeric", "", "1.", "-", "="),
    ("numeric:5,2", "decimal=string", "-999.99", "\"-999.99\"", "="),
    ("numeric", "decimal=string", "1.10", "\"1.10\"", "="),
    ("numeric", "decimal=string", "NaN", "\"NaN\"", "\"NAN\""),
    ("numeric", "decimal=string", "-Infinity", "\"-Infinity\"", "\"NEGATIVE_INFINITY\""),
    ("numeric", "decimal=string", "Infinity", "\"Infinity\"", "\"POSITIVE_INFINITY\""),
    ("numeric", "decimal=string", "1x", "-", "="),
    ("numeric:5,2", "decimal=double", "6.50", "6.5", "="),
    ("numeric", "decimal=double", "12345678901234567890.123456789", "1.2345678901234567e+19", "="),
    ("numeric", "decimal=double", "NaN", "\"NaN\"", "="),
    ("numeric", "decimal=double", "1e5", "-", "="),
    ("numeric[]:6,2", "", "{1.50,-2.25,NaN}", "[\"AJY=\",\"/x8=\",null]", "null"),
    ("numeric[]:6,2", "decimal=string", "{1.50,NULL}", "[\"1.50\",null]", "="),
    ("numeric[]:6,2", "decimal=double", "{1.50,-2.25}", "[1.5,-2.25]", "="),
    ("money", "", "$1,234.56", "\"AeJA\"", "="),
    ("money", "", "-$0.01", "\"/w==\"", "="),
    ("money", "", "-$92,233,720,368,547,758.08", "\"gAAAAAAAAAA=\"", "="),
    ("money", "", "", "-", "="),
    ("money", "decimal=string", "$1,234.56", "\"1234.56\"", "="),
    ("money", "decimal=string", "-$0.01", "\"-0.01\"", "="),
    ("money", "decimal=double", "-$0.01", "-0.01", "="),
    ("money[]", "", "{\"$1,234.56\"}", "[\"AeJA\"]", "x"),
    // bytes
    ("bytea", "", "\\x00ff10", "\"AP8Q\"", "="),
    ("bytea", "", "\\x", "\"\"", "="),
    ("bytea", "", "00", "-", "="),
    ("bytea", "", "\\x0", "-", "="),
    ("bytea", "binary=base64", "\\xfffe", "\"//4=\"", "="),
    ("bytea", "binary=base64-url-safe", "\\xfffe", "\"__4=\"", "="),
    ("bytea", "binary=hex", "\\x00ff10", "\"00ff10\"", "="),
    ("bytea[]", "", "{\"\\\\x0102\"}", "[\"AQI=\"]", "="),
    ("bytea[]", "binary=hex", "{\"\\\\x0102\"}", "[\"0102\"]", "="),
    ("bit:1", "", "1", "true", "="),
    ("bit:5", "", "10101", "\"FQ==\"", "="),
    ("bit:5", "", "00000", "\"\"", "="),
    (
        "bit:64",
        "",
        "1000000000000000000000000000000000000000000000000000000000000001",
        "\"AQAAAAAAAIA=\"",
        "=",
    ),
    ("varbit:12", "", "101", "\"BQ==\"", "="),
    ("varbit:1", "", "1", "\"AQ==\"", "true"),
    ("varbit:12", "", "2", "-", "="),
    // dates and times
    ("date", "", "2024-02-29", "19782", "="),
    ("date", "", "infinity", "-2147472692", "="),
    ("date", "time-precision=connect", "1969-12-31", "-1", "="),
    ("date", "time-precision=isostring", "2024-02-29", "\"2024-02-29Z\"", "="),
    ("date", "time-precision=isostring", "infinity", "\"-5877611-06-21Z\"", "="),
    ("date", "time-precision=isostring", "0044-03-15 BC", "\"-0043-03-15Z\"", "="),
    ("date", "time-precision=nanoseconds", "9999-12-31", "2932896", "="),
    ("date[]", "time-precision=isostring", "{2024-01-01}", "[\"2024-01-01Z\"]", "="),
    ("time", "", "24:00:00", "86400000000", "="),
    ("time:3", "", "12:34:56.789", "45296789", "="),
    ("time:3", "time-precision=adaptive_time_microseconds", "12:34:56.789", "45296789000", "="),
    ("time", "time-precision=connect", "12:34:56.789012", "45296789", "="),
    ("time:3", "time-precision=microseconds", "12:34:56.789", "45296789000", "="),
    ("time", "time-precision=nanoseconds", "24:00:00", "86400000000000", "="),
    ("time", "time-precision=isostring", "12:34:56.789012", "\"12:34:56.789012Z\"", "="),
    ("time", "time-precision=isostring", "24:00:00", "\"00:00:00Z\"", "="),
    ("time", "", "24:00:01", "-", "="),
    ("timetz", "", "12:34:56.789012+02", "\"10:34:56.789012Z\"", "="),
    ("timestamp", "", "2024-02-29 12:34:56.789012", "1709210096789012", "="),
    ("timestamp", "", "294276-12-31 23:59:59.999999", "9223372036854775807", "-9223372036853775810"),
    ("timestamp:3", "", "294276-12-31 23:59:59.999", "9224318015999999", "="),
    ("timestamp:3", "", "-infinity", "-9223372036832400", "="),
    ("timestamp:0", "time-precision=adaptive_time_microseconds", "1969-12-31 23:59:59", "-1000", "="),
    ("timestamp", "time-precision=connect", "9999-12-31 23:59:59.999999", "253402300799999", "="),
    ("timestamp", "time-precision=connect", "infinity", "9223372036825200", "="),
    ("timestamp:3", "time-precision=microseconds", "-infinity", "-9223372036832400000", "="),
    ("timestamp", "time-precision=nanoseconds", "1969-12-31 23:59:59.999999", "-1000", "="),
    ("timestamp", "time-precision=nanoseconds", "infinity", "9223372036854775807", "="),
    ("timestamp", "time-precision=nanoseconds", "9999-12-31 23:59:59", "9223372036854775807", "-"),
    ("timestamp", "time-precision=nanoseconds", "0001-01-01 00:00:00", "-9223372036854775808", "-"),
    ("timestamp", "time-precision=isostring", "2024-02-29 12:34:56.78", "\"2024-02-29T12:34:56.78Z\"", "="),
    ("timestamp:0", "time-precision=isostring", "0001-01-01 00:00:00", "\"0001-01-01T00:00:00Z\"", "="),
    ("timestamp", "time-precision=isostring", "infinity", "\"+294247-01-10T04:00:25.2Z\"", "="),
    ("timestamp:3", "time-precision=isostring", "-infinity", "\"-290308-12-21T19:59:27.6Z\"", "="),
    ("timestamptz", "", "2024-02-29 10:34:56.7+00", "\"2024-02-29T10:34:56.700000Z\"", "="),
    ("timestamptz:3", "time-precision=nanoseconds", "infinity", "\"infinity\"", "="),
    ("interval", "", "1 year 2 mons 3 days 04:05:06.789", "37091106789000", "="),
    ("interval", "", "2147483648:00:00", "7730941132800000000", "="),
    ("interval", "", "00:00:01.001", "1001000", "1000999"),
    ("interval", "interval=string", "1 year 2 mons 3 days 04:05:06.789", "\"P1Y2M3DT4H5M6.789S\"", "="),
    ("interval", "interval=string", "-1 days -00:00:00.000001", "\"P0Y0M-1DT0H0M-0.000001S\"", "="),
    ("interval[]", "interval=string", "{\"1 day\"}", "[\"P0Y0M1DT0H0M0S\"]", "x"),
    // hstore
    ("hstore", "", "\"a\"=>\"1\", \"b\"=>NULL", "\"{\\\"a\\\":\\\"1\\\",\\\"b\\\":null}\"", "="),
    ("hstore", "", "", "\"{}\"", "="),
    ("hstore", "hstore=map", "\"a\"=>\"1\", \"c d\"=>\"e\\\"f\"", "{\"a\":\"1\",\"c d\":\"e\\\"f\"}", "="),
    ("hstore", "hstore=map", "", "{}", "="),
    ("hstore", "hstore=map", "a=>1", "-", "="),
    // geometry and types without a representation
    (
        "point",
        "",
        "(1.5,-2)",
        "{\"x\":1.5,\"y\":-2.0,\"wkb\":\"AQEAAAAAAAAAAAD4PwAAAAAAAADA\",\"srid\":null}",
        "=",
    ),
    ("point", "", "1", "-", "="),
    ("line", "", "{1,2,3}", "x", "="),
    ("line", "include-unknown-types=true", "{1,2,3}", "\"ezEsMiwzfQ==\"", "\"ezEuMCwyLjAsMy4wfQ==\""),
    ("pg_lsn", "include-unknown-types=true", "16/B374D848", "\"MTYvQjM3NEQ4NDg=\"", "="),
    ("pg_lsn", "include-unknown-types=true binary=hex", "0/1", "\"302f31\"", "="),
    (
        "box[]",
        "include-unknown-types=true",
        "{(1,1),(0,0);(2,2),(1,1)}",
        "[\"KDEsMSksKDAsMCk=\",\"KDIsMiksKDEsMSk=\"]",
        "?",
    ),
    // arrays
    ("time[]", "", "{00:00:00.000999,24:00:00}", "[999,86400000000]", "[0,0]"),
    (
        "timetz[]",
        "",
        "{12:34:56.789012+02,23:59:59.999999-12}",
        "[\"10:34:56.789012Z\",\"11:59:59.999999Z\"]",
        "[\"10:34:56Z\",\"11:59:59Z\"]",
    ),
    ("int4[]", "", "{1,NULL,3}", "[1,null,3]", "="),
    ("int4[]", "", "{}", "[]", "="),
    ("int4[]", "", "{{1,2},{3,4}}", "[[1,2],[3,4]]", "[null,null]"),
    ("int4[]", "", "{{{1},{2}}}", "[[[1],[2]]]", "[null]"),
    ("int4[]", "", "[0:1]={1,2}", "[1,2]", "="),
    ("int4[]", "", "{1,x}", "-", "="),
    ("int4[]", "", "{1", "-", "="),
    ("text[]", "", "{a,\"b,c\",\"\\\"q\\\"\",NULL,\"\"}", "[\"a\",\"b,c\",\"\\\"q\\\"\",null,\"\"]", "="),
    ("mood[]", "", "{sad,ok}", "[\"sad\",\"ok\"]", "="),
    ("bool[]", "", "{t,f}", "[true,false]", "="),
    ("timestamptz[]", "", "{\"2024-02-29 10:34:56.789012+00\"}", "[\"2024-02-29T10:34:56.789012Z\"]", "="),
];

#[test]
fn values_match_debeziums_in_every_mode() {
    for (name, settings, text, corrected, debezium) in CASES {
        let debezium = if *debezium == "=" { corrected } else { debezium };
        for (compat, expected) in [(Compatibility::Corrected, corrected), (Compatibility::Debezium, debezium)]
        {
            let kind = kind(name, settings, compat);
            let found = match &kind {
                Some(kind) => written(kind, text).unwrap_or_else(|| "-".to_owned()),
                None => "x".to_owned(),
            };
            if *expected != "?" {
                assert_eq!(found, **expected, "{name} {settings} {text} {compat:?}");
            }
        }
    }
}

#[test]
fn debezium_takes_a_negative_scale_for_a_large_one() {
    let kind = kind("numeric:5,-2", "", Compatibility::Debezium).unwrap();
    assert_eq!(kind.describe("", true).parameters[0], ("scale".into(), "2046".to_owned()));
    let json = written(&kind, "12300").unwrap();
    assert!(json.starts_with("\"BMLOWGDcR8HNxiEpsSUGEhmQXT50") && json.len() == 1138, "{}", json.len());
}

#[test]
fn debezium_has_no_arrays_of_domains() {
    let scalar = CatalogType { is_domain: true, ..catalog_type("int4") };
    let array = CatalogType { items: Some(Box::new(scalar.clone())), ..catalog_type("int4[]") };
    // a domain over an array is an array
    let domain = CatalogType { is_domain: true, ..catalog_type("int4[]") };
    for (compat, expected) in
        [(Compatibility::Corrected, [true, true, true]), (Compatibility::Debezium, [true, false, true])]
    {
        let modes = modes("", compat);
        let context = KindContext { modes: &modes, money_digits: 2 };
        let found = [&scalar, &array, &domain].map(|catalog| Kind::from_type(catalog, &context).is_some());
        assert_eq!(found, expected, "{compat:?}");
    }
}

#[test]
fn money_has_the_digits_of_the_currency() {
    for (digits, settings, text, expected) in [
        // yen: 1234 is shown as 12.34; dinar: 1.234 as 12.34
        (0, "", "$12.34", "\"AeII\""),
        (0, "decimal=string", "$12.34", "\"1234.00\""),
        (3, "", "-$12.34", "\"+y4=\""),
        (3, "decimal=string", "-$12.34", "\"-1.234\""),
        (3, "decimal=double", "-$12.34", "-1.234"),
    ] {
        let modes = modes(settings, Compatibility::Corrected);
        let context = KindContext { modes: &modes, money_digits: digits };
        let kind = Kind::from_type(&catalog_type("money"), &context).unwrap();
        assert_eq!(written(&kind, text).as_deref(), Some(expected), "{digits} {settings}");
    }
}

#[test]
fn columns_are_described_in_every_mode() {
    for (name, settings, expected) in [
        (
            "numeric:5,2",
            "",
            "bytes org.apache.kafka.connect.data.Decimal scale=2 connect.decimal.precision=5",
        ),
        ("numeric", "", "struct io.debezium.data.VariableScaleDecimal"),
        ("numeric:5,2", "decimal=string", "string"),
        ("numeric", "decimal=double", "float64"),
        ("money", "", "bytes org.apache.kafka.connect.data.Decimal scale=2"),
        ("money", "decimal=double", "float64"),
        ("bytea", "", "bytes"),
        ("bytea", "binary=hex", "string"),
        ("pg_lsn", "include-unknown-types=true", "bytes"),
        ("pg_lsn", "include-unknown-types=true binary=base64", "string"),
        ("hstore", "", "string io.debezium.data.Json"),
        ("hstore", "hstore=map", "map"),
        ("interval", "", "int64 io.debezium.time.MicroDuration"),
        ("interval", "interval=string", "string io.debezium.time.Interval"),
        ("date", "", "int32 io.debezium.time.Date"),
        ("date", "time-precision=connect", "int32 org.apache.kafka.connect.data.Date"),
        ("date", "time-precision=isostring", "string io.debezium.time.IsoDate"),
        ("time:3", "", "int32 io.debezium.time.Time"),
        ("time:3", "time-precision=adaptive_time_microseconds", "int64 io.debezium.time.MicroTime"),
        ("time", "time-precision=connect", "int32 org.apache.kafka.connect.data.Time"),
        ("time", "time-precision=nanoseconds", "int64 io.debezium.time.NanoTime"),
        ("time", "time-precision=isostring", "string io.debezium.time.IsoTime"),
        ("timestamp:3", "", "int64 io.debezium.time.Timestamp"),
        ("timestamp", "", "int64 io.debezium.time.MicroTimestamp"),
        ("timestamp", "time-precision=connect", "int64 org.apache.kafka.connect.data.Timestamp"),
        ("timestamp", "time-precision=nanoseconds", "int64 io.debezium.time.NanoTimestamp"),
        ("timestamp", "time-precision=isostring", "string io.debezium.time.IsoTimestamp"),
        ("timestamptz", "time-precision=connect", "string io.debezium.time.ZonedTimestamp"),
        ("varbit", "", "bytes io.debezium.data.Bits length=2147483647"),
        ("mood[]", "", "array of string io.debezium.data.Enum allowed=sad,ok"),
        ("date[]", "time-precision=isostring", "array of string io.debezium.time.IsoDate"),
    ] {
        let description = kind(name, settings, Compatibility::Corrected).unwrap().describe("c", true);
        let mut columns = vec![description];
        let mut found = Vec::new();
        while let Some(column) = columns.pop() {
            if !column.optional {
                found.push("required".to_owned());
            }
            found.push(column.connect_type.to_string());
            found.extend(column.connect_name.map(String::from));
            found.extend(column.parameters.iter().map(|(name, value)| format!("{name}={value}")));
            if let Some(items) = column.items {
                found.push("of".to_owned());
                columns.push(*items);
            }
        }
        assert_eq!(found.join(" "), expected, "{name} {settings}");
    }
}

#[test]
fn placeholders_are_those_of_the_modes() {
    let own = "unavailable-value=not_sent";
    let default = "\"__debezium_unavailable_value\"";
    for (name, settings, corrected, debezium) in [
        ("text", "", default, default),
        ("text", own, "\"not_sent\"", "\"not_sent\""),
        ("numeric", "", "{\"scale\":0,\"value\":\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"}", "null"),
        ("numeric", "decimal=string", default, default),
        ("numeric:5,2", own, "\"bm90X3NlbnQ=\"", "null"),
        ("bytea", "binary=base64", "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"", "null"),
        ("hstore", "hstore=map unavailable-value=n", "{\"n\":\"n\"}", "{\"n\":\"n\"}"),
        ("int4[]", "unavailable-value=az", "[97,122]", "[97,122]"),
        (
            "uuid[]",
            "",
            "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]",
            "[\"b68a35a7-17ad-35b3-af2a-ae46edb4545a\"]",
        ),
        ("uuid[]", own, "[\"adb9ebc2-bcec-3f49-bc2b-766defba77bc\"]", "?"),
        ("text[]", own, "[\"not_sent\"]", "[\"not_sent\"]"),
        ("int4", own, "null", "null"),
    ] {
        for (compat, expected) in [(Compatibility::Corrected, corrected), (Compatibility::Debezium, debezium)]
        {
            let mut out = Vec::new();
            let written = write_unavailable(&kind(name, settings, compat).unwrap(), &mut out);
            let mut found = String::from_utf8(out).unwrap();
            assert_eq!(written == Written::Null, found.is_empty(), "{name} {settings}");
            if written == Written::Null {
                found.push_str("null");
            }
            if expected != "?" {
                assert_eq!(found, expected, "{name} {settings} {compat:?}");
            }
        }
    }
    let name = kind("name", own, Compatibility::Debezium);
    assert_eq!(name, Some(Kind::AlwaysNull));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    for (name, bytes, expected, json) in [
        ("text", &b"a\xff"[..], Written::Lossy, "\"a\u{fffd}\""),
        ("text[]", b"{a,\xff}", Written::Lossy, "[\"a\",\"\u{fffd}\"]"),
        ("hstore", b"\"a\"=>\"\xff\"", Written::Lossy, "\"{\\\"a\\\":\\\"\u{fffd}\\\"}\""),
        ("int4", b"1\xff", Written::NotAValue, ""),
        ("numeric", b"\xff", Written::NotAValue, ""),
        ("timestamp", b"\xff", Written::NotAValue, ""),
    ] {
        let mut out = Vec::new();
        let kind = kind(name, "", Compatibility::Corrected).unwrap();
        assert_eq!(write_value(&kind, bytes, &mut out), expected, "{name}");
        assert_eq!(String::from_utf8(out).unwrap(), json);
    }
}

/// With Debezium the scale -2 is 2046.
#[test]
fn arrays_end_beyond_the_size_of_an_event() {
    let kind = kind("numeric[]:5,-2", "", Compatibility::Debezium).unwrap();
    let mut out = b"before".to_vec();
    let text = format!("{{{}1}}", "1,".repeat(20_000));
    assert_eq!(write_value(&kind, text.as_bytes(), &mut out), Written::Value);
    assert!((MAX_EVENT_BYTES..MAX_EVENT_BYTES + 2000).contains(&out.len()), "{}", out.len());
}

proptest! {
    #[test]
    fn any_bytes_are_json_or_rejected(bytes: Vec<u8>, text in "[-+0-9.:, eE{}\"\\\\NULaBCtx$=>()T]{0,40}") {
        for (name, settings, _, _, _) in CASES {
            for compat in [Compatibility::Corrected, Compatibility::Debezium] {
                let Some(kind) = kind(name, settings, compat) else { continue };
                for bytes in [&bytes[..], text.as_bytes()] {
                    let mut out = Vec::new();
                    match write_value(&kind, bytes, &mut out) {
                        Written::Null | Written::NotAValue => prop_assert!(out.is_empty()),
                        _ => { serde_json::from_slice::<Value>(&out).unwrap(); }
                    }
                }
            }
        }
    }
}
