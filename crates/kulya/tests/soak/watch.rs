//! What a soak sees from outside: the process's memory, handles and threads, the size of its folder, and what its clients
//! counted and timed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many faults are told whole.
const MAX_FAULTS: usize = 10;
/// Memory may grow by so many bytes above a quarter of what it was.
const SLACK_BYTES: u64 = 32 << 20;
/// Handles and threads may grow by so many: connections come and go.
const SLACK_HANDLES: u64 = 200;
const SLACK_THREADS: u64 = 64;
/// A log file and a compaction more than before.
const SLACK_DISK: u64 = 600 << 20;

/// What clients counted, since the last sample.
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

    pub(crate) fn time(&self, what: &'static str, since: Instant) {
        self.times.lock().unwrap().entry(what).or_default().push(since.elapsed());
        self.add(what, 1);
    }

    /// Something that no well-behaved client should see.
    pub(crate) fn fault(&self, text: String) {
        self.fault_count.fetch_add(1, Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < MAX_FAULTS {
            println!("FAULT {text}");
            faults.push(text);
        }
    }

    /// What was counted since it was last asked, as people read it.
    pub(crate) fn taken(&self) -> String {
        listed(&std::mem::take(&mut *self.counts.lock().unwrap()))
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    pub(crate) fn fault_count(&self) -> u64 {
        self.fault_count.load(Ordering::Relaxed)
    }
}

/// One look at the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) second: u64,
    /// Resident bytes of its own (`RssAnon`): a mapped program file is not counted.
    pub(crate) memory: u64,
    pub(crate) handles: u64,
    pub(crate) threads: u64,
    pub(crate) disk: u64,
    /// What clients counted since the sample before.
    pub(crate) counted: BTreeMap<&'static str, u64>,
    /// The 99th percentile of each timed call, in microseconds.
    pub(crate) p99: BTreeMap<&'static str, u128>,
}

/// Looks at one process again and again.
pub(crate) struct Watch {
    process: u32,
    folder: PathBuf,
    start: Instant,
    samples: Vec<Sample>,
}

impl Watch {
    pub(crate) fn new(process: u32, folder: &Path) -> Self {
        Self { process, folder: folder.to_owned(), start: Instant::now(), samples: Vec::new() }
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Looks, takes the clients' counts, and gives a line for people.
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
            listed(&sample.counted),
        );
        self.samples.push(sample);
        line
    }
}

fn listed(counted: &BTreeMap<&'static str, u64>) -> String {
    let counted: Vec<_> = counted.iter().map(|(what, many)| format!("{what} {many}")).collect();
    counted.join(", ")
}

/// All that lies in a folder, in bytes as they are allocated.
pub(crate) fn bytes_below(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(it) if it.is_dir() => bytes_below(&entry.path()),
        // gone since it was listed
        it => it.map_or(0, |it| it.blocks() * 512),
    };
    entries.flatten().map(size).sum()
}

/// In microseconds; of nothing 0.
fn percentile(mut times: Vec<Duration>, percent: usize) -> u128 {
    times.sort_unstable();
    times.get(times.len() * percent / 100).map_or(0, Duration::as_micros)
}

/// What well-behaved clients do all the time: a third of the soak without an answer to one of these is a standstill.
const ALWAYS: [&str; 6] = ["append", "followed", "ping", "read", "schema", "search"];

/// What stood still in a third, and what of the last third is more than in the middle third, by more than a quarter and some
/// slack. The first third is for caches to fill and retention to begin. Times are told and not judged: they are the machine's
/// as much as the program's.
pub(crate) fn judge(samples: &[Sample]) -> Vec<String> {
    let third = samples.len() / 3;
    let mut faults = Vec::new();
    for (number, part) in samples.chunks(third.max(1)).enumerate() {
        let stands = |what: &&&str| part.iter().all(|sample| !sample.counted.contains_key(**what));
        faults.extend(
            ALWAYS.iter().filter(stands).map(|what| format!("{what}: none answered in third {}", number + 1)),
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
        let most = |samples: &[Sample]| samples.iter().map(figure).max().unwrap_or_default();
        let (before, now) = (most(middle), most(last));
        (now > before + before / 4 + slack)
            .then(|| format!("{name}: {before} in the middle third, {now} in the last"))
    };
    faults.extend(figures.into_iter().filter_map(grown));
    faults
}

/// A few lines for the docs: each third's highest figures.
pub(crate) fn summary(samples: &[Sample]) -> String {
    let third = samples.len().div_ceil(3).max(1);
    let lines = samples.chunks(third).map(|part| {
        let most = |figure: fn(&Sample) -> u64| part.iter().map(figure).max().unwrap_or_default();
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
            most(|it| it.memory) / 1_000_000,
            most(|it| it.handles),
            most(|it| it.threads),
            most(|it| it.disk) / 1_000_000,
            p99.collect::<Vec<_>>().join(", "),
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn growth_and_standstill_are_seen_and_a_first_rise_is_not_growth() {
    let counted = BTreeMap::from(ALWAYS.map(|what| (what, 1)));
    let samples = |memory: [u64; 9]| {
        memory.map(|memory| Sample { memory: memory << 20, counted: counted.clone(), ..Sample::default() })
    };
    assert_eq!(judge(&samples([10, 50, 100, 100, 100, 100, 90, 120, 100])), [""; 0]);
    let grown = judge(&samples([100, 100, 100, 200, 300, 300, 400, 500, 600]));
    assert!(grown.len() == 1 && grown[0].starts_with("resident bytes"), "{grown:?}");
    let mut still = samples([100; 9]);
    for sample in &mut still[6..] {
        sample.counted.remove("ping");
    }
    assert_eq!(judge(&still), ["ping: none answered in third 3"]);
}
