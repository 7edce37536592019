//! Conversion to the settings for the capture of a PostgreSQL database.

use super::choice::{Operation, TlsMode};
use super::glob::{self, GlobError};
use super::patterns::{NamePattern, NamePatterns};
use super::settings::{Connection, DebeziumServerSettings, Filters, Secret};
use super::unsupported::Unsupported;
use crate::CaptureSettings;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const TABLES_KEY: &str = "debezium.source.table.include.list";
const SCHEMAS_KEY: &str = "debezium.source.schema.include.list";
/// Maximum number of table patterns.
const MAX_GLOBS: usize = 2_000;

/// What of the lists of tables cannot be converted.
#[derive(Debug, Default)]
pub(super) struct TableProblems {
    pub(super) refused: Vec<Unsupported>,
    pub(super) ignored: Vec<Unsupported>,
}

/// Converts the settings, as far as there are settings for them.
pub(super) fn convert(settings: &DebeziumServerSettings) -> (CaptureSettings, TableProblems) {
    let mut problems = TableProblems::default();
    let tables = tables(&settings.filters, &mut problems);
    let scope = settings.sink.pravega.as_ref().and_then(|pravega| pravega.scope.clone());
    let log = settings.postgres.as_ref();
    let converted = CaptureSettings {
        url: url(&settings.connection),
        password: settings.connection.password.as_ref().map(Secret::expose).unwrap_or_default().to_owned(),
        name: settings.events.topic_prefix.clone(),
        scope: scope.unwrap_or_default(),
        tables,
        slot: log.map(|log| log.slot.clone()).unwrap_or_default(),
        publication: log.map(|log| log.publication.clone()).unwrap_or_default(),
        transaction_metadata: settings.events.transaction_metadata,
        truncate: !settings.events.skipped_operations.contains(&Operation::Truncate),
        ..CaptureSettings::default()
    };
    (converted, problems)
}

/// Returns the URL, without the password.
fn url(connection: &Connection) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let Connection { hostname, port, user, database, tls, tls_files, .. } = connection;
    let is_address_6 = hostname.contains(':') && !hostname.starts_with('[');
    let host = if is_address_6 { format!("[{hostname}]") } else { hostname.clone() };
    let database = database.as_deref().unwrap_or_default();
    let mode = match tls {
        TlsMode::Disable => "disable",
        TlsMode::Allow | TlsMode::Prefer => "prefer",
        TlsMode::Require | TlsMode::Trust => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    };
    let file = tls_files.root_certificate.as_deref();
    let authorities = file.map(|file| format!("&sslrootcert={}", encode(file))).unwrap_or_default();
    format!("postgres://{}@{host}:{port}/{}?sslmode={mode}{authorities}", encode(user), encode(database))
}

/// Returns the table patterns of both lists: of those that are not empty, a table must be in each.
fn tables(filters: &Filters, problems: &mut TableProblems) -> Vec<String> {
    let schemas = globs(&filters.schemas.include, SCHEMAS_KEY, glob::schema_globs, problems);
    let tables = globs(&filters.tables.include, TABLES_KEY, glob::table_globs, problems);
    let combined = if filters.tables.include.is_empty() {
        schemas.iter().map(|schema| format!("{schema}.*")).collect()
    } else if filters.schemas.include.is_empty() {
        tables
    } else {
        let mut combined = Vec::new();
        for table in &tables {
            match with_schema(table, &filters.schemas.include, &schemas) {
                Some(tables) => combined.extend(tables),
                None => problems.refused.push(Unsupported::new(
                    TABLES_KEY,
                    Some(table.clone()),
                    "it cannot be combined with schema.include.list: name the schema here, and remove that list",
                )),
            }
        }
        if combined.is_empty() && problems.refused.is_empty() {
            let why = "no table is also in a schema of schema.include.list";
            problems.refused.push(Unsupported::new(TABLES_KEY, None, why));
        }
        combined
    };
    if combined.len() > MAX_GLOBS {
        let why = "it has too many alternatives: list fewer tables";
        problems.refused.push(Unsupported::new(TABLES_KEY, None, why));
        return Vec::new();
    }
    note_uppercase(&combined, problems);
    combined
}

/// Converts a list.
fn globs(
    list: &NamePatterns,
    key: &str,
    convert: impl Fn(&NamePattern) -> Result<Vec<String>, GlobError>,
    problems: &mut TableProblems,
) -> Vec<String> {
    let mut globs = Vec::new();
    for pattern in list.iter() {
        match convert(pattern) {
            Ok(converted) => globs.extend(converted),
            Err(error) => problems.refused.push(Unsupported::new(key, None, error.to_string())),
        }
        if globs.len() > MAX_GLOBS {
            break;
        }
    }
    globs
}

/// Restricts a table pattern to the schemas of a list; `None` if no patterns can express it.
fn with_schema(table: &str, list: &NamePatterns, schemas: &[String]) -> Option<Vec<String>> {
    let (schema, name) = table.split_once('.')?;
    match schema {
        "*" => Some(schemas.iter().map(|schema| format!("{schema}.{name}")).collect()),
        _ if schema.contains('*') => None,
        _ if list.is_match(schema) => Some(vec![table.to_owned()]),
        _ => Some(Vec::new()),
    }
}

/// Adds a warning if the case of letters matters.
fn note_uppercase(tables: &[String], problems: &mut TableProblems) {
    let pattern = tables.iter().find(|pattern| pattern.chars().any(char::is_uppercase));
    if let Some(pattern) = pattern {
        let why = "Debezium ignores the case of letters in names of tables, Kulya does not";
        problems.ignored.push(Unsupported::new(TABLES_KEY, Some(pattern.clone()), why));
    }
}
