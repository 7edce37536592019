//! The program: arguments and settings become components, and one of the commands runs with them.
//!
//! Nothing is decided here that a library could decide: a command opens a store, puts the registry, the faces,
//! a change source or a query session on it, and prints what happens.

mod account;
mod address_space;
mod args;
mod cdc;
mod demo;
mod door;
mod history;
mod keep;
mod memory;
mod open;
mod progress;
mod registry;
mod serve;
mod settings;
mod shared_store;
mod sql;
mod stop;
mod store;
mod stream;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

/// A server's answers are made by one thread and given up by another, where glibc's allocator lets both wait.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Prints a line to standard output. When nobody reads it any more the program ends, as `head` expects.
macro_rules! say {
    ($($words:tt)*) => {
        if std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($words)*))).is_err() {
            std::process::exit(0);
        }
    };
}
pub(crate) use say;

fn main() -> ExitCode {
    if let Err(error) = address_space::prepare() {
        return fail(&error);
    }
    let args = Args::parse();
    // what is written by default is nobody else's to read; before there is a second thread
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    tracing_subscriber::fmt()
        .with_env_filter(args.log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
    kulya_store::supervision::install_panic_hook();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().max_blocking_threads(address_space::blocking_threads());
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::from(error).context("cannot start")),
    };
    let done = runtime.block_on(run(args));
    // a prompt or a blocked read must not keep the program from ending
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let is_broken_pipe = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref().is_some_and(is_broken_pipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("kulya: {}", line(error));
    ExitCode::FAILURE
}

/// One line: what went wrong, and its causes behind it.
fn line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text.replace('\n', " ")
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = settings::load(args.config.as_deref())?;
    let done = match args.command {
        // whose verdict is its exit code
        Command::Registry(registry) => return registry::run(settings, *registry).await,
        // whose exit code says whether its store failed
        Command::Serve(serve) => return serve::run(settings, *serve).await,
        Command::Cdc(cdc) => cdc::run(settings, *cdc).await,
        Command::Sql(sql) => sql::run(settings, sql).await,
        Command::Stream(stream) => stream::run(settings, stream).await,
        Command::Store(store) => store::run(settings, store).await,
        Command::Account(account) => account::run(account),
        Command::Demo(demo) => demo::run(demo).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}
