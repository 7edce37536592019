//! Samples of a process: memory, handles, threads, disk usage, and the counts and latencies of its clients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Most faults that are recorded; the rest are counted.
const MAX_FAULTS: usize = 10;
/// Growth of memory, in bytes, that is allowed beside a quarter.
const SLACK_BYTES: u64 = 32 << 20;
/// Growth of handles and threads that is allowed beside a quarter: connections open and close.
const SLACK_HANDLES: u64 = 200;
const SLACK_THREADS: u64 = 64;
/// Growth of disk usage, in bytes: a log file and a compaction.
const SLACK_DISK: u64 = 600 << 20;

/// Counts and latencies of the clients since the last sample.
#[derive(Default)]
pub(crate) struct Counts {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    times: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
    faults: Mutex<Vec<String>>,
    fault_count: AtomicU64,
}

impl Counts {
    pub(crate) fn add(&self, what: &'static str, many: u64) {
        *self.counts.lock().unwrap().entry(what).or_default() += many;
    }

    pub(crate) fn record_time(&self, what: &'static str, since: Instant) {
        self.times.lock().unwrap().entry(what).or_default().push(since.elapsed());
        self.add(what, 1);
    }

    /// Records an error that no well-behaved client should see.
    pub(crate) fn fault(&self, text: String) {
        self.fault_count.fetch_add(1, Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < MAX_FAULTS {
            println!("FAULT {text}");
            faults.push(text);
        }
    }

    /// Returns the counts as text and resets them.
    pub(crate) fn take(&self) -> String {
        format_counts(&std::mem::take(&mut *self.counts.lock().unwrap()))
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    pub(crate) fn fault_count(&self) -> u64 {
        self.fault_count.load(Ordering::Relaxed)
    }
}

/// One measurement of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) second: u64,
    /// Resident anonymous bytes (`RssAnon`), without mapped files.
    pub(crate) memory: u64,
    pub(crate) handles: u64,
    pub(crate) threads: u64,
    pub(crate) disk: u64,
    /// Counts of the clients since the previous sample.
    pub(crate) counted: BTreeMap<&'static str, u64>,
    /// The 99th percentile of each call's latency, in microseconds.
    pub(crate) p99: BTreeMap<&'static str, u128>,
}

/// Measures one process periodically.
pub(crate) struct Monitor {
    process: u32,
    folder: PathBuf,
    start: Instant,
    samples: Vec<Sample>,
}

impl Monitor {
    pub(crate) fn new(process: u32, folder: &Path) -> Self {
        Self { process, folder: folder.to_owned(), start: Instant::now(), samples: Vec::new() }
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Takes a sample, resets the clients' counts, and returns a line of text.
    pub(crate) fn sample(&mut self, counts: &Counts) -> String {
        let proc = PathBuf::from(format!("/proc/{}", self.process));
        let status = std::fs::read_to_string(proc.join("status")).expect("the process runs");
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches(':')
                .split_whitespace()
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or_default()
        };
        let counted = std::mem::take(&mut *counts.counts.lock().unwrap());
        let times = std::mem::take(&mut *counts.times.lock().unwrap());
        let p99 = times.into_iter().map(|(what, times)| (what, percentile(times, 99))).collect();
        let sample = Sample {
            second: self.start.elapsed().as_secs(),
            memory: field("RssAnon") << 10,
            handles: std::fs::read_dir(proc.join("fd")).map_or(0, |all| all.count() as u64),
            threads: field("Threads"),
            disk: bytes_below(&self.folder),
            counted,
            p99,
        };
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let p99: Vec<_> =
            sample.p99.iter().map(|(what, us)| format!("{what} {:.1}", *us as f64 / 1e3)).collect();
        let line = format!(
            "{:5} s  {:4} MB  {:4} handles  {:3} threads  {:5} MB disk | p99 ms: {} | {}",
            sample.second,
            megabytes(sample.memory),
            sample.handles,
            sample.threads,
            megabytes(sample.disk),
            p99.join(", "),
            format_counts(&sample.counted),
        );
        self.samples.push(sample);
        line
    }
}

fn format_counts(counted: &BTreeMap<&'static str, u64>) -> String {
    let counted: Vec<_> = counted.iter().map(|(what, many)| format!("{what} {many}")).collect();
    counted.join(", ")
}

/// Returns the allocated bytes of a folder's files.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(it) if it.is_dir() => bytes_below(&entry.path()),
        // deleted since it was listed
        it => it.map_or(0, |it| it.blocks() * 512),
    };
    entries.flatten().map(size).sum()
}

