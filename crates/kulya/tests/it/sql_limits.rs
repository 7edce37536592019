//! Limits of `kulya sql`: no statement overflows the stack, no query exceeds its memory limit, and Ctrl-C
//! cancels it.

use crate::program::{Ran, Running, command, kulya, run};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use tempfile::{TempDir, tempdir};

/// Runs statements from a file: the system's limit of arguments is smaller.
fn sql(folder: &TempDir, statements: &str, args: &[&str]) -> Ran {
    std::fs::write(folder.path().join("statements.sql"), statements).unwrap();
    let args = [&["sql", "--output", "csv", "--file", "statements.sql"], args].concat();
    let output = command(folder.path(), &args).output().unwrap();
    assert_eq!(output.status.signal(), None, "{:.80}: ended by a signal, as of a stack overflow", statements);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn nested(begin: &str, middle: &str, end: &str, times: usize) -> String {
    format!("SELECT {}{middle}{}", begin.repeat(times), end.repeat(times))
}

/// Statements with deep syntax trees: rejected far above the limit, accepted below it.
#[test]
fn no_statement_overflows_the_stack() {
    let folder = tempdir().unwrap();
    let numbers: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let ctes = |count: usize, body: &str| {
        let more: Vec<String> = (1..count)
            .map(|n| format!("a{n} AS ({})", body.replace("PREVIOUS", &format!("a{}", n - 1))))
            .collect();
        format!("WITH a0 AS (SELECT 1 AS x), {} SELECT count(*) FROM a{}", more.join(", "), count - 1)
    };
    let join = |count: usize| {
        let more: String = (1..count).map(|n| format!(" JOIN t AS t{n} ON t{n}.x = t0.x")).collect();
        format!("WITH t AS (SELECT 1 AS x) SELECT count(*) FROM t AS t0{more}")
    };
    for (statement, error) in [
        (format!("SELECT 1{}", "+1".repeat(10_000)), "more than 1000 operators"),
        (format!("SELECT true{}", " AND true".repeat(20_000)), "more than 1000 operators"),
        (format!("SELECT {}true", "NOT ".repeat(10_000)), "more than 1000 operators"),
        (format!("SELECT 1{}", "::int".repeat(10_000)), "more than 1000 operators"),
        (format!("SELECT 'a'{}", "||'a'".repeat(10_000)), "more than 1000 operators"),
        (format!("SELECT 1{}", " IS NOT DISTINCT FROM 1".repeat(10_000)), "more than 1000 operators"),
        (format!("SELECT CAST(NULL AS {}INT{})", "ARRAY<".repeat(10_000), ">".repeat(10_000)), "operators"),
        (format!("SELECT {} '1'", "INTERVAL ".repeat(10_000)), "more than 1000 operators"),
        (format!("{} SELECT 1", "EXPLAIN ".repeat(10_000)), "more than 1000 operators"),
        (nested("(", "1", ")", 10_000), "64 deep"),
        (nested("abs(", "1", ")", 10_000), "64 deep"),
        (nested("[", "1", "]", 10_000), "64 deep"),
        (nested("CASE WHEN true THEN ", "1", " END", 10_000), "64 deep"),
        (nested("* FROM (SELECT ", "1", ")", 10_000), "64 deep"),
        (nested("1 WHERE 1 IN (SELECT ", "1", ")", 63), "10 deep"),
        (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(5000)), "more than 200"),
        (join(1000), "more than 200"),
        (ctes(40, "SELECT * FROM PREVIOUS UNION ALL SELECT * FROM PREVIOUS"), "more than 1000 once"),
        (ctes(3000, "SELECT x + 1 AS x FROM PREVIOUS"), "more than 220 queries"),
        (format!("SELECT '{}'", "x".repeat(2_000_000)), "the limit is 1048576"),
        // below the limits
        (format!("SELECT 1{}", "+1".repeat(300)), ""),
        (format!("SELECT true{}", " AND true".repeat(990)), ""),
        (format!("SELECT 1{}", " IS NULL".repeat(450)), ""),
        (nested("(", "1", ")", 60), ""),
        (nested("CASE WHEN true THEN ", "1", " END", 60), ""),
        (nested("* FROM (SELECT ", "1 AS a", ") AS t", 60), ""),
        (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(190)), ""),
        (ctes(190, "SELECT x + 1 AS x FROM PREVIOUS"), ""),
        (format!("SELECT 1 WHERE 5 IN ({})", numbers.join(",")), ""),
    ] {
        let ran = sql(&folder, &statement, &[]);
        if error.is_empty() {
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{statement:.80}");
        } else {
            assert_eq!(ran.code, Some(1), "{statement:.80}: {:.200}", ran.out);
            assert!(ran.err.contains(error) && ran.err.len() < 400, "{statement:.80}: {:.400}", ran.err);
            assert_eq!(ran.err.lines().count(), 1);
        }
    }
}

