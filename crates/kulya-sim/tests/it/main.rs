//! A thousand seeds, ten crashes each. A seed that ever breaks the invariant is kept here, with what it found.

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

/// So many seeds from one on, each through ten crashes.
fn seeds(from: u64) {
    let mut total = Report::default();
    for seed in from..from + 250 {
        let report = lived(seed, 10);
        total.steps += report.steps;
        total.crashes += report.crashes;
        total.losses += report.losses;
        total.refusals += report.refusals;
        total.compactions += report.compactions;
    }
    // the world does what it is there for
    assert_eq!(total.crashes, 2500);
    assert!(
        total.losses > 300 && total.refusals > 500 && total.steps > 20_000 && total.compactions > 500,
        "{total:?}"
    );
}

// in parts, so that they run side by side

#[test]
fn seeds_keep_the_invariant_1() {
    seeds(0);
}

#[test]
fn seeds_keep_the_invariant_2() {
    seeds(250);
}

#[test]
fn seeds_keep_the_invariant_3() {
    seeds(500);
}

#[test]
fn seeds_keep_the_invariant_4() {
    seeds(750);
}
