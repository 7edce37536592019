//! Text output of `kulya registry`: tables, versions, changes, and incompatibilities with their reasons.

use crate::output::print_line;
use kulya_registry_api::administration::{ChangeEvent, Comparison};
use kulya_schema::compatibility::{Reason, Refusal};
use kulya_schema::{
    Compatibility, Difference, EncodingId, EncodingInfo, Incompatibility, VersionInfo, VersionScope,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows that are buffered to find the columns' widths: a list of any length needs no more memory.
const MAX_BUFFERED_ROWS: usize = 500;
/// Most versions in a message; the rest are counted.
const MAX_NAMES: usize = 10;

/// A table printed in aligned columns.
pub(crate) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
    widths: [usize; N],
    is_header_printed: bool,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new(), widths: head.map(str::len), is_header_printed: false }
    }

    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows
            .push(row.map(|cell| if cell.is_empty() { "-".to_owned() } else { escape(&cell).into_owned() }));
        if self.rows.len() >= MAX_BUFFERED_ROWS {
            self.print();
        }
    }

    /// Prints the remaining rows.
    pub(crate) fn finish(mut self) {
        self.print();
    }

    fn print(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        // columns never become narrower, so that most rows of a long list are aligned
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !self.is_header_printed && !rows.is_empty() {
            self.is_header_printed = true;
            self.line(&self.head.map(str::to_owned));
        }
        for row in &rows {
            self.line(row);
        }
    }

    fn line(&self, row: &[String; N]) {
        let mut line = String::new();
        for (width, cell) in self.widths.iter().zip(row) {
            line += &format!("{cell:<width$}  ");
        }
        print_line!("{}", line.trim_end());
    }
}

/// Quotes a text with control characters, which could move the terminal's cursor.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) { format!("{text:?}").into() } else { text.into() }
}

/// Formats a namespace for a sentence.
pub(super) fn namespace(name: &str) -> String {
    if name.is_empty() { "the default namespace".to_owned() } else { format!("namespace {}", escape(name)) }
}

/// Formats a number with its noun: `1 group`, `2 groups`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats labels as `a=b, c=d`.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

/// Formats a version as `User version 2 (id 5)`.
pub(super) fn version(version: &VersionInfo) -> String {
    let VersionInfo { type_name, version, id, .. } = version;
    let type_name = escape(type_name);
    let space = if type_name.is_empty() { "" } else { " " };
    format!("{type_name}{space}version {version} (id {id})")
}

/// Prints what an encoding id stands for.
pub(super) fn print_encoding(id: EncodingId, encoding: &EncodingInfo) {
    let codec = if encoding.codec.name.is_empty() { "none" } else { &encoding.codec.name };
    print_line!("encoding  {}", id.0);
    print_line!("schema    {} {}", encoding.version.format, version(&encoding.version));
    print_line!("codec     {}", escape(codec));
}

/// Formats a compatibility policy.
pub(super) fn policy(compatibility: &Compatibility) -> String {
    let Compatibility::Advanced { backward, forward } = compatibility else {
        return compatibility.policy().to_owned();
    };
    let side = |word: &str, side: &Option<VersionScope>| {
        let reach = match side.as_ref()? {
            VersionScope::Latest => "latest".to_owned(),
            VersionScope::Transitive => "transitive".to_owned(),
            VersionScope::Till(till) => format!("till {}", version(till)),
        };
        Some(format!("{word} {reach}"))
    };
    let sides: Vec<String> =
        [side("backward", backward), side("forward", forward)].into_iter().flatten().collect();
    format!("Advanced: {}", sides.join(", "))
}

/// Formats a version in the reasons of an incompatibility: by its file, or by its number.
pub(super) type VersionNames<'a> = &'a dyn Fn(&VersionInfo) -> String;