/// Deeply nested JSON in an event is an error of that event.
#[test]
fn deep_values_do_not_overflow_the_stack() {
    let folder = tempdir().unwrap();
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    std::fs::write(folder.path().join("any.json"), schema).unwrap();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    std::fs::write(folder.path().join("deep"), [&[1, 0, 0, 0, 0], deep.as_bytes()].concat()).unwrap();
    kulya(
        &folder,
        &["registry", "group", "create", "t", "--namespace", "s", "--format", "json", "--policy", "AllowAny"],
    );
    kulya(&folder, &["registry", "schema", "add", "--group", "t", "--namespace", "s", "any.json"]);
    kulya(&folder, &["registry", "encoding", "id", "--group", "t", "--namespace", "s", "0"]);
    kulya(&folder, &["stream", "append", "s/t", "--file", "deep"]);
    let ran = sql(&folder, "SELECT * FROM t", &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("event ") && ran.err.contains("recursion limit"), "{ran:?}");
}

/// Runs a query with a limit of 256 MB; returns its result and the peak memory of its process, in bytes.
fn measured(folder: &TempDir, statement: &str) -> (Ran, u64) {
    let mut child = command(folder.path(), &["sql", "--memory", "256MB", "--output", "csv", "-e", statement])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let reader = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            from.read_to_string(&mut text).unwrap();
            text
        })
    };
    let out = reader(Box::new(child.stdout.take().unwrap()));
    let err = reader(Box::new(child.stderr.take().unwrap()));
    let mut peak_bytes = 0;
    let status = loop {
        // the system keeps the high-water mark: no peak between two reads is missed
        let status = std::fs::read_to_string(&status_file).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        peak_bytes = peak_bytes.max(peak.unwrap_or_default() << 10);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    (Ran { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap() }, peak_bytes)
}

/// A query for `what` over 10 to the power of `tables` rows, whose columns are a.n, b.n, …
fn rows(tables: usize, what: &str) -> String {
    let digits = "WITH digits AS (SELECT n FROM (VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)) AS t (n))";
    let from: Vec<String> = "abcdefgh".chars().take(tables).map(|name| format!("digits AS {name}")).collect();
    format!("{digits} SELECT {what} FROM {}", from.join(", "))
}

#[test]
fn no_query_exceeds_its_memory_limit() {
    let folder = tempdir().unwrap();
    kulya(&folder, &["stream", "append", "s/t", "--text", "x"]);
    let doubled = |times: usize| {
        let begin = "SELECT a || a AS a FROM (".repeat(times);
        format!("SELECT length(a) FROM ({begin}SELECT 'xxxxxxxx' AS a{}", ")".repeat(times + 1))
    };
    for (statement, message) in [
        // refused by the size of a value or of a pattern, before it is allocated
        ("SELECT length(repeat('x', 2000000000))", "REPEAT: would return a value"),
        ("SELECT length(lpad('x', 2000000000, 'yz'))", "LPAD: would return a value"),
        ("SELECT length(rpad('x', 2000000000, ' '))", "RPAD: would return a value"),
        (
            "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
            "REPLACE: would return a value",
        ),
        (
            "SELECT length(regexp_replace(repeat('x', 100000), '.', repeat('y', 100000)))",
            "REGEXP_REPLACE: would return a value",
        ),
        ("SELECT regexp_like('a', '((a{1000}){1000}){1000}')", "the pattern"),
        (&rows(5, "sum(length(repeat('x', (a.n + 1) * 100000)))"), "REPEAT: would return"),
        // cancelled by the memory of the process
        (&rows(5, "length(string_agg(repeat('x', 100000), ','))"), "memory"),
        (&doubled(30), "memory"),
        (
            &rows(7, "count(DISTINCT repeat('x', 100) || a.n || b.n || c.n || d.n || e.n || f.n || g.n)"),
            "memory",
        ),
    ] {
        let (ran, peak_bytes) = measured(&folder, statement);
        assert_eq!(ran.code, Some(1), "{statement:.80}: {ran:?}");
        assert!(ran.err.contains(message) && ran.err.lines().count() == 1, "{statement:.80}: {ran:?}");
        // what is refused allocates little. The process's memory is measured every 10 ms: on a loaded machine
        // later, so that the bound of a query that is cancelled is only far below the gigabytes that it wants
        let limit = if message == "memory" { 1_000_000_000 } else { 320_000_000 };
        assert!(peak_bytes < limit, "{statement:.80}: {peak_bytes} bytes, the limit is {limit}");
    }
    // queries that fit, or spill to disk
    for (statement, expected) in [
        ("SELECT length(repeat('x', 1000000)) AS n", "n\n1000000\n"),
        (&rows(1, "sum(length(replace(repeat('ab', 1000), 'a', 'xyz'))) AS n"), "n\n40000\n"),
        (&rows(4, "count(DISTINCT a.n * 1000 + b.n * 100 + c.n * 10 + d.n) AS n"), "n\n10000\n"),
    ] {
        let (ran, _) = measured(&folder, statement);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{statement}: {ran:?}");
    }
}

