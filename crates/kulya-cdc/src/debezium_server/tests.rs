//! The table of keys, and whole files of deployments.

use super::*;
use crate::CdcErrorKind;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const POSTGRES_PRAVEGA: &str = include_str!("../../tests/data/debezium-server/postgres-pravega.properties");
const POSTGRES_TUTORIAL: &str = include_str!("../../tests/data/debezium-server/postgres-tutorial.properties");
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
            "debezium.sink.pravega.transaction",
            "debezium.source.offset.flush.interval.ms",
            "debezium.source.offset.storage.file.filename",
            "quarkus.http.port",
            "quarkus.log.console.json",
            "quarkus.log.level",
        ]
    );
    let postgres = converted.postgres.unwrap();
    assert_eq!(postgres.url, "postgres://debezium@db:5432/shop?sslmode=prefer");
    assert_eq!(postgres.password, "pa$word@ ");
    assert_eq!(postgres.tables, ["public.orders", "public.customers", "public.products"]);
    assert_eq!((postgres.name.as_str(), postgres.scope.as_str()), ("shop", "shop"));
    assert_eq!((postgres.slot.as_str(), postgres.publication.as_str()), ("shop_slot", "shop_publication"));
    assert!(postgres.transaction_metadata && postgres.truncate);
    let pravega = converted.settings.sink.pravega.unwrap();
    assert_eq!((pravega.controller.as_str(), pravega.transaction), ("tcp://pravega:9090", true));
    postgres.store_settings().unwrap();
}

#[test]
fn tutorial_has_debeziums_defaults() {
    let converted = convert(POSTGRES_TUTORIAL).unwrap();
    assert_eq!(converted.refused, []);
    assert_eq!(
        keys_of(&converted.ignored),
        [
            "debezium.source.offset.flush.interval.ms",
            "debezium.source.offset.storage.file.filename",
            "debezium.format.value.schemas.enable",
        ]
    );
    let postgres = converted.postgres.unwrap();
    assert_eq!(postgres.tables, ["inventory.*"]);
    assert_eq!((postgres.slot.as_str(), postgres.publication.as_str()), ("debezium", "dbz_publication"));
    assert!(!postgres.transaction_metadata && !postgres.truncate);
    let settings = converted.settings;
    assert_eq!(settings.modes.decimal, DecimalMode::Precise);
    assert_eq!(settings.modes.time, TimeMode::Adaptive);
    assert_eq!(settings.snapshot.mode, SnapshotMode::Initial);
    assert_eq!(settings.events.skipped_operations, [Operation::Truncate]);
    assert_eq!(settings.events.unavailable_placeholder, "__debezium_unavailable_value");
    assert_eq!(settings.connection.tls, TlsMode::Prefer);
    assert!(settings.events.tombstones && settings.format.value_schemas && settings.binlog.is_none());
    assert_eq!(settings.sink.pravega.unwrap().controller, "tcp://localhost:9090");
}

#[test]
fn what_would_change_the_events_is_refused() {
    let converted = convert(POSTGRES_UNSUPPORTED).unwrap();
    assert_eq!(
        keys_of(&converted.refused),
        [
            "debezium.format.value",
            "debezium.format.value.basic.auth.user.info",
            "debezium.source.column.mask.hash.SHA-256.with.salt.…",
            "debezium.source.column.truncate.to.20.chars",
            "debezium.source.converters",
            "debezium.source.decimal.handling.mode",
            "debezium.source.message.key.columns",
            "debezium.source.snapshot.mode",
            "debezium.source.table.exclude.list",
            "debezium.source.time.precision.mode",
            "debezium.transforms",
            "debezium.sink.type",
            "debezium.source.skipped.operations",
        ]
    );
    let ignored = keys_of(&converted.ignored);
    assert!(ignored.contains(&"debezium.source.heartbeat.interval.ms"), "{ignored:?}");
    assert_eq!(converted.unknown, []);
    assert_eq!(
        converted.refused[5].to_string(),
        "debezium.source.decimal.handling.mode = \"string\": the other modes are not supported yet"
    );
    // neither the lines for the user nor the settings as debug text contain passwords
    let lines: Vec<String> = converted.refused.iter().map(ToString::to_string).collect();
    let all = format!("{} {:?} {converted:?}", lines.join(" "), converted.warnings().collect::<Vec<_>>());
    assert!(!all.contains("very-secret"), "{all}");
    assert!(!all.contains('\n') && !all.contains('`'), "{all}");
    let settings = converted.settings;
    assert_eq!(settings.column_rules.len(), 2);
    assert_eq!(settings.column_rules[1].change, ColumnChange::Truncate { length: 20 });
    assert!(settings.column_rules[1].columns.is_match("public.customers.name"));
    assert_eq!(settings.transforms[0].name, "route");
    assert_eq!(settings.transforms[0].options["regex"].expose(), "(.*)");
    assert_eq!(settings.converters[0].class.as_deref(), Some("io.debezium.test.IsbnConverter"));
}

