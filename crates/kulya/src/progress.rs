//! What a person sees while something goes on: a bar on a terminal, plain lines elsewhere. All of it on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use kulya_cdc::Progress;
use kulya_store::supervision::Component;
use std::io::IsTerminal;
use std::time::Instant;

/// A bar for `total` things that are counted, with their rate.
pub(crate) fn bar(total: u64, things: &str) -> ProgressBar {
    let template = format!("  {{bar:30}} {{human_pos}} of {{human_len}} {things} ({{per_sec}})");
    ProgressBar::new(total).with_style(style(&template))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Shows how the capture of a database goes on.
pub(crate) struct CaptureProgress {
    name: String,
    bar: ProgressBar,
    is_terminal: bool,
    /// Who is told that it works.
    component: Option<Component>,
}

impl CaptureProgress {
    pub(crate) fn new(name: &str) -> Self {
        let bar = ProgressBar::no_length()
            .with_style(style("{spinner} {prefix}: {human_pos} records ({per_sec}), {msg}"));
        bar.set_prefix(name.to_owned());
        Self { name: name.to_owned(), bar, is_terminal: std::io::stderr().is_terminal(), component: None }
    }

    /// Tells a component that the capture works, once it does.
    pub(crate) fn reporting_to(self, component: Component) -> Self {
        Self { component: Some(component), ..self }
    }

    pub(crate) fn show(&self, progress: &Progress) {
        if let Some(component) = &self.component {
            component.set_healthy();
        }
        match progress {
            Progress::SnapshotStarted { tables, rows } => {
                self.line(&format!("reading {tables} tables, about {rows} rows"));
            }
            Progress::SnapshotRows(rows) => self.bar.inc(*rows),
            Progress::SnapshotStored => self.line("the rows are stored"),
            Progress::Streaming { lsn } => self.line(&format!("following the log from {}", shown(*lsn))),
            Progress::Stored { records, lsn } => {
                self.bar.inc(*records);
                self.bar.set_message(format!("log position {}", shown(*lsn)));
                tracing::info!("{}: stored {records} records up to {}", self.name, shown(*lsn));
            }
            _ => {}
        }
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            self.bar.set_message(text.to_owned());
        } else {
            eprintln!("{}: {text}", self.name);
        }
    }

    /// Ends the display; says how much it was.
    pub(crate) fn finish(&self, since: Instant) {
        let (records, seconds) = (self.bar.position(), since.elapsed().as_secs_f64());
        self.bar.finish_and_clear();
        eprintln!("{}: {records} records stored in {seconds:.1} s", self.name);
    }
}

/// A log position as PostgreSQL writes it.
fn shown(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}
