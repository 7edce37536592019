//! The table of keys, and whole files of deployments.

use super::*;
use crate::column_rules::{ColumnRules, HashAlgorithm, HashRule, HashVersion, MaskRule, TruncateRule};
use crate::debezium::format::EventFormat;
use crate::mysql::connection::ConnectionSettings;
use crate::table_filter::TableFilter;
use crate::{CaptureSettings, CdcErrorKind, debezium};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const POSTGRES_PRAVEGA: &str = include_str!("../../tests/data/debezium-server/postgres-pravega.properties");
const POSTGRES_TUTORIAL: &str = include_str!("../../tests/data/debezium-server/postgres-tutorial.properties");
const POSTGRES_CONTENT: &str = include_str!("../../tests/data/debezium-server/postgres-content.properties");
const POSTGRES_UNSUPPORTED: &str =
    include_str!("../../tests/data/debezium-server/postgres-unsupported.properties");
const MYSQL_TUTORIAL: &str = include_str!("../../tests/data/debezium-server/mysql-tutorial.properties");
const MARIADB: &str = include_str!("../../tests/data/debezium-server/mariadb.properties");

const FIELDS: &str = include_str!("../../tests/data/debezium-server/fields.tsv");

const POSTGRES_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";

fn convert_with(file: &str, environment: &[(&str, &str)]) -> Result<Converted, InvalidSettings> {
    let environment: BTreeMap<String, String> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let properties = Properties::parse(file.as_bytes(), &environment).unwrap();
    DebeziumServerSettings::from_properties(&properties)
}

fn convert(file: &str) -> Result<Converted, InvalidSettings> {
    convert_with(file, &[])
}

/// Returns a complete file for a database, with more lines.
fn file(class: &str, lines: &str) -> String {
    let database = match class {
        POSTGRES_CLASS => "debezium.source.database.dbname=shop",
        _ => "debezium.source.database.server.id=1",
    };
    format!(
        "debezium.sink.type=pravega\ndebezium.source.connector.class={class}\n{database}\n\
         debezium.source.topic.prefix=shop\ndebezium.source.database.hostname=db\n\
         debezium.source.database.user=me\ndebezium.format.value.schemas.enable=false\n{lines}\n"
    )
}

/// Returns those of a few tables that are captured.
fn captured(capture: &CaptureSettings) -> Vec<&'static str> {
    let tables = [
        "public.orders",
        "public.customers",
        "public.products",
        "public.audit",
        "inventory.orders",
        "sales.b",
        "Sales.Orders",
    ];
    let is_captured = |name: &&str| {
        let (schema, table) = name.split_once('.').unwrap();
        capture.is_captured(schema, table)
    };
    tables.into_iter().filter(is_captured).collect()
}

/// Returns the format that Debezium has by default, but without skipped operations.
fn debeziums_format(prefix: &str, has_schemas: bool) -> EventFormat {
    EventFormat {
        topic_prefix: prefix.to_owned(),
        schemas_in_keys: has_schemas,
        schemas_in_values: has_schemas,
        schemas_in_headers: has_schemas,
        context_headers: true,
        ..EventFormat::default()
    }
}

/// Returns the modes that Debezium has by default.
fn debeziums_values() -> debezium::ValueModes {
    debezium::ValueModes {
        time_precision: Some(debezium::TimePrecision::Adaptive),
        bigint_unsigned: Some(debezium::BigintUnsignedMode::Long),
        compat: debezium::Compatibility::Debezium,
        ..debezium::ValueModes::default()
    }
}

#[test]
fn transactional_mode_is_accepted_either_way() {
    let convert = |value: &str| {
        let text = format!("{POSTGRES_PRAVEGA}\ndebezium.sink.pravega.transaction={value}\n");
        convert_with(&text, &[("DB_PASSWORD", "x")])
    };
    for value in ["true", "false", "TRUE", ""] {
        let converted = convert(value).unwrap();
        let is_ignored = keys_of(&converted.ignored).contains(&"debezium.sink.pravega.transaction");
        assert_eq!((is_ignored, converted.refused), (false, vec![]), "{value:?}");
    }
    assert!(convert("perhaps").is_err());
}

fn keys_of(list: &[Unsupported]) -> Vec<&str> {
    list.iter().map(|unsupported| unsupported.key.as_str()).collect()
}

