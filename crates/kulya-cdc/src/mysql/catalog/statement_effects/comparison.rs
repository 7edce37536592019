//! Tables as lines of text, from a server's catalog and from a schema history.

use crate::mysql::catalog::ServerFacts;
use crate::mysql::connection::Connection;
use crate::mysql::ddl::{ColumnType, DefaultValue, Flavour, KeyKind, TypeName};
use crate::mysql::schema_history::{Collated, Column, SchemaHistory, Table, TableKind, TableName};
use crate::mysql::session::literal;
use std::collections::BTreeMap;

const COLUMNS: &str = "SELECT c.table_schema, c.table_name, c.column_name, c.column_type, c.is_nullable, \
     c.collation_name, c.extra, c.column_default, c.column_comment, c.data_type \
     FROM information_schema.columns c JOIN information_schema.tables t \
     ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
     AND BINARY t.table_schema = c.table_schema AND BINARY t.table_name = c.table_name \
     WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')";
const KEYS: &str = "SELECT table_schema, table_name, column_name FROM information_schema.statistics c \
     WHERE index_name = 'PRIMARY'";

/// Tables by name: a line for each column, and for each part of the primary key.
pub(super) type Tables = BTreeMap<String, Vec<String>>;

/// The tables that differ, with the lines of both; `None` if none does.
pub(super) fn difference(server: &Tables, history: &Tables) -> Option<String> {
    let mut names: Vec<&String> = server.keys().chain(history.keys()).collect();
    names.sort();
    names.dedup();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| server.get(*name) != history.get(*name))
        .map(|name| format!("{name}: server {:#?}, history {:#?}", server.get(name), history.get(name)))
        .collect();
    (!differing.is_empty()).then(|| differing.join("\n"))
}

