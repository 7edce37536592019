//! The line that shows the progress of a long statement on a terminal.

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use kulya_sql::Progress;
use kulya_store::supervision::spawn_logged;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time after which a statement is long.
const DELAY: Duration = Duration::from_millis(500);
/// Time between two updates.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line of a running statement, on standard error; none where that is no terminal.
pub(super) struct ProgressLine(Arc<Mutex<Line>>);

struct Line {
    bar: ProgressBar,
    is_stopped: bool,
}

impl ProgressLine {
    /// Begins a statement.
    pub(super) fn start(progress: Progress) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let bar =
            ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let line = Arc::new(Mutex::new(Line { bar, is_stopped: false }));
        if std::io::stderr().is_terminal() {
            drop(spawn_logged("progress", update(Arc::clone(&line), progress)));
        }
        Self(line)
    }

    /// Removes the line: before anything else is printed to the same terminal.
    pub(super) fn stop(&self) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut line.is_stopped, true) {
            line.bar.finish_and_clear();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Shows the progress until the line is stopped.
async fn update(shown: Arc<Mutex<Line>>, progress: Progress) {
    let started = Instant::now();
    tokio::time::sleep(DELAY).await;
    loop {
        {
            // the line is not drawn once more after it is removed
            let line = shown.lock().unwrap_or_else(PoisonError::into_inner);
            if line.is_stopped {
                return;
            }
            line.bar.set_message(text(progress.rows_read(), progress.rows_written(), started.elapsed()));
            line.bar.tick();
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn text(read: u64, written: u64, elapsed: Duration) -> String {
    let rate = |rows: u64| HumanCount((rows as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
    let mut shown = format!("{} s", elapsed.as_secs());
    for (rows, what) in [(read, "read"), (written, "written")] {
        if rows > 0 {
            shown += &format!(", {} rows {what} ({}/s)", HumanCount(rows), rate(rows));
        }
    }
    shown + ", Ctrl-C cancels"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_rows_and_rates() {
        let two = Duration::from_secs(2);
        assert_eq!(text(0, 0, two), "2 s, Ctrl-C cancels");
        assert_eq!(text(3_000_000, 0, two), "2 s, 3,000,000 rows read (1,500,000/s), Ctrl-C cancels");
        assert_eq!(
            text(2000, 1000, two),
            "2 s, 2,000 rows read (1,000/s), 1,000 rows written (500/s), Ctrl-C cancels"
        );
    }
}
