//! Kulya beside Debezium's engine and the database's own client, on one server: a snapshot, a backlog of
//! small transactions, and one large transaction. Each task runs several times, the programs in turn; the
//! table on standard output has the medians.
//!
//! Kulya's program writes to a durable store in a folder. The engine counts its events and drops them, the
//! database's client drops the bytes or writes them to a file; what they are is in [`workload`].

mod latency;
mod measured;
mod workload;

use super::database::Database;
use super::engine::{Engine, Kind, Settings};
use crate::server;
use anyhow::{Context, Result, ensure};
use measured::{Measured, measure};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use workload::Workload;

const USAGE: &str = "usage: cargo xtask debezium compare postgres|mariadb|mysql8 --kulya PROGRAM [--runs 3] [--rows 2000000] [--transactions 50000]";

/// The number of transactions whose latency is measured.
const LATENCY_TRANSACTIONS: u64 = 20_000;

/// Runs the comparison.
///
/// # Errors
/// Arguments that are not understood, missing programs, and a program that failed or captured too little.
pub(super) fn run(kind: Kind, arguments: &[&str]) -> Result<()> {
    let arguments = Arguments::parse(arguments)?;
    let folder = server::folder("debezium-compare")?;
    let result = Comparison::start(kind, arguments, &folder).and_then(|comparison| comparison.run());
    let _ = std::fs::remove_dir_all(&folder);
    result
}

struct Arguments {
    kulya: PathBuf,
    runs: usize,
    rows: u64,
    transactions: u64,
}

impl Arguments {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut parsed = Self { kulya: PathBuf::new(), runs: 3, rows: 2_000_000, transactions: 50_000 };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { anyhow::bail!("{} needs a value\n{USAGE}", pair[0]) };
            let number =
                || value.parse::<u64>().with_context(|| format!("{value:?} is not a number\n{USAGE}"));
            match *name {
                "--kulya" => parsed.kulya = std::path::absolute(value)?,
                "--runs" => parsed.runs = usize::try_from(number()?)?.max(1),
                "--rows" => parsed.rows = number()?,
                "--transactions" => parsed.transactions = number()?,
                _ => anyhow::bail!("{name:?} is not an argument of compare\n{USAGE}"),
            }
        }
        ensure!(parsed.kulya.is_file(), "--kulya names the program to measure\n{USAGE}");
        Ok(parsed)
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Snapshot,
    Drain,
    LargeTransaction,
}

impl Task {
    const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Drain => "drain, transactions of 10",
            Self::LargeTransaction => "drain, one transaction",
        }
    }

    /// Returns the beginning of the names of what its runs use: captures, slots and folders.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Drain => "drain",
            Self::LargeTransaction => "large",
        }
    }
}

struct Comparison<'a> {
    arguments: Arguments,
    folder: &'a Path,
    engine: Engine,
    workload: Workload,
}

impl<'a> Comparison<'a> {
    fn start(kind: Kind, arguments: Arguments, folder: &'a Path) -> Result<Self> {
        let engine = Engine::prepare(kind, folder)?;
        let workload = Workload::new(kind, Database::start(kind)?, arguments.rows)?;
        Ok(Self { arguments, folder, engine, workload })
    }

    fn run(&self) -> Result<()> {
        println!(
            "| task | program | events | wall s | CPU s | of it system | peak MB | events per CPU-second |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for task in [Task::Snapshot, Task::Drain, Task::LargeTransaction] {
            self.compare(task)?;
        }
        eprintln!("latency");
        latency::run(&self.workload, &self.arguments.kulya, self.folder, LATENCY_TRANSACTIONS)
    }