#[test]
fn deployment_into_pravega_is_converted() {
    let converted = convert_with(POSTGRES_PRAVEGA, &[("DB_PASSWORD", "pa$word@ ")]).unwrap();
    assert_eq!(converted.refused, []);
    assert_eq!(converted.unknown, []);
    assert_eq!(
        keys_of(&converted.ignored),
        [
            "debezium.source.offset.flush.interval.ms",
            "debezium.source.offset.storage.file.filename",
            "quarkus.http.port",
            "quarkus.log.console.json",
            "quarkus.log.level",
        ]
    );
    let capture = converted.capture;
    assert_eq!(capture.url, "postgres://debezium@db:5432/shop?sslmode=prefer");
    assert_eq!(capture.password, "pa$word@ ");
    assert_eq!(captured(&capture), ["public.orders", "public.customers", "public.products"]);
    assert_eq!((capture.name.as_str(), capture.scope.as_str()), ("shop", "shop"));
    assert_eq!((capture.slot.as_str(), capture.publication.as_str()), ("shop_slot", "shop_publication"));
    assert!(capture.transaction_metadata && capture.truncate);
    assert_eq!(
        capture.format,
        EventFormat { provide_transaction_metadata: true, ..debeziums_format("shop", false) }
    );
    assert_eq!(capture.values, debeziums_values());
    let pravega = converted.settings.sink.pravega.unwrap();
    assert_eq!((pravega.controller.as_str(), pravega.transaction), ("tcp://pravega:9090", true));
    capture.store_settings().unwrap();
}

#[test]
fn tutorial_has_debeziums_defaults() {
    let converted = convert(POSTGRES_TUTORIAL).unwrap();
    assert_eq!(converted.refused, []);
    assert_eq!(
        keys_of(&converted.ignored),
        ["debezium.source.offset.flush.interval.ms", "debezium.source.offset.storage.file.filename"]
    );
    let capture = converted.capture;
    assert_eq!(captured(&capture), ["inventory.orders"]);
    assert_eq!((capture.slot.as_str(), capture.publication.as_str()), ("debezium", "dbz_publication"));
    assert_eq!(capture.stream, "{prefix}.{schema}.{table}");
    let truncate = [debezium::envelope::Operation::Truncate].into_iter().collect();
    let format = EventFormat { skipped_operations: truncate, ..debeziums_format("tutorial", true) };
    assert_eq!((capture.format, capture.values), (format, debeziums_values()));
    assert_eq!((capture.columns, capture.heartbeat_interval_ms), (ColumnRules::default(), 0));
    assert_eq!(capture.snapshot_mode, crate::SnapshotMode::Initial);
    assert!(!capture.transaction_metadata);
    let settings = converted.settings;
    assert_eq!(settings.modes.decimal, DecimalMode::Precise);
    assert_eq!(settings.modes.time, TimeMode::Adaptive);
    assert_eq!(settings.snapshot.mode, SnapshotMode::Initial);
    assert_eq!(settings.events.skipped_operations, [Operation::Truncate]);
    assert_eq!(settings.connection.tls, TlsMode::Prefer);
    assert!(settings.binlog.is_none());
    assert_eq!(settings.sink.pravega.unwrap().controller, "tcp://localhost:9090");
}

#[test]
fn content_of_events_is_converted() {
    let converted = convert(POSTGRES_CONTENT).unwrap();
    assert_eq!((converted.refused, converted.ignored, converted.unknown), Default::default());
    let capture = converted.capture;
    let operations = [debezium::envelope::Operation::Create, debezium::envelope::Operation::Truncate];
    assert_eq!(
        capture.format,
        EventFormat {
            topic_delimiter: "-".into(),
            topic_transaction: "tx".into(),
            topic_heartbeat_prefix: "beat".into(),
            schemas_in_keys: false,
            schemas_in_headers: false,
            tombstones_on_delete: false,
            skipped_operations: operations.into_iter().collect(),
            context_headers: false,
            schema_names: debezium::name_adjustment::NameAdjustment::AvroUnicode,
            field_names: debezium::name_adjustment::NameAdjustment::Avro,
            ..debeziums_format("shop", true)
        }
    );
    assert_eq!(
        capture.values,
        debezium::ValueModes {
            decimal: debezium::DecimalMode::String,
            time_precision: Some(debezium::TimePrecision::Connect),
            binary: debezium::BinaryMode::Base64UrlSafe,
            interval: debezium::IntervalMode::String,
            hstore: debezium::HstoreMode::Map,
            include_unknown_types: true,
            unavailable_value: "not sent".into(),
            ..debeziums_values()
        }
    );
    let patterns = |list: &str| NamePatterns::parse(list).unwrap();
    let columns = |list: &str| patterns(list);
    let hash = |list, algorithm, salt: &str, version| HashRule {
        columns: columns(list),
        algorithm,
        salt: salt.into(),
        version,
    };
    assert_eq!(
        capture.columns,
        ColumnRules {
            include: NamePatterns::default(),
            exclude: columns("public.users.password"),
            key: patterns(r"public\.orders.customer,public\.orders.id,(.*).log.at"),
            mask: vec![MaskRule { columns: columns("public.users.name"), length: 4 }],
            hash: vec![
                hash("public.users.email", HashAlgorithm::Sha256, "a.b", HashVersion::V1),
                hash("public.users.phone", HashAlgorithm::Md5, "c", HashVersion::V2),
            ],
            truncate: vec![TruncateRule { columns: columns("public.*.text"), length: 20 }],
            source_type: columns("public.orders.*"),
            source_datatype: columns(".*numeric"),
        }
    );
    let filter = TableFilter { exclude_tables: patterns(r".*\.audit"), ..TableFilter::default() };
    assert_eq!(capture.table_filter, filter);
    assert_eq!(captured(&capture).len(), 6);
    assert_eq!((capture.heartbeat_interval_ms, capture.heartbeat_query.as_str()), (10_000, "SELECT 1"));
    assert_eq!(capture.snapshot_mode, crate::SnapshotMode::NoData);
    assert_eq!(capture.stream, "{prefix}-{schema}-{table}");
    assert!(!format!("{:?}", capture.columns).contains("a.b"));
}