/// Returns a percentile in microseconds; 0 without times.
fn percentile(mut times: Vec<Duration>, percent: usize) -> u128 {
    times.sort_unstable();
    times.get(times.len() * percent / 100).map_or(0, Duration::as_micros)
}

/// Calls that well-behaved clients make all the time: a third of the soak without one of them is a
/// standstill.
const CONTINUOUS_CALLS: [&str; 6] = ["append", "tailed", "ping", "read", "schema", "search"];

/// Returns the calls that stood still in a third, and the figures that grew from the middle to the last third
/// by more than a quarter and some slack. The first third is for caches to fill and retention to start.
/// Latencies are not checked: they depend on the machine.
pub(crate) fn find_growth(samples: &[Sample]) -> Vec<String> {
    let third = samples.len() / 3;
    let mut faults = Vec::new();
    for (number, part) in samples.chunks(third.max(1)).enumerate() {
        let is_still = |what: &&&str| part.iter().all(|sample| !sample.counted.contains_key(**what));
        faults.extend(
            CONTINUOUS_CALLS
                .iter()
                .filter(is_still)
                .map(|what| format!("{what}: no response in third {}", number + 1)),
        );
    }
    let (middle, last) = (&samples[third..2 * third], &samples[2 * third..]);
    type Figure = fn(&Sample) -> u64;
    let figures: [(&str, Figure, u64); 4] = [
        ("resident bytes", |it| it.memory, SLACK_BYTES),
        ("handles", |it| it.handles, SLACK_HANDLES),
        ("threads", |it| it.threads, SLACK_THREADS),
        ("bytes on disk", |it| it.disk, SLACK_DISK),
    ];
    let grown = |(name, figure, slack): (&str, Figure, u64)| {
        let max = |samples: &[Sample]| samples.iter().map(figure).max().unwrap_or_default();
        let (before, now) = (max(middle), max(last));
        (now > before + before / 4 + slack)
            .then(|| format!("{name}: {before} in the middle third, {now} in the last"))
    };
    faults.extend(figures.into_iter().filter_map(grown));
    faults
}

/// Returns a few lines for the docs: the maxima of each third.
pub(crate) fn summary(samples: &[Sample]) -> String {
    let third = samples.len().div_ceil(3).max(1);
    let lines = samples.chunks(third).map(|part| {
        let max = |figure: fn(&Sample) -> u64| part.iter().map(figure).max().unwrap_or_default();
        let mut p99: BTreeMap<&str, Vec<u128>> = BTreeMap::new();
        for (what, us) in part.iter().flat_map(|sample| &sample.p99) {
            p99.entry(what).or_default().push(*us);
        }
        let p99 = p99.into_iter().map(|(what, mut us)| {
            us.sort_unstable();
            format!("{what} {:.1} ms", us[us.len() / 2] as f64 / 1e3)
        });
        format!(
            "to {:5} s: at most {} MB, {} handles, {} threads, {} MB on disk; median p99: {}",
            part.last().map_or(0, |sample| sample.second),
            max(|it| it.memory) / 1_000_000,
            max(|it| it.handles),
            max(|it| it.threads),
            max(|it| it.disk) / 1_000_000,
            p99.collect::<Vec<_>>().join(", "),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn growth_and_standstill_are_found() {
    let counted = BTreeMap::from(CONTINUOUS_CALLS.map(|what| (what, 1)));
    let samples = |memory: [u64; 9]| {
        memory.map(|memory| Sample { memory: memory << 20, counted: counted.clone(), ..Sample::default() })
    };
    assert_eq!(find_growth(&samples([10, 50, 100, 100, 100, 100, 90, 120, 100])), [""; 0]);
    let grown = find_growth(&samples([100, 100, 100, 200, 300, 300, 400, 500, 600]));
    assert!(grown.len() == 1 && grown[0].starts_with("resident bytes"), "{grown:?}");
    let mut still = samples([100; 9]);
    for sample in &mut still[6..] {
        sample.counted.remove("ping");
    }
    assert_eq!(find_growth(&still), ["ping: no response in third 3"]);
}
