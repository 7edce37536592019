//! Seeds. Each that once broke the invariant is kept below, with what it found.

use kulya_sim::{Report, live};

fn lived(seed: u64, crashes: u64) -> Report {
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    runtime.block_on(live(seed, crashes))
}

#[test]
fn a_seed_is_one_history() {
    let first = lived(1, 10);
    assert_eq!(first, lived(1, 10));
    assert_ne!(first.trace, lived(2, 10).trace);
}

#[test]
fn seeds_keep_the_invariant() {
    let mut total = Report::default();
    for seed in 0..1000 {
        let report = lived(seed, 10);
        total.steps += report.steps;
        total.crashes += report.crashes;
        total.losses += report.losses;
        total.refusals += report.refusals;
    }
    // the world does what it is there for
    assert_eq!(total.crashes, 10_000);
    assert!(total.losses > 100 && total.refusals > 100 && total.steps > 50_000, "{total:?}");
}