#[test]
fn threads_of_a_snapshot_are_its_readers() {
    for (lines, expected) in [("", 1), ("=4", 4), ("=0", 1), ("=100", 16)] {
        let line = lines.strip_prefix('=').map(|n| format!("debezium.source.snapshot.max.threads={n}"));
        for class in [POSTGRES_CLASS, "io.debezium.connector.mysql.MySqlConnector"] {
            let capture = convert(&file(class, &line.clone().unwrap_or_default())).unwrap().capture;
            assert_eq!(capture.snapshot_readers, expected, "{lines}");
        }
    }
}

#[test]
fn what_would_change_the_events_is_refused() {
    let converted = convert(POSTGRES_UNSUPPORTED).unwrap();
    assert_eq!(
        keys_of(&converted.refused),
        [
            "debezium.format.value",
            "debezium.source.converters",
            "debezium.source.money.fraction.digits",
            "debezium.source.snapshot.mode",
            "debezium.source.time.precision.mode",
            "debezium.sink.type",
            "debezium.source.column.mask.hash.MD2.with.salt.…",
            "debezium.transforms.filter.type",
            "debezium.source.unavailable.value.placeholder",
        ]
    );
    let ignored = keys_of(&converted.ignored);
    assert!(ignored.contains(&"debezium.source.signal.file"), "{ignored:?}");
    assert!(ignored.contains(&"debezium.format.value.basic.auth.user.info"), "{ignored:?}");
    assert_eq!(converted.unknown, []);
    assert_eq!(converted.refused[3].to_string(), "debezium.source.snapshot.mode = \"always\": snapshot-mode");
    // neither the lines for the user nor the settings as debug text contain passwords
    let lines: Vec<String> = converted.refused.iter().map(ToString::to_string).collect();
    let all = format!("{} {:?} {converted:?}", lines.join(" "), converted.warnings().collect::<Vec<_>>());
    assert!(!all.contains("very-secret"), "{all}");
    assert!(!all.contains('\n') && !all.contains('`'), "{all}");
    let settings = converted.settings;
    assert_eq!(settings.column_rules.len(), 1);
    assert_eq!(settings.transforms[0].name, "route");
    assert_eq!(settings.transforms[0].options["regex"].expose(), "(.*)");
    assert_eq!(settings.converters[0].class.as_deref(), Some("io.debezium.test.IsbnConverter"));
}

/// Returns what is refused beside the database itself, if that is not captured yet.
fn refused_beside_the_database(converted: &Converted) -> Vec<&str> {
    let mut keys = keys_of(&converted.refused);
    keys.retain(|key| *key != "debezium.source.connector.class");
    keys
}

