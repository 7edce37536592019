//! Background work: tasks and threads are started where a panic in them is noticed, and no thread of a
//! runtime blocks on a future.

use std::path::Path;

/// Calls that start a task or thread whose panic nobody would notice; `kulya_store::supervision` reports it.
const UNSUPERVISED: &[&str] = &["tokio::spawn(", "task::spawn(", "thread::spawn(", "thread::Builder::new("];

/// The module that wraps those calls.
const SUPERVISION: &str = "crates/kulya-store/src/supervision.rs";

/// Blocks a thread on a future: panics on a thread of a runtime, and the future may need a runtime.
const BLOCKING: &str = "block_on(";

/// Files whose thread belongs to no runtime, and whose future needs none or this one.
const MAY_BLOCK: &[&str] = &[
    "crates/kulya/src/main.rs",
    "crates/kulya/src/serve.rs",
    "crates/kulya/src/shutdown.rs",
    "crates/kulya-cdc/src/postgres/spool/fuzzing.rs",
    "crates/kulya-client/src/blocking.rs",
    "crates/kulya-sql/src/engine/mod.rs",
    "crates/kulya-store-embedded/src/store/maintenance.rs",
];

/// Files that join the threads they start, so that a panic becomes the caller's error.
const JOINS_THREADS: &[&str] = &["crates/kulya-sql/src/engine/mod.rs"];

/// The simulator runs tests only: a panic fails the test.
const SIMULATOR: &str = "crates/kulya-sim";

/// Adds every unsupervised task and blocking call in a source file of `crates/` to `findings`.
pub(super) fn check(path: &Path, text: &str, findings: &mut Vec<String>) {
    let is_example = path.components().any(|part| part.as_os_str() == "examples");
    let is_suite = path.components().any(|part| part.as_os_str() == "conformance");
    if !path.starts_with("crates") || path.starts_with(SIMULATOR) || is_example || is_suite {
        return;
    }
    let may_spawn =
        path == Path::new(SUPERVISION) || JOINS_THREADS.iter().any(|file| path == Path::new(file));
    let may_block = MAY_BLOCK.iter().any(|file| path == Path::new(file));
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    for (index, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        let position = format!("{}:{}", path.display(), index + 1);
        if UNSUPERVISED.iter().any(|call| line.contains(call)) && !may_spawn {
            findings.push(format!("{position}: unsupervised background task: use kulya_store::supervision"));
        }
        if line.contains(BLOCKING) && !may_block {
            findings.push(format!(
                "{position}: blocks a thread on a future: say in xtask/src/tidy/background.rs why it may"
            ));
        }
    }
}