/// Rows are streamed, and Ctrl-C cancels a query that never ends.
#[test]
fn rows_are_streamed_and_queries_are_cancelled() {
    let folder = tempdir().unwrap();
    let endless = rows(7, "7 AS a");
    let mut running =
        Running::start(&mut command(folder.path(), &["sql", "--output", "json", "-e", &endless]));
    let mut first = [0; 8];
    running.out.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"{\"a\":7}\n");
    // a full pipe blocks the program, which handles the signal all the same
    assert_eq!(running.interrupt(), Some(130));
    let computes = format!(
        "SELECT 'begun' AS a; {}",
        rows(7, "sum(length(replace(repeat('ab', 1000), 'a', 'x' || a.n)))")
    );
    let mut running =
        Running::start(&mut command(folder.path(), &["sql", "--output", "csv", "-e", &computes]));
    let mut first = [0; 8];
    running.out.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"a\nbegun\n");
    assert_eq!(running.interrupt(), Some(130));
}

/// Nested queries with equal columns are each computed.
#[test]
fn nested_equal_queries_are_each_computed() {
    let folder = tempdir().unwrap();
    let source = "SELECT a, b FROM (VALUES (1, 10), (2, 20)) AS t (a, b)";
    for (statement, expected) in [
        (
            format!("SELECT a + a AS a FROM (SELECT a + a AS a FROM (SELECT a + a AS a FROM ({source})))"),
            "a\n8\n16\n",
        ),
        (format!("SELECT b AS a, a AS b FROM (SELECT b AS a, a AS b FROM ({source}))"), "a,b\n1,10\n2,20\n"),
        (format!("SELECT a + a AS a FROM (SELECT a + a AS a FROM ({source})) WHERE a > 2"), "a\n8\n"),
        (
            format!(
                "SELECT sum(a) AS s FROM (SELECT a + a AS a FROM (SELECT a + a AS a FROM ({source})) ORDER BY a LIMIT 1)"
            ),
            "s\n4\n",
        ),
        (
            format!(
                "WITH x AS (SELECT a + 1 AS a FROM ({source})), y AS (SELECT a + 1 AS a FROM x) SELECT a + 1 AS a FROM y UNION ALL SELECT a + 1 AS a FROM x ORDER BY a"
            ),
            "a\n3\n4\n4\n5\n",
        ),
    ] {
        let ran = sql(&folder, &statement, &[]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), expected), "{statement}: {ran:?}");
    }
}

/// No statement writes a file, an explained one included.
#[test]
fn a_query_writes_nothing() {
    let folder = tempdir().unwrap();
    let to = folder.path().join("copied.csv");
    for statement in [
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'", to.display()),
        format!("EXPLAIN COPY (SELECT 1) TO '{}'", to.display()),
        "EXPLAIN ANALYZE SET datafusion.execution.batch_size = 1".to_owned(),
        "EXPLAIN CREATE TABLE t (a INT)".to_owned(),
    ] {
        let ran = run(&mut command(folder.path(), &["sql", "-e", &statement]));
        assert_eq!(ran.code, Some(1), "{statement}: {ran:?}");
    }
    assert!(!to.exists());
}
