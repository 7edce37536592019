//! The CPU time and the memory of processes, from `/proc`.

pub type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Prints the load average of the machine.
pub fn print_load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {}", load.trim());
}

fn ticks(process: &str, from: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // the program's name may have spaces
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let of = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (of(from) + of(from + 1)) / 100.0
}

/// Returns the CPU time of a process in seconds: user and system.
pub fn cpu_of(process: &str) -> f64 {
    ticks(process, 11)
}

/// Returns the CPU time of this process's children that have ended.
pub fn cpu_of_children() -> f64 {
    ticks("self", 13)
}

/// Returns the peak of a process's resident memory in bytes; 0 after its end.
pub fn peak_of(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// Begins a new peak of a process's memory.
pub fn reset_peak(process: &str) -> Fallible {
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}
