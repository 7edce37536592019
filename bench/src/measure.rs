//! Measurements of time, CPU and memory, and their output.

use std::time::Instant;

pub type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Prints the load average of the machine.
pub fn print_load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
}

/// Returns a process's CPU time in seconds: user and system.
fn cpu_parts(process: &str) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) / 100.0, ticks(12) / 100.0)
}

/// Returns a process's total CPU time in seconds.
pub fn cpu_of(process: &str) -> f64 {
    let (user, system) = cpu_parts(process);
    user + system
}

/// Returns a process's resident memory in kilobytes.
pub fn resident_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// Returns the bytes that this process has written to the disk.
pub fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or_default()
}

/// Measures the rate and the CPU time of a run.
pub struct Stopwatch {
    started: Instant,
    user: f64,
    system: f64,
}

impl Stopwatch {
    pub fn start() -> Self {
        let (user, system) = cpu_parts("self");
        Self { started: Instant::now(), user, system }
    }

    /// Prints a line; returns events per second.
    pub fn report(&self, what: &str, events: u64) -> f64 {
        let seconds = self.started.elapsed().as_secs_f64();
        let (user, system) = cpu_parts("self");
        let each = |seconds: f64| seconds * 1e6 / events as f64;
        let rate = events as f64 / seconds;
        let (total, system) = (each(user + system - self.user - self.system), each(system - self.system));
        println!("{what:<46} {rate:>12.0} events/s {total:>6.2} µs of CPU each, {system:.2} in the kernel");
        rate
    }
}

/// Prints the median and the 99th percentile of latencies in microseconds.
pub fn print_latencies(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    println!("{what:<46} p50 {:.1} µs, p99 {:.1} µs", at(50), at(99));
}
