//! Runs many seeds: `kulya-sim FROM COUNT [CRASHES]` in the simulated world, `kulya-sim wired FROM COUNT [STEPS]` in the
//! one with a network, `kulya-sim kill FROM COUNT [KILLS]` with real processes and files, `kulya-sim damage FROM COUNT`
//! with real folders that are damaged. A seed that breaks the invariant is printed with its history.

use kulya_sim::{Damages, Kills, Report, Wired};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["child", folder, seed, from] => {
            let (Ok(seed), Ok(from)) = (seed.parse(), from.parse()) else { return usage() };
            let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
            runtime.block_on(kulya_sim::child(Path::new(folder), seed, from));
            ExitCode::SUCCESS
        }
        ["kill", numbers @ ..] => kills(numbers),
        ["wired", numbers @ ..] => wired(numbers),
        ["damage", numbers @ ..] => damages(numbers),
        numbers => worlds(numbers),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: kulya-sim [kill|wired|damage] FROM COUNT [CRASHES|KILLS|STEPS]");
    ExitCode::from(2)
}

/// First seed, number of seeds, crashes of each.
fn numbers(texts: &[&str], crashes: u64) -> Option<(u64, u64, u64)> {
    match texts {
        [from, count] => Some((from.parse().ok()?, count.parse().ok()?, crashes)),
        [from, count, crashes] => Some((from.parse().ok()?, count.parse().ok()?, crashes.parse().ok()?)),
        _ => None,
    }
}

fn worlds(texts: &[&str]) -> ExitCode {
    let Some((from, count, crashes)) = numbers(texts, 10) else { return usage() };
    let mut total = Report::default();
    for seed in from..from.saturating_add(count) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        let lived =
            std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(kulya_sim::live(seed, crashes))));
        let Ok(report) = lived else {
            eprintln!("seed {seed} breaks the invariant");
            return ExitCode::FAILURE;
        };
        total.add(&report);
    }
    let Report { steps, crashes, losses, refusals, upkeeps, compactions, .. } = total;
    println!("{count} seeds: {steps} steps, {upkeeps} upkeeps with {compactions} compactions");
    println!("{crashes} crashes ({losses} took what was never promised), {refusals} damages refused");
    ExitCode::SUCCESS
}

fn wired(texts: &[&str]) -> ExitCode {
    let Some((from, count, steps)) = numbers(texts, 50) else { return usage() };
    let mut total = Wired::default();
    for seed in from..from.saturating_add(count) {
        let lived = std::panic::catch_unwind(AssertUnwindSafe(|| {
            still().block_on(kulya_sim::live_wired(seed, steps))
        }));
        let Ok(report) = lived else {
            eprintln!("seed {seed} breaks the invariant");
            return ExitCode::FAILURE;
        };
        total.add(&report);
    }
    let Wired { steps, cuts, restarts, lost, aborted, followed, .. } = total;
    println!("{count} seeds: {steps} steps, {cuts} cuts, {restarts} of them with the server's end");
    println!("{lost} answers were lost, {aborted} transactions were cut, {followed} events were followed");
    ExitCode::SUCCESS
}

fn damages(texts: &[&str]) -> ExitCode {
    let Some((from, count, _)) = numbers(texts, 0) else { return usage() };
    let mut total = Damages::default();
    let mut broken = Vec::new();
    for seed in from..from.saturating_add(count) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        match std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(kulya_sim::damage(seed)))) {
            Ok(report) => total.add(&report),
            Err(_) => broken.push(seed),
        }
    }
    let Damages { folders, hits, events, lost, named, refused, whole } = total;
    println!("{count} seeds: {folders} folders with {events} events took {hits} damages");
    println!(
        "{lost} events were lost, {named} of them by their offsets; {refused} folders were refused at opening, {whole} were whole"
    );
    if !broken.is_empty() {
        eprintln!("seeds that break the invariant: {broken:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// One thread, and a clock that goes on only when nothing else does.
fn still() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime can be made")
}

fn kills(texts: &[&str]) -> ExitCode {
    let Some((from, count, times)) = numbers(texts, 20) else { return usage() };
    let program = std::env::current_exe().expect("this program is somewhere");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let mut total = Kills::default();
    for seed in from..from.saturating_add(count) {
        let folder = std::env::temp_dir().join(format!("kulya-sim-{}-{seed}", std::process::id()));
        let lived = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(kulya_sim::kill(&program, &folder, seed, times))
        }));
        let Ok(report) = lived else {
            eprintln!("seed {seed} breaks the invariant; its folder is {}", folder.display());
            return ExitCode::FAILURE;
        };
        let _ = std::fs::remove_dir_all(folder);
        total.kills += report.kills;
        total.steps += report.steps;
        total.unspoken += report.unspoken;
    }
    let Kills { kills, steps, unspoken } = total;
    println!("{kills} kills of {count} seeds: {steps} steps are there, {unspoken} of them unspoken of");
    ExitCode::SUCCESS
}