#[test]
fn mysql_and_mariadb_are_converted() {
    let converted = convert(MYSQL_TUTORIAL).unwrap();
    assert_eq!(refused_beside_the_database(&converted), ["debezium.source.gtid.source.includes"]);
    assert!(converted.unknown.is_empty());
    let (settings, capture) = (converted.settings, converted.capture);
    assert_eq!((settings.database, settings.connection.port), (DatabaseKind::MySql, 3306));
    assert_eq!(settings.snapshot.locking, SnapshotLocking::Minimal);
    let url = "mysql://debezium@mysql:3306/?ssl-mode=required&connect-timeout=30&get-server-public-key=true";
    assert_eq!((capture.url.as_str(), capture.password.as_str()), (url, "dbz"));
    ConnectionSettings::parse(&capture.url).unwrap();
    assert_eq!((capture.server_id, capture.name.as_str()), (Some(184_054), "dbserver1"));
    assert!(capture.is_captured("Inventory", "orders") && !capture.is_captured("other", "orders"));
    assert!(!capture.is_captured("inventory", "x"));
    assert_eq!(capture.columns.mask[0].length, 12);
    assert!(capture.schema_changes && !capture.include_query);
    assert_eq!(
        capture.values,
        debezium::ValueModes {
            time_precision: Some(debezium::TimePrecision::AdaptiveTimeMicroseconds),
            bigint_unsigned: Some(debezium::BigintUnsignedMode::Precise),
            ..debeziums_values()
        }
    );
    let truncate = [debezium::envelope::Operation::Truncate].into_iter().collect();
    let format = EventFormat { skipped_operations: truncate, ..debeziums_format("dbserver1", true) };
    assert_eq!(capture.format, format);
    assert_eq!((capture.slot.as_str(), capture.publication.as_str()), ("", ""));

    let converted = convert(MARIADB).unwrap();
    assert_eq!(refused_beside_the_database(&converted), ["debezium.source.snapshot.mode"]);
    let (settings, capture) = (converted.settings, converted.capture);
    assert_eq!(settings.snapshot.locking, SnapshotLocking::Extended);
    assert_eq!(settings.signals.tables, ["inventory.debezium_signal"]);
    assert_eq!(capture.signal_table, "inventory.debezium_signal");
    let url = "mariadb://debezium@mariadb:3307/?ssl-mode=verify-ca&connect-timeout=2";
    assert_eq!((capture.url.as_str(), capture.server_id), (url, Some(1)));
    assert!(!capture.schema_changes && capture.include_query);
    ConnectionSettings::parse(&capture.url).unwrap();
    assert_eq!(capture.values.bigint_unsigned, Some(debezium::BigintUnsignedMode::Long));
    assert!(capture.is_captured("any", "table") && !capture.is_captured("sys_a", "table"));
}

#[test]
fn each_invalid_value_is_named_with_what_is_permitted() {
    let lines = "debezium.source.decimal.handling.mode=exact\ndebezium.source.database.port=many\n\
        debezium.source.tombstones.on.delete=yes\ndebezium.source.table.include.list=(?!a)b\n\
        debezium.source.skipped.operations=t,x\ndebezium.source.column.mask.with.ten.chars=a.b.c\n\
        debezium.source.database.password=${NOBODY}\nquarkus.x=${NOBODY}\n";
    let error = convert(&file(POSTGRES_CLASS, lines)).unwrap_err();
    let lines: Vec<String> = error.values.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "debezium.source.database.password: ${NOBODY} is not set: set the environment variable or the key, or write ${NOBODY:default}",
            "debezium.source.database.port = \"many\": a whole number is needed",
            "debezium.source.decimal.handling.mode = \"exact\": permitted are precise, double, string",
            "debezium.source.skipped.operations = \"t,x\": permitted are c, u, d, t, r, none",
            "debezium.source.table.include.list = \"(?!a)b\": \"(?!a)b\" is not a regular expression that is supported (no look-around, no references to groups, no possessive quantifiers)",
            "debezium.source.tombstones.on.delete = \"yes\": permitted are true, false",
            "debezium.source.column.mask.with.ten.chars: write mask.with.LENGTH.chars, mask.hash.ALGORITHM.with.salt.SALT or truncate.to.LENGTH.chars",
        ]
    );
    assert_eq!(crate::CdcError::from(error).kind(), CdcErrorKind::Configuration);
    let message = |file: &str| convert(file).unwrap_err().to_string();
    assert!(message("").contains("connector.class: it is not set"), "{}", message(""));
    let other = message("debezium.source.connector.class=io.debezium.connector.oracle.OracleConnector");
    assert!(other.contains("OracleConnector") && other.contains(POSTGRES_CLASS), "{other}");
    let bare = message(&format!("debezium.source.connector.class={POSTGRES_CLASS}"));
    for key in ["database.hostname", "database.user", "database.dbname", "topic.prefix", "sink.type"] {
        assert!(bare.contains(&format!("{key}: it is not set")), "{key}: {bare}");
    }
    let port = message(&file(POSTGRES_CLASS, "debezium.source.database.port=70000"));
    assert_eq!(port, "debezium.source.database.port = \"70000\": the number is out of range");
    let both = message(&file(POSTGRES_CLASS, "debezium.source.skipped.operations=none,t"));
    assert!(both.contains("none cannot be combined"), "{both}");
}

#[test]
fn lists_of_tables_are_combined() {
    for (lines, expected) in [
        (
            "",
            "public.orders public.customers public.products public.audit inventory.orders sales.b Sales.Orders",
        ),
        ("schema.include.list=inventory,sales", "inventory.orders sales.b Sales.Orders"),
        ("schema.exclude.list=inventory,public", "sales.b Sales.Orders"),
        ("table.include.list=inventory.*", "inventory.orders"),
        (r"table.include.list=.*\\.orders", "public.orders inventory.orders Sales.Orders"),
        (r"table.include.list=sales\\.[a-z]{1}", "sales.b"),
        (r"table.exclude.list=public\\..*,sales\\.b", "inventory.orders Sales.Orders"),
        (
            "schema.include.list=inventory|public\ntable.include.list=.*orders",
            "public.orders inventory.orders",
        ),
        ("schema.include.list=public\ntable.exclude.list=.*[so]", "public.audit"),
        ("table.include.list=orders", ""),
    ] {
        let lines: String = lines.lines().map(|line| format!("debezium.source.{line}\n")).collect();
        let converted = convert(&file(POSTGRES_CLASS, &lines)).unwrap();
        assert_eq!((converted.refused, converted.ignored), (Vec::new(), Vec::new()), "{lines}");
        assert_eq!(captured(&converted.capture).join(" "), expected, "{lines}");
    }
}

