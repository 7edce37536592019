//! The interactive SQL prompt.

use super::editor::{self, CompletionRequest, StatementEditor};
use super::history::History;
use super::memory;
use super::print::{Output, print_error};
use super::session::{execute, memory_exceeded};
use crate::output::{format_error, print_line};
use anyhow::{Context, Result};
use kulya_sql::{Outline, OutputFormat, Session, visible};
use rustyline::error::ReadlineError;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The time that a look-up for completion may take; the editor waits no longer.
const COMPLETION_TIME: Duration = Duration::from_millis(250);

const HELP: &str = "\
SHOW DATABASES;  USE database;  SHOW TABLES;  DESCRIBE table;  SELECT …;  EXPLAIN SELECT …;
CREATE DATABASE name;  CREATE TABLE t (id INT, name STRING);  INSERT INTO t VALUES (1, 'x');
SELECT * FROM 'file.csv';  DESCRIBE 'file.csv';  INSERT INTO t SELECT * FROM 'file.csv';     also .json, .parquet
SHOW CATALOGS;   CREATE CATALOG name WITH ('type' = 'pravega', …);  USE CATALOG name;
SET;  SET 'key' = 'value';  RESET;
A statement ends with a semicolon. Names with dots need backticks: SELECT * FROM `shop.public.customers`;
Tab completes. Ctrl-C discards the input or cancels the running statement. CLEAR clears the screen.
QUIT, EXIT or Ctrl-D leaves.";

/// Reads statements from the terminal and runs them until Ctrl-D or `quit`; each may use `memory_limit`
/// bytes.
///
/// # Errors
/// A terminal that cannot be used.
pub(crate) async fn run_prompt(session: &mut Session, format: OutputFormat, memory_limit: u64) -> Result<()> {
    let output = Output::prompt(format);
    output.check()?;
    let (mut editor, mut requests) = editor::new().context("cannot use this terminal")?;
    let history = History::load(&mut editor);
    print_line!("Statements end with a semicolon. HELP shows more, Tab completes, Ctrl-D leaves.");
    let mut input = String::new();
    loop {
        let path = visible(&session.current_path()).into_owned();
        let prompt = match input.is_empty() {
            true => format!("{path}> "),
            false => format!("{}-> ", " ".repeat(path.chars().count().saturating_sub(1))),
        };
        if let Some(helper) = editor.helper_mut() {
            helper.before.clone_from(&input);
        }
        let (returned, line) = read_line(editor, prompt, session, &mut requests).await?;
        editor = returned;
        match line {
            Ok(line) => {
                input.push_str(&line);
                input.push('\n');
            }
            Err(ReadlineError::Interrupted) => {
                input.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("the terminal failed"),
        }
        match input.trim().trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
            "" => input.clear(),
            "quit" | "exit" | r"\q" => break,
            "help" | r"\?" | "?" | r"\h" => {
                print_line!("{HELP}");
                input.clear();
            }
            "clear" => {
                let _ = editor.clear_screen();
                input.clear();
            }
            _ if Outline::new(&input).is_complete => {
                history.add(&mut editor, input.trim());
                run_statements(session, &input, output, memory_limit).await;
                input.clear();
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads a line on a thread of its own; meanwhile the session completes what is typed.
async fn read_line(
    mut editor: StatementEditor,
    prompt: String,
    session: &mut Session,
    requests: &mut UnboundedReceiver<CompletionRequest>,
) -> Result<(StatementEditor, rustyline::Result<String>)> {
    let mut reading = tokio::task::spawn_blocking(move || {
        let line = editor.readline(&prompt);
        (editor, line)
    });
    loop {
        tokio::select! {
            read = &mut reading => return Ok(read?),
            Some(CompletionRequest { text, cursor, reply }) = requests.recv() => {
                let completion = session.complete(&text, cursor);
                // one that comes too late is there at the next Tab
                let completion = tokio::time::timeout(COMPLETION_TIME, completion).await.unwrap_or_default();
                let _ = reply.send(completion);
            }
        }
    }
}

/// Runs statements; errors are printed. Ctrl-C cancels them only, not the program.
async fn run_statements(session: &mut Session, text: &str, output: Output, memory_limit: u64) {
    tokio::select! {
        result = execute(session, text, output) => {
            if let Err(error) = result {
                print_error(&error, text);
            }
        }
        _ = tokio::signal::ctrl_c() => eprintln!("interrupted"),
        bytes = memory::exceeded(memory_limit) => {
            eprintln!("{}", format_error(&memory_exceeded(bytes, memory_limit)));
            // planning cannot be cancelled and goes on allocating
            if !memory::falls_below(memory_limit).await {
                eprintln!("kulya: the query could not be cancelled, the program exits");
                std::process::exit(1);
            }
        }
    }
}
