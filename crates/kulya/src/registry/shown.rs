//! Answers as people read them: tables, and reasons with their places.

use crate::say;
use kulya_registry_api::administration::{ChangeEvent, Comparison};
use kulya_schema::decide::{Reason, Refusal};
use kulya_schema::{Compatibility, Difference, Incompatibility, Side, VersionInfo};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows are padded so many at a time, so that a list of any length is never held.
const PADDED: usize = 500;
/// So many versions are named, and the rest are counted.
const NAMED: usize = 10;

/// A table of texts.
pub(crate) struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
    widths: [usize; N],
    is_begun: bool,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new(), widths: head.map(str::len), is_begun: false }
    }

    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows
            .push(row.map(|cell| if cell.is_empty() { "-".to_owned() } else { plain(&cell).into_owned() }));
        if self.rows.len() >= PADDED {
            self.print();
        }
    }

    /// Prints what is left.
    pub(crate) fn end(mut self) {
        self.print();
    }

    fn print(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        // columns only become wider, so that most rows of a long list stand below each other
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if !self.is_begun && !rows.is_empty() {
            self.is_begun = true;
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
        say!("{}", line.trim_end());
    }
}

/// A name that would move the cursor is quoted.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) { format!("{text:?}").into() } else { text.into() }
}

/// A namespace in a sentence.
pub(crate) fn namespace(name: &str) -> String {
    if name.is_empty() { "the default namespace".to_owned() } else { format!("namespace {}", plain(name)) }
}

/// A number of things: `1 group`, `2 groups`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Labels as `a=b, c=d`.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

/// A version as `User version 2 (id 5)`.
pub(crate) fn version(version: &VersionInfo) -> String {
    let VersionInfo { type_name, version, id, .. } = version;
    let type_name = plain(type_name);
    let space = if type_name.is_empty() { "" } else { " " };
    format!("{type_name}{space}version {version} (id {id})")
}

pub(crate) fn policy(compatibility: &Compatibility) -> String {
    let Compatibility::Advanced { backward, forward } = compatibility else {
        return compatibility.policy().to_owned();
    };
    let side = |word: &str, side: &Option<Side>| {
        let reach = match side.as_ref()? {
            Side::Latest => "latest".to_owned(),
            Side::Transitive => "transitive".to_owned(),
            Side::Till(till) => format!("till {}", version(till)),
        };
        Some(format!("{word} {reach}"))
    };
    let sides: Vec<String> =
        [side("backward", backward), side("forward", forward)].into_iter().flatten().collect();
    format!("Advanced: {}", sides.join(", "))
}

/// How versions are named where a refusal is shown: by file, or by number.
pub(crate) type Names<'a> = &'a dyn Fn(&VersionInfo) -> String;

fn named(versions: &[VersionInfo], names: Names<'_>) -> String {
    let few: Vec<String> = versions.iter().take(NAMED).map(names).collect();
    match versions.len().saturating_sub(NAMED) {
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

/// Every reason of a refusal, numbered.
pub(crate) fn refusal(new: &str, refusal: &Refusal, names: Names<'_>) {
    let Refusal { type_name, policy, rules, reasons } = refusal;
    let count = counted(reasons.len() as u64, "reason");
    let type_name = if type_name.is_empty() { String::new() } else { format!(" ({})", plain(type_name)) };
    say!("{new}{type_name} is refused by policy {policy}, {rules} rules, for {count}");
    for (number, reason) in reasons.iter().enumerate() {
        let these = named(reason.versions(), names);
        let headline = match reason {
            Reason::OtherType { .. } => format!("the group takes one type only, and has another in {these}"),
            Reason::Denied { .. } => format!("the group takes no further schema, and has {these}"),
            Reason::CannotRead { why, .. } if why.certain => format!("it cannot read what {these} wrote"),
            Reason::CannotRead { .. } => format!("it cannot be told whether it reads what {these} wrote"),
            Reason::CannotBeRead { why, .. } if why.certain => format!("{these} cannot read what it writes"),
            Reason::CannotBeRead { .. } => {
                format!("it cannot be told whether {these} can read what it writes")
            }
            Reason::UsesReserved { .. } => format!("it uses what {these} reserved"),
        };
        say!("\n{}. {headline}", number + 1);
        if let Some(why) = reason.why() {
            incompatibility(why);
        }
    }
}

/// One reason, with both places.
pub(crate) fn incompatibility(why: &Incompatibility) {
    let place = |path: &str, fragment: &str| {
        let parts: Vec<_> = [path, fragment].into_iter().filter(|part| !part.is_empty()).map(plain).collect();
        parts.join("  ")
    };
    let witness = why.witness.as_ref().map(ToString::to_string).unwrap_or_default();
    for (word, text) in [
        ("rule", why.rule.clone()),
        ("reader", place(&why.reader_path, &why.reader)),
        ("writer", place(&why.writer_path, &why.writer)),
        ("why", why.message.clone()),
        ("fix", why.fix.clone()),
        ("example", witness),
    ] {
        if !text.is_empty() {
            say!("   {word:<9}{}", plain(&text));
        }
    }
}

/// What changed between two schemas, and who reads whom.
pub(crate) fn comparison(from: &str, to: &str, compared: &Comparison) {
    let Difference { added, removed, changed } = &compared.fields;
    for field in added {
        say!("+ {} {}", plain(&field.path), plain(&field.kind));
    }
    for field in removed {
        say!("- {} {}", plain(&field.path), plain(&field.kind));
    }
    for field in changed {
        say!("~ {} {} → {}", plain(&field.path), plain(&field.from), plain(&field.to));
    }
    if added.is_empty() && removed.is_empty() && changed.is_empty() {
        say!("no field was added, removed or changed");
    }
    for (reader, writer, whys) in [(to, from, &compared.backward), (from, to, &compared.forward)] {
        if whys.is_empty() {
            say!("\n{reader} reads what {writer} wrote");
            continue;
        }
        let certain = whys.iter().any(|why| why.certain);
        let count = counted(whys.len() as u64, "reason");
        if certain {
            say!("\n{reader} cannot read what {writer} wrote, for {count}");
        } else {
            say!("\nit cannot be told whether {reader} reads what {writer} wrote, for {count}");
        }
        for why in whys {
            say!("");
            incompatibility(why);
        }
    }
}

/// A change, behind its time and group.
pub(crate) fn event(event: &ChangeEvent) -> String {
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
        ChangeEvent::CodecAdded { codec_type } => format!("codec added: {}", plain(&codec_type.name)),
        ChangeEvent::EncodingAdded { encoding_id, schema_id, codec } => {
            let codec = if codec.is_empty() { "no codec".into() } else { plain(codec) };
            format!("encoding {} added: schema {schema_id}, {codec}", encoding_id.0)
        }
    }
}