#[test]
fn schemas_are_in_keys_values_and_headers_unless_they_are_switched_off() {
    for (lines, expected) in [
        ("", [true, true, true]),
        ("format.schemas.enable=false", [false, false, false]),
        ("format.schemas.enable=false\nformat.value.schemas.enable=true", [false, true, false]),
        ("format.key.schemas.enable=false", [false, true, true]),
        ("format.header.schemas.enable=FALSE", [true, true, false]),
        (
            "source.key.converter.schemas.enable=false\nsource.value.converter.schemas.enable=false",
            [false, false, true],
        ),
        ("format.schemas.enable=true\nsource.header.converter.schemas.enable=false", [true, true, true]),
    ] {
        let lines: String = lines.lines().map(|line| format!("debezium.{line}\n")).collect();
        let file = file(POSTGRES_CLASS, &lines);
        let file = file.replacen("debezium.format.value.schemas.enable=false\n", "", 1);
        let converted = convert(&file).unwrap();
        assert_eq!((converted.refused, converted.ignored), (Vec::new(), Vec::new()), "{lines}");
        let format = converted.capture.format;
        let found = [format.schemas_in_keys, format.schemas_in_values, format.schemas_in_headers];
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn values_may_be_avro() {
    let lines = "debezium.format.key=avro\ndebezium.format.value=avro\n\
        debezium.format.value.apicurio.registry.url=http://registry:8080\n\
        debezium.format.value.schema.registry.url=http://registry:8081";
    let file = file(POSTGRES_CLASS, lines).replacen("debezium.format.value.schemas.enable=false\n", "", 1);
    let converted = convert(&file).unwrap();
    assert_eq!(converted.refused, []);
    let format = converted.capture.format;
    assert_eq!((format.encoding, format.schemas_in_values), (debezium::Encoding::Avro, false));
    let ignored = [
        "debezium.format.key",
        "debezium.format.value.apicurio.registry.url",
        "debezium.format.value.schema.registry.url",
    ];
    assert_eq!(keys_of(&converted.ignored), ignored);
    let other = convert(&file.replace("debezium.format.value=avro", "debezium.format.value=cloudevents"));
    assert_eq!(keys_of(&other.unwrap().refused), ["debezium.format.value"]);
}

#[test]
fn placeholders_may_be_in_hexadecimal_digits() {
    for (text, expected) in [
        ("hex:c3A4", Some("ä")),
        ("hex:", Some("")),
        ("hex:f", Some("\u{f}")),
        ("hex:xy", None),
        ("hex:ff", None),
        ("a", Some("a")),
    ] {
        let converted =
            convert(&file(POSTGRES_CLASS, &format!("debezium.source.unavailable.value.placeholder={text}")));
        let converted = converted.unwrap();
        assert_eq!(converted.refused.is_empty(), expected.is_some(), "{text}");
        assert_eq!(converted.capture.values.unavailable_value, expected.unwrap_or(text));
    }
}

#[test]
fn columns_of_keys_are_expressions() {
    let key =
        |text: &str| convert(&file(POSTGRES_CLASS, &format!("debezium.source.message.key.columns={text}")));
    for (text, expected) in
        [("a.b:x", "a.b.x"), (" a.b:x , y ; (.*).c:z; ", "a.b.x a.b.y (.*).c.z"), ("a,b.c:x", "a b.c.x")]
    {
        let patterns: Vec<String> = key(text).unwrap().capture.columns.key.into();
        assert_eq!(patterns.join(" "), expected, "{text}");
    }
    for (text, expected) in [
        ("a.b", "write schema.table:column"),
        ("a.b:", "write schema.table:column"),
        (":x", "write schema.table:column"),
        ("a.b:x:y", "write schema.table:column"),
        ("a.b:x;;c.d:y", "write schema.table:column"),
        ("a.(b:x", "is not a regular expression"),
    ] {
        let error = key(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn special_characters_of_the_connection_are_encoded() {
    let lines = "debezium.source.database.hostname=::1\ndebezium.source.database.user=a@b:c\n\
        debezium.source.database.dbname=my/db?x\ndebezium.source.database.password=p@ss\n\
        debezium.source.database.sslmode=verify-full\ndebezium.source.database.sslrootcert=/a b";
    let capture = convert(&file(POSTGRES_CLASS, lines)).unwrap().capture;
    assert_eq!(
        capture.url,
        "postgres://a%40b%3Ac@[::1]:5432/my%2Fdb%3Fx?sslmode=verify-full&sslrootcert=%2Fa%20b"
    );
    capture.store_settings().unwrap();
    let class = DatabaseKind::MySql.as_str();
    let lines = lines.replace("sslmode=verify-full", "ssl.mode=verify_identity");
    let capture = convert(&file(class, &lines)).unwrap().capture;
    assert_eq!(capture.url, "mysql://a%40b%3Ac@[::1]:3306/?ssl-mode=verify-identity&connect-timeout=30");
    let parsed = ConnectionSettings::parse(&capture.url).unwrap();
    assert_eq!((parsed.host.as_str(), parsed.user.as_str()), ("::1", "a@b:c"));
}

#[test]
fn unknown_keys_get_the_nearest_known_one() {
    for (key, expected) in [
        (
            "debezium.source.table.include.lst",
            Some(NearestKey::Similar("debezium.source.table.include.list")),
        ),
        (
            "debezium.source.tabel.include.list",
            Some(NearestKey::Similar("debezium.source.table.include.list")),
        ),
        (
            "debezium.source.database.tcpkeepalive",
            Some(NearestKey::Similar("debezium.source.database.tcpKeepAlive")),
        ),
        ("debezium.sink.typ", Some(NearestKey::Similar("debezium.sink.type"))),
        ("debezium.sorce.slot.name", Some(NearestKey::Similar("debezium.source.slot.name"))),
        ("debezium.source.database.server.name", Some(NearestKey::Renamed("debezium.source.topic.prefix"))),
        ("debezium.source.table.whitelist", Some(NearestKey::Renamed("debezium.source.table.include.list"))),
        ("debezium.source.something.else.entirely", None),
        ("x", None),
    ] {
        assert_eq!(nearest(key), expected, "{key}");
    }
    let lines = "debezium.source.table.whitelist=a\ndebezium.source.slot.nam=very-secret\nmy.variable=1\n\
        other.variable=2\ndebezium.source.slot.name=s${my.variable}\ndebezium.source.gtid.source.includes=x";
    let converted = convert(&file(POSTGRES_CLASS, lines)).unwrap();
    let lines: Vec<String> = converted.warnings().collect();
    assert_eq!(
        lines,
        [
            "debezium.source.gtid.source.includes: not a key of this connector, ignored",
            "debezium.source.slot.nam: unknown key, ignored: did you mean debezium.source.slot.name?",
            "debezium.source.table.whitelist: unknown key, ignored: Debezium has renamed it to debezium.source.table.include.list",
            "other.variable: unknown key, ignored",
        ]
    );
    let many: String = (10..100).map(|n| format!("debezium.source.slot.nam{n}=x\n")).collect();
    let unknown = convert(&file(POSTGRES_CLASS, &many)).unwrap().unknown;
    assert_eq!((unknown.len(), unknown.iter().filter(|key| key.nearest.is_some()).count()), (90, 50));
}

/// Each row is found by its key, has a default and values of its kind, and what is said of it happens.
#[test]
fn every_key_of_the_table_is_handled_as_it_says() {
    let mut names = BTreeSet::new();
    for row in known_keys() {
        let KnownKey { name, databases, kind, default, effect, handling } = *row;
        for (has, database) in [
            (databases.postgres, DatabaseKind::Postgres),
            (databases.mysql, DatabaseKind::MySql),
            (databases.mariadb, DatabaseKind::MariaDb),
        ] {
            assert!(!has || names.insert((name, database.as_str())), "{name} is twice in the table");
        }
        let fixed: Vec<&str> = match handling {
            Handling::Fixed { accepted, tolerated, .. } => [accepted, tolerated].concat(),
            _ => Vec::new(),
        };
        let mut values = fixed.clone();
        values.extend((!default.is_empty()).then_some(default));
        for value in &values {
            let is_valid = match kind {
                Kind::Number => value.parse::<i64>().is_ok(),
                Kind::Boolean => ["true", "false"].contains(value),
                Kind::Choice(names) | Kind::Choices(names) => names.contains(value),
                _ => true,
            };
            assert!(is_valid, "{name}: {value}");
        }
        if matches!(handling, Handling::Used(_)) {
            continue;
        }
        let class = match databases {
            Databases { postgres: true, .. } => POSTGRES_CLASS,
            Databases { mysql: true, .. } => DatabaseKind::MySql.as_str(),
            _ => DatabaseKind::MariaDb.as_str(),
        };
        // a key of the family, and a value that is none of the fixed ones
        let key = name
            .replace("<length>", "3")
            .replace("<type>", "other")
            .replace(['<', '>'], "")
            .replace('*', "x");
        let other = match kind {
            Kind::Number => "7",
            Kind::Boolean => ["true", "false"].into_iter().find(|v| !fixed.contains(v)).unwrap_or("true"),
            Kind::Choice(names) | Kind::Choices(names) => {
                names.iter().copied().find(|v| !fixed.contains(v)).unwrap_or(names[0])
            }
            _ => "other",
        };
        let report = |value: &str| {
            let converted = convert(&file(class, &format!("{key}={value}"))).unwrap();
            assert_eq!(converted.unknown, [], "{key}");
            let has = |list: &[Unsupported]| {
                list.iter().any(|unsupported| key.starts_with(unsupported.key.trim_end_matches('…')))
            };
            (has(&converted.refused), has(&converted.ignored))
        };
        let changes_events = effect != Effect::Operation;
        let expected = match handling {
            Handling::NotNeeded(_) => (false, true),
            Handling::NotSupported(_) => (changes_events, !changes_events),
            Handling::Fixed { accepted, tolerated, .. } => {
                for value in accepted {
                    assert_eq!(report(value), (false, false), "{key}={value}");
                }
                for value in tolerated {
                    assert_eq!(report(value), (false, true), "{key}={value}");
                }
                if fixed.contains(&other) {
                    continue;
                }
                (changes_events, !changes_events)
            }
            Handling::Used(_) => unreachable!("skipped above"),
        };
        assert_eq!(report(other), expected, "{key}={other}");
    }
    assert!(names.len() > 300, "{}", names.len());
}

/// Compares with the fields that Debezium's connectors (PostgreSQL and MySQL 3.6.1, MariaDB 3.5.0) declare:
/// database, name, type, default and permitted values.
#[test]
fn the_table_has_the_fields_of_the_connectors() {
    // text whose default is not shown, families with defaults of their members, and a value of 3.7
    const OTHER_DEFAULTS: [&str; 3] =
        ["custom.sanitize.pattern", "openlineage.", "snapshot.mode.configuration"];
    const ADDED_VALUES: [&str; 2] = ["structured", "never"];
    const REMOVED_VALUES: [&str; 1] = ["never"];
    for line in FIELDS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [database, name, kind, default, values] = fields[..] else { panic!("{line}") };
        let database = match database {
            "postgres" => DatabaseKind::Postgres,
            "mysql" => DatabaseKind::MySql,
            _ => DatabaseKind::MariaDb,
        };
        let row =
            find(&format!("debezium.source.{name}"), Some(database)).unwrap_or_else(|| panic!("{line}"));
        if !OTHER_DEFAULTS.iter().any(|other| name.starts_with(other)) {
            assert!(row.default.eq_ignore_ascii_case(default), "{line}: {}", row.default);
        }
        match row.kind {
            Kind::Choice(choices) if !values.is_empty() => {
                let expected: BTreeSet<&str> =
                    values.split(',').filter(|v| !REMOVED_VALUES.contains(v)).collect();
                let found: BTreeSet<&str> =
                    choices.iter().copied().filter(|v| !ADDED_VALUES.contains(v)).collect();
                assert_eq!(found, expected, "{line}");
            }
            _ => assert_eq!(values, "", "{line}"),
        }
        match kind {
            "boolean" => assert!(row.kind == Kind::Boolean || row.is_family(), "{line}"),
            "int" | "long" => assert_eq!(row.kind, Kind::Number, "{line}"),
            "password" => assert_eq!(row.kind, Kind::Secret, "{line}"),
            _ => {}
        }
    }
}

#[test]
fn families_of_keys_are_matched() {
    for (key, expected) in [
        (
            "debezium.source.column.mask.with.10.chars",
            Some("debezium.source.column.mask.with.<length>.chars"),
        ),
        ("debezium.source.column.mask.with..chars", None),
        (
            "debezium.source.column.mask.hash.SHA-256.with.salt.a.b",
            Some("debezium.source.column.mask.hash.<algorithm>.with.salt.<salt>"),
        ),
        (
            "debezium.source.column.mask.hash.v2.MD5.with.salt.x",
            Some("debezium.source.column.mask.hash.v2.<algorithm>.with.salt.<salt>"),
        ),
        (
            "debezium.source.snapshot.select.statement.overrides.a.b",
            Some("debezium.source.snapshot.select.statement.overrides.<table>"),
        ),
        ("debezium.sink.kinesis.region", Some("debezium.sink.<type>.*")),
        ("debezium.sink.pravega.scope", Some("debezium.sink.pravega.scope")),
        ("debezium.format.value.x", Some("debezium.format.<property>")),
        ("debezium.format.value.apicurio.registry.url", Some("debezium.format.value.apicurio.*")),
        ("debezium.format.key.x", Some("debezium.format.key.*")),
        ("quarkus.log.category.x", Some("quarkus.log.*")),
        ("quarkus.", None),
        ("debezium", None),
    ] {
        assert_eq!(find(key, None).map(|row| row.name), expected, "{key}");
    }
}

/// Compares with the table of docs/debezium-server.md; KULYA_REGENERATE=1 writes it.
#[test]
fn documentation_has_the_table() {
    const BEGIN: &str = "<!-- the table of keys, written by cargo test -p kulya-cdc -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/debezium-server.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, table) = page.split_once(BEGIN).unwrap();
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}", markdown_table())).unwrap();
        return;
    }
    assert!(table == markdown_table(), "set KULYA_REGENERATE=1 and run this test again");
}

proptest! {
    #[test]
    fn any_values_of_known_keys_are_converted_or_rejected(
        class in prop::sample::select(DatabaseKind::NAMES),
        pairs in prop::collection::vec((0usize..400, "(true|none|-?[0-9]{1,20}|[a-z,;:.*()|\\\\]{0,20}|\\PC{0,20})"), 0..8),
    ) {
        let rows: Vec<&KnownKey> = known_keys().collect();
        let mut lines = String::new();
        for (index, value) in pairs {
            let name = rows[index % rows.len()].name.replace(['<', '>', '*'], "x");
            lines += &format!("{name}={}\n", value.replace('\\', "\\\\"));
        }
        let environment = BTreeMap::new();
        let properties = Properties::parse(file(class, &lines).as_bytes(), &environment).unwrap();
        if let Ok(converted) = DebeziumServerSettings::from_properties(&properties) {
            for line in converted.warnings().chain(converted.refused.iter().map(ToString::to_string)) {
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}

/// Converts the settings of a PostgreSQL database with further lines.
fn with_lines(lines: &str) -> Converted {
    let file = format!(
        "debezium.sink.type=pravega\n\
         debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector\n\
         debezium.source.topic.prefix=shop\ndebezium.source.database.hostname=db\n\
         debezium.source.database.user=me\ndebezium.source.database.dbname=shop\n{lines}"
    );
    let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
    DebeziumServerSettings::from_properties(&properties).unwrap()
}

#[test]
fn transformations_become_settings_in_their_order() {
    let converted = with_lines(
        "debezium.transforms=unwrap, route\n\
         debezium.transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState\n\
         debezium.transforms.unwrap.add.fields=op,table\n\
         debezium.transforms.unwrap.predicate=rows\n\
         debezium.transforms.unwrap.negate=true\n\
         debezium.transforms.route.type=org.apache.kafka.connect.transforms.RegexRouter\n\
         debezium.transforms.route.regex=shop\\\\.(.*)\n\
         debezium.transforms.route.replacement=$1\n\
         debezium.predicates=rows\n\
         debezium.predicates.rows.type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches\n\
         debezium.predicates.rows.pattern=shop[.]raw\n",
    );
    assert_eq!((converted.refused, converted.ignored, converted.unknown), Default::default());
    let [unwrap, route] = &converted.capture.transforms[..] else { panic!("two transformations") };
    assert_eq!(unwrap.class, "io.debezium.transforms.ExtractNewRecordState");
    assert_eq!(unwrap.options, BTreeMap::from([("add.fields".to_owned(), "op,table".to_owned())]));
    assert_eq!(unwrap.predicate.as_ref().unwrap().options["pattern"], "shop[.]raw");
    assert!(unwrap.negate && !route.negate);
    assert_eq!(route.options["regex"], r"shop\.(.*)");
    converted.capture.store_settings().unwrap();
}

#[test]
fn transformations_that_cannot_be_used_are_refused_by_name() {
    for (lines, expected) in [
        ("type=io.debezium.transforms.outbox.EventRouter", "capture the outbox table"),
        ("type=com.example.Mine", "com.example.Mine is not supported: remove it"),
        ("regex=a", "its type is not set"),
        (
            "type=io.debezium.transforms.ExtractNewRecordState\ndebezium.transforms.t.add.feilds=op",
            "add.feilds",
        ),
        (
            "type=io.debezium.transforms.ExtractNewRecordState\ndebezium.transforms.t.predicate=p",
            "its predicate p",
        ),
        (
            "type=org.apache.kafka.connect.transforms.RegexRouter\ndebezium.transforms.t.regex=(",
            "replacement",
        ),
    ] {
        let converted = with_lines(&format!("debezium.transforms=t\ndebezium.transforms.t.{lines}\n"));
        let [refused] = &converted.refused[..] else { panic!("{lines}: {:?}", converted.refused) };
        assert_eq!(refused.key, "debezium.transforms.t.type");
        assert!(refused.why.contains(expected), "{refused}");
    }
}

#[test]
fn transformations_under_another_key_are_refused() {
    let converted = with_lines("debezium.source.transforms=t\ndebezium.source.transforms.t.type=x\n");
    assert_eq!(keys_of(&converted.refused), ["debezium.source.transforms"]);
}
