//! `kulya sql` in scripts: rows on standard output, notes on standard error, exit codes, files as tables, and
//! the same on a server.

use crate::program::{Running, command, kulya, run};
use std::process::Stdio;
use tempfile::{TempDir, tempdir};

fn sql(folder: &TempDir, args: &[&str]) -> crate::program::Ran {
    run(&mut command(folder.path(), &[&["sql"], args].concat()))
}

#[test]
fn standard_output_has_the_rows_only() {
    let folder = tempdir().unwrap();
    let ran = sql(
        &folder,
        &[
            "--data",
            "d",
            "-e",
            "CREATE DATABASE s; USE s; CREATE TABLE t (id INT, name STRING)",
            "-e",
            "INSERT INTO t VALUES (1, 'x'), (2, '')",
            "-e",
            "SELECT * FROM t ORDER BY id",
        ],
    );
    let table = "+----+------+\n| id | name |\n+----+------+\n|  1 | x    |\n|  2 |      |\n+----+------+\n";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), table), "{ran:?}");
    for note in ["a new store in folder d", "table t created", "2 rows inserted"] {
        assert!(ran.err.contains(note), "{ran:?}");
    }
    for (format, expected) in [
        ("csv", "id,name\n1,x\n2,\"\"\n"),
        ("json", "{\"id\":1,\"name\":\"x\"}\n{\"id\":2,\"name\":\"\"}\n"),
        ("markdown", "| id | name |\n|---:|---|\n| 1 | x |\n| 2 |  |\n"),
        ("vertical", "-[ row 1 ]----\nid   | 1\nname | x\n-[ row 2 ]----\nid   | 2\nname | \n"),
    ] {
        let ran = sql(&folder, &["--data", "d", "-o", format, "-e", "SELECT * FROM t ORDER BY id"]);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), expected, ""), "{format}");
    }
    let ran = sql(&folder, &["--data", "d", "-o", "csv", "--timing", "-e", "SELECT * FROM t"]);
    assert!(ran.err.starts_with("2 rows (") && ran.err.ends_with("s)\n"), "{ran:?}");
}

#[test]
fn a_script_stops_at_its_first_error() {
    let folder = tempdir().unwrap();
    let ran =
        sql(&folder, &["-o", "csv", "-e", "SELECT 1 AS a; SELECT CAST('x' AS INT) AS b; SELECT 3 AS c"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "a\n1\n"), "{ran:?}");
    assert!(ran.err.starts_with("kulya: ") && ran.err.lines().count() == 1, "{ran:?}");
    // a text that is no script runs nothing
    let ran = sql(&folder, &["-o", "csv", "-e", "SELECT 1 AS a; SELEC 2"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("line 1, column 16"), "{ran:?}");
    std::fs::write(folder.path().join("s.sql"), "SELECT 1 AS a;\n-- end\n").unwrap();
    let ran = sql(&folder, &["-o", "csv", "-f", "s.sql"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "a\n1\n"), "{ran:?}");
    let script = std::fs::File::open(folder.path().join("s.sql")).unwrap();
    let ran = run(command(folder.path(), &["sql", "-o", "csv"]).stdin(Stdio::from(script)));
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "a\n1\n"), "{ran:?}");
}

#[test]
fn rows_go_to_files_and_come_from_them() {
    let folder = tempdir().unwrap();
    let query = "SELECT * FROM (VALUES (1, 'x', CAST(1.5 AS DECIMAL(5, 2)), TIMESTAMP '2026-01-02 03:04:05'), (2, CAST(NULL AS STRING), CAST(NULL AS DECIMAL(5, 2)), CAST(NULL AS TIMESTAMP(3)))) AS t (id, name, amount, moment)";
    for (format, name) in [("csv", "rows.csv"), ("json", "rows.jsonl"), ("parquet", "rows.parquet")] {
        let file = std::fs::File::create(folder.path().join(name)).unwrap();
        let ran = run(command(folder.path(), &["sql", "-o", format, "-e", query]).stdout(Stdio::from(file)));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{format}");
        let read = format!("SELECT id, name, amount, moment FROM '{name}' ORDER BY id");
        let ran = sql(&folder, &["-o", "csv", "-e", &read]);
        let amount = if format == "parquet" { "1.50" } else { "1.5" };
        let expected = format!("id,name,amount,moment\n1,x,{amount},2026-01-02 03:04:05\n2,,,\n");
        assert_eq!((ran.code, ran.out.replace("1.50", amount)), (Some(0), expected), "{format}: {}", ran.err);
    }
    let ran = sql(&folder, &["-o", "csv", "-e", "DESCRIBE 'rows.parquet'"]);
    assert!(ran.out.contains("amount,\"DECIMAL(5, 2)\",true,,,\n"), "{ran:?}");
    // a Parquet file has one table
    let ran = sql(&folder, &["-o", "parquet", "-e", "SELECT 1; SELECT 2"]);
    assert!(ran.code == Some(1) && ran.err.contains("a Parquet file has the rows of one query"), "{ran:?}");
}

/// The statements that a folder gets, a server gets too.
#[test]
fn a_server_does_the_same_as_a_folder() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), "id,name\n1,x\n2,y\n").unwrap();
    let script = "CREATE DATABASE s; USE s;
        CREATE TABLE t (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('segments' = '2');
        INSERT INTO t SELECT * FROM 'in.csv';
        SHOW TABLES; DESCRIBE t; SHOW CREATE TABLE t;
        SELECT COUNT(*) AS n, MAX(name) AS m FROM t;
        EXECUTE STATEMENT SET BEGIN INSERT INTO t VALUES (3, 'z'); END;
        SELECT * FROM t ORDER BY id;
        DROP TABLE t; SHOW TABLES;";
    let local = sql(&folder, &["--data", "local", "-o", "csv", "-e", script]);
    assert_eq!(local.code, Some(0), "{local:?}");
    let (_server, url) = Running::serve(&folder, &["--data", "served"]);
    let remote = sql(&folder, &["--url", &url, "-o", "csv", "-e", script]);
    assert_eq!((remote.code, &remote.out), (Some(0), &local.out), "{remote:?}");
    assert!(local.out.ends_with("id,name\n1,x\n2,y\n3,z\ntable name\n"), "{}", local.out);
}

/// A new user's first line.
#[test]
fn a_csv_file_becomes_a_table() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("orders.csv"), "id,amount\n1,2.5\n2,3\n").unwrap();
    assert_eq!(
        kulya(&folder, &["sql", "-o", "csv", "-e", "SELECT SUM(amount) AS s FROM 'orders.csv'"]),
        "s\n5.5\n"
    );
    kulya(
        &folder,
        &[
            "sql",
            "--data",
            "shop",
            "-e",
            "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT, amount DOUBLE); INSERT INTO orders SELECT * FROM 'orders.csv'",
        ],
    );
    assert_eq!(
        kulya(&folder, &["sql", "--data", "shop", "-o", "csv", "-e", "SELECT COUNT(*) AS n FROM orders"]),
        "n\n2\n"
    );
}
