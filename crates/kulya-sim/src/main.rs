//! Runs many seeds: `kulya-sim FROM COUNT [CRASHES]`. A seed that breaks the invariant is printed with its history.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(from)), Some(Ok(count)), crashes) = (numbers.next(), numbers.next(), numbers.next()) else {
        eprintln!("usage: kulya-sim FROM COUNT [CRASHES]");
        return ExitCode::from(2);
    };
    let crashes = crashes.and_then(Result::ok).unwrap_or(10);
    let mut total = kulya_sim::Report::default();
    for seed in from..from.saturating_add(count) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        let lived =
            std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(kulya_sim::live(seed, crashes))));
        let Ok(report) = lived else {
            eprintln!("seed {seed} breaks the invariant");
            return ExitCode::FAILURE;
        };
        total.steps += report.steps;
        total.crashes += report.crashes;
        total.losses += report.losses;
        total.refusals += report.refusals;
        total.upkeeps += report.upkeeps;
        total.compactions += report.compactions;
    }
    let kulya_sim::Report { steps, crashes, losses, refusals, upkeeps, compactions, .. } = total;
    println!("{count} seeds: {steps} steps, {upkeeps} upkeeps with {compactions} compactions");
    println!("{crashes} crashes ({losses} took what was never promised), {refusals} damages refused");
    ExitCode::SUCCESS
}
