//! The publication of the captured tables: what it has, its creation, and tables that are added later.

use super::catalog::{TableInfo, captured_tables, quoted};
use super::connection::session::{Server, Session, identifier, literal};
use super::connection::wait;
use super::offset::Coverage;
use crate::debezium::Compatibility;
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult};
use std::collections::{BTreeSet, HashMap};

/// The first version with column lists, row filters, and schemas in publications.
pub(super) const VERSION_WITH_FILTERS: u32 = 150_000;

/// The time that a running capture waits for a lock of a table, in milliseconds.
const MAX_LOCK_MILLIS: u32 = 1000;

/// What the log has of the captured tables.
#[derive(Debug)]
pub(crate) struct Publication {
    /// The captured tables that the publication has; with [`Compatibility::Debezium`] those too of which only
    /// the snapshot has rows.
    pub(crate) tables: Vec<PublishedTable>,
    /// Whether it has all tables, later ones included.
    pub(crate) is_for_all_tables: bool,
    /// The captured tables, those that contain them, and that the publication lacks too, as schema and table.
    names: Vec<(String, String)>,
    /// The captured tables that it lacks, quoted.
    missing: Vec<String>,
    /// Those of them on which PostgreSQL goes on to accept UPDATE and DELETE when they are added.
    missing_with_identity: Vec<String>,
}

/// A table of the publication.
#[derive(Debug, Clone)]
pub(crate) struct PublishedTable {
    pub(crate) info: TableInfo,
    /// The published columns; `None` for all.
    pub(crate) columns: Option<Vec<String>>,
    /// The condition of the published rows, an SQL expression; `None` for all rows.
    pub(crate) filter: Option<String>,
    /// The rows of the catalog that put the table, or one that contains it, into the publication; none with
    /// a publication for all tables.
    pub(crate) memberships: Vec<u32>,
}

/// A row of the catalog that puts a table, or all of a schema, into a publication. A table that is put back,
/// or made again under its name, has another one.
struct Membership {
    oid: u32,
    schema: String,
    /// `None` for all tables of the schema.
    table: Option<String>,
}

impl Membership {
    /// Whether it puts a table, which partitioned tables contain, into the publication.
    fn is_of(&self, table: &TableInfo) -> bool {
        let own = std::iter::once((&table.schema, &table.table));
        let mut names = own.chain(table.ancestors.iter().map(|(schema, name)| (schema, name)));
        names.any(|(schema, name)| {
            *schema == self.schema && self.table.as_ref().is_none_or(|table| table == name)
        })
    }
}

impl Publication {
    /// Returns what is to be stored with the position.
    pub(crate) fn coverage(&self, settings: &CaptureSettings) -> Coverage {
        let published = self.tables.iter().map(|table| table.info.name()).collect();
        let memberships: BTreeSet<u32> =
            self.tables.iter().flat_map(|table| table.memberships.iter().copied()).collect();
        Coverage {
            patterns: settings.tables.clone(),
            filter: settings.table_filter.clone(),
            published: (!self.is_for_all_tables).then_some(published),
            memberships: memberships.into_iter().collect(),
        }
    }

    /// Returns the statement that adds the captured tables that the publication lacks; `None` if it has all.
    fn add_missing(&self, settings: &CaptureSettings) -> Option<String> {
        add_tables(settings, &self.missing)
    }

    /// Returns the statement that adds those of them on which nothing is rejected then.
    pub(crate) fn add_missing_with_identity(&self, settings: &CaptureSettings) -> Option<String> {
        add_tables(settings, &self.missing_with_identity)
    }

    /// Returns the tables whose rows the stream lacks: those that were not captured when `earlier` was
    /// stored.
    pub(crate) fn added_since(&self, earlier: &Coverage) -> Vec<PublishedTable> {
        let (tables, table_filter) = (earlier.patterns.clone(), earlier.filter.clone());
        let patterns = CaptureSettings { tables, table_filter, ..Default::default() };
        let was_published = |table: &PublishedTable| match &earlier.published {
            None => true,
            // an earlier version has stored names only
            Some(names) if table.memberships.is_empty() || earlier.memberships.is_empty() => {
                names.contains(&table.info.name())
            }
            Some(_) => table.memberships.iter().any(|oid| earlier.memberships.contains(oid)),
        };
        let had_pattern = |table: &TableInfo| {
            patterns.is_captured(&table.schema, &table.table)
                || table.ancestors.iter().any(|(schema, name)| patterns.is_captured(schema, name))
        };
        let was_captured = |table: &&PublishedTable| was_published(table) && had_pattern(&table.info);
        self.tables.iter().filter(|table| !was_captured(table)).cloned().collect()
    }
}

