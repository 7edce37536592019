//! DuckDB, installed from PyPI into a folder of the run; each query is a process of its own.

use crate::events::Files;
use crate::measure::Fallible;
use crate::table::Figure;
use serde_json::Value;
use std::process::{Command, Stdio};

const VERSION: &str = "2.0.1";
/// Prints the CPU time of a query and what it gives; imports and the start are not in it.
const PROGRAM: &str = r#"
import json, resource, sys
import duckdb
connection = duckdb.connect()
connection.execute("SET enable_progress_bar = false")
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
before = cpu()
rows = connection.execute(sys.argv[1]).fetchall()
after = cpu()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
answer = ",".join(str(value) for value in rows[-1])
print(json.dumps({"cpu": after - before, "peak": peak, "answer": answer}))
"#;

pub struct DuckDb {
    python: String,
}

impl DuckDb {
    /// Installs it; none if that is not possible.
    pub fn install(files: &Files<'_>) -> Option<Self> {
        let folder = files.path("duckdb");
        let python = format!("{folder}/bin/python");
        let run = |program: &str, arguments: &[&str]| {
            let status =
                Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        let wanted = format!("duckdb=={VERSION}");
        let is_installed = run("python3", &["-m", "venv", &folder])
            && run(&python, &["-m", "pip", "install", "--quiet", &wanted]);
        is_installed.then_some(Self { python })
    }

    pub fn run(&self, sql: &str) -> Fallible<Figure> {
        let output = Command::new(&self.python).args(["-c", PROGRAM, sql]).output()?;
        if !output.status.success() {
            return Err(format!("DuckDB: {sql}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let value: Value = serde_json::from_slice(&output.stdout)?;
        let number = |name: &str| value[name].as_f64().ok_or("DuckDB's program prints figures");
        let answer = value["answer"].as_str().unwrap_or_default().to_owned();
        Ok(Figure { cpu: number("cpu")?, peak: number("peak")? as u64, answer })
    }
}