#[test]
fn mysql_and_mariadb_are_read_but_not_captured() {
    let converted = convert(MYSQL_TUTORIAL).unwrap();
    assert_eq!(keys_of(&converted.refused), ["debezium.source.connector.class"]);
    assert!(converted.postgres.is_none() && converted.unknown.is_empty());
    let settings = converted.settings;
    assert_eq!((settings.database, settings.connection.port), (DatabaseKind::MySql, 3306));
    assert_eq!(settings.connection.tls, TlsMode::Require);
    assert_eq!(settings.modes.time, TimeMode::AdaptiveTimeMicroseconds);
    assert_eq!(settings.modes.unsigned_bigint, UnsignedBigintMode::Precise);
    assert_eq!(settings.snapshot.locking, SnapshotLocking::Minimal);
    assert!(settings.filters.databases.accepts("Inventory") && !settings.filters.databases.accepts("other"));
    assert!(
        settings.filters.tables.accepts("inventory.orders")
            && !settings.filters.tables.accepts("inventory.x")
    );
    assert_eq!(settings.column_rules[0].change, ColumnChange::Mask { length: 12 });
    let binlog = settings.binlog.unwrap();
    assert_eq!((binlog.server_id, binlog.server_id_offset), (Some(184_054), 10_000));
    assert!(binlog.schema_changes && !binlog.statements && binlog.gtid_includes.is_match("1-aaaa-2"));

    let settings = convert(MARIADB).unwrap().settings;
    assert_eq!((settings.database, settings.connection.port), (DatabaseKind::MariaDb, 3307));
    assert_eq!(settings.connection.tls, TlsMode::VerifyCa);
    assert_eq!(settings.snapshot.locking, SnapshotLocking::Extended);
    assert_eq!(settings.snapshot.mode, SnapshotMode::Recovery);
    assert_eq!(settings.signals.tables, ["inventory.debezium_signal"]);
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
            "debezium.source.table.include.list = \"(?!a)b\": \"(?!a)b\" is not a regular expression that is supported (no look-around, no references to groups)",
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
    for (schemas, tables, expected) in [
        ("", "", &[][..]),
        ("inventory,sales", "", &["inventory.*", "sales.*"]),
        ("", "inventory.*", &["inventory*.*"]),
        ("inventory", r".*\\.orders", &["inventory.orders"]),
        ("inventory|sales", ".*", &["inventory.*", "sales.*"]),
        ("inventory", r"inventory\\.a,sales\\.b", &["inventory.a"]),
        ("inv.*", r"inventory\\.a", &["inventory.a"]),
    ] {
        let lines = format!(
            "debezium.source.schema.include.list={schemas}\ndebezium.source.table.include.list={tables}"
        );
        let converted = convert(&file(POSTGRES_CLASS, &lines)).unwrap();
        assert_eq!(converted.refused, [], "{schemas} {tables}");
        assert_eq!(converted.postgres.unwrap().tables, expected, "{schemas} {tables}");
    }
    for (schemas, tables, expected) in [
        ("", "orders", "matches no table"),
        ("", "shop.cust.*", "write \\\\."),
        ("", r"shop\\.\\w+", "only *"),
        ("a.b", "", "only *"),
        ("inventory", r"sales\\.b", "no table is also"),
        ("inventory", "inv.*", "cannot be combined"),
    ] {
        let lines = format!(
            "debezium.source.schema.include.list={schemas}\ndebezium.source.table.include.list={tables}"
        );
        let refused = convert(&file(POSTGRES_CLASS, &lines)).unwrap().refused;
        assert!(
            refused.len() == 1 && refused[0].to_string().contains(expected),
            "{schemas} {tables}: {refused:?}"
        );
    }
    let uppercase =
        convert(&file(POSTGRES_CLASS, r"debezium.source.table.include.list=public\\.Orders")).unwrap();
    assert!(uppercase.ignored[0].to_string().contains("ignores the case"), "{:?}", uppercase.ignored);
}

#[test]
fn schemas_in_events_are_refused_only_if_they_are_requested() {
    let with = |lines: &str| {
        let file = file(POSTGRES_CLASS, lines).replace("debezium.format.value.schemas.enable=false\n", "");
        convert(&file).unwrap()
    };
    assert_eq!(with("").ignored.len(), 1);
    assert_eq!(
        keys_of(&with("debezium.format.schemas.enable=true").refused),
        ["debezium.format.schemas.enable"]
    );
    let both = with("debezium.format.schemas.enable=true\ndebezium.format.value.schemas.enable=false ");
    assert_eq!((both.refused, both.ignored), (Vec::new(), Vec::new()));
}

#[test]
fn special_characters_of_the_connection_are_encoded() {
    let lines = "debezium.source.database.hostname=::1\ndebezium.source.database.user=a@b:c\n\
        debezium.source.database.dbname=my/db?x\ndebezium.source.database.password=p@ss\n\
        debezium.source.database.sslmode=verify-full\ndebezium.source.database.sslrootcert=/a b";
    let postgres = convert(&file(POSTGRES_CLASS, lines)).unwrap().postgres.unwrap();
    assert_eq!(
        postgres.url,
        "postgres://a%40b%3Ac@[::1]:5432/my%2Fdb%3Fx?sslmode=verify-full&sslrootcert=%2Fa%20b"
    );
    postgres.store_settings().unwrap();
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
        if !databases.postgres || matches!(handling, Handling::Used(_)) {
            continue;
        }
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
            let converted = convert(&file(POSTGRES_CLASS, &format!("{key}={value}"))).unwrap();
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
    const ADDED_VALUES: [&str; 1] = ["structured"];
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
