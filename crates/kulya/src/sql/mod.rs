//! `kulya sql`: runs statements from the command line, a file, standard input or a prompt.

mod catalog;
mod history;
mod memory;
mod prompt;
mod session;

pub(crate) use prompt::run_prompt;
pub(crate) use session::open_session;

use crate::address::Address;
use crate::args::{QueryOutput, SqlArgs};
use crate::services::{open_services, open_store};
use crate::settings::Settings;
use crate::shutdown;
use anyhow::{Context, Result, bail};
use kulya_sql::OutputFormat;
use session::{execute, memory_exceeded, open_session_without_store};
use std::io::{IsTerminal, Read};

pub(crate) async fn run(settings: Settings, args: SqlArgs) -> Result<()> {
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
    let text = match (args.execute, args.file) {
        (Some(text), _) => Some(text),
        (None, Some(path)) => {
            Some(std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        (None, None) if std::io::stdin().is_terminal() => None,
        (None, None) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Some(text)
        }
    };
    let memory_limit = limits.memory_bytes as u64;
    let session = match &services {
        Some(services) => open_session(services, folder).await?,
        None => open_session_without_store(),
    };
    let mut session = session.limits(limits);
    let format = row_format(args.output);
    match text {
        Some(text) => {
            let stop = shutdown::on_signal()?;
            tokio::select! {
                result = execute(&mut session, &text, format) => result?,
                () = stop.cancelled() => bail!("interrupted"),
                bytes = memory::exceeded(memory_limit) => return Err(memory_exceeded(bytes, memory_limit)),
            }
        }
        None => run_prompt(&mut session, format, memory_limit).await?,
    }
    if let Some(services) = services {
        services.store.close().await?;
    }
    Ok(())
}

fn row_format(output: QueryOutput) -> OutputFormat {
    match output {
        QueryOutput::Table => OutputFormat::Table,
        QueryOutput::Csv => OutputFormat::Csv,
        QueryOutput::Json => OutputFormat::Json,
    }
}
