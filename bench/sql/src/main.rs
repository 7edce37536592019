//! Benchmark of SQL: Kulya's program, Apache Flink, DuckDB and the bare decoders over the same events.
//!
//! ```sh
//! cargo xtask flink-sql -- cargo run --release --manifest-path bench/Cargo.toml -p kulya-bench-sql -- \
//!     --kulya target/release/kulya --events 10000000
//! ```
//!
//! Prints a table of Markdown: CPU time and peak memory of whole processes, Flink's without its start. Two
//! subjects that give different answers are an error. Without `cargo xtask flink-sql` there are no figures of
//! Flink, without Python none of DuckDB.

mod decoder;
mod duckdb;
mod events;
mod flink;
mod kulya;
mod measure;
mod table;

use duckdb::DuckDb;
use events::Files;
use flink::Flink;
use kulya::Kulya;
use measure::{Fallible, print_load};
use std::path::{Path, PathBuf};
use std::process::Command;
use table::{Figure, Item};

const USAGE: &str = "usage: kulya-bench-sql --kulya PROGRAM [--events N] [--folder FOLDER]";
const EVENTS: u64 = 2_000_000;

fn main() -> Fallible {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let ["decode", folder, stream] = arguments.as_slice() {
        let Figure { cpu, peak, answer } = runtime.block_on(decoder::run(Path::new(folder), stream))?;
        println!("{}", serde_json::json!({ "cpu": cpu, "peak": peak, "answer": answer }));
        return Ok(());
    }
    let (mut program, mut events, mut kept) = (None, EVENTS, None);
    for pair in arguments.chunks(2) {
        match pair {
            ["--kulya", path] => program = Some(PathBuf::from(path)),
            ["--events", count] => events = count.parse()?,
            ["--folder", folder] => kept = Some(PathBuf::from(folder)),
            _ => return Err(USAGE.into()),
        }
    }
    let program = std::path::absolute(program.ok_or(USAGE)?)?;
    let temporary = tempfile::tempdir()?;
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let files = Files { folder: &folder };
    print_load();
    runtime.block_on(events::make(&files, events))?;
    let kulya = Kulya { program, files: &files };
    kulya.create()?;
    let flink = Flink::connect(&files)?;
    let duckdb = DuckDb::install(&files);
    for (is_missing, what) in [
        (flink.is_none(), "Flink: run this under `cargo xtask flink-sql --`"),
        (duckdb.is_none(), "DuckDB: python3 with venv and PyPI are needed"),
    ] {
        if is_missing {
            println!("NOT RUN: {what}");
        }
    }
    let items = Subjects { kulya, flink, duckdb, files: &files }.items(events)?;
    println!("{events} events\n\n{}", table::table(&items));
    print_load();
    Ok(())
}

struct Subjects<'a> {
    kulya: Kulya<'a>,
    flink: Option<Flink>,
    duckdb: Option<DuckDb>,
    files: &'a Files<'a>,
}

/// What an item asks each subject; the texts are statements.
struct Task {
    name: &'static str,
    kulya: &'static str,
    /// Mode and statement.
    flink: (&'static str, &'static str),
    /// The file and the statement, in which the file's name replaces `FILE`.
    duckdb: Option<(&'static str, &'static str)>,
    /// The stream that the bare decoder reads.
    decoder: Option<&'static str>,
}

