//! `kulya sql`: runs statements from the command line, a file, standard input or a prompt.

mod catalog;
mod editor;
mod history;
mod memory;
mod print;
mod progress;
mod prompt;
mod session;

pub(crate) use prompt::run_prompt;
pub(crate) use session::{catalog_backend, open_session, run_live_queries, with_live_queries};

use crate::address::Address;
use crate::args::{QueryOutput, SqlArgs};
use crate::services::{open_services, open_store};
use crate::settings::Settings;
use crate::shutdown;
use anyhow::{Context, Result};
use kulya_sql::OutputFormat;
use print::{Output, print_error};
use session::{execute, memory_exceeded, open_session_without_store};
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

/// Exit code of a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

pub(crate) async fn run(settings: Settings, args: SqlArgs) -> Result<ExitCode> {
    let limits = settings.query_limits(&args)?;
    let is_store_named = args.store.url.is_some() || args.store.data.is_some() || settings.has_data();
    let address = Address::resolve(args.store, &settings)?;
    let folder = match &address {
        Address::Folder(path) => Some(path.clone()),
        Address::Objects(_) | Address::Server(_) | Address::Pravega(_) => None,
    };
    let services = match &folder {
        // CREATE CATALOG may name the store
        Some(path) if !is_store_named && !path.exists() => None,
        _ => {
            let is_new = folder.as_ref().is_some_and(|path| !path.exists());
            let store = open_store(address, true).await?;
            if let Some(path) = folder.as_ref().filter(|_| is_new) {
                eprintln!("a new store in folder {}: CREATE DATABASE is the first statement", path.display());
            }
            Some(open_services(store).await?)
        }
    };
    let output = Output { format: row_format(args.output), timing: args.timing };
    output.check()?;
    let text = match (args.execute.as_slice(), args.file) {
        (statements @ [_, ..], _) => Some(statements.join(";\n")),
        ([], Some(path)) => {
            Some(std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        ([], None) if std::io::stdin().is_terminal() => None,
        ([], None) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Some(text)
        }
    };
    let memory_limit = limits.memory_bytes as u64;
    let is_own_store = folder.is_some();
    let session = match &services {
        Some(services) => open_session(services, folder).await?,
        None => open_session_without_store(),
    };
    let (mut session, live) = match &services {
        // a folder has one process at a time; other stores have a server that runs their live queries
        Some(services) if is_own_store => {
            let (session, runner) = with_live_queries(session, services, &limits).await?;
            (session.limits(limits), Some(runner))
        }
        _ => (session.limits(limits), None),
    };
    match text {
        Some(text) => {
            let stop = shutdown::on_signal()?;
            tokio::select! {
                result = execute(&mut session, &text, output) => {
                    if let Err(error) = result {
                        return failed(error, &text);
                    }
                }
                () = stop.cancelled() => {
                    eprintln!("kulya: interrupted");
                    return Ok(ExitCode::from(INTERRUPTED));
                }
                bytes = memory::exceeded(memory_limit) => return Err(memory_exceeded(bytes, memory_limit)),
            }
        }
        None => run_prompt(&mut session, output.format, memory_limit).await?,
    }
    if let Some(runner) = live {
        runner.stop().await;
    }
    if let Some(services) = services {
        services.store.close().await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reports the error of a script: a program reads one line, a person also sees the place.
fn failed(error: anyhow::Error, text: &str) -> Result<ExitCode> {
    if !std::io::stderr().is_terminal() || error.downcast_ref::<std::io::Error>().is_some() {
        return Err(error);
    }
    eprint!("kulya: ");
    print_error(&error, text);
    Ok(ExitCode::FAILURE)
}

fn row_format(output: QueryOutput) -> OutputFormat {
    match output {
        QueryOutput::Table => OutputFormat::Table,
        QueryOutput::Vertical => OutputFormat::Vertical,
        QueryOutput::Csv => OutputFormat::Csv,
        QueryOutput::Json => OutputFormat::Json,
        QueryOutput::Markdown => OutputFormat::Markdown,
        QueryOutput::Parquet => OutputFormat::Parquet,
    }
}
