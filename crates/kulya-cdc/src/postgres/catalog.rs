//! Queries of PostgreSQL's catalog for tables and types, and the publication of the captured tables.

use super::column::{CatalogType, Kind};
use super::pgoutput::Relation;
use super::session::{Session, identifier};
use super::settings::PostgresSettings;
use super::table::{Column, Table};
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::collections::{HashMap, HashSet};

/// A captured table, as the catalog lists it.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) table: String,
    /// PostgreSQL's estimate of the number of rows.
    pub(crate) rows: u64,
}

/// A cache of types by OID.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    types: HashMap<u32, CatalogType>,
}

/// Lists the captured tables in name order: permanent user tables, and the leaf partitions of partitioned
/// ones.
pub(crate) async fn captured_tables(
    session: &Session,
    settings: &PostgresSettings,
) -> CdcResult<Vec<TableInfo>> {
    let rows = session
        .rows(
            "SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, 0)::bigint FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' \
             AND n.nspname <> 'information_schema' ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"",
        )
        .await?;
    let mut found = Vec::new();
    for row in rows {
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        if settings.is_captured(&text(1), &text(2)) {
            let (oid, rows) = (parse_number(&text(0))?, text(3).parse().unwrap_or(0));
            found.push(TableInfo { oid, schema: text(1), table: text(2), rows });
        }
    }
    if found.is_empty() && !settings.tables.is_empty() {
        return Err(CdcError::configuration(format!(
            "no table matches {}: check the patterns (schema.table, case counts)",
            settings.tables.join(", ")
        )));
    }
    Ok(found)
}

/// Creates the publication if it does not exist: for all tables if a pattern may match future tables and the
/// user is a superuser, else for the tables that exist now.
pub(crate) async fn create_publication(
    session: &Session,
    settings: &PostgresSettings,
    is_superuser: bool,
) -> CdcResult<()> {
    let name = &settings.publication;
    if session.has_publication(name).await? {
        return Ok(());
    }
    let may_match_future_tables =
        settings.tables.is_empty() || settings.tables.iter().any(|pattern| pattern.contains('*'));
    let what = if is_superuser && may_match_future_tables {
        "FOR ALL TABLES".to_owned()
    } else {
        let tables = captured_tables(session, settings).await?;
        if tables.is_empty() {
            return Err(CdcError::configuration("the database has no table to capture: create one first"));
        }
        let names = tables.iter().map(|t| format!("{}.{}", identifier(&t.schema), identifier(&t.table)));
        format!("FOR TABLE {}", names.collect::<Vec<_>>().join(", "))
    };
    session.execute(&format!("CREATE PUBLICATION {} {what}", identifier(name))).await.map_err(|e| {
        CdcError::new(
            CdcErrorKind::Configuration,
            format!("publication {name} does not exist and cannot be created: run CREATE PUBLICATION {name} {what}"),
        )
        .because(e)
    })
}

fn parse_number(text: &str) -> CdcResult<u32> {
    text.parse().map_err(|_| CdcError::source(format!("the catalog has {text:?} for a number")))
}

struct CatalogColumn {
    name: String,
    is_required: bool,
    type_oid: u32,
    type_modifier: i32,
}

async fn columns(session: &Session, table: u32) -> CdcResult<Vec<CatalogColumn>> {
    let sql = format!(
        "SELECT attname, attnotnull, atttypid, atttypmod FROM pg_attribute \
         WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    );
    let mut columns = Vec::new();
    for row in session.rows(&sql).await? {
        let text = |column: usize| row.get(column).unwrap_or_default();
        columns.push(CatalogColumn {
            name: text(0).to_owned(),
            is_required: text(1) == "t",
            type_oid: parse_number(text(2))?,
            type_modifier: text(3).parse().unwrap_or(-1),
        });
    }
    Ok(columns)
}

/// Returns the primary key's columns in key order.
async fn primary_key(session: &Session, table: u32) -> CdcResult<Vec<String>> {
    let sql = format!(
        "SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indrelid = {table} AND i.indisprimary ORDER BY k.place"
    );
    let rows = session.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect())
}

