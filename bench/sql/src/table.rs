//! Figures, and the table of them.

/// What a subject took for an item.
#[derive(Debug, Clone)]
pub struct Figure {
    /// CPU time in seconds.
    pub cpu: f64,
    /// The peak of the resident memory in bytes.
    pub peak: u64,
    /// What it answered.
    pub answer: String,
}

/// One row of the table.
pub struct Item {
    pub name: &'static str,
    /// The number of events or rows.
    pub count: u64,
    /// By subject, with the names of [`SUBJECTS`].
    pub figures: Vec<(&'static str, Figure)>,
}

pub const SUBJECTS: [&str; 4] = ["Kulya", "bare decoder", "Flink", "DuckDB"];

/// Returns the table: millions of events per CPU-second, and megabytes at peak.
pub fn table(items: &[Item]) -> String {
    let mut text = String::from("| M events/CPU-s (MB at peak) |");
    for subject in SUBJECTS {
        text += &format!(" {subject} |");
    }
    text += " Kulya is times Flink | times the decoder | times DuckDB |\n|---|---|---|---|---|---|---|---|\n";
    for item in items {
        let rate = |name: &str| {
            let (_, figure) = item.figures.iter().find(|(subject, _)| *subject == name)?;
            Some((item.count as f64 / figure.cpu / 1e6, figure.peak as f64 / 1e6))
        };
        text += &format!("| {} |", item.name);
        for subject in SUBJECTS {
            text +=
                &rate(subject).map_or(" |".to_owned(), |(rate, peak)| format!(" {rate:.3} ({peak:.0}) |"));
        }
        for other in ["Flink", "bare decoder", "DuckDB"] {
            let ratio = rate("Kulya").zip(rate(other)).map(|((ours, _), (theirs, _))| ours / theirs);
            text += &ratio.map_or(" |".to_owned(), |ratio| format!(" {ratio:.2} |"));
        }
        text.push('\n');
    }
    text
}