fn add_tables(settings: &CaptureSettings, tables: &[String]) -> Option<String> {
    let name = identifier(&settings.publication);
    (!tables.is_empty()).then(|| format!("ALTER PUBLICATION {name} ADD TABLE {}", tables.join(", ")))
}

/// Creates the publication if it does not exist, and adds the captured tables that it lacks if its name is
/// the default one.
///
/// # Errors
/// `Configuration` when the user may not create it, with the statement to run.
pub(crate) async fn prepare(
    session: &Session,
    settings: &CaptureSettings,
    server: &Server,
    is_start: bool,
) -> CdcResult<Publication> {
    if !session.has_publication(&settings.publication).await? {
        create(session, settings, server.is_superuser).await?;
    }
    let publication = read(session, settings, server.version).await?;
    settings.warn_of_unmatched_patterns(
        publication.names.iter().map(|(schema, table)| (schema.as_str(), table.as_str())),
    );
    warn_of_rejected_updates(&publication);
    let add = match is_start {
        true => publication.add_missing(settings),
        false => publication.add_missing_with_identity(settings),
    };
    let Some(add) = add else { return Ok(publication) };
    let name = &settings.publication;
    if *name != settings.default_publication() {
        tracing::warn!(publication = name, statement = %add, "captured tables are missing in the publication");
        return Ok(publication);
    }
    match wait::run(session, "a lock of the tables of the publication", &add).await {
        Ok(_) => read(session, settings, server.version).await,
        Err(error) => Err(CdcError::new(
            CdcErrorKind::Configuration,
            format!("publication {name} lacks captured tables and cannot be changed: run {add}"),
        )
        .because(error)),
    }
}

/// Adds tables to a publication while the log is streamed, which does not wait for locks of the tables.
///
/// # Errors
/// What the server reports.
pub(crate) async fn add_without_waiting(session: &Session, add: &str) -> CdcResult<()> {
    session.execute(&format!("SET lock_timeout = {MAX_LOCK_MILLIS}")).await?;
    let added = session.execute(add).await;
    session.execute("SET lock_timeout = 0").await?;
    added
}

/// Names the published tables on which PostgreSQL rejects UPDATE and DELETE.
fn warn_of_rejected_updates(publication: &Publication) {
    let published = publication.tables.iter().map(|table| &table.info);
    let rejecting: Vec<String> = published
        .filter(|info| info.is_logged && !info.has_identity && !info.is_partitioned)
        .map(TableInfo::quoted)
        .collect();
    if !rejecting.is_empty() {
        tracing::warn!(
            tables = %rejecting.join(", "),
            "PostgreSQL rejects UPDATE and DELETE on published tables without a primary key: run ALTER TABLE … \
             REPLICA IDENTITY FULL, or use a publication of your own without them"
        );
    }
}

/// Creates the publication: for all tables if a pattern may match future tables and the user is a superuser,
/// else for the tables that exist now. Partitions are published by their partitioned table, so that later
/// partitions are in it.
async fn create(session: &Session, settings: &CaptureSettings, is_superuser: bool) -> CdcResult<()> {
    let name = &settings.publication;
    let tables = captured_tables(session, settings).await?;
    let has_future_tables =
        settings.tables.is_empty() || settings.tables.iter().any(|pattern| pattern.contains('*'));
    let what = if is_superuser && has_future_tables {
        "FOR ALL TABLES".to_owned()
    } else {
        let names = publishable(&tables).join(", ");
        // later tables are added to it
        if names.is_empty() { String::new() } else { format!("FOR TABLE {names}") }
    };
    let sql = format!("CREATE PUBLICATION {} {what}", identifier(name));
    let created = wait::run(session, "a lock of the tables of the publication", &sql).await.map(drop);
    created.map_err(|e| {
        CdcError::new(
            CdcErrorKind::Configuration,
            format!("publication {name} does not exist and cannot be created: run CREATE PUBLICATION {name} {what}"),
        )
        .because(e)
    })
}

