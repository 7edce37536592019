//! Time, processor time and peak memory of a process, from `/proc`.

use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};

/// The unit of processor time in `/proc`, in seconds.
const TICK: f64 = 0.01;
/// The time between two looks at the peak of the memory. The peak of the last milliseconds may be missed.
const INTERVAL: Duration = Duration::from_millis(5);

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    wall: f64,
    cpu: f64,
    /// `NAN` when it is not known.
    system: f64,
    peak: u64,
}

impl Measured {
    /// Parses the line that the engine prints.
    pub(super) fn of_engine(printed: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(printed)?;
        let number = |name: &str| value[name].as_f64().with_context(|| format!("{printed} has no {name}"));
        Ok(Self {
            wall: number("seconds")?,
            cpu: number("cpu_seconds")?,
            system: f64::NAN,
            peak: number("peak_memory_bytes")? as u64,
        })
    }

    /// Returns the median of each figure.
    pub(super) fn median(runs: Vec<Self>) -> Self {
        let of = |figure: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        Self {
            wall: of(|it| it.wall),
            cpu: of(|it| it.cpu),
            system: of(|it| it.system),
            peak: of(|it| it.peak as f64) as u64,
        }
    }

    /// Returns the columns of a table's row.
    pub(super) fn columns(&self, events: u64) -> String {
        let system = if self.system.is_nan() { "".to_owned() } else { format!("{:.2}", self.system) };
        let rate = events as f64 / self.cpu;
        format!("{:.2} | {:.2} | {system} | {:.0} | {rate:.0}", self.wall, self.cpu, self.peak as f64 / 1e6)
    }
}

/// Runs a command to its end, which must be a success.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    let program = command.get_program().to_string_lossy().into_owned();
    let before = cpu_of_children()?;
    let started = Instant::now();
    let mut process = command.spawn().with_context(|| format!("cannot run {program}"))?;
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(process.id()));
        if let Some(status) = process.try_wait()? {
            break status;
        }
        #[expect(clippy::disallowed_methods, reason = "a peak is only seen by looking at it")]
        std::thread::sleep(INTERVAL);
    };
    let wall = started.elapsed().as_secs_f64();
    ensure!(status.success(), "{program} failed: {status}");
    let after = cpu_of_children()?;
    let (user, system) = (after.0 - before.0, after.1 - before.1);
    Ok(Measured { wall, cpu: user + system, system, peak })
}

/// Returns the processor time of all processes that have ended, in user mode and in the kernel, in seconds.
fn cpu_of_children() -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // the program's name may have spaces
    let (_, fields) = stat.rsplit_once(") ").context("/proc/self/stat has no fields")?;
    let mut fields = fields.split(' ').skip(13).map(str::parse::<f64>);
    let mut next = || Ok::<_, anyhow::Error>(fields.next().context("/proc/self/stat is too short")?? * TICK);
    Ok((next()?, next()?))
}

/// Returns the peak of a process's resident memory in bytes; 0 after its end.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}
