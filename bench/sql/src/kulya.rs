//! The program, started by its command line for each query.

use crate::events::{CHANGES, Files, ORDERS, SCOPE};
use crate::measure::{Fallible, cpu_of_children, peak_of};
use crate::table::Figure;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub struct Kulya<'a> {
    pub program: PathBuf,
    pub files: &'a Files<'a>,
}

impl Kulya<'_> {
    /// Creates the tables.
    pub fn create(&self) -> Fallible {
        self.run(&format!(
            "CREATE TABLE orders_json ({ORDERS}) WITH ('format' = 'json', 'scan.streams' = 'orders-json');
             CREATE TABLE orders_avro ({ORDERS}) WITH ('format' = 'avro', 'scan.streams' = 'orders-avro');
             CREATE TABLE changes ({CHANGES}, PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = 'debezium-json', 'scan.streams' = 'changes');
             CREATE TABLE written ({ORDERS}) WITH ('format' = 'avro', 'segments' = '4')"
        ))?;
        Ok(())
    }

    fn command(&self, statements: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["sql", "--data"]).arg(self.files.folder.join("kulya"));
        command.args(["--output", "csv", "--execute", &format!("USE {SCOPE}; {statements}")]);
        command
    }

    /// Runs statements in a process of their own.
    pub fn run(&self, statements: &str) -> Fallible<Figure> {
        let before = cpu_of_children();
        let mut process = self.command(statements).stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let id = process.id().to_string();
        let mut out = process.stdout.take().ok_or("no standard output")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let mut peak = 0;
        let status = loop {
            peak = peak.max(peak_of(&id));
            if let Some(status) = process.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = reader.join().map_err(|_| "the reader panicked")??;
        if !status.success() {
            return Err(format!("kulya: {statements}: {status}").into());
        }
        let answer = text.trim().lines().last().unwrap_or_default().to_owned();
        Ok(Figure { cpu: cpu_of_children() - before, peak, answer })
    }

    /// Returns the time from the end of one statement to the first row of the next, in milliseconds: the
    /// median of several.
    pub fn first_row(&self, query: &str) -> Fallible<f64> {
        let mut times = Vec::new();
        for _ in 0..5 {
            // the first statement starts the engine of queries
            let mut process = self
                .command(&format!("SELECT count(*) FROM written; {query}"))
                .stdout(Stdio::piped())
                .stdin(Stdio::null())
                .spawn()?;
            let out = process.stdout.take().ok_or("no standard output")?;
            let mut lines = BufReader::new(out).lines();
            let mut next = || lines.next().ok_or("the program ended too early");
            // a header and a row
            let _ = (next()??, next()??);
            let started = Instant::now();
            let _ = (next()??, next()??);
            times.push(started.elapsed().as_secs_f64() * 1e3);
            drop(lines);
            process.kill()?;
            process.wait()?;
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }
}
