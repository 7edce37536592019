//! Replay of what real servers logged: after each statement the history's tables are those of the server's
//! catalog, and fit the table maps of the log.
//!
//! The files in `tests/data/mysql/ddl` are from MariaDB 10.11.19 and MySQL 8.0.15. The first line has the
//! server's version and default collation. A line with `scenario` starts with an empty server and a database
//! `z`. Each other line has a statement as it was `logged` (with the default database, the mode and
//! `explicit_defaults_for_timestamp` of its event), and the `tables` that it changed as the server sees them
//! afterwards, `null` for one that is gone: the rows of `information_schema.columns` (name, type, nullable,
//! character set, collation, whether there is a default, extra, comment), the keys of
//! `information_schema.statistics` (unique, columns with prefixes), the table's collation, and the `map` of a
//! row event (type, two bytes of metadata, nullable).

use super::*;
use crate::mysql::ddl::{
    ColumnType, Flavour, KeyKind, ParseSettings, ServerVersion, SqlMode, TypeName, parse,
};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn data(file: &str) -> String {
    let path = format!("{}/tests/data/mysql/ddl/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A replay of one server's file: the history, and the tables that the server has.
struct Replay {
    server: ServerVersion,
    server_charset: Collated,
    history: SchemaHistory,
    known: BTreeSet<String>,
    statements: usize,
    maps: usize,
    failures: Vec<String>,
}

impl Replay {
    fn run(file: &str) -> Self {
        let lines = data(file);
        let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let header = lines.next().unwrap();
        let mut replay = Self {
            server: ServerVersion::parse(text(&header["server"])).unwrap(),
            server_charset: Collated::of_collation(text(&header["collation_server"])),
            history: SchemaHistory::new(TableNameCase::Sensitive),
            known: BTreeSet::new(),
            statements: 0,
            maps: 0,
            failures: Vec::new(),
        };
        replay.server_charset.collation = None;
        for line in lines {
            match &line["scenario"] {
                Value::Null => replay.step(&line),
                name => replay.start(text(name), text(&line["created"])),
            }
        }
        replay
    }

    fn start(&mut self, scenario: &str, created: &str) {
        self.history = SchemaHistory::new(TableNameCase::Sensitive);
        self.known.clear();
        self.execute(created, None, SqlMode(0), true).unwrap_or_else(|error| panic!("{scenario}: {error}"));
    }

    fn execute(
        &mut self,
        sql: &str,
        database: Option<&str>,
        mode: SqlMode,
        explicit: bool,
    ) -> Result<(), String> {
        let settings = ParseSettings { server: self.server, sql_mode: mode };
        let statement = parse(sql.as_bytes(), settings).map_err(|error| error.to_string())?;
        let session = Session {
            default_database: database,
            server_charset: &self.server_charset,
            explicit_defaults_for_timestamp: explicit,
        };
        self.history.apply(&statement, &session).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn step(&mut self, line: &Value) {
        let mut sql = String::new();
        for logged in line["logged"].as_array().unwrap() {
            sql = text(&logged["sql"]).to_owned();
            self.statements += 1;
            let mode = SqlMode(logged["sql_mode"].as_u64().unwrap());
            let explicit = logged["explicit_timestamps"].as_bool().unwrap();
            if let Err(error) = self.execute(&sql, Some(text(&logged["database"])), mode, explicit) {
                self.failures.push(format!("{sql}\n    {error}"));
            }
        }
        for (name, expected) in line["tables"].as_object().unwrap() {
            let (database, table) = name.split_once('.').unwrap();
            let found = self.history.table(database, table).cloned();
            let differences = match (found, expected) {
                (None, Value::Null) => Vec::new(),
                (Some(_), Value::Null) => vec!["still there".to_owned()],
                (None, _) => vec!["missing".to_owned()],
                (Some(table), expected) => self.compare(&table, expected),
            };
            if expected.is_null() {
                self.known.remove(name);
            } else {
                self.known.insert(name.clone());
            }
            self.failures
                .extend(differences.iter().map(|difference| format!("{sql}\n    {name}: {difference}")));
        }
        let names =
            self.history.tables().map(|table| format!("{}.{}", table.name.database, table.name.table));
        let names: BTreeSet<String> = names.collect();
        if names != self.known {
            self.failures.push(format!("{sql}\n    tables {names:?}, not {:?}", self.known));
        }
    }

    fn compare(&mut self, table: &Table, expected: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        let mut differ = |what: &str, found: String, expected: String| {
            if found != expected {
                differences.push(format!("{what}: {found}, not {expected}"));
            }
        };
        let columns: Vec<&Column> = table.columns.iter().filter(|column| !column.hidden).collect();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let catalog = expected["columns"].as_array().unwrap();
        let catalog_names: Vec<&str> = catalog.iter().map(|column| text(&column[0])).collect();
        differ("columns", format!("{names:?}"), format!("{catalog_names:?}"));
        for (column, row) in columns.into_iter().zip(catalog) {
            let mut server_type = text(&row[1]).replace("geomcollection", "geometrycollection");
            if table.kind == TableKind::Sequence {
                server_type = server_type.replace("(21)", "(20)").replace("tinyint(1)", "tinyint(3)");
            }
            differ(&column.name, self.describe(column), server_type);
            let row_text = |index: usize| format!("{:?}", normalised(text(&row[index])));
            differ(&column.name, format!("nullable {}", column.nullable), format!("nullable {}", row[2]));
            let mut collated = collation(&column.column_type, self.server);
            if collated.0 == "binary" && self.server.flavour == Flavour::MySql {
                collated = Default::default(); // its catalog shows none for an ENUM of bytes
            }
            differ(&column.name, format!("{:?}", collated.0), row_text(3));
            differ(&column.name, format!("{:?}", collated.1), row_text(4));
            let has_default = !matches!(column.default, None | Some(crate::mysql::ddl::DefaultValue::Null));
            differ(&column.name, format!("default {has_default}"), format!("default {}", row[5]));
            let extra = text(&row[6]);
            let flags = [
                (column.auto_increment, "auto_increment"),
                (column.invisible, "invisible"),
                (column.on_update.is_some(), "on update"),
            ];
            for (flag, word) in flags {
                differ(&column.name, format!("{word} {flag}"), format!("{word} {}", extra.contains(word)));
            }
            if table.kind == TableKind::Table {
                let comment = column.comment.as_deref().unwrap_or_default();
                differ(&column.name, format!("{comment:?}"), row_text_plain(&row[7]));
            }
        }
        differ("keys", format!("{:?}", keys(table)), format!("{:?}", catalog_keys(&expected["keys"])));
        if table.kind == TableKind::Table {
            let default = table.charset.collation.clone();
            let default = default.unwrap_or_else(|| default_collation(&table.charset.charset, self.server));
            differ("collation", default, normalised(text(&expected["collation"])));
        }
        if let Some(map) = expected["map"].as_array() {
            self.maps += 1;
            differences.extend(check_map(table, map, self.server.flavour));
        }
        differences
    }

    fn describe(&self, column: &Column) -> String {
        column_type_text(&column.column_type)
    }
}

fn row_text_plain(value: &Value) -> String {
    format!("{:?}", text(value))
}

/// The table fits the map, and does not fit if the map is changed.
fn check_map(table: &Table, map: &[Value], flavour: Flavour) -> Vec<String> {
    let byte = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
    let mapped = |row: &Value| MappedColumn {
        type_code: byte(&row[0]),
        metadata: [byte(&row[1]), byte(&row[2])],
        nullable: row[3] == 1,
    };
    let log: Vec<MappedColumn> = map.iter().map(mapped).collect();
    let mut differences: Vec<String> =
        check(table, &log, flavour).err().map(|error| error.to_string()).into_iter().collect();
    let mut shorter = log.clone();
    shorter.truncate(table.columns.len().saturating_sub(1));
    let mut other_type = log.clone();
    let mut nullable = log.clone();
    if let (Some(changed), Some(flipped)) = (other_type.first_mut(), nullable.first_mut()) {
        changed.type_code = if changed.type_code == 3 { 8 } else { 3 };
        changed.metadata = [0, 0];
        flipped.nullable = !flipped.nullable;
    }
    for changed in [shorter, other_type, nullable] {
        if check(table, &changed, flavour).is_ok() {
            differences.push("fits a changed table map".to_owned());
        }
    }
    differences
}

fn keys(table: &Table) -> BTreeMap<String, (bool, Vec<String>)> {
    let part = |unique: bool, part: &crate::mysql::ddl::KeyPart| match (&part.column, part.prefix) {
        (None, _) => "()".to_owned(),
        (Some(column), Some(prefix)) if unique => format!("{column}({prefix})"),
        (Some(column), _) => column.clone(),
    };
    let is_hidden = |part: &&crate::mysql::ddl::KeyPart| {
        let place = part.column.as_deref().and_then(|column| table.position(column));
        place.is_some_and(|place| table.columns[place].hidden)
    };
    let key = |key: &TableKey| {
        let unique = matches!(key.kind, KeyKind::Primary | KeyKind::Unique);
        (
            key.name.clone(),
            (
                unique,
                key.parts.iter().filter(|part| !is_hidden(part)).map(|found| part(unique, found)).collect(),
            ),
        )
    };
    table.keys.iter().map(key).collect()
}

fn catalog_keys(keys: &Value) -> BTreeMap<String, (bool, Vec<String>)> {
    let part = |unique: bool, part: &Value| match (part[0].as_str(), part[1].as_u64()) {
        (None, _) => "()".to_owned(),
        (Some(column), Some(prefix)) if unique => format!("{column}({prefix})"),
        (Some(column), _) => column.to_owned(),
    };
    let key = |(name, key): (&String, &Value)| {
        let unique = key[0] == true;
        let parts = key[1].as_array().unwrap().iter().map(|found| part(unique, found)).collect();
        (name.clone(), (unique, parts))
    };
    keys.as_object().unwrap().iter().map(key).collect()
}

/// A type as the servers' catalogs write it.
fn column_type_text(column_type: &ColumnType) -> String {
    use TypeName::{BigInt, Int, MediumInt, SmallInt, TinyInt, Year};
    let signed = u32::from(!column_type.unsigned);
    let width = match column_type.name {
        TinyInt => Some(3 + signed),
        SmallInt => Some(5 + signed),
        MediumInt => Some(8 + signed),
        Int => Some(10 + signed),
        BigInt => Some(20),
        Year => Some(4),
        _ => None,
    };
    let mut text = column_type.name.as_str().to_owned();
    let label = |label: &String| format!("'{}'", label.replace('\\', "\\\\").replace('\'', "''"));
    if !column_type.labels.is_empty() {
        text += &format!("({})", column_type.labels.iter().map(label).collect::<Vec<_>>().join(","));
    }
    let is_time = matches!(column_type.name, TypeName::Time | TypeName::DateTime | TypeName::Timestamp);
    text += &match (column_type.length.or(width), column_type.scale) {
        (Some(0), _) if is_time => String::new(),
        (Some(length), Some(scale)) => format!("({length},{scale})"),
        (Some(length), None) => format!("({length})"),
        (None, _) => String::new(),
    };
    text += if column_type.unsigned { " unsigned" } else { "" };
    text += if column_type.zerofill { " zerofill" } else { "" };
    text += if column_type.compressed { " /*M!100301 COMPRESSED*/" } else { "" };
    text
}

/// The character set and collation as the catalogs show them.
fn collation(column_type: &ColumnType, server: ServerVersion) -> (String, String) {
    match column_type.charset.as_deref() {
        None => Default::default(),
        Some(charset) => {
            let default = || default_collation(charset, server);
            (charset.to_owned(), column_type.collation.clone().unwrap_or_else(default))
        }
    }
}

fn default_collation(charset: &str, server: ServerVersion) -> String {
    match charset {
        "utf8mb4" if server.flavour == Flavour::MySql => "utf8mb4_0900_ai_ci".to_owned(),
        "latin1" => "latin1_swedish_ci".to_owned(),
        "gbk" | "gb18030" => format!("{charset}_chinese_ci"),
        "sjis" => "sjis_japanese_ci".to_owned(),
        "binary" => "binary".to_owned(),
        _ => format!("{charset}_general_ci"),
    }
}

/// Names of `utf8mb3` before the servers called it so.
fn normalised(name: &str) -> String {
    match name.strip_prefix("utf8") {
        Some(rest) if rest.is_empty() || rest.starts_with('_') => format!("utf8mb3{rest}"),
        _ => name.to_owned(),
    }
}

#[test]
fn histories_follow_real_servers() {
    let mut failures = Vec::new();
    for (file, least_statements, least_maps) in [("mariadb.jsonl", 300, 200), ("mysql.jsonl", 240, 180)] {
        let replay = Replay::run(file);
        failures.extend(replay.failures.iter().map(|failure| format!("{file}: {failure}")));
        assert!(replay.statements >= least_statements, "{file}: {} statements", replay.statements);
        assert!(replay.maps >= least_maps, "{file}: {} table maps", replay.maps);
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

const SERVER: ServerVersion = ServerVersion { flavour: Flavour::MySql, number: 80_036 };

/// A history after the statements, and the changes of the last one.
fn history(case: TableNameCase, statements: &[&str]) -> (SchemaHistory, Result<Vec<Change>, HistoryError>) {
    let mut history = SchemaHistory::new(case);
    let charset = Collated::new("utf8mb4");
    let session = Session {
        default_database: Some("z"),
        server_charset: &charset,
        explicit_defaults_for_timestamp: true,
    };
    let mut last = Ok(Vec::new());
    for statement in statements {
        let settings = ParseSettings { server: SERVER, sql_mode: SqlMode(0) };
        last = history.apply(&parse(statement.as_bytes(), settings).unwrap(), &session);
    }
    (history, last)
}

fn changes(statements: &[&str]) -> String {
    let (_, last) = history(TableNameCase::Sensitive, statements);
    let describe = |change: &Change| match change {
        Change::Created(table) => format!("created {table}"),
        Change::Altered(table) => format!("altered {table}"),
        Change::Renamed { from, to } => format!("renamed {from} {to}"),
        Change::Dropped(table) => format!("dropped {table}"),
        Change::Truncated(table) => format!("truncated {table}"),
        Change::Unknown { table, renamed: None } => format!("unknown {table}"),
        Change::Unknown { table, renamed: Some(to) } => format!("unknown {table} renamed {to}"),
        Change::DatabaseChanged(database) => format!("database {database}"),
        Change::DatabaseDropped(database) => format!("dropped database {database}"),
    };
    match last {
        Ok(changes) => changes.iter().map(describe).collect::<Vec<_>>().join("; ").replace('`', ""),
        Err(error) => format!("error: {error}").replace('`', ""),
    }
}

#[test]
fn changes_are_listed_in_order() {
    const T: &str = "CREATE TABLE t (a INT, b INT)";
    const U: &str = "CREATE TABLE y.u (a INT)";
    for (statements, expected) in [
        (&[T][..], "created z.t"),
        (&[T, T], "dropped z.t; created z.t"),
        (&[T, "CREATE TABLE IF NOT EXISTS t (x INT)"], ""),
        (&[T, "ALTER TABLE t ADD c INT, RENAME TO y.v"], "altered z.t; renamed z.t y.v"),
        (&[T, "ALTER TABLE t RENAME TO T"], "altered z.t; renamed z.t z.T"),
        (&[T, "ALTER TABLE t DROP c"], "error: table z.t has no column \"c\" in the schema history"),
        (
            &[T, "ALTER TABLE t ADD c INT AFTER x"],
            "error: table z.t has no column \"x\" in the schema history",
        ),
        (&[T, "TRUNCATE t"], "truncated z.t"),
        (&["TRUNCATE t"], "unknown z.t"),
        (&["ALTER TABLE t ADD c INT, RENAME u"], "unknown z.t renamed z.u"),
        (
            &[T, U, "RENAME TABLE t TO x, y.u TO t, x TO y.u"],
            "renamed z.t z.x; renamed y.u z.t; renamed z.x y.u",
        ),
        (&[T, "RENAME TABLE t TO _old, _new TO t"], "renamed z.t z._old; unknown z._new renamed z.t"),
        (&[T, U, "DROP TABLE IF EXISTS t, y.u, v"], "dropped z.t; dropped y.u; unknown z.v"),
        (&[T, U, "DROP DATABASE y"], "dropped y.u; dropped database y"),
        (
            &["CREATE TABLE a LIKE b"],
            "error: table z.a is created like z.b, which is not in the schema history",
        ),
        (&["CREATE DATABASE y"], "database y"),
        (&["ALTER DATABASE y CHARACTER SET latin1"], "database y"),
        (&["INSERT INTO t VALUES (1)"], ""),
        (&["CREATE VIEW v AS SELECT 1"], ""),
    ] {
        assert_eq!(changes(statements), expected, "{statements:?}");
    }
}

#[test]
fn columns_keep_their_former_names() {
    const T: &str = "CREATE TABLE t (a INT, b INT)";
    for (statements, expected) in [
        (&[T, "ALTER TABLE t RENAME COLUMN a TO x"][..], "x(a) b()"),
        (&[T, "ALTER TABLE t CHANGE a x BIGINT", "ALTER TABLE t RENAME COLUMN x TO y"], "y(a,x) b()"),
        (&[T, "ALTER TABLE t CHANGE a x INT", "ALTER TABLE t CHANGE x a INT"], "a(x) b()"),
        (&[T, "ALTER TABLE t CHANGE a x INT, CHANGE b a INT"], "x(a) a(b)"),
        (&[T, "ALTER TABLE t CHANGE a x INT", "ALTER TABLE t ADD a INT"], "x(a) b() a()"),
        (&[T, "ALTER TABLE t CHANGE a x INT", "ALTER TABLE t DROP x, ADD x INT"], "b() x()"),
        (&[T, "ALTER TABLE t CHANGE a x INT", "ALTER TABLE t MODIFY x TEXT AFTER b"], "b() x(a)"),
        (&[T, "ALTER TABLE t CHANGE a A INT"], "A(a) b()"),
    ] {
        let (history, last) = history(TableNameCase::Sensitive, statements);
        last.unwrap();
        let table = history.table("z", "t").unwrap();
        let columns =
            table.columns.iter().map(|column| format!("{}({})", column.name, column.former_names.join(",")));
        assert_eq!(columns.collect::<Vec<_>>().join(" "), expected, "{statements:?}");
    }
    let mut statements = vec![T.to_owned()];
    statements.extend((0..40).map(|n| {
        format!(
            "ALTER TABLE t RENAME COLUMN {} TO a{n}",
            if n == 0 { "a".into() } else { format!("a{}", n - 1) }
        )
    }));
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let (history, _) = history(TableNameCase::Sensitive, &statements);
    let former = &history.table("z", "t").unwrap().columns[0].former_names;
    assert_eq!((former.len(), former.last().map(String::as_str)), (16, Some("a38")), "a bounded number");
}

#[test]
fn a_statement_that_fails_changes_nothing() {
    let (before, _) = history(TableNameCase::Sensitive, &["CREATE TABLE t (a INT)"]);
    let (after, last) =
        history(TableNameCase::Sensitive, &["CREATE TABLE t (a INT)", "ALTER TABLE t ADD b INT, DROP c"]);
    assert!(last.is_err());
    assert_eq!(before, after);
}

#[test]
fn names_of_tables_follow_the_setting() {
    let statements = ["CREATE TABLE `T` (a INT)", "CREATE TABLE t (b INT)"];
    let (sensitive, _) = history(TableNameCase::Sensitive, &statements);
    assert_eq!(sensitive.tables().count(), 2);
    let (insensitive, last) = history(TableNameCase::from_setting(1), &statements);
    assert_eq!(insensitive.tables().count(), 1);
    assert_eq!(last.unwrap().len(), 2, "the first one is replaced");
    assert!(insensitive.table("Z", "T").is_some());
}

#[test]
fn rows_are_identified_by_the_first_unique_key_without_nulls() {
    for (columns, expected) in [
        ("a INT, b INT, PRIMARY KEY (b, a)", &["b", "a"][..]),
        ("a INT UNIQUE, b INT NOT NULL UNIQUE", &["b"]),
        ("a INT NOT NULL, b VARCHAR(9) NOT NULL, UNIQUE (b(3)), UNIQUE (b, a), UNIQUE (a)", &["b", "a"]),
        ("a INT, b INT NOT NULL, UNIQUE (a, b)", &[]),
        ("a INT NOT NULL, UNIQUE ((a + 1))", &[]),
        ("a INT, KEY (a)", &[]),
    ] {
        let (history, _) = history(TableNameCase::Sensitive, &[&format!("CREATE TABLE t ({columns})")]);
        let table = history.table("z", "t").unwrap();
        let names: Vec<&str> =
            table.primary_key().iter().map(|place| table.columns[*place].name.as_str()).collect();
        assert_eq!(names, expected, "{columns}");
    }
}

#[test]
fn a_stored_history_is_read_back() {
    let (history, _) = history(
        TableNameCase::Insensitive,
        &[
            "CREATE DATABASE z COLLATE latin1_bin",
            "CREATE TABLE t (a ENUM('x','y') NOT NULL DEFAULT 'x' COMMENT 'c', b INT UNSIGNED ZEROFILL AS (1) STORED, \
             c BINARY(3) DEFAULT 0x414243, d DECIMAL(5,2) DEFAULT -1.5, e VARCHAR(9) DEFAULT (upper('x')) INVISIBLE, \
             f TIMESTAMP DEFAULT NOW() ON UPDATE NOW(), g INT DEFAULT NULL, p POINT SRID 4326, PRIMARY KEY (a), \
             UNIQUE (e(3)), KEY ((b + 1)), FOREIGN KEY (g) REFERENCES u (x)) COMMENT 't'",
            "CREATE TABLE s (a INT, PERIOD FOR p (a, a)) WITH SYSTEM VERSIONING",
            "CREATE SEQUENCE q",
        ],
    );
    let stored = serde_json::to_string(&StoredHistory::from(&history)).unwrap();
    let read: StoredHistory = serde_json::from_str(&stored).unwrap();
    assert_eq!(SchemaHistory::try_from(read).unwrap(), history);
    for (from, to) in [("\"format\":1", "\"format\":2"), ("\"type\":\"enum\"", "\"type\":\"enum2\"")] {
        let changed: StoredHistory = serde_json::from_str(&stored.replace(from, to)).unwrap();
        let error = SchemaHistory::try_from(changed).unwrap_err();
        assert!(matches!(error, HistoryError::Stored { .. }), "{error}");
    }
}

#[test]
fn a_mismatch_says_why() {
    let (history, _) =
        history(TableNameCase::Sensitive, &["CREATE TABLE t (a INT, v VARCHAR(10) NOT NULL, c CHAR(255))"]);
    let table = history.table("z", "t").unwrap();
    let column = |type_code, metadata, nullable| MappedColumn { type_code, metadata, nullable };
    // 255 characters of four bytes are 1020 bytes
    let log = [column(3, [0, 0], true), column(15, [40, 0], false), column(254, [0xce, 0xfc], true)];
    assert_eq!(check(table, &log, Flavour::MySql), Ok(0));
    for (place, changed, expected) in [
        (0, column(8, [0, 0], true), "column \"a\" is int, but the log has type 8"),
        (0, column(3, [0, 0], false), "column \"a\" is nullable in the table only"),
        (
            1,
            column(15, [30, 0], false),
            "column \"v\" has metadata [30, 0] in the log, and [40, 0] as varchar",
        ),
        (1, column(15, [40, 0], true), "column \"v\" is nullable in the log only"),
        (2, column(254, [247, 1], true), "column \"c\" is char, but the log has type 247"),
    ] {
        let mut log = log;
        log[place] = changed;
        assert_eq!(check(table, &log, Flavour::MySql).unwrap_err().to_string(), expected);
    }
    assert_eq!(
        check(table, &log[..2], Flavour::MySql).unwrap_err().to_string(),
        "the table has 3 columns, the log 2"
    );
}

proptest! {
    #[test]
    fn any_table_map_is_compared(columns in prop::collection::vec((any::<u8>(), any::<[u8; 2]>(), any::<bool>()), 3)) {
        let (history, _) = history(TableNameCase::Sensitive, &["CREATE TABLE t (a SET('x'), v TEXT, c BIT(9))"]);
        let log: Vec<_> = columns
            .into_iter()
            .map(|(type_code, metadata, nullable)| MappedColumn { type_code, metadata, nullable })
            .collect();
        let _ = check(history.table("z", "t").unwrap(), &log, Flavour::MariaDb);
    }
}