fn format_versions(versions: &[VersionInfo], names: VersionNames<'_>) -> String {
    let first: Vec<String> = versions.iter().take(MAX_NAMES).map(names).collect();
    match versions.len().saturating_sub(MAX_NAMES) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Formats every reason of an incompatibility, numbered, without a line end.
pub(super) fn refusal(new: &str, refusal: &Refusal, names: VersionNames<'_>) -> String {
    let Refusal { type_name, policy, rules, reasons } = refusal;
    let count = count(reasons.len() as u64, "reason");
    let type_name = if type_name.is_empty() { String::new() } else { format!(" ({})", escape(type_name)) };
    let mut text = format!("{new}{type_name} is incompatible (policy {policy}, {rules} rules), for {count}");
    for (number, reason) in reasons.iter().enumerate() {
        text += &format!("\n\n{}. {}", number + 1, headline(reason, names));
        if let Some(why) = reason.incompatibility() {
            text += &incompatibility(why);
        }
    }
    text
}

/// Formats a reason as one sentence.
pub(super) fn headline(reason: &Reason, names: VersionNames<'_>) -> String {
    let versions = format_versions(reason.versions(), names);
    match reason {
        Reason::OtherType { .. } => format!("the group allows one type only, and {versions} has another"),
        Reason::Denied { .. } => format!("the group allows no further schema, and has {versions}"),
        Reason::CannotRead { incompatibility, .. } if incompatibility.certain => {
            format!("it cannot read events of {versions}")
        }
        Reason::CannotRead { .. } => format!("it is unknown whether it can read events of {versions}"),
        Reason::CannotBeRead { incompatibility, .. } if incompatibility.certain => {
            format!("{versions} cannot read its events")
        }
        Reason::CannotBeRead { .. } => format!("it is unknown whether {versions} can read its events"),
        Reason::UsesReserved { .. } => format!("it uses names or numbers that {versions} reserved"),
    }
}

/// Formats one reason with the paths in both schemas: lines, each with a line end before it.
fn incompatibility(why: &Incompatibility) -> String {
    let mut lines = String::new();
    let location = |path: &str, fragment: &str| {
        let parts: Vec<_> =
            [path, fragment].into_iter().filter(|part| !part.is_empty()).map(escape).collect();
        parts.join("  ")
    };
    let witness = why.witness.as_ref().map(ToString::to_string).unwrap_or_default();
    for (word, text) in [
        ("rule", why.rule.clone()),
        ("reader", location(&why.reader_path, &why.reader)),
        ("writer", location(&why.writer_path, &why.writer)),
        ("reason", why.message.clone()),
        ("fix", why.fix.clone()),
        ("example", witness),
    ] {
        if !text.is_empty() {
            lines += &format!("\n   {word:<9}{}", escape(&text));
        }
    }
    lines
}

/// Prints the fields that changed between two schemas, and which of them can read the other's events.
pub(super) fn print_comparison(from: &str, to: &str, comparison: &Comparison) {
    let Difference { added, removed, changed } = &comparison.fields;
    for field in added {
        print_line!("+ {} {}", escape(&field.path), escape(&field.kind));
    }
    for field in removed {
        print_line!("- {} {}", escape(&field.path), escape(&field.kind));
    }
    for field in changed {
        print_line!("~ {} {} → {}", escape(&field.path), escape(&field.from), escape(&field.to));
    }
    if added.is_empty() && removed.is_empty() && changed.is_empty() {
        print_line!("no field was added, removed or changed");
    }
    for (reader, writer, reasons) in [(to, from, &comparison.backward), (from, to, &comparison.forward)] {
        if reasons.is_empty() {
            print_line!("\n{reader} can read events of {writer}");
            continue;
        }
        let certain = reasons.iter().any(|why| why.certain);
        let count = count(reasons.len() as u64, "reason");
        if certain {
            print_line!("\n{reader} cannot read events of {writer}, for {count}");
        } else {
            print_line!("\nit is unknown whether {reader} can read events of {writer}, for {count}");
        }
        for why in reasons {
            print_line!("{}", incompatibility(why));
        }
    }
}

/// Formats a change of a group.
pub(super) fn change(event: &ChangeEvent) -> String {
    match event {
        ChangeEvent::GroupCreated { properties } => {
            format!("group created: {}, {}", properties.format, policy(&properties.compatibility))
        }
        ChangeEvent::GroupImported { schemas, .. } => format!("group imported with {schemas} schemas"),
        ChangeEvent::GroupChanged { properties } => {
            let labels = labels(&properties.properties);
            let labels = if labels.is_empty() { labels } else { format!(", {labels}") };
            format!("group changed: {}{labels}", policy(&properties.compatibility))
        }
        ChangeEvent::GroupDeleted => "group deleted".to_owned(),
        ChangeEvent::SchemaAdded { version_info } => format!("schema added: {}", version(version_info)),
        ChangeEvent::SchemaDeleted { version_info } => format!("schema deleted: {}", version(version_info)),
        ChangeEvent::CodecAdded { codec_type } => format!("codec added: {}", escape(&codec_type.name)),
        ChangeEvent::EncodingAdded { encoding_id, schema_id, codec } => {
            let codec = if codec.is_empty() { "no codec".into() } else { escape(codec) };
            format!("encoding {} added: schema {schema_id}, {codec}", encoding_id.0)
        }
    }
}