/// What is compared.
#[derive(Clone, Copy)]
pub(super) enum Compared<'a> {
    Table(&'a TableName),
    /// The databases of which a function says so.
    Databases(&'a (dyn Fn(&str) -> bool + Sync)),
}

/// The tables that are compared, from the server's catalog.
pub(super) async fn from_server(
    connection: &mut Connection,
    facts: &ServerFacts,
    compared: Compared<'_>,
) -> Tables {
    let condition = match compared {
        Compared::Table(table) => {
            let [database, table] = [&table.database, &table.table].map(|name| literal(name));
            format!(
                "AND c.table_schema = {database} AND c.table_name = {table} \
                 AND BINARY c.table_schema = {database} AND BINARY c.table_name = {table}"
            )
        }
        Compared::Databases(_) => String::new(),
    };
    let is_compared = |database: &str| match compared {
        Compared::Table(_) => true,
        Compared::Databases(is_compared) => is_compared(database),
    };
    let columns = format!("{COLUMNS} {condition} ORDER BY c.table_schema, c.table_name, c.ordinal_position");
    let keys = format!("{KEYS} {condition} ORDER BY c.table_schema, c.table_name, seq_in_index");
    let mut tables = Tables::new();
    for row in connection.query(&columns).await.unwrap().rows {
        let text = |index: usize| row[index].as_deref().unwrap_or_default();
        if !is_compared(text(0)) {
            continue;
        }
        let extra = text(6).to_lowercase();
        let has = |word: &str| extra.contains(word);
        let is_expression = has("default_generated");
        let is_text = TypeName::from_canonical(text(9)).is_some_and(TypeName::is_text);
        let default = row[7].as_deref().filter(|default| *default != "NULL");
        let default_text = |default| default_text(default, is_expression, facts.version.flavour);
        let default = default.map(|default| if is_text { default_text(default) } else { String::new() });
        let line = describe(&Described {
            name: text(2),
            column_type: &without_display_width(text(3)),
            is_nullable: text(4) == "YES",
            collated: row[5].as_deref().map(|name| collated(facts, name)).as_ref(),
            default: default.as_deref(),
            comment: text(8),
            attributes: ATTRIBUTES.map(|(_, words)| words.iter().any(|word| has(word))),
        });
        tables.entry(format!("{}.{}", text(0), text(1))).or_default().push(line);
    }
    for row in connection.query(&keys).await.unwrap().rows {
        let text = |index: usize| row[index].as_deref().unwrap_or_default();
        if let Some(lines) = tables.get_mut(&format!("{}.{}", text(0), text(1))) {
            lines.push(format!("key {}", text(2)));
        }
    }
    tables
}

/// The same of one table from a history.
pub(super) fn table_from_history(history: &SchemaHistory, facts: &ServerFacts, name: &TableName) -> Tables {
    let table = history.table(&name.database, &name.table);
    let table = table.filter(|table| table.kind == TableKind::Table);
    table.map(|table| named_lines(table, facts)).into_iter().collect()
}

/// The same of all tables from a history.
pub(super) fn from_history(history: &SchemaHistory, facts: &ServerFacts) -> Tables {
    let tables = history.tables().filter(|table| table.kind == TableKind::Table);
    tables.map(|table| named_lines(table, facts)).collect()
}

fn named_lines(table: &Table, facts: &ServerFacts) -> (String, Vec<String>) {
    (format!("{}.{}", table.name.database, table.name.table), lines(table, facts))
}

fn lines(table: &Table, facts: &ServerFacts) -> Vec<String> {
    let columns =
        table.columns.iter().filter(|column| !column.hidden).map(|column| column_line(column, facts));
    let primary = table.keys.iter().filter(|key| key.kind == KeyKind::Primary);
    let key = primary.flat_map(|key| key.parts.iter().filter_map(|part| part.column.as_deref()));
    // the catalog has the column's own writing of its name, and no hidden columns
    let key = key.filter_map(|name| table.position(name)).map(|place| &table.columns[place]);
    let key = key.filter(|column| !column.hidden).map(|column| &column.name);
    columns.chain(key.map(|name| format!("key {name}"))).collect()
}

fn column_line(column: &Column, facts: &ServerFacts) -> String {
    let column_type = &column.column_type;
    let collation = column_type.collation.as_deref().and_then(|name| collated(facts, name).collation);
    let collated = column_type.charset.clone().map(|charset| Collated { charset, collation });
    let default = match &column.default {
        None | Some(DefaultValue::Null) => None,
        Some(_) if !column_type.name.is_text() => Some(String::new()),
        Some(DefaultValue::Text(text) | DefaultValue::Number(text)) => Some(text.clone()),
        Some(DefaultValue::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Some(DefaultValue::Expression(_)) => Some(EXPRESSION.to_owned()),
    };
    describe(&Described {
        name: &column.name,
        column_type: &type_text(column_type),
        is_nullable: column.nullable,
        collated: collated.as_ref(),
        default: default.as_deref(),
        comment: column.comment.as_deref().unwrap_or_default(),
        attributes: [
            column.auto_increment,
            column.generated.is_some(),
            column.invisible,
            column.on_update.is_some(),
        ],
    })
}

/// Attributes, with the words that say so in the catalog's column `extra`.
const ATTRIBUTES: [(&str, &[&str]); 4] = [
    ("auto_increment", &["auto_increment"]),
    ("generated", &["virtual generated", "stored generated", "persistent generated"]),
    ("invisible", &["invisible"]),
    ("on update", &["on update"]),
];

/// What stands for a default value that is computed.
const EXPRESSION: &str = "(expression)";

struct Described<'a> {
    name: &'a str,
    column_type: &'a str,
    is_nullable: bool,
    collated: Option<&'a Collated>,
    default: Option<&'a str>,
    comment: &'a str,
    attributes: [bool; ATTRIBUTES.len()],
}

fn describe(column: &Described<'_>) -> String {
    let mut line = format!("{} {}", column.name, column.column_type);
    line += if column.is_nullable { " null" } else { " not null" };
    if let Some(Collated { charset, collation }) = column.collated {
        line += &format!(" {charset} {}", collation.as_deref().unwrap_or_default());
    }
    for ((word, _), is_set) in ATTRIBUTES.iter().zip(column.attributes) {
        line += &if is_set { format!(" {word}") } else { String::new() };
    }
    if let Some(default) = column.default {
        line += &format!(" default {default:?}");
    }
    line + &format!(" {:?}", column.comment)
}

/// A collation as the history has it: one that is not among the others is its character set's default.
fn collated(facts: &ServerFacts, name: &str) -> Collated {
    let named = Collated::of_collation(name);
    let is_known = facts.collations.values().any(|known| known.collation == named.collation);
    Collated { collation: named.collation.filter(|_| is_known), charset: named.charset }
}

/// The default value of a text, from the catalog: MySQL's has no quotes.
fn default_text(default: &str, is_expression: bool, flavour: Flavour) -> String {
    if flavour == Flavour::MySql {
        return if is_expression { EXPRESSION.to_owned() } else { default.to_owned() };
    }
    let quoted = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    quoted.map_or_else(|| EXPRESSION.to_owned(), |text| text.replace("''", "'").replace("\\\\", "\\"))
}

/// A type as the catalogs write it, without what is no part of the history: the display width of integers.
fn type_text(column_type: &ColumnType) -> String {
    use TypeName::{BigInt, Int, MediumInt, SmallInt, TinyInt, Year};
    let name = column_type.name;
    let mut text = name.as_str().to_owned();
    let has_width = matches!(name, TinyInt | SmallInt | MediumInt | Int | BigInt | Year);
    match (column_type.length, column_type.scale) {
        _ if has_width => {}
        (Some(length), Some(scale)) => text += &format!("({length},{scale})"),
        // without fractions the number is left out
        (Some(0), None) if matches!(name, TypeName::Time | TypeName::DateTime | TypeName::Timestamp) => {}
        (Some(length), None) => text += &format!("({length})"),
        _ => {}
    }
    if matches!(name, TypeName::Enum | TypeName::Set) {
        let quoted = |label: &String| format!("'{}'", label.replace('\\', "\\\\").replace('\'', "''"));
        let labels: Vec<String> = column_type.labels.iter().map(quoted).collect();
        text += &format!("({})", labels.join(","));
    }
    for (is_set, word) in [(column_type.unsigned, " unsigned"), (column_type.zerofill, " zerofill")] {
        if is_set {
            text += word;
        }
    }
    text
}

/// Removes the display width of integers and years, MariaDB's COMPRESSED and MySQL's newer name of
/// geometry collections.
fn without_display_width(column_type: &str) -> String {
    let text = column_type.split(" /*").next().unwrap_or_default();
    let text = if text == "geomcollection" { "geometrycollection" } else { text };
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    if ["tinyint", "smallint", "mediumint", "int", "bigint", "year"].contains(&name) {
        return format!("{name}{}", rest.split_once(')').map_or("", |(_, rest)| rest));
    }
    text.to_owned()
}