impl Catalog {
    /// Returns a table with its current columns, for the snapshot.
    pub(crate) async fn current_table(
        &mut self,
        session: &Session,
        prefix: &str,
        table_info: &TableInfo,
    ) -> CdcResult<Table> {
        let mut table_columns = Vec::new();
        for column in columns(session, table_info.oid).await? {
            let kind = self.kind(session, column.type_oid, column.type_modifier).await?;
            table_columns.push(Column { name: column.name, optional: !column.is_required, kind });
        }
        let key = primary_key(session, table_info.oid).await?;
        Ok(Table::new(prefix, &table_info.schema, &table_info.table, table_columns, key))
    }

    /// Returns a table as described by the log. Nullability and primary key, which the log does not contain,
    /// come from the catalog; for a dropped table, the key is derived from the replica identity.
    pub(crate) async fn relation_table(
        &mut self,
        session: &Session,
        prefix: &str,
        relation: &Relation,
    ) -> CdcResult<Table> {
        let required: HashSet<String> = columns(session, relation.id)
            .await?
            .into_iter()
            .filter(|c| c.is_required)
            .map(|c| c.name)
            .collect();
        let mut table_columns = Vec::new();
        for column in &relation.columns {
            let kind = self.kind(session, column.type_oid, column.type_modifier).await?;
            table_columns.push(Column {
                name: column.name.clone(),
                optional: !required.contains(&column.name),
                kind,
            });
        }
        let mut key = primary_key(session, relation.id).await?;
        let dropped_query = || "SELECT 1 FROM pg_class WHERE oid = ".to_owned() + &relation.id.to_string();
        if key.is_empty() && session.row(&dropped_query()).await?.is_none() {
            let identity: Vec<_> = relation.columns.iter().filter(|c| c.identity).collect();
            if identity.len() < relation.columns.len() {
                key = identity.into_iter().map(|c| c.name.clone()).collect();
            }
        }
        // without a key if a key column is not in the log's version of the table
        if key.iter().any(|name| !relation.columns.iter().any(|c| c.name == *name)) {
            key.clear();
        }
        Ok(Table::new(prefix, &relation.schema, &relation.table, table_columns, key))
    }

    async fn kind(&mut self, session: &Session, oid: u32, modifier: i32) -> CdcResult<Option<Kind>> {
        let mut found = self.resolve_type(session, oid).await?;
        if modifier != -1 {
            found.modifier = modifier;
            if let Some(items) = &mut found.items {
                items.modifier = modifier;
            }
        }
        Ok(Kind::from_type(&found))
    }

    async fn resolve_type(&mut self, session: &Session, oid: u32) -> CdcResult<CatalogType> {
        if let Some(cached) = self.types.get(&oid) {
            return Ok(cached.clone());
        }
        let sql = format!(
            "SELECT typname, typtype, typbasetype, typtypmod, CASE WHEN typcategory = 'A' THEN typelem ELSE 0 END \
             FROM pg_type WHERE oid = {oid}"
        );
        let unknown = CatalogType {
            oid,
            name: String::new(),
            kind: 'p',
            modifier: -1,
            labels: Vec::new(),
            items: None,
        };
        let Some(row) = session.row(&sql).await? else { return Ok(unknown) };
        let text = |column: usize| row.get(column).unwrap_or_default();
        let kind = text(1).chars().next().unwrap_or('p');
        let found = if kind == 'd' {
            let mut base = Box::pin(self.resolve_type(session, parse_number(text(2))?)).await?;
            if let Ok(modifier @ 0..) = text(3).parse() {
                base.modifier = modifier;
            }
            base
        } else {
            let items = match parse_number(text(4))? {
                0 => None,
                items => Some(Box::new(Box::pin(self.resolve_type(session, items)).await?)),
            };
            let labels = if kind == 'e' { enum_labels(session, oid).await? } else { Vec::new() };
            CatalogType { name: text(0).to_owned(), kind, labels, items, ..unknown }
        };
        self.types.insert(oid, found.clone());
        Ok(found)
    }
}

async fn enum_labels(session: &Session, oid: u32) -> CdcResult<Vec<String>> {
    let sql = format!("SELECT enumlabel FROM pg_enum WHERE enumtypid = {oid} ORDER BY enumsortorder");
    let rows = session.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect())
}
