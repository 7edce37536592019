//! Statements as users and tools write them, statements that are refused, and random ones.

use super::*;
use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};
use crate::{CdcError, CdcErrorKind};
use proptest::prelude::*;

const MYSQL: ServerVersion = ServerVersion { flavour: Flavour::MySql, number: 80_036 };
const MARIADB: ServerVersion = ServerVersion { flavour: Flavour::MariaDb, number: 101_119 };

fn settings(server: ServerVersion) -> ParseSettings {
    ParseSettings { server, sql_mode: SqlMode(0) }
}

fn read(statement: &str) -> Result<Statement, DdlError> {
    parse(statement.as_bytes(), settings(MARIADB))
}

/// The statements of the corpus with the servers that accept them.
fn corpus() -> Vec<(ServerVersion, String)> {
    let path = format!("{}/tests/data/mysql/ddl/statements.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut statements = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, '\t').skip(1);
        let (servers, statement) =
            (parts.next().unwrap(), parts.next().unwrap().replace("\\n", "\n").replace("\\t", "\t"));
        if servers != "A" {
            statements.push((MYSQL, statement.clone()));
        }
        if servers != "M" {
            statements.push((MARIADB, statement));
        }
    }
    statements
}

#[test]
fn the_corpus_is_read_or_refused_by_name() {
    let mut refused = Vec::new();
    let mut read = 0;
    for (server, statement) in corpus() {
        match parse(statement.as_bytes(), settings(server)) {
            Ok(_) => read += 1,
            Err(error) => {
                assert_eq!(error.tables.as_ref().map(Vec::len), Some(1), "{statement}: {error}");
                refused.push(error.to_string());
            }
        }
    }
    refused.sort();
    refused.dedup();
    assert_eq!(
        refused,
        [
            "cannot read the statement on table `a13`: the columns come from a query at byte 17",
            "cannot read the statement on table `a14`: the columns come from a query at byte 56",
            "cannot read the statement on table `m1`: the columns come from a query at byte 27",
            "cannot read the statement on table `m3`: unknown column type \"XMLTYPE\" at byte 56",
        ]
    );
    assert_eq!(read, 277);
}

#[test]
fn other_statements_are_named_by_their_first_words() {
    for (statement, expected) in [
        ("CREATE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW v AS SELECT * FROM t", "CREATE VIEW"),
        (
            "/*!50003 CREATE*/ /*!50017 DEFINER=`r`@`h`*/ /*!50003 TRIGGER t BEFORE INSERT ON a */",
            "CREATE TRIGGER",
        ),
        ("create temporary table t (a strange)", "CREATE TEMPORARY TABLE"),
        ("DROP TEMPORARY TABLE IF EXISTS t", "DROP TEMPORARY TABLE"),
        ("ALTER SEQUENCE s RESTART 5", "ALTER SEQUENCE"),
        ("CREATE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'", "CREATE REFERENCE"),
        ("DROP PREPARE p", "DROP PREPARE"),
        ("GRANT SELECT ON TABLE t TO u", "GRANT SELECT"),
        ("OPTIMIZE TABLE t", "OPTIMIZE TABLE"),
        ("SAVEPOINT `a b`", "SAVEPOINT"),
        ("BEGIN", "BEGIN"),
        ("SET STATEMENT a=1 FOR GRANT ALL ON *.* TO u", "GRANT ALL"),
        ("CREATE PROCEDURE p() BEGIN SELECT 'unclosed", "CREATE PROCEDURE"),
        ("SET STATEMENT a='unclosed", "SET STATEMENT"),
        ("", ""),
    ] {
        assert_eq!(read(statement), Ok(Statement::Harmless(expected.to_owned())), "{statement}");
    }
}