const TASKS: [Task; 4] = [
    Task {
        name: "GROUP BY over Avro",
        kulya: "SELECT count(*), sum(s) FROM (SELECT category, sum(price) AS s FROM orders_avro GROUP BY category)",
        flink: (
            "batch",
            "SELECT count(*), sum(s) FROM (SELECT category, sum(price) AS s FROM orders_avro GROUP BY category)",
        ),
        duckdb: None,
        decoder: Some("orders-avro"),
    },
    Task {
        name: "GROUP BY over JSON",
        kulya: "SELECT count(*), sum(s) FROM (SELECT category, sum(price) AS s FROM orders_json GROUP BY category)",
        flink: (
            "batch",
            "SELECT count(*), sum(s) FROM (SELECT category, sum(price) AS s FROM orders_json GROUP BY category)",
        ),
        duckdb: Some((
            "orders.jsonl",
            "SELECT count(*), sum(s) FROM (SELECT category, sum(price) AS s FROM read_json('FILE', format = 'newline_delimited', columns = {category: 'INTEGER', price: 'DOUBLE'}) GROUP BY category)",
        )),
        decoder: Some("orders-json"),
    },
    Task {
        name: "current rows of a Debezium log",
        kulya: "SELECT count(*), sum(amount) FROM (SELECT id, customer, status, amount, updated FROM changes) WHERE status IS NOT NULL AND updated IS NOT NULL AND customer >= 0",
        flink: (
            "streaming",
            "SELECT count(*), sum(amount) FROM changes WHERE status IS NOT NULL AND updated IS NOT NULL AND customer >= 0",
        ),
        duckdb: Some((
            "changes.jsonl",
            "SELECT count(*), sum(a.amount) FROM (SELECT coalesce(after.id, before.id) AS id, arg_max(struct_pack(gone := op = 'd', amount := after.amount, status := after.status, updated := after.updated, customer := after.customer), source.lsn) AS a FROM read_json('FILE', format = 'newline_delimited', columns = {before: 'STRUCT(id BIGINT)', after: 'STRUCT(id BIGINT, customer INTEGER, status VARCHAR, amount DOUBLE, updated TIMESTAMP)', op: 'VARCHAR', source: 'STRUCT(lsn BIGINT)'}) GROUP BY 1) WHERE NOT a.gone AND a.status IS NOT NULL AND a.updated IS NOT NULL AND a.customer >= 0",
        )),
        decoder: None,
    },
    Task {
        name: "INSERT of rows, JSON to Avro",
        kulya: "INSERT INTO written SELECT * FROM orders_json",
        flink: ("batch", "INSERT INTO written SELECT * FROM orders_json"),
        duckdb: None,
        decoder: None,
    },
];

impl Subjects<'_> {
    fn items(mut self, count: u64) -> Fallible<Vec<Item>> {
        let mut items = Vec::new();
        for task in TASKS {
            let mut figures = vec![("Kulya", self.kulya.run(task.kulya)?)];
            if let Some(stream) = task.decoder {
                figures.push(("bare decoder", self.decode(stream)?));
            }
            if let Some(flink) = &mut self.flink {
                let (mode, sql) = task.flink;
                figures.push(("Flink", flink.run(mode, sql)?));
            }
            if let (Some(duckdb), Some((file, sql))) = (&self.duckdb, task.duckdb) {
                figures.push(("DuckDB", duckdb.run(&sql.replace("FILE", &self.files.path(file)))?));
            }
            for (subject, figure) in &figures {
                println!("{}: {subject}: {:.2} CPU-s, {}", task.name, figure.cpu, figure.answer);
            }
            same_answers(&figures)?;
            items.push(Item { name: task.name, count, figures });
        }
        let first = self.kulya.first_row("SELECT * FROM orders_json")?;
        println!("first row of a bounded query: {first:.1} ms (median of 5)");
        Ok(items)
    }

    /// The bare decoder has a process of its own too.
    fn decode(&self, stream: &str) -> Fallible<Figure> {
        let output = Command::new(std::env::current_exe()?)
            .arg("decode")
            .arg(self.files.folder)
            .arg(stream)
            .output()?;
        if !output.status.success() {
            return Err(format!("decoder: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let number = |name: &str| value[name].as_f64().ok_or("the decoder prints figures");
        Ok(Figure { cpu: number("cpu")?, peak: number("peak")? as u64, answer: String::new() })
    }
}

/// Compares the answers as numbers: sums of floats are quarters, and exact.
fn same_answers(figures: &[(&str, Figure)]) -> Fallible {
    let numbers = |figure: &Figure| -> Vec<f64> {
        figure.answer.split(',').filter_map(|number| number.parse().ok()).collect()
    };
    let answers: Vec<Vec<f64>> = figures.iter().map(|(_, figure)| numbers(figure)).collect();
    let given: Vec<&Vec<f64>> = answers.iter().filter(|answer| !answer.is_empty()).collect();
    if given.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(format!("different answers: {figures:?}").into());
    }
    Ok(())
}
