//! SQLite's sqllogictest: files of queries with their results, which `cargo xtask sqllogictest` takes from a
//! jar of Maven Central. A sample of them runs with the other tests.

mod records;
mod rules;
mod run;
mod statements;
mod values;

use run::Counts;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// How many queries of a file run without `KULYA_SQLLOGICTEST_QUERIES`.
const SAMPLE: usize = 40;

/// The files of a folder and those below it, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "test") {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

/// Runs the files of `KULYA_TEST_SQLLOGICTEST`, of each so many queries.
#[test]
#[ignore = "needs SQLite's tests: cargo xtask sqllogictest"]
fn sqllogictest_gives_the_same_values_but_for_named_rules() {
    let folder = std::env::var("KULYA_TEST_SQLLOGICTEST");
    let folder = PathBuf::from(folder.expect("cargo xtask sqllogictest sets KULYA_TEST_SQLLOGICTEST"));
    let max_queries =
        std::env::var("KULYA_SQLLOGICTEST_QUERIES").map_or(SAMPLE, |count| count.parse().unwrap());
    let files = files(&folder);
    assert!(!files.is_empty(), "{} has no files", folder.display());
    let pending = Mutex::new(files.iter());
    let total = Mutex::new(Counts::default());
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        loop {
            let Some(file) = pending.lock().unwrap().next() else { break };
            let name = file.strip_prefix(&folder).unwrap().display().to_string();
            let counts = runtime.block_on(run::run_file(file, &name, max_queries));
            println!("{name}: {} equal, {:?}, {} faults", counts.equal, counts.by_rule, counts.faults.len());
            counts.faults.iter().for_each(|fault| println!("{fault}\n"));
            total.lock().unwrap().add(counts);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let Counts { statements, equal, by_rule, faults } = total.into_inner().unwrap();
    println!("{} files, {statements} statements, {equal} queries with equal values", files.len());
    for (rule, count) in &by_rule {
        println!("| {rule} | {count} |");
    }
    assert!(faults.is_empty(), "{} faults, the first:\n{}", faults.len(), faults[0]);
}
