//! Progress on standard error: a progress bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use kulya_cdc::Progress;
use kulya_store::supervision::Component;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Creates a progress bar up to `total`, with the rate per second; `unit` is the plural name of what is
/// counted.
pub(crate) fn bar(total: u64, unit: &str) -> ProgressBar {
    let template = format!("  {{bar:30}} {{human_pos}} of {{human_len}} {unit} ({{per_sec}})");
    ProgressBar::new(total).with_style(style(&template))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The progress of one database's change data capture.
pub(crate) struct CaptureProgress {
    name: String,
    bar: ProgressBar,
    is_terminal: bool,
    /// The rows of a snapshot that are in the bar, but not stored yet.
    unstored_rows: AtomicU64,
    /// The health component of the capture, if a server runs it.
    component: Option<Component>,
}

impl CaptureProgress {
    pub(crate) fn new(name: &str) -> Self {
        let bar = ProgressBar::no_length()
            .with_style(style("{spinner} {prefix}: {human_pos} records ({per_sec}), {msg}"));
        bar.set_prefix(name.to_owned());
        let (name, is_terminal) = (name.to_owned(), std::io::stderr().is_terminal());
        Self { name, bar, is_terminal, unstored_rows: AtomicU64::new(0), component: None }
    }

    /// Sets a health component to healthy with each progress.
    pub(crate) fn with_component(self, component: Component) -> Self {
        Self { component: Some(component), ..self }
    }

    pub(crate) fn report(&self, progress: &Progress) {
        if let Some(component) = &self.component {
            component.set_healthy();
        }
        match progress {
            Progress::SnapshotStarted { tables, rows } => {
                self.print(&format!("snapshot started: {tables} tables, about {rows} rows"));
            }
            Progress::SnapshotRows(rows) => {
                self.unstored_rows.fetch_add(*rows, Ordering::Relaxed);
                self.bar.inc(*rows);
            }
            Progress::SnapshotStored => self.print("snapshot stored"),
            Progress::Streaming { position } => self.print(&format!("streaming the log from {position}")),
            Progress::Stored { records, position } => {
                let unstored = self.unstored_rows.load(Ordering::Relaxed);
                self.unstored_rows.store(unstored.saturating_sub(*records), Ordering::Relaxed);
                self.bar.inc(records.saturating_sub(unstored));
                self.bar.set_message(format!("log position {position}"));
                tracing::info!("{}: stored {records} records up to {position}", self.name);
            }
            _ => {}
        }
    }

    fn print(&self, text: &str) {
        if self.is_terminal {
            self.bar.set_message(text.to_owned());
        } else {
            eprintln!("{}: {text}", self.name);
        }
    }

    /// Removes the bar and prints the total.
    pub(crate) fn finish(&self, started: Instant) {
        let (records, seconds) = (self.bar.position(), started.elapsed().as_secs_f64());
        self.bar.finish_and_clear();
        eprintln!("{}: {records} records stored in {seconds:.1} s", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_snapshot_are_counted_once() {
        let progress = CaptureProgress::new("shop");
        let stored = |records| Progress::Stored { records, position: String::new() };
        for (step, expected) in [
            (Progress::SnapshotRows(1000), 1000),
            (Progress::SnapshotRows(5), 1005),
            (stored(1005), 1005),
            (Progress::SnapshotRows(1), 1006),
            (stored(1), 1006),
            (stored(3), 1009),
        ] {
            progress.report(&step);
            assert_eq!(progress.bar.position(), expected, "{step:?}");
        }
    }
}
