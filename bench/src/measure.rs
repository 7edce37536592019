//! What is measured, and how it is printed.

use std::time::Instant;

pub type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// The load that others put on the machine, too.
pub fn say_load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
}

/// Seconds of CPU that a process has had: its own, and the kernel's for it.
fn cpu_parts(process: &str) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) / 100.0, ticks(12) / 100.0)
}

/// Both together.
pub fn cpu_of(process: &str) -> f64 {
    let (own, kernel) = cpu_parts(process);
    own + kernel
}

/// Resident kilobytes of a process.
pub fn resident_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Bytes that this process has caused to be written to the disk so far.
pub fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
}

/// Says how fast it was.
pub struct Watch {
    began: Instant,
    own: f64,
    kernel: f64,
}

impl Watch {
    pub fn start() -> Self {
        let (own, kernel) = cpu_parts("self");
        Self { began: Instant::now(), own, kernel }
    }

    /// Prints a line; gives events per second.
    pub fn say(&self, what: &str, events: u64) -> f64 {
        let seconds = self.began.elapsed().as_secs_f64();
        let (own, kernel) = cpu_parts("self");
        let each = |seconds: f64| seconds * 1e6 / events as f64;
        let rate = events as f64 / seconds;
        let (all, kernel) = (each(own + kernel - self.own - self.kernel), each(kernel - self.kernel));
        println!("{what:<46} {rate:>12.0} events/s {all:>6.2} µs of CPU each, {kernel:.2} in the kernel");
        rate
    }
}

/// Prints the median and the 99th of a hundred of some microseconds.
pub fn say_times(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("{what:<46} p50 {:.1} µs, p99 {:.1} µs", at(50), at(99));
}
