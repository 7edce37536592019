//! The time from a row's statement in the database to its event at a reader of Kulya's server, at a steady
//! rate of transactions of one row. It includes the commit in the database, the capture's commit to disk and
//! the reader's HTTP connection.

use super::workload::Workload;
use crate::server;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The column with the time of the statement, in microseconds since 1970.
const COLUMN: &str = "sent";
/// The longest time without an expected event.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The share of the first events that are not counted: the writer and the capture start.
const WARM_UP: usize = 10;

/// Measures `transactions` of one row, and prints the percentiles.
///
/// # Errors
/// A program that failed, and events that do not come.
pub(super) fn run(workload: &Workload, kulya: &Path, folder: &Path, transactions: u64) -> Result<()> {
    workload.create_timed_table()?;
    let [port] = server::free_ports()?;
    let settings = folder.join("latency.toml");
    let [_, url] = workload.kulya_source();
    std::fs::write(
        &settings,
        format!(
            "data = {:?}\nlisten = \"127.0.0.1:{port}\"\n[[cdc]]\nname = \"latency\"\nurl = {url:?}\ntables = [\"zoo.timed\"]\n",
            folder.join("latency").display().to_string()
        ),
    )?;
    std::fs::create_dir_all(folder.join("latency"))?;
    let mut serve = Command::new(kulya);
    serve.current_dir(folder).args(["serve", "--config"]).arg(&settings);
    let serve = Running(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    // the first row shows that the capture streams
    workload.insert_timed_row()?;
    let latencies = follow(port)?;
    latencies.recv_timeout(MAX_WAIT).context("no event of the first row")?;
    let started = Instant::now();
    let mut writer = workload.timed_rows(transactions)?;
    let mut taken = Vec::new();
    for _ in 0..transactions {
        taken.push(latencies.recv_timeout(MAX_WAIT).context("an event is missing")?);
    }
    let rate = transactions as f64 / started.elapsed().as_secs_f64();
    ensure!(writer.wait()?.success(), "the writer failed");
    drop(serve);
    let mut taken = taken.split_off(taken.len() / WARM_UP);
    taken.sort_by(f64::total_cmp);
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!();
    println!("| latency at {rate:.0} transactions of one row a second | p50 | p90 | p99 | maximum |");
    println!("|---|---|---|---|---|");
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(at);
    println!("| statement to event at a reader, ms | {p50:.2} | {p90:.2} | {p99:.2} | {max:.2} |");
    Ok(())
}

/// Tails the table's stream, and sends the latency of each event in milliseconds.
fn follow(port: u16) -> Result<mpsc::Receiver<f64>> {
    let deadline = Instant::now() + MAX_WAIT;
    let mut lines = loop {
        match tail(port) {
            Ok(lines) => break lines,
            // the server starts, or the stream does not exist yet
            Err(error) if Instant::now() > deadline => return Err(error),
            #[expect(clippy::disallowed_methods, reason = "nothing tells when a server starts")]
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            #[expect(clippy::disallowed_methods, reason = "a measurement, of two clocks of one machine")]
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as f64;
            if let Some(sent) = sent(&line)
                && sender.send((now - sent) / 1e3).is_err()
            {
                return;
            }
            line.clear();
        }
    });
    Ok(receiver)
}

/// Opens the stream of server-sent events from the stream's beginning.
fn tail(port: u16) -> Result<BufReader<TcpStream>> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    let path = "/v2/streams/latency/latency.zoo.timed/tail?from=latency/latency.zoo.timed@0.0:0";
    write!(connection, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut lines = BufReader::new(connection);
    let mut status = String::new();
    lines.read_line(&mut status)?;
    ensure!(status.contains(" 200 "), "the server responded {status}");
    Ok(lines)
}

/// Returns the time in an event's line.
fn sent(line: &str) -> Option<f64> {
    let after = line.rsplit_once(COLUMN)?.1;
    let digits = after.trim_start_matches(['"', '\\', ':']);
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A process that is stopped when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
