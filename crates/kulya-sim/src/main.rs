//! Runs simulations with many seeds: `kulya-sim FROM COUNT [CRASHES]` of crashes, `kulya-sim wired FROM COUNT
//! [STEPS]` of connection losses, `kulya-sim kill FROM COUNT [KILLS]` of killed processes, `kulya-sim damage
//! FROM COUNT` of damaged folders. A seed that violates the invariant is printed with its history.

use kulya_sim::{ConnectionLossReport, CrashReport, DamageReport, KillReport};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match texts.as_slice() {
        ["child", folder, seed, from] => {
            let (Ok(seed), Ok(from)) = (seed.parse(), from.parse()) else { return usage() };
            let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
            runtime.block_on(kulya_sim::run_child(Path::new(folder), seed, from));
            ExitCode::SUCCESS
        }
        ["kill", numbers @ ..] => kills(numbers),
        ["wired", numbers @ ..] => connection_losses(numbers),
        ["damage", numbers @ ..] => damages(numbers),
        numbers => crashes(numbers),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: kulya-sim [kill|wired|damage] FROM COUNT [CRASHES|KILLS|STEPS]");
    ExitCode::from(2)
}

/// Parses the first seed, the number of seeds, and the number of rounds of each.
fn parse_numbers(texts: &[&str], default_rounds: u64) -> Option<(u64, u64, u64)> {
    match texts {
        [from, count] => Some((from.parse().ok()?, count.parse().ok()?, default_rounds)),
        [from, count, rounds] => Some((from.parse().ok()?, count.parse().ok()?, rounds.parse().ok()?)),
        _ => None,
    }
}

fn crashes(texts: &[&str]) -> ExitCode {
    let Some((from, count, crashes)) = parse_numbers(texts, 10) else { return usage() };
    let mut total = CrashReport::default();
    for seed in from..from.saturating_add(count) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(kulya_sim::simulate_crashes(seed, crashes))
        }));
        let Ok(report) = result else {
            eprintln!("seed {seed} violates the invariant");
            return ExitCode::FAILURE;
        };
        total.add(&report);
    }
    let CrashReport { steps, crashes, losses, detected_damages, maintenance_runs, compactions, .. } = total;
    println!(
        "{count} seeds: {steps} steps, {maintenance_runs} maintenance runs with {compactions} compactions"
    );
    println!(
        "{crashes} crashes ({losses} lost steps that were not durable), {detected_damages} damages detected"
    );
    ExitCode::SUCCESS
}

fn connection_losses(texts: &[&str]) -> ExitCode {
    let Some((from, count, steps)) = parse_numbers(texts, 50) else { return usage() };
    let mut total = ConnectionLossReport::default();
    for seed in from..from.saturating_add(count) {
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            paused_runtime().block_on(kulya_sim::simulate_connection_loss(seed, steps))
        }));
        let Ok(report) = result else {
            eprintln!("seed {seed} violates the invariant");
            return ExitCode::FAILURE;
        };
        total.add(&report);
    }
    let ConnectionLossReport { steps, losses, restarts, lost_responses, aborted, tailed, .. } = total;
    println!(
        "{count} seeds: {steps} steps, {losses} lost connections, {restarts} of them with a restart of the server"
    );
    println!("{lost_responses} responses were lost, {aborted} transactions aborted, {tailed} events tailed");
    ExitCode::SUCCESS
}

fn damages(texts: &[&str]) -> ExitCode {
    let Some((from, count, _)) = parse_numbers(texts, 0) else { return usage() };
    let mut total = DamageReport::default();
    let mut failed = Vec::new();
    for seed in from..from.saturating_add(count) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        match std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(kulya_sim::simulate_damage(seed))
        })) {
            Ok(report) => total.add(&report),
            Err(_) => failed.push(seed),
        }
    }
    let DamageReport { folders, damages, events, lost, located, rejected, intact } = total;
    println!("{count} seeds: {damages} damages to {folders} folders with {events} events");
    println!(
        "{lost} events were lost, {located} of them reported by their offsets; {rejected} folders could not be opened, {intact} were intact"
    );
    if !failed.is_empty() {
        eprintln!("seeds that violate the invariant: {failed:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Starts a single-threaded runtime with a paused clock.
fn paused_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime starts")
}

fn kills(texts: &[&str]) -> ExitCode {
    let Some((from, count, times)) = parse_numbers(texts, 20) else { return usage() };
    let program = std::env::current_exe().expect("the path of this program");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let mut total = KillReport::default();
    for seed in from..from.saturating_add(count) {
        let folder = std::env::temp_dir().join(format!("kulya-sim-{}-{seed}", std::process::id()));
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(kulya_sim::simulate_kills(&program, &folder, seed, times))
        }));
        let Ok(report) = result else {
            eprintln!("seed {seed} violates the invariant; its folder is {}", folder.display());
            return ExitCode::FAILURE;
        };
        let _ = std::fs::remove_dir_all(folder);
        total.kills += report.kills;
        total.steps += report.steps;
        total.unreported += report.unreported;
    }
    let KillReport { kills, steps, unreported } = total;
    println!(
        "{kills} kills of {count} seeds: {steps} steps are stored, {unreported} of them were not reported"
    );
    ExitCode::SUCCESS
}
