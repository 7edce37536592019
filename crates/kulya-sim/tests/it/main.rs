//! A thousand seeds, ten crashes each. A seed that ever breaks the invariant is kept here, with what it found.

use kulya_sim::{Damages, Report, Wired, live, live_wired};

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

/// A file that was removed came back with a bit flipped that the world had forgotten to flip back.
#[test]
fn a_seed_that_broke_the_world() {
    lived(43557, 10);
}

/// So many seeds from one on, each through ten crashes.
fn seeds(from: u64) {
    let mut total = Report::default();
    for seed in from..from + 250 {
        total.add(&lived(seed, 10));
    }
    // the world does what it is there for
    assert_eq!(total.crashes, 2500);
    assert!(
        total.losses > 300 && total.refusals > 500 && total.steps > 20_000 && total.compactions > 300,
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

/// What the fuzzers have found worth keeping, and what they once broke something with.
fn corpus(target: &str, each: impl Fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("a folder can be read").path()).expect("a file can be read");
        each(&bytes);
        files += 1;
    }
    assert!(files > 10, "the corpus of {target} is kept");
}

#[test]
fn the_fuzzers_corpora_break_nothing() {
    corpus("frame", kulya_sim::bytes::frame);
    corpus("recovery", kulya_sim::bytes::recovery);
    corpus("pointer", kulya_sim::bytes::pointer);
    corpus("cut", kulya_sim::bytes::cut);
    corpus("keys", kulya_sim::bytes::keys);
    corpus("header", kulya_sim::bytes::header);
    corpus("codec", kulya_sim::bytes::codec);
    corpus("protobuf", kulya_sim::bytes::protobuf);
    corpus("avro_schema", kulya_sim::bytes::avro_schema);
    corpus("json_schema", kulya_sim::bytes::json_schema);
    corpus("protobuf_schema", kulya_sim::bytes::protobuf_schema);
    corpus("registry_rest", kulya_sim::bytes::registry_rest);
}

#[test]
fn killed_processes_lose_nothing() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kulya-sim"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    for seed in 1..=3 {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let kills = runtime.block_on(kulya_sim::kill(program, folder.path(), seed, 20));
        assert!(kills.kills == 20 && kills.steps > 100, "{kills:?}");
    }
}

/// The maintenance panicked at the first stream with retention, on its own thread alone, where no world had it.
#[test]
fn maintenance_runs_as_a_server_runs_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let (mut events, mut truncations, mut compactions) = (0, 0, 0);
    for seed in 0..20 {
        println!("maintained seed {seed}");
        let seen = runtime.block_on(kulya_sim::live_maintained(seed, 6));
        events += seen.events;
        truncations += seen.truncations;
        compactions += seen.compactions;
    }
    assert!(events > 2000 && truncations > 50 && compactions > 20, "{events} {truncations} {compactions}");
}

fn wired(seed: u64) -> Wired {
    println!("wired seed {seed}");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime can be made");
    runtime.block_on(live_wired(seed, 40))
}

#[test]
fn a_wired_seed_is_one_history() {
    let first = wired(1);
    assert_eq!(first, wired(1));
    assert_ne!(first.trace, wired(2).trace);
}

#[test]
fn no_cut_changes_what_a_call_does() {
    let mut total = Wired::default();
    for seed in 0..60 {
        total.add(&wired(seed));
    }
    // the network does what it is there for
    assert!(total.cuts > 1000 && total.restarts > 300 && total.lost > 20 && total.aborted > 5, "{total:?}");
}

/// Real folders, three damaged copies of each.
fn damaged(seeds: std::ops::Range<u64>) {
    let mut total = Damages::default();
    for seed in seeds {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        total.add(&runtime.block_on(kulya_sim::damage(seed)));
    }
    // the damage does what it is there for
    assert!(total.refused * 3 > total.folders && total.named > total.folders && total.whole > 0, "{total:?}");
}

#[test]
fn damage_takes_what_it_hits_and_says_so_1() {
    damaged(0..50);
}

#[test]
fn damage_takes_what_it_hits_and_says_so_2() {
    damaged(50..100);
}