    fn compare(&self, task: Task) -> Result<()> {
        let runs = self.arguments.runs;
        eprintln!("{}: making it", task.name());
        let events = match task {
            Task::Snapshot => self.arguments.rows,
            Task::Drain => {
                self.store_positions(task)?;
                self.workload.small_transactions(self.arguments.transactions)?;
                self.arguments.transactions * 10
            }
            Task::LargeTransaction => {
                self.store_positions(task)?;
                self.workload.large_transaction()?;
                self.arguments.rows
            }
        };
        let (mut client, mut kulya, mut engine) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            eprintln!("{}: run {} of {runs}", task.name(), run + 1);
            client.push(self.run_client(task, run)?);
            kulya.push(self.run_kulya(task, run, events)?);
            engine.push(self.run_engine(task, run, events)?);
        }
        for (name, runs) in
            [("the database's client", client), ("Kulya", kulya), ("Debezium's engine", engine)]
        {
            println!("| {} | {name} | {events} | {} |", task.name(), Measured::median(runs).columns(events));
        }
        Ok(())
    }

    /// Stores for each run where streaming begins, before there are changes.
    fn store_positions(&self, task: Task) -> Result<()> {
        let name = task.prefix();
        for run in 0..self.arguments.runs {
            let mut kulya = self.kulya(name, run);
            let status = kulya.args(["--snapshot-mode", "no_data"]).status()?;
            ensure!(status.success(), "kulya cdc did not store its position");
            self.workload.keep_log(&format!("{name}{run}"))?;
            if self.workload.has_slots() {
                continue;
            }
            let mut settings = self.settings(name, run)?;
            settings.set("snapshot.mode", "no_data");
            settings.set("heartbeat.interval.ms", "100");
            settings.set("offset.flush.interval.ms", "0");
            self.engine.run(&settings, "1g", &["position"])?;
        }
        Ok(())
    }

    fn run_client(&self, task: Task, run: usize) -> Result<Measured> {
        let mut client = match task {
            Task::Snapshot => self.workload.client_snapshot()?,
            _ => self.workload.client_drain(&format!("{}{run}", task.prefix()), self.folder)?,
        };
        measure(&mut client)
    }

    fn run_kulya(&self, task: Task, run: usize, events: u64) -> Result<Measured> {
        let name = task.prefix();
        let mut kulya = self.kulya(name, run);
        if task == Task::Snapshot {
            // the slot retains the log of the backlogs that follow, if it streams
            kulya.args(["--snapshot-mode", "initial_only"]);
        }
        let measured = measure(&mut kulya)?;
        let folder = self.data(name, run);
        if run == 0 {
            let stored = self.stored_events(name, run)?;
            ensure!(stored == events, "kulya stored {stored} events of {events}");
            let bytes = bytes(&folder)? as f64 / events as f64;
            eprintln!("{}: Kulya stored {bytes:.0} bytes an event", task.name());
        }
        std::fs::remove_dir_all(folder)?;
        Ok(measured)
    }

    fn run_engine(&self, task: Task, run: usize, events: u64) -> Result<Measured> {
        let name = task.prefix();
        let mut settings = self.settings(name, run)?;
        settings.set("snapshot.mode", if task == Task::Snapshot { "initial" } else { "no_data" });
        let printed = self.engine.run(&settings, "1g", &["measure", &events.to_string()])?;
        Measured::of_engine(&printed)
    }

    fn data(&self, name: &str, run: usize) -> PathBuf {
        self.folder.join(format!("kulya-{name}{run}"))
    }

    fn kulya(&self, name: &str, run: usize) -> Command {
        let mut kulya = Command::new(&self.arguments.kulya);
        kulya.current_dir(self.folder).arg("cdc").arg("--data").arg(self.data(name, run));
        kulya.args(["--name", &format!("{name}{run}"), "--table", "zoo.acc", "--table", "zoo.hist"]);
        kulya.args(self.workload.kulya_source()).arg("--until-caught-up");
        kulya
    }

    /// Returns the number of events in the streams of both tables, read back by the program.
    fn stored_events(&self, name: &str, run: usize) -> Result<u64> {
        let mut events = 0;
        for table in ["acc", "hist"] {
            let mut reader = Command::new(&self.arguments.kulya);
            let stream = format!("{name}{run}/{name}{run}.zoo.{table}");
            reader.args(["stream", "read", &stream, "--data"]).arg(self.data(name, run));
            let mut reading = reader.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let lines = reading.stdout.take().context("kulya has no output")?;
            events += BufReader::new(lines).split(b'\n').count() as u64;
            // a table without rows has no stream
            reading.wait()?;
        }
        Ok(events)
    }

    fn settings(&self, name: &str, run: usize) -> Result<Settings> {
        let state = self.folder.join(format!("engine-{name}{run}"));
        std::fs::create_dir_all(&state)?;
        let mut settings = Settings::new(self.workload.kind, &state);
        self.workload.configure(&mut settings, &format!("{name}{run}"));
        settings.set("topic.prefix", "bench");
        settings.set("table.include.list", "zoo.acc,zoo.hist");
        settings.set("offset.flush.interval.ms", "10000");
        settings.set("key.converter.schemas.enable", "false");
        settings.set("value.converter.schemas.enable", "false");
        Ok(settings)
    }
}

/// Returns the size of a folder's files.
fn bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