#[test]
fn tables_of_changed_rows_are_told() {
    for (statement, expected) in [
        ("INSERT INTO t SELECT 1", "INSERT t"),
        ("/* x */ insert low_priority ignore d . `a``b`(x) values (1)", "INSERT d.a`b"),
        ("REPLACE t SET a = 1", "REPLACE t"),
        ("LOAD DATA LOCAL INFILE 'INTO TABLE u' REPLACE INTO TABLE d.t CHARACTER SET utf8mb4", "LOAD d.t"),
        ("UPDATE LOW_PRIORITY t PARTITION (p) AS x SET x.a = 1", "UPDATE t"),
        ("UPDATE t, d.u SET a = 1", "UPDATE t d.u"),
        ("UPDATE t a LEFT JOIN u USING (id) JOIN (SELECT 1) s ON a.set = u.join SET a.x = 1", "UPDATE t u"),
        ("UPDATE (t JOIN u) SET x = 1", "UPDATE ?"),
        ("UPDATE t, ", "UPDATE ?"),
        ("DELETE FROM t WHERE a IN (SELECT b FROM u USING x)", "DELETE t"),
        ("DELETE QUICK FROM d.t", "DELETE d.t"),
        ("DELETE a.*, d.b FROM t AS a JOIN d.b ON a.where = b.x WHERE 1", "DELETE t d.b"),
        ("DELETE FROM a.*, b USING t a STRAIGHT_JOIN b LIMIT 1", "DELETE t b"),
        ("DELETE FROM t WHERE a = 'x", "DELETE t"),
        ("DELETE a FROM t AS a, u WHERE 'x", "DELETE t u"),
        ("DELETE a FROM t AS a, u, 'x", "DELETE ?"),
        ("WITH c AS (SELECT 1), e (x) AS (SELECT 2) UPDATE t, c SET a = 1", "WITH t"),
        ("WITH c AS (SELECT 1) SELECT f() FROM c", "WITH ?"),
        ("SELECT `d`.`f`(1)", "SELECT ?"),
        ("DO f(1)", "DO ?"),
        ("SET STATEMENT max_statement_time = 1 FOR INSERT INTO t VALUES (1)", "INSERT t"),
        ("INSERT", "INSERT ?"),
    ] {
        let Ok(Statement::ChangeRows { verb, tables }) = read(statement) else { panic!("{statement}") };
        let name = |table: &TableRef| {
            table
                .database
                .as_ref()
                .map_or(table.table.clone(), |database| format!("{database}.{}", table.table))
        };
        let names = tables.map_or("?".to_owned(), |t| t.iter().map(name).collect::<Vec<_>>().join(" "));
        assert_eq!(format!("{verb} {names}"), expected, "{statement}");
    }
}

#[test]
fn what_is_not_understood_is_named_with_its_place_and_tables() {
    for (statement, expected, tables) in [
        ("CREATE TABLE z.t (a STRANGE)", "unknown column type \"STRANGE\" at byte 20", Some("z.t")),
        ("CREATE TABLE t (a INT STRANGE)", "unknown column attribute \"STRANGE\" at byte 22", Some("t")),
        ("CREATE TABLE t (a INT) STRANGE", "unknown table option \"STRANGE\" at byte 23", Some("t")),
        ("CREATE TABLE t (a INT", "the statement ends before column attribute at byte 21", Some("t")),
        (
            "CREATE TABLE t (a INT DEFAULT (1)",
            "the statement ends before column attribute at byte 33",
            Some("t"),
        ),
        ("CREATE TABLE t (a INT DEFAULT ((1)", "a parenthesis is not closed at byte 30", Some("t")),
        ("CREATE TABLE t (a INT COMMENT 'x)", "a quoted text is not closed at byte 30", Some("t")),
        ("CREATE TABLE t", "the statement ends before the table's columns at byte 14", Some("t")),
        ("CREATE TABLE", "the statement ends before name at byte 12", None),
        (
            "CREATE EXTERNAL TABLE IF NOT EXISTS z.t (a INT)",
            "unknown word of a statement on a table \"EXTERNAL\" at byte 7",
            { Some("z.t") },
        ),
        (
            "ALTER TABLE t FROB x, RENAME TO z.u",
            "unknown change of a table \"FROB\" at byte 14",
            Some("t z.u"),
        ),
        ("ALTER TABLE t ADD a INT STRANGE", "unknown end of the statement \"STRANGE\" at byte 24", Some("t")),
        (
            "ALTER TABLE t ADD a STRANGE, RENAME COLUMN b TO c, RENAME u",
            { "unknown column type \"STRANGE\" at byte 20" },
            Some("t u"),
        ),
        (
            "RENAME TABLE a TO b, c INTO d, z.e TO f",
            "unknown TO \"INTO\" at byte 23",
            Some("a b c INTO d z.e f"),
        ),
        ("DROP TABLE a, b FROB, c", "unknown end of the statement \"FROB\" at byte 16", Some("a b FROB c")),
        ("ALTER DATABASE d FROB", "unknown end of the statement \"FROB\" at byte 17", Some("")),
        (
            "CREATE TABLE t (a INT); DROP TABLE u",
            "unknown end of the statement \"DROP\" at byte 24",
            Some("t"),
        ),
    ] {
        let error = read(statement).unwrap_err();
        assert_eq!(format!("{} at byte {}", error.problem, error.offset), expected, "{statement}");
        let names: Option<Vec<String>> =
            error.tables.map(|tables| tables.iter().map(ToString::to_string).collect());
        assert_eq!(names.map(|names| names.join(" ").replace('`', "")).as_deref(), tables, "{statement}");
    }
    let error = CdcError::from(read("ALTER TABLE t FROB").unwrap_err());
    assert_eq!(error.kind(), CdcErrorKind::Source);
    assert_eq!(
        error.to_string(),
        "cannot read the statement on table `t`: unknown change of a table \"FROB\" at byte 14; give the table's \
         CREATE TABLE for this position, or take a new snapshot of the table"
    );
    let error = parse(b"CREATE TABLE `\xff` (a INT)", settings(MYSQL)).unwrap_err();
    assert_eq!(error.problem, DdlProblem::NotUtf8 { what: "a name" });
    let kept = parse(b"CREATE TABLE t (a INT COMMENT '\xff')", settings(MYSQL));
    assert!(kept.is_ok(), "comments need not be UTF-8");
}

