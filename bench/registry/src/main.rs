//! The registry's REST v1 beside the Java server's, in one run, with the machine's load beside the figures:
//!
//! ```sh
//! cargo xtask registry -- cargo run --release --manifest-path bench/Cargo.toml -p kulya-bench-registry
//! ```
//!
//! Ours is a process of its own on an embedded store in a folder, where each addition is synced; with `KULYA=PATH` it is that
//! program (`PATH serve --data FOLDER --listen ADDRESS`), else this one. The Java server keeps everything in memory. Both are
//! asked by the same sixteen connections of a third process. `cpu` is the server's.

#[path = "../../src/measure.rs"]
#[allow(dead_code, reason = "shared with the bench of the store, which measures more")]
mod measure;
mod serve;
mod subject;
mod work;

use measure::{Fallible, say_load};
use subject::{Java, Own, Subject};
use work::Load;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Fallible {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [word, folder, address] = arguments.as_slice()
        && word == "serve"
    {
        return runtime.block_on(serve::run(folder.as_ref(), address));
    }
    if arguments == ["start"] {
        return runtime.block_on(start_with_many());
    }
    runtime.block_on(compare())
}

async fn compare() -> Fallible {
    say_load();
    let mut folder = tempfile::tempdir()?;
    let mut own = Own::start(folder.path()).await?;
    say_start(&own, "the first time, from the disk");
    for _ in 0..3 {
        folder = tempfile::tempdir()?;
        own = Own::start(folder.path()).await?;
        say_start(&own, "empty");
    }
    let java = Java::find();
    match &java {
        Some(java) => println!("{:<44} {:.1} MB resident", "Java, already started", java.megabytes()),
        None => println!("Java is not there: run this under `cargo xtask registry --`"),
    }
    let subjects: Vec<&dyn Subject> =
        [Some(&own as &dyn Subject), java.as_ref().map(|java| java as &dyn Subject)]
            .into_iter()
            .flatten()
            .collect();
    for subject in &subjects {
        work::reads(*subject, Load::of(*subject)).await?;
    }
    for subject in &subjects {
        work::additions(*subject).await?;
    }
    for subject in &subjects {
        work::checks(*subject).await?;
    }
    println!("ours: {:.1} MB resident after all of it", own.megabytes());
    drop(own);
    start_with_many().await?;
    say_load();
    Ok(())
}

/// `start` as the only argument asks for this alone.
async fn start_with_many() -> Fallible {
    let folder = tempfile::tempdir()?;
    work::many(folder.path()).await?;
    for _ in 0..3 {
        let own = Own::start(folder.path()).await?;
        say_start(&own, "100,000 schemas");
    }
    Ok(())
}

fn say_start(own: &Own, what: &str) {
    let what = format!("ours: start to first answer, {what}");
    println!("{what:<44} {:>10.1} ms, {:.1} MB resident", own.start_ms, own.megabytes());
}
