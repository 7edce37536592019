//! What statements print: rows on standard output, notes and errors on standard error.

use super::progress::ProgressLine;
use crate::output::format_error;
use anyhow::{Result, bail};
use indicatif::HumanCount;
use kulya_sql::{OutputFormat, Position, Progress, RowStream, RowWriter, SqlError, visible};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthChar;

/// The rows that are formatted at once: between them a signal is handled.
const SLICE_ROWS: usize = 1024;
/// The number of rows and the time from which on a rate says something.
const MIN_RATED: (u64, Duration) = (1000, Duration::from_millis(100));
/// The characters of a line that are shown before and behind the place of an error.
const SHOWN_AROUND: usize = 60;

/// How statements print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: OutputFormat,
    /// Whether the time of each statement is printed.
    pub(crate) timing: bool,
}

impl Output {
    /// For a prompt.
    pub(crate) fn prompt(format: OutputFormat) -> Self {
        Self { format, timing: true }
    }

    /// Refuses a format that is for files on a terminal.
    pub(super) fn check(self) -> Result<()> {
        if !self.format.is_text() && std::io::stdout().is_terminal() {
            bail!(
                "Parquet is not for a terminal: redirect standard output, as in kulya sql … > rows.parquet"
            );
        }
        Ok(())
    }

    /// Prints the rows of a query as they come; returns their number.
    pub(super) async fn print_rows(self, rows: &mut RowStream, progress: &ProgressLine) -> Result<usize> {
        let mut writer = RowWriter::new(rows.schema(), self.format)?;
        let mut count = 0;
        while let Some(batch) = rows.next().await? {
            count += batch.num_rows();
            let mut from = 0;
            while from < batch.num_rows() {
                let slice = batch.slice(from, SLICE_ROWS.min(batch.num_rows() - from));
                from += slice.num_rows();
                self.print(writer.write(&slice)?, progress).await?;
                tokio::task::yield_now().await;
            }
        }
        self.print(writer.finish()?, progress).await?;
        Ok(count)
    }

    /// Writes to standard output on a blocking thread, so that a slow reader does not delay signals.
    pub(super) async fn print(self, bytes: Vec<u8>, progress: &ProgressLine) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let is_terminal = std::io::stdout().is_terminal();
        if is_terminal {
            progress.stop();
        }
        let write = tokio::task::spawn_blocking(move || {
            let bytes = if is_terminal { for_terminal(bytes) } else { bytes };
            let mut out = std::io::stdout().lock();
            out.write_all(&bytes).and_then(|()| out.flush())
        });
        Ok(write.await??)
    }

    /// Prints what became of a statement.
    pub(super) fn note(self, message: &str, started: Instant, progress: &Progress) {
        let elapsed = started.elapsed();
        let rate = match progress.rows_written() {
            written if written >= MIN_RATED.0 && elapsed >= MIN_RATED.1 => {
                let rate = written as f64 / elapsed.as_secs_f64();
                format!("{} rows/s", HumanCount(rate as u64))
            }
            _ => String::new(),
        };
        let time = if self.timing { seconds(elapsed) } else { String::new() };
        let about: Vec<&str> =
            [time.as_str(), rate.as_str()].into_iter().filter(|text| !text.is_empty()).collect();
        match about.is_empty() {
            true => eprintln!("{}", visible(message)),
            false => eprintln!("{} ({})", visible(message), about.join(", ")),
        }
    }

    /// Prints the number of rows of a query at a prompt, and elsewhere the time if it is wanted.
    pub(super) fn note_rows(self, rows: usize, started: Instant) {
        if self.timing {
            let plural = if rows == 1 { "" } else { "s" };
            eprintln!("{} row{plural} ({})", HumanCount(rows as u64), seconds(started.elapsed()));
        }
    }
}

/// Returns a time as people read it.
fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.0995 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 9.95 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

/// Returns text without what a terminal would obey.
fn for_terminal(bytes: Vec<u8>) -> Vec<u8> {
    match std::str::from_utf8(&bytes) {
        Ok(text) => text.split('\n').map(visible).collect::<Vec<_>>().join("\n").into_bytes(),
        Err(_) => bytes,
    }
}

/// Prints an error to standard error: with the line of the text and a mark under the place, if it is
/// known and
/// a person reads it.
pub(super) fn print_error(error: &anyhow::Error, text: &str) {
    eprintln!("{}", format_error(error));
    if let Some(place) =
        error.downcast_ref::<SqlError>().and_then(SqlError::position).and_then(|at| marked(text, at))
    {
        eprintln!("{place}");
    }
}

/// Returns the line of a text with a mark under a position.
fn marked(text: &str, position: Position) -> Option<String> {
    let line = text.lines().nth(usize::try_from(position.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
    let skipped = column.saturating_sub(SHOWN_AROUND);
    let shown: String = line.chars().skip(skipped).take(2 * SHOWN_AROUND).collect();
    // a tab and other control characters are shown as one place each
    let shown: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let before: usize = shown.chars().take(column - skipped).map(|c| c.width().unwrap_or_default()).sum();
    Some(format!("  {}\n  {}^", visible(&shown), " ".repeat(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_errors_are_marked() {
        let at = |line, column| Position { line, column };
        for (text, position, expected) in [
            ("SELEC 1", at(1, 1), Some("  SELEC 1\n  ^")),
            ("SELECT 1,\n\t'東京', FROM t;", at(2, 8), Some("   '東京', FROM t;\n           ^")),
            ("SELECT", at(1, 7), Some("  SELECT\n        ^")),
            ("SELECT", at(2, 1), None),
            ("SELECT", at(0, 0), None),
        ] {
            assert_eq!(marked(text, position).as_deref(), expected, "{text}");
        }
        let long = format!("{}!{}", "a".repeat(1000), "b".repeat(1000));
        let shown = marked(&long, at(1, 1001)).unwrap();
        assert_eq!(shown.lines().next().map(str::len), Some(122));
        assert_eq!(shown.lines().nth(1), Some(format!("  {}^", " ".repeat(60)).as_str()));
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let shown = for_terminal(b"a,b\n\x1b]0;x\x07,\xc2\x9b\n".to_vec());
        assert_eq!(String::from_utf8(shown).unwrap(), "a,b\n\\u001b]0;x\\u0007,\\u009b\n");
    }

    #[test]
    fn times_have_three_digits() {
        for (micros, expected) in [
            (120, "0.1 ms"),
            (12_340, "12.3 ms"),
            (123_400, "0.12 s"),
            (9_900_000, "9.90 s"),
            (61_200_000, "61 s"),
        ] {
            assert_eq!(seconds(Duration::from_micros(micros)), expected);
        }
    }
}
