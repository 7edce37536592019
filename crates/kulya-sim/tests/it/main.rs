//! Runs the simulations with fixed seeds. A seed that once violated the invariant stays here, with the bug it
//! found.

use kulya_sim::{
    ConnectionLossReport, CrashReport, DamageReport, simulate_connection_loss, simulate_crashes,
};

fn crashes(seed: u64, count: u64) -> CrashReport {
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(simulate_crashes(seed, count))
}

#[test]
fn seed_of_crashes_is_deterministic() {
    let first = crashes(1, 10);
    assert_eq!(first, crashes(1, 10));
    assert_ne!(first.trace, crashes(2, 10).trace);
}

/// A removed file came back with a flipped bit that the simulation had not flipped back.
#[test]
fn seed_with_a_restored_damaged_file() {
    crashes(43557, 10);
}

/// Runs 250 seeds with ten crashes each.
fn crash_seeds(from: u64) {
    let mut total = CrashReport::default();
    for seed in from..from + 250 {
        total.add(&crashes(seed, 10));
    }
    // the faults happened
    assert_eq!(total.crashes, 2500);
    assert!(
        total.losses > 300 && total.detected_damages > 500 && total.steps > 20_000 && total.compactions > 300,
        "{total:?}"
    );
}

// in parts, which run in parallel

#[test]
fn crashes_lose_nothing_durable_1() {
    crash_seeds(0);
}

#[test]
fn crashes_lose_nothing_durable_2() {
    crash_seeds(250);
}

#[test]
fn crashes_lose_nothing_durable_3() {
    crash_seeds(500);
}

#[test]
fn crashes_lose_nothing_durable_4() {
    crash_seeds(750);
}

/// Runs a fuzz target with its corpus, which includes inputs of fixed bugs.
fn run_corpus(target: &str, run: impl Fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus exists") {
        let bytes = std::fs::read(entry.expect("the folder is read").path()).expect("the file is read");
        run(&bytes);
        files += 1;
    }
    assert!(files > 10, "the corpus of {target} is incomplete");
}

#[test]
fn fuzzing_corpora_pass() {
    run_corpus("frame", kulya_sim::fuzzing::frame);
    run_corpus("recovery", kulya_sim::fuzzing::recovery);
    run_corpus("pointer", kulya_sim::fuzzing::pointer);
    run_corpus("cut", kulya_sim::fuzzing::cut);
    run_corpus("keys", kulya_sim::fuzzing::keys);
    run_corpus("header", kulya_sim::fuzzing::header);
    run_corpus("codec", kulya_sim::fuzzing::codec);
    run_corpus("protobuf", kulya_sim::fuzzing::protobuf);
    run_corpus("json_rows", kulya_sim::fuzzing::json_rows);
    run_corpus("avro_schema", kulya_sim::fuzzing::avro_schema);
    run_corpus("json_pattern", kulya_sim::fuzzing::json_pattern);
    run_corpus("json_schema", kulya_sim::fuzzing::json_schema);
    run_corpus("json_containment", kulya_sim::fuzzing::json_containment);
    run_corpus("protobuf_schema", kulya_sim::fuzzing::protobuf_schema);
    run_corpus("protobuf_source", kulya_sim::fuzzing::protobuf_source);
    run_corpus("references", kulya_sim::fuzzing::references);
    run_corpus("registry_rest", kulya_sim::fuzzing::registry_rest);
}

#[test]
fn fuzzing_corpora_of_change_data_capture_pass() {
    run_corpus("envelope", kulya_sim::fuzzing::envelope);
    run_corpus("change_log", kulya_sim::fuzzing::change_log);
    run_corpus("pgoutput", kulya_sim::fuzzing::pgoutput);
    run_corpus("binlog", kulya_sim::fuzzing::binlog);
    run_corpus("mysql_ddl", kulya_sim::fuzzing::mysql_ddl);
    run_corpus("recording", kulya_sim::fuzzing::recording);
    run_corpus("properties", kulya_sim::fuzzing::properties);
    run_corpus("replication_url", kulya_sim::fuzzing::replication_url);
    run_corpus("signals", kulya_sim::fuzzing::signals);
    run_corpus("spool", kulya_sim::fuzzing::spool);
    run_corpus("topic_regex", kulya_sim::fuzzing::topic_regex);
    run_corpus("transforms", kulya_sim::fuzzing::transforms);
}

#[test]
fn fuzzing_corpora_of_rows_pass() {
    run_corpus("avro_rows", kulya_sim::fuzzing::avro_rows);
    run_corpus("csv_rows", kulya_sim::fuzzing::csv_rows);
    run_corpus("protobuf_rows", kulya_sim::fuzzing::protobuf_rows);
}

#[test]
fn killed_processes_lose_nothing() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kulya-sim"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for seed in 1..=3 {
        let folder = tempfile::tempdir().expect("the folder is created");
        let kills = runtime.block_on(kulya_sim::simulate_kills(program, folder.path(), seed, 20));
        assert!(kills.kills == 20 && kills.steps > 100, "{kills:?}");
    }
}

/// Maintenance once panicked at the first stream with retention, on its own thread only.
#[test]
fn maintenance_on_its_own_threads() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let (mut events, mut truncations, mut compactions) = (0, 0, 0);
    for seed in 0..20 {
        println!("maintained seed {seed}");
        let report = runtime.block_on(kulya_sim::simulate_maintenance(seed, 6));
        events += report.events;
        truncations += report.truncations;
        compactions += report.compactions;
    }
    assert!(events > 2000 && truncations > 50 && compactions > 20, "{events} {truncations} {compactions}");
}

fn connection_losses(seed: u64) -> ConnectionLossReport {
    println!("connection loss seed {seed}");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime starts");
    runtime.block_on(simulate_connection_loss(seed, 40))
}

#[test]
fn seed_of_connection_losses_is_deterministic() {
    let first = connection_losses(1);
    assert_eq!(first, connection_losses(1));
    assert_ne!(first.trace, connection_losses(2).trace);
}

#[test]
fn calls_are_exactly_once_despite_connection_losses() {
    let mut total = ConnectionLossReport::default();
    for seed in 0..60 {
        total.add(&connection_losses(seed));
    }
    // the faults happened
    assert!(
        total.losses > 1000 && total.restarts > 300 && total.lost_responses > 20 && total.aborted > 5,
        "{total:?}"
    );
}

/// Runs seeds with three damaged folders each.
fn damage_seeds(seeds: std::ops::Range<u64>) {
    let mut total = DamageReport::default();
    for seed in seeds {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        total.add(&runtime.block_on(kulya_sim::simulate_damage(seed)));
    }
    // the faults happened
    assert!(
        total.rejected * 3 > total.folders && total.located > total.folders && total.intact > 0,
        "{total:?}"
    );
}

#[test]
fn damage_is_reported_and_repaired_1() {
    damage_seeds(0..50);
}

#[test]
fn damage_is_reported_and_repaired_2() {
    damage_seeds(50..100);
}
