//! Defaults in corrected and Debezium's form.

use super::*;
use crate::debezium::{Compatibility, ValueModes};
use crate::mysql::ddl::{Flavour, ParseSettings, ServerVersion, SqlMode, parse};
use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};

/// Returns the default of a column as corrected and as Debezium gives it.
fn defaults(definition: &str) -> [Option<String>; 2] {
    let server = ServerVersion { flavour: Flavour::MySql, number: 80_036 };
    let sql = format!("CREATE TABLE t (c {definition})");
    let statement = parse(sql.as_bytes(), ParseSettings { server, sql_mode: SqlMode(0) }).unwrap();
    let mut history = SchemaHistory::new(TableNameCase::Sensitive);
    history.set_database("d", Collated::new("utf8mb4"));
    let session = Session {
        default_database: Some("d"),
        server_charset: &Collated::new("utf8mb4"),
        explicit_defaults_for_timestamp: true,
    };
    history.apply(&statement, &session).unwrap();
    let column = &history.table("d", "t").unwrap().columns[0];
    [Compatibility::Corrected, Compatibility::Debezium].map(|compat| {
        let modes = ValueModes { compat, ..ValueModes::default() };
        let kind = Kind::from_column(column, &modes, Flavour::MySql);
        let json = default_json(column, &kind, compat == Compatibility::Debezium)?;
        Some(String::from_utf8(json).unwrap())
    })
}

#[test]
fn constants_are_values() {
    for (definition, expected) in [
        ("INT DEFAULT 7", "7"),
        ("INT DEFAULT '-07'", "-7"),
        ("INT DEFAULT 1.5", "2"),
        ("TINYINT(1) DEFAULT TRUE", "1"),
        ("INT DEFAULT 0x10", "16"),
        ("DECIMAL(5,2) DEFAULT 1", "\"ZA==\""),
        ("DECIMAL(5,2) DEFAULT '-0.005'", "\"/w==\""),
        ("DECIMAL(5,2) DEFAULT 99.995", "\"JxA=\""),
        ("FLOAT DEFAULT 1.5", "1.5"),
        ("BIT(1) DEFAULT b'1'", "true"),
        ("BIT(9) DEFAULT b'100000001'", "\"AQE=\""),
        ("BIT(3) DEFAULT 5", "\"BQ==\""),
        ("ENUM('a','b') DEFAULT 'b'", "\"b\""),
        ("DATE DEFAULT '2024-02-29'", "19782"),
        ("DATETIME DEFAULT '2024-02-29'", "1709164800000"),
        ("DATETIME(6) DEFAULT '2024-02-29 12:34:56.5'", "1709210096500000"),
        ("TIME DEFAULT '12:34'", "45240000000"),
        ("TIMESTAMP NULL DEFAULT '2024-02-29 12:34:56'", "\"2024-02-29T12:34:56Z\""),
        ("DATE NOT NULL DEFAULT '0000-00-00'", "0"),
        ("YEAR DEFAULT 2024", "2024"),
    ] {
        let expected = Some(expected.to_owned());
        assert_eq!(defaults(definition), [expected.clone(), expected], "{definition}");
    }
}

#[test]
fn debeziums_defaults_differ() {
    for (definition, corrected, debezium) in [
        ("VARCHAR(9) DEFAULT 'x''y'", Some("\"x'y\""), Some("\"x''y\"")),
        ("TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP", None, None),
        ("TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", None, Some("\"1970-01-01T00:00:00Z\"")),
        ("DATETIME DEFAULT CURRENT_TIMESTAMP", None, Some("0")),
        ("DATE DEFAULT (curdate())", None, None),
        ("DATE DEFAULT '0000-00-00'", None, None),
        ("INT DEFAULT NULL", None, None),
        ("INT", None, None),
        (
            "BIGINT UNSIGNED DEFAULT 18446744073709551615",
            Some("\"AP//////////\""),
            Some("9223372036854775807"),
        ),
        ("BINARY(3) DEFAULT 'ab'", Some("\"YWIA\""), Some("\"YWI=\"")),
        ("ENUM('a','x''y') DEFAULT 'x''y'", Some("\"x'y\""), Some("\"x''y\"")),
        ("VARCHAR(9) DEFAULT 'a\\\\b'", Some(r#""a\\b""#), Some(r#""a\\\\b""#)),
        ("YEAR DEFAULT 0", Some("0"), Some("2000")),
    ] {
        let [found, theirs] = defaults(definition);
        assert_eq!((found.as_deref(), theirs.as_deref()), (corrected, debezium), "{definition}");
    }
}
