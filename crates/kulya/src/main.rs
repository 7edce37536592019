//! The `kulya` program: parses arguments, loads settings, opens a store and runs one command on it.
//!
//! The libraries do the work. A command opens a store, puts the registry, the HTTP server, a change data
//! capture or an SQL session on it, and prints the results.

mod access;
mod account;
mod address;
mod address_space;
mod allocator;
mod args;
mod capture;
mod captures;
mod credentials;
mod debezium_server;
mod demo;
mod output;
mod progress;
mod registry;
mod retention;
mod serve;
mod services;
mod settings;
mod shutdown;
mod sql;
mod store;
mod stream;
mod units;

use anyhow::bail;
use args::{Args, Command};
use clap::Parser;
use output::report_error;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Err(error) = address_space::prepare() {
        return report_error(&error);
    }
    let args = Args::parse();
    // files are readable by their owner only; set before there is a second thread
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    tracing_subscriber::fmt()
        .with_env_filter(args.log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
    allocator::prepare();
    kulya_store::supervision::install_panic_hook();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().max_blocking_threads(address_space::blocking_threads());
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return report_error(&anyhow::Error::from(error).context("cannot start the runtime")),
    };
    let result = runtime.block_on(run(args));
    // a prompt or a blocked read must not keep the process alive
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => report_error(&error),
    }
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match (args.config.as_deref(), &args.command) {
        (Some(file), Command::Cdc(cdc)) if debezium_server::is_properties(file) => {
            debezium_server::load(file, cdc)?
        }
        (Some(file), _) if debezium_server::is_properties(file) => {
            bail!("{} is a settings file of Debezium Server, which only kulya cdc reads", file.display())
        }
        (file, _) => settings::load(file)?,
    };
    let result = match args.command {
        // the exit code of `kulya registry check` is its result
        Command::Registry(registry) => return registry::run(settings, *registry).await,
        // interrupted, as other shells say it
        Command::Sql(sql) => return sql::run(settings, sql).await,
        // the exit code tells a failed store from other ends
        Command::Serve(serve) => return serve::run(settings, *serve).await,
        Command::Cdc(cdc) => capture::run(settings, *cdc).await,
        Command::Capture(capture) => captures::command::run(settings, capture).await,
        Command::Stream(stream) => stream::run(settings, stream).await,
        Command::Store(store) => store::run(settings, store).await,
        Command::Account(account) => account::run(account),
        Command::Demo(demo) => demo::run(demo).await,
    };
    result.map(|()| ExitCode::SUCCESS)
}
