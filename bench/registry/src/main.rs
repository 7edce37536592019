//! Benchmark of the registry's REST v1 against the Java server's, with the machine's load:
//!
//! ```sh
//! cargo xtask registry -- cargo run --release --manifest-path bench/Cargo.toml -p kulya-bench-registry
//! ```
//!
//! Kulya's server is a process on an embedded store in a folder, which syncs each addition; with `KULYA=PATH`
//! it is that program (`PATH serve --data FOLDER --listen ADDRESS`), else this one. The Java server has its
//! data in memory. Both are loaded by the same sixteen connections of a third process. `cpu` is the server's.

mod connection;
#[path = "../../src/measure.rs"]
#[allow(dead_code, reason = "shared with the benchmark of the store, which uses the rest")]
mod measure;
mod serve;
mod subject;
mod work;

use measure::{Fallible, print_load};
use subject::{Java, Kulya, Subject};
use work::Load;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Fallible {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [command, folder, address] = arguments.as_slice()
        && command == "serve"
    {
        return runtime.block_on(serve::run(folder.as_ref(), address));
    }
    if arguments == ["start"] {
        return runtime.block_on(start_with_many());
    }
    runtime.block_on(compare())
}

async fn compare() -> Fallible {
    print_load();
    let mut folder = tempfile::tempdir()?;
    let mut kulya = Kulya::start(folder.path()).await?;
    print_start(&kulya, "the first time, from the disk");
    for _ in 0..3 {
        folder = tempfile::tempdir()?;
        kulya = Kulya::start(folder.path()).await?;
        print_start(&kulya, "empty");
    }
    let java = Java::find();
    match &java {
        Some(java) => println!("{:<44} {:.1} MB resident", "Java, already started", java.megabytes()),
        None => println!("NOT RUN: the Java server; run this under `cargo xtask registry --`"),
    }
    let subjects: Vec<&dyn Subject> =
        [Some(&kulya as &dyn Subject), java.as_ref().map(|java| java as &dyn Subject)]
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
    println!("Kulya: {:.1} MB resident at the end", kulya.megabytes());
    drop(kulya);
    start_with_many().await?;
    print_load();
    Ok(())
}

/// Measures the start with many schemas; the only step with the argument `start`.
async fn start_with_many() -> Fallible {
    let folder = tempfile::tempdir()?;
    work::write_many_schemas(folder.path()).await?;
    for _ in 0..3 {
        let kulya = Kulya::start(folder.path()).await?;
        print_start(&kulya, "100,000 schemas");
    }
    Ok(())
}

fn print_start(kulya: &Kulya, what: &str) {
    let what = format!("Kulya: start to first response, {what}");
    println!("{what:<44} {:>10.1} ms, {:.1} MB resident", kulya.start_ms, kulya.megabytes());
}
