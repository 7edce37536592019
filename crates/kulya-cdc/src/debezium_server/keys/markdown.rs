//! The table of keys as Markdown, for the documentation.

use super::known::{Databases, Effect, Handling, Kind, KnownKey};
use super::known_keys;

/// Returns the table as Markdown, one row for each key.
pub fn markdown_table() -> String {
    let mut table = String::from(
        "| key | databases | values | default in Debezium | changes events | in Kulya |\n|---|---|---|---|---|---|\n",
    );
    for key in known_keys() {
        let KnownKey { name, databases, kind, default, effect, handling } = key;
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let effect = match effect {
            Effect::Events => "yes",
            Effect::Security => "security",
            Effect::Operation => "",
        };
        table += &format!(
            "| `{name}` | {} | {} | {default} | {effect} | {} |\n",
            database_names(*databases),
            values(*kind),
            handling_text(*handling)
        );
    }
    table
}

fn database_names(databases: Databases) -> String {
    let Databases { postgres, mysql, mariadb } = databases;
    let names = [(postgres, "PostgreSQL"), (mysql, "MySQL"), (mariadb, "MariaDB")];
    if names.iter().all(|(has, _)| *has) {
        return "all".to_owned();
    }
    names.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn values(kind: Kind) -> String {
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Secret => "text, not printed".to_owned(),
        Kind::Class => "Java class".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Boolean => "`true`, `false`".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Patterns => "regular expressions".to_owned(),
        Kind::Choice(choices) => names(choices),
        Kind::Choices(choices) => format!("some of {}", names(choices)),
    }
}

fn handling_text(handling: Handling) -> String {
    match handling {
        Handling::Used(note) => format!("**used**: {note}"),
        Handling::Fixed { accepted, tolerated, note } => {
            let list = |values: &[&str]| {
                values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            };
            let also = if tolerated.is_empty() {
                String::new()
            } else {
                format!("; warning for {}", list(tolerated))
            };
            format!("**accepted**: {}{also}; {note}", list(accepted))
        }
        Handling::NotNeeded(note) => format!("ignored: {note}"),
        Handling::NotSupported(note) => format!("**not supported**: {note}"),
    }
}
