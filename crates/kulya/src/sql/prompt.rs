//! The interactive SQL prompt.

use super::history::History;
use super::memory;
use super::session::{execute, memory_exceeded};
use crate::output::{format_error, print_line};
use anyhow::{Context, Result};
use kulya_sql::{Session, Shape};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio_util::sync::CancellationToken;

const HELP: &str = "\
SHOW DATABASES;  USE database;  SHOW TABLES;  DESCRIBE table;  SELECT …;  EXPLAIN SELECT …;
SHOW CATALOGS;   CREATE CATALOG name WITH ('type' = 'pravega', …);  USE CATALOG name;
A statement ends with a semicolon. Names with dots need backticks: SELECT * FROM `shop.public.customers`;
Ctrl-C discards the input or cancels the running query; Ctrl-D, or quit, exits.";

/// Reads statements from the terminal and runs them until Ctrl-D or `quit`; each may use `memory_limit`
/// bytes.
///
/// # Errors
/// A terminal that cannot be used.
pub(crate) async fn run_prompt(session: &mut Session, format: Shape, memory_limit: u64) -> Result<()> {
    let mut editor = DefaultEditor::new().context("cannot use this terminal")?;
    let history = History::load(&mut editor);
    print_line!("Statements end with a semicolon; help; shows more, Ctrl-D exits.");
    let mut input = String::new();
    loop {
        let prompt = if input.is_empty() { format!("{}> ", session.place()) } else { "      -> ".to_owned() };
        let (returned, line) = tokio::task::spawn_blocking(move || {
            let line = editor.readline(&prompt);
            (editor, line)
        })
        .await?;
        editor = returned;
        match line {
            Ok(line) => input = if input.is_empty() { line } else { format!("{input}\n{line}") },
            Err(ReadlineError::Interrupted) => {
                input.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("the terminal failed"),
        }
        let command = input.trim().trim_end_matches(';').trim_end().to_ascii_lowercase();
        if command == "quit" || command == "exit" {
            break;
        }
        if command != "help" && !input.trim_end().ends_with(';') {
            if input.trim().is_empty() {
                input.clear();
            }
            continue;
        }
        history.add(&mut editor, input.trim());
        if command == "help" {
            print_line!("{HELP}");
        } else {
            run_statements(session, &input, format, memory_limit).await;
        }
        input.clear();
    }
    Ok(())
}

/// Runs statements; errors are printed. Ctrl-C cancels them only, not the program.
async fn run_statements(session: &mut Session, text: &str, format: Shape, memory_limit: u64) {
    let interrupted = CancellationToken::new();
    let cancel = interrupted.clone();
    let signal = kulya_store::supervision::spawn_logged("interrupt", async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    tokio::select! {
        result = execute(session, text, format) => {
            if let Err(error) = result {
                eprintln!("{}", format_error(&error));
            }
        }
        () = interrupted.cancelled() => eprintln!("interrupted"),
        bytes = memory::exceeded(memory_limit) => {
            eprintln!("{}", format_error(&memory_exceeded(bytes, memory_limit)));
            // planning cannot be cancelled and goes on allocating
            if !memory::falls_below(memory_limit).await {
                eprintln!("kulya: the query could not be cancelled, the program exits");
                std::process::exit(1);
            }
        }
    }
    signal.abort();
}
