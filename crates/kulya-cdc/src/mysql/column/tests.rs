//! Types by column and modes. Debezium's recorded schemas are compared with those of whole tables, in
//! `table/tests/schemas.rs`.

use super::*;
use crate::mysql::ddl::{ParseSettings, ServerVersion, SqlMode, parse};
use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};

fn describe(definition: &str, flavour: Flavour, modes: &ValueModes) -> String {
    let number = if flavour == Flavour::MySql { 90_100 } else { 110_700 };
    let settings = ParseSettings { server: ServerVersion { flavour, number }, sql_mode: SqlMode(0) };
    let statement = parse(format!("CREATE TABLE t (c {definition})").as_bytes(), settings).unwrap();
    let mut history = SchemaHistory::new(TableNameCase::Sensitive);
    let charset = Collated::new("utf8mb4");
    let session = Session {
        default_database: Some("d"),
        server_charset: &charset,
        explicit_defaults_for_timestamp: true,
    };
    history.set_database("d", charset.clone());
    history.apply(&statement, &session).unwrap();
    let column = &history.table("d", "t").unwrap().columns[0];
    let description = Kind::from_column(column, modes, flavour).describe("c", column.nullable);
    let parameters = description.parameters.iter().map(|(name, value)| format!(" {name}={value}"));
    let name = description.connect_name.map(|name| format!(" {}", name.rsplit('.').next().unwrap()));
    let required = if description.optional { "" } else { "!" };
    let start = format!("{}{required}{}", description.connect_type, name.unwrap_or_default());
    start + &parameters.collect::<String>()
}

#[test]
fn dates_and_times_by_mode() {
    use TimePrecision::{Adaptive, AdaptiveTimeMicroseconds, Connect, Isostring, Microseconds, Nanoseconds};
    for (precision, [date, time, time6, date_time, date_time6]) in [
        (
            None,
            ["int32 Date", "int64 MicroTime", "int64 MicroTime", "int64 Timestamp", "int64 MicroTimestamp"],
        ),
        (
            Some(AdaptiveTimeMicroseconds),
            ["int32 Date", "int64 MicroTime", "int64 MicroTime", "int64 Timestamp", "int64 MicroTimestamp"],
        ),
        (
            Some(Adaptive),
            ["int32 Date", "int32 Time", "int64 MicroTime", "int64 Timestamp", "int64 MicroTimestamp"],
        ),
        (Some(Connect), ["int32 Date", "int32 Time", "int32 Time", "int64 Timestamp", "int64 Timestamp"]),
        (
            Some(Isostring),
            [
                "string IsoDate",
                "string IsoTime",
                "string IsoTime",
                "string IsoTimestamp",
                "string IsoTimestamp",
            ],
        ),
        (
            Some(Microseconds),
            [
                "int32 Date",
                "int64 MicroTime",
                "int64 MicroTime",
                "int64 MicroTimestamp",
                "int64 MicroTimestamp",
            ],
        ),
        (
            Some(Nanoseconds),
            ["int32 Date", "int64 NanoTime", "int64 NanoTime", "int64 NanoTimestamp", "int64 NanoTimestamp"],
        ),
    ] {
        let modes = ValueModes { time_precision: precision, ..ValueModes::default() };
        for (definition, expected) in [
            ("DATE", date),
            ("TIME(3)", time),
            ("TIME(6)", time6),
            ("DATETIME", date_time),
            ("DATETIME(4)", date_time6),
            ("TIMESTAMP(6) NULL", "string ZonedTimestamp"),
            ("YEAR", "int32 Year"),
        ] {
            let found = describe(definition, Flavour::MySql, &modes);
            assert_eq!(found, expected, "{definition} {precision:?}");
        }
    }
}

#[test]
fn numbers_and_bytes_by_mode() {
    let default = ValueModes::default();
    let debezium = ValueModes { compat: Compatibility::Debezium, ..default.clone() };
    let long = ValueModes { bigint_unsigned: Some(BigintUnsignedMode::Long), ..default.clone() };
    let precise = ValueModes { bigint_unsigned: Some(BigintUnsignedMode::Precise), ..debezium.clone() };
    let decimal = |decimal| ValueModes { decimal, ..default.clone() };
    let binary = |binary| ValueModes { binary, ..default.clone() };
    let exact = "bytes Decimal scale=0 connect.decimal.precision=20";
    for (definition, modes, expected) in [
        ("BIGINT UNSIGNED", &default, exact),
        ("BIGINT UNSIGNED", &debezium, "int64"),
        ("BIGINT UNSIGNED", &long, "int64"),
        ("BIGINT UNSIGNED", &precise, exact),
        ("DECIMAL(5,2)", &default, "bytes Decimal scale=2 connect.decimal.precision=5"),
        ("DECIMAL", &default, "bytes Decimal scale=0 connect.decimal.precision=10"),
        ("DECIMAL(5,2)", &decimal(DecimalMode::String), "string"),
        ("DECIMAL(5,2)", &decimal(DecimalMode::Double), "float64"),
        ("BLOB", &default, "bytes"),
        ("BLOB", &binary(BinaryMode::Base64), "string"),
        ("BINARY(3) NOT NULL", &binary(BinaryMode::Hex), "string!"),
        ("VARCHAR(9) CHARACTER SET binary", &default, "bytes"),
        ("BIT", &default, "boolean"),
        ("BIT(9)", &default, "bytes Bits length=9"),
        ("TINYINT(1) NOT NULL", &default, "int16!"),
        ("FLOAT", &default, "float32"),
        ("FLOAT(30)", &default, "float64"),
        ("FLOAT(7,3)", &default, "float64"),
    ] {
        assert_eq!(describe(definition, Flavour::MySql, modes), expected, "{definition} {modes:?}");
    }
}

#[test]
fn other_types_by_server() {
    use Flavour::{MariaDb, MySql};
    for (definition, flavour, expected) in [
        ("JSON", MySql, "string Json"),
        ("JSON", MariaDb, "string"),
        ("UUID", MariaDb, "string Uuid"),
        ("INET4", MariaDb, "string"),
        ("INET6", MariaDb, "string"),
        ("VECTOR(3)", MySql, "array FloatVector"),
        ("POINT NOT NULL", MySql, "struct Point"),
        ("MULTIPOLYGON", MySql, "struct Geometry"),
        ("ENUM('a','b,c','d\\\\e')", MySql, "string Enum allowed=a,b\\,c,d\\\\e"),
        ("SET('a','b')", MySql, "string EnumSet allowed=a,b"),
        ("TEXT CHARACTER SET gbk", MySql, "string"),
    ] {
        assert_eq!(describe(definition, flavour, &ValueModes::default()), expected, "{definition}");
    }
}