/// The only column of a table, read from its definition.
fn column(definition: &str) -> ColumnDefinition {
    match read(&format!("CREATE TABLE t (c {definition})")).unwrap() {
        Statement::CreateTable(CreateTable { body: TableBody::Definition(table), .. }) => {
            table.columns[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn default_values_are_kept() {
    use DefaultValue::{Bytes, Expression, Null, Number, Text};
    for (definition, expected) in [
        ("INT DEFAULT 5", Number("5".into())),
        ("INT DEFAULT - 5 NOT NULL", Number("-5".into())),
        ("INT DEFAULT +.5e3", Number(".5e3".into())),
        ("BOOL DEFAULT TRUE", Number("1".into())),
        ("INT DEFAULT NULL", Null),
        ("TEXT DEFAULT 'it''s \\'x\\n' COMMENT 'c'", Text("it's 'x\n".into())),
        ("TEXT DEFAULT _utf8mb4'a' 'b'", Text("ab".into())),
        ("TEXT DEFAULT \"q\"", Text("q".into())),
        ("BINARY(2) DEFAULT x'4a'", Bytes(vec![0x4a])),
        ("BINARY(2) DEFAULT 0x14A", Bytes(vec![1, 0x4a])),
        ("BIT(9) DEFAULT b'100000001'", Bytes(vec![1, 1])),
        ("DATETIME DEFAULT NOW(3) ON UPDATE NOW(3)", Expression("NOW(3)".into())),
        ("DATETIME DEFAULT current_timestamp NULL", Expression("current_timestamp".into())),
        ("INT DEFAULT (1 + (2)) COMMENT 'x'", Expression("(1 + (2))".into())),
        ("INT DEFAULT abs(-1) + 2", Expression("abs(-1) + 2".into())),
        ("INT DEFAULT nextval(`z`.`s`)", Expression("nextval(`z`.`s`)".into())),
        ("INT DEFAULT NEXT VALUE FOR z.s COMMENT 'x'", Expression("NEXT VALUE FOR z.s".into())),
        ("DATE DEFAULT DATE '2020-01-01'", Text("2020-01-01".into())),
    ] {
        assert_eq!(column(definition).default, Some(expected), "{definition}");
    }
}

#[test]
fn empty_default_values_that_mysql_leaves_out_are_none() {
    for (definition, expected) in [
        ("note TEXT NOT NULL DEFAULT ''", None),
        ("data LONGBLOB DEFAULT ''", None),
        ("note TEXT DEFAULT ('')", Some(DefaultValue::Expression("('')".into()))),
        ("note VARCHAR(9) DEFAULT ''", Some(DefaultValue::Text(String::new()))),
    ] {
        let statement = format!("CREATE TABLE t ({definition})");
        let on = |server| match parse(statement.as_bytes(), settings(server)).unwrap() {
            Statement::CreateTable(CreateTable { body: TableBody::Definition(table), .. }) => {
                table.columns[0].default.clone()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(on(MYSQL), expected, "{definition}");
        assert!(on(MARIADB).is_some(), "{definition}");
    }
}

#[test]
fn columns_and_keys_may_be_named_with_their_table() {
    for (qualified, plain) in [
        ("CREATE TABLE stock (stock.amount INT, .note TEXT)", "CREATE TABLE stock (amount INT, note TEXT)"),
        ("ALTER TABLE s.stock ADD s.stock.amount INT", "ALTER TABLE s.stock ADD amount INT"),
        ("ALTER TABLE stock MODIFY stock.amount BIGINT", "ALTER TABLE stock MODIFY amount BIGINT"),
        ("ALTER TABLE stock CHANGE a stock.b BIGINT", "ALTER TABLE stock CHANGE a b BIGINT"),
        (
            "ALTER TABLE stock DROP `stock`.`amount`, DROP KEY stock.k",
            "ALTER TABLE stock DROP amount, DROP KEY k",
        ),
        ("ALTER TABLE stock ALTER stock.amount DROP DEFAULT", "ALTER TABLE stock ALTER amount DROP DEFAULT"),
    ] {
        assert_eq!(read(qualified).unwrap(), read(plain).unwrap(), "{qualified}");
    }
}

#[test]
fn attributes_are_kept() {
    let found = column(
        "INT UNSIGNED ZEROFILL GENERATED ALWAYS AS (a + ')') STORED NOT NULL INVISIBLE UNIQUE KEY COMMENT 'x' CHECK (c > 1)",
    );
    assert!(found.column_type.unsigned && found.column_type.zerofill && found.invisible);
    assert_eq!((found.nullable, found.comment.as_deref()), (Some(false), Some("x")));
    assert_eq!(found.keys, [InlineKey::Unique]);
    assert_eq!(found.generated, Some(Generated::Expression { expression: "(a + ')')".into(), stored: true }));
    assert_eq!(column("TIMESTAMP(6) AS ROW END").generated, Some(Generated::RowEnd));
    assert_eq!(column("TIMESTAMP ON UPDATE NOW()").on_update.as_deref(), Some("NOW()"));
    assert!(
        column("JSON").column_type.is_json && column("LONGTEXT CHECK (json_valid(`c`))").column_type.is_json
    );
    assert!(!column("LONGTEXT CHECK (json_valid(`d`))").column_type.is_json);
}

#[test]
fn statements_of_newer_servers_are_read() {
    let server = |flavour, number| ServerVersion { flavour, number };
    for (server, statement) in [
        (
            MYSQL,
            "CREATE TABLE t (my_row_id bigint unsigned NOT NULL AUTO_INCREMENT INVISIBLE, a int, PRIMARY KEY (my_row_id))",
        ),
        (MYSQL, "CREATE TABLE t (a int DEFAULT NULL, b varchar(9) /*!80023 INVISIBLE */) START TRANSACTION"),
        (
            MYSQL,
            "CREATE TABLE t (a INT ENGINE_ATTRIBUTE='{}' SECONDARY_ENGINE_ATTRIBUTE = '{}' NOT SECONDARY) AUTOEXTEND_SIZE 4M",
        ),
        (
            MYSQL,
            "CREATE TABLE t (a JSON, INDEX i ((CAST(a->'$.z' AS UNSIGNED ARRAY))), CHECK (a IS NOT NULL) NOT ENFORCED)",
        ),
        (
            MYSQL,
            "ALTER TABLE t ALTER COLUMN a SET INVISIBLE, ALTER b SET DEFAULT (uuid()), DROP CONSTRAINT c, ALTER CONSTRAINT d ENFORCED",
        ),
        (
            MYSQL,
            "ALTER TABLE t ADD COLUMN a INT, ADD INDEX i (a) ENGINE_ATTRIBUTE '{}' VISIBLE, ALGORITHM=INSTANT, LOCK=DEFAULT",
        ),
        (MYSQL, "ALTER DATABASE d READ ONLY = 1"),
        (server(Flavour::MySql, 90_100), "CREATE TABLE t (v VECTOR, w VECTOR(3) NOT NULL)"),
        (
            server(Flavour::MariaDb, 110_800),
            "CREATE TABLE t (v VECTOR(3) NOT NULL, VECTOR INDEX (v) M=8 DISTANCE=cosine)",
        ),
        (server(Flavour::MariaDb, 110_800), "CREATE VECTOR INDEX i ON t (v) M = 8"),
        (
            server(Flavour::MariaDb, 110_800),
            "CREATE TABLE t (a INT) PARTITION BY SYSTEM_TIME INTERVAL 1 HOUR AUTO PARTITIONS 3",
        ),
        (
            MYSQL,
            "CREATE TABLE t (a VARCHAR(9) COLUMN_FORMAT COMPRESSED WITH COMPRESSION_DICTIONARY d, CLUSTERING KEY (a))",
        ),
    ] {
        let read = parse(statement.as_bytes(), settings(server));
        assert!(
            matches!(read, Ok(ref found) if !matches!(found, Statement::Harmless(_))),
            "{statement}: {read:?}"
        );
    }
}

#[test]
fn long_statements_are_bounded() {
    let repeat =
        |start: &str, part: &str, end: &str| format!("{start}{}{end}", part.repeat(200_000 / part.len()));
    let columns: String = (0..60_000).map(|number| format!("c{number} INT,")).collect();
    let statements = [
        format!("CREATE TABLE t (a INT DEFAULT {}", "(".repeat(1 << 20)),
        repeat("CREATE TABLE t (a INT DEFAULT ", "(", ")"),
        repeat("CREATE TABLE t (a INT) /*!40100 ", "/*!40100 ", ""),
        repeat("CREATE TABLE t (a INT) /*!99999 ", "/*", ""),
        repeat("CREATE TABLE t (a ENUM('x'", ",'y'", "))"),
        repeat("CREATE TABLE t (a INT", ", KEY (a)", ")"),
        repeat("ALTER TABLE t ADD a INT", ", DROP a", ""),
        repeat("ALTER TABLE t ADD a INT", ", RENAME u", " FROB"),
        repeat("RENAME TABLE a TO b", ", b TO a", ""),
        repeat("DROP TABLE a", ", b", ""),
        repeat("SET STATEMENT a=1 FOR ", "SET STATEMENT a=1 FOR ", "DROP TABLE t"),
        repeat("CREATE TABLE t (a INT COMMENT '", "\\'", "')"),
        repeat("CREATE TABLE t (a INT DEFAULT 1", "+1", ")"),
        repeat("CREATE TABLE t (a INT DEFAULT a", "-a", ")"),
        repeat("CREATE TABLE t (a INT, KEY (a", ",a", "))"),
        repeat("CREATE TABLE t (a INT", " CHECK (a)", ")"),
        repeat("ALTER TABLE a1 ADD z INT", ", CONVERT TO CHARSET latin1", ""),
        repeat("ALTER TABLE a1 ADD z INT", ", CONVERT PARTITION p TO TABLE u", ""),
        repeat("ALTER TABLE a1 ADD z INT", ", ADD PERIOD FOR p (a, b)", ""),
        format!("CREATE TABLE t ({columns} d INT)"),
    ];
    for statement in &statements {
        if let Ok(statement) = read(statement) {
            apply(&statement);
        }
    }
    let too_long = format!("CREATE TABLE t (a INT){}", " ".repeat(MAX_STATEMENT_BYTES));
    assert_eq!(
        read(&too_long).unwrap_err().problem,
        DdlProblem::TooMany { what: "bytes", limit: MAX_STATEMENT_BYTES }
    );
    let procedure = format!("CREATE PROCEDURE p(){}", " ".repeat(MAX_STATEMENT_BYTES));
    assert!(read(&procedure).is_ok());
}

/// Applies a statement to a history with a table.
fn apply(statement: &Statement) {
    let charset = Collated::new("latin1");
    let session = Session {
        default_database: Some("z"),
        server_charset: &charset,
        explicit_defaults_for_timestamp: false,
    };
    let mut history = SchemaHistory::new(TableNameCase::Insensitive);
    let table =
        read("CREATE TABLE a1 (id INT PRIMARY KEY, name VARCHAR(10), a INT, b INT, c INT, x INT, d DATE)")
            .unwrap();
    history.apply(&table, &session).unwrap();
    let before = history.clone();
    if history.apply(statement, &session).is_err() {
        assert_eq!(history, before);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(prefix in prop::sample::select(vec!["", "CREATE TABLE t (", "ALTER TABLE a1 "]), bytes: Vec<u8>) {
        let statement = [prefix.as_bytes(), &bytes].concat();
        let _ = parse(&statement, settings(MYSQL));
        let _ = parse(&statement, settings(MARIADB));
    }

    #[test]
    fn mutated_statements_are_read_or_refused(
        index in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"()',`\"\\;=.*/!-# @0x\xff\0".to_vec()),
        mode in prop::sample::select(vec![0, SqlMode::ANSI_QUOTES, SqlMode::NO_BACKSLASH_ESCAPES, SqlMode::ORACLE]),
    ) {
        let statements = corpus();
        let (server, statement) = index.get(&statements);
        let (_, tail) = other.get(&statements);
        let at = cut.index(statement.len() + 1);
        let tail_at = cut.index(tail.len() + 1);
        let (head, rest) = statement.as_bytes().split_at(at);
        let settings = ParseSettings { server: *server, sql_mode: SqlMode(mode) };
        let spliced = [head, &tail.as_bytes()[tail_at..]].concat();
        let inserted = [head, &[byte], rest].concat();
        let replaced = [head, &[byte], rest.get(1..).unwrap_or_default()].concat();
        for changed in [spliced, inserted, replaced, head.to_vec()] {
            if let Ok(statement) = parse(&changed, settings) {
                apply(&statement);
            }
        }
    }
}