/// Returns the quoted names of the tables to publish: the topmost captured partitioned table instead of its
/// partitions.
fn publishable(tables: &[TableInfo]) -> Vec<String> {
    let is_captured =
        |schema: &str, table: &str| tables.iter().any(|other| other.schema == schema && other.table == table);
    let mut names: Vec<String> = Vec::new();
    for table in tables.iter().filter(|table| table.is_logged) {
        let root = table.ancestors.iter().rev().find(|(schema, name)| is_captured(schema, name));
        let name = root.map_or_else(|| table.quoted(), |(schema, name)| quoted(schema, name));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads what the publication has of the captured tables.
///
/// # Errors
/// Those of the session.
pub(crate) async fn read(
    session: &Session,
    settings: &CaptureSettings,
    version: u32,
) -> CdcResult<Publication> {
    let name = literal(&settings.publication);
    let filters = if version >= VERSION_WITH_FILTERS {
        "p.attnames = ARRAY(SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = p.schemaname AND c.relname = p.tablename \
         AND a.attnum > 0 AND NOT a.attisdropped AND (a.attgenerated = '' OR a.attname = ANY (p.attnames)) \
         ORDER BY a.attnum), array_to_json(p.attnames), p.rowfilter"
    } else {
        "true, NULL, NULL"
    };
    let sql = format!(
        "SELECT p.schemaname, p.tablename, {filters} FROM pg_publication_tables p WHERE p.pubname = {name}"
    );
    let mut published = HashMap::new();
    for row in session.rows(&sql).await? {
        let text = |column: usize| row.get(column).map(str::to_owned);
        let columns = match (text(2).as_deref(), row.get(3)) {
            (Some("t"), _) | (_, None) => None,
            (_, Some(names)) => Some(
                serde_json::from_str(names)
                    .map_err(|e| CdcError::source("the catalog has a malformed column list").because(e))?,
            ),
        };
        published.insert((text(0), text(1)), (columns, text(4)));
    }
    let all =
        session.value(&format!("SELECT puballtables FROM pg_publication WHERE pubname = {name}")).await?;
    let memberships = memberships(session, &name, version).await?;
    let (mut tables, mut lacking) = (Vec::new(), Vec::new());
    let captured = captured_tables(session, settings).await?;
    let names = captured.iter().flat_map(|info| {
        let own = std::iter::once((info.schema.clone(), info.table.clone()));
        own.chain(info.ancestors.iter().cloned())
    });
    let names = names.collect();
    for info in &captured {
        let key = (Some(info.schema.clone()), Some(info.table.clone()));
        match published.remove(&key) {
            Some((columns, filter)) => {
                let of_table = memberships.iter().filter(|membership| membership.is_of(info));
                let memberships = of_table.map(|membership| membership.oid).collect();
                tables.push(PublishedTable { info: info.clone(), columns, filter, memberships });
            }
            None => lacking.push(info.clone()),
        }
    }
    // a partitioned table is there by its partitions, and a partition by its partitioned table
    let is_there = |schema: &str, name: &str| {
        tables.iter().any(|table| table.info.schema == schema && table.info.table == name)
    };
    let (missing, by_others): (Vec<_>, Vec<_>) = lacking.into_iter().partition(|table| {
        let is_parent = captured.iter().any(|other| {
            let parents = &other.ancestors;
            parents.iter().any(|(schema, name)| (schema, name) == (&table.schema, &table.table))
                && is_there(&other.schema, &other.table)
        });
        let is_empty_parent = table.is_partitioned
            && !captured.iter().any(|other| {
                other.ancestors.iter().any(|(schema, name)| (schema, name) == (&table.schema, &table.table))
            });
        let is_partition = table.ancestors.iter().any(|(schema, name)| is_there(schema, name));
        table.is_logged && !is_parent && !is_empty_parent && !is_partition
    });
    let with_identity: Vec<TableInfo> = missing.iter().filter(|table| table.has_identity).cloned().collect();
    if settings.values.compat == Compatibility::Debezium {
        // its snapshot reads partitioned tables beside their partitions, and unlogged tables
        let by_others = by_others.into_iter();
        let unfiltered = |info| PublishedTable { info, columns: None, filter: None, memberships: Vec::new() };
        tables.extend(by_others.map(unfiltered));
        tables.sort_by_key(|table| (table.info.schema.clone(), table.info.table.clone()));
    }
    Ok(Publication {
        tables,
        is_for_all_tables: all == "t",
        names,
        missing: publishable(&missing),
        missing_with_identity: publishable(&with_identity),
    })
}

/// Returns what puts tables into a publication, whose name is a literal.
async fn memberships(session: &Session, name: &str, version: u32) -> CdcResult<Vec<Membership>> {
    let of_schemas = if version >= VERSION_WITH_FILTERS {
        format!(
            " UNION ALL SELECT m.oid, n.nspname, NULL FROM pg_publication_namespace m \
             JOIN pg_publication p ON p.oid = m.pnpubid JOIN pg_namespace n ON n.oid = m.pnnspid \
             WHERE p.pubname = {name}"
        )
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT m.oid, n.nspname, c.relname FROM pg_publication_rel m \
         JOIN pg_publication p ON p.oid = m.prpubid JOIN pg_class c ON c.oid = m.prrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = {name}{of_schemas}"
    );
    let mut memberships = Vec::new();
    for row in session.rows(&sql).await? {
        let oid = row.get(0).and_then(|oid| oid.parse().ok());
        memberships.push(Membership {
            oid: oid.ok_or_else(|| CdcError::source("the catalog has a publication without a number"))?,
            schema: row.get(1).unwrap_or_default().to_owned(),
            table: row.get(2).map(str::to_owned),
        });
    }
    Ok(memberships)
}
