//! Queries of PostgreSQL's catalog for tables and types.

use super::column::{CatalogType, Kind, KindContext};
use super::connection::session::{Session, identifier};
use super::pgoutput::{Relation, ReplicaIdentity};
use super::source_type::{DescribedBy, source_column};
use super::table::{Column, Table};
use super::value;
use crate::column_rules::SourceColumn;
use crate::debezium::Compatibility;
use crate::debezium::events::EventContext;
use crate::{CaptureSettings, CdcError, CdcResult};
use serde_json::Value;
use std::collections::HashMap;

/// The OID of the type `text`.
const TEXT: u32 = 25;

/// A captured table, as the catalog lists it.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) table: String,
    /// PostgreSQL's estimate of the number of rows.
    pub(crate) rows: u64,
    /// Whether the table is partitioned; its rows are those of its partitions.
    pub(crate) is_partitioned: bool,
    /// Whether changes are in the log, which they are not of an unlogged table.
    pub(crate) is_logged: bool,
    /// Whether the log of an UPDATE or DELETE can name the row, without which PostgreSQL rejects both on a
    /// published table.
    pub(crate) has_identity: bool,
    /// The partitioned tables that contain this one, nearest first, as schema and table.
    pub(crate) ancestors: Vec<(String, String)>,
}

impl TableInfo {
    /// Returns `schema.table`, as written in table patterns.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// Returns the quoted name.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.schema, &self.table)
    }

    /// Returns the table as a statement names it that reads its rows: without the tables that inherit from
    /// it, whose rows are their own. Debezium reads them with both.
    pub(crate) fn relation(&self, compat: Compatibility) -> String {
        let has_descendants = self.is_partitioned || compat == Compatibility::Debezium;
        format!("{}{}", if has_descendants { "" } else { "ONLY " }, self.quoted())
    }
}

/// Returns the quoted name of a table.
pub(crate) fn quoted(schema: &str, table: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(table))
}

/// A cache of types by OID.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    types: HashMap<u32, CatalogType>,
    names: HashMap<u32, TypeName>,
}

/// The name of a type, of a domain its own.
#[derive(Debug, Clone, Default)]
struct TypeName {
    name: String,
    /// The name with the schema where a query must name it.
    qualified: String,
}

/// Lists the tables that the patterns name, in name order: permanent user tables, partitions and partitioned
/// tables; with [`Compatibility::Debezium`] unlogged tables too, whose rows Debezium's snapshot has. A
/// pattern that names a partitioned table names its partitions too.
pub(crate) async fn captured_tables(
    session: &Session,
    settings: &CaptureSettings,
) -> CdcResult<Vec<TableInfo>> {
    let rows = session
        .rows(
            "SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, 0)::bigint, c.relkind, \
             c.relreplident IN ('f', 'i') OR (c.relreplident = 'd' AND EXISTS ( \
             SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)), \
             (SELECT json_agg(json_build_array(an.nspname, ac.relname) ORDER BY a.place) \
             FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS a(relid, place) \
             JOIN pg_class ac ON ac.oid = a.relid JOIN pg_namespace an ON an.oid = ac.relnamespace \
             WHERE a.relid <> c.oid), c.relpersistence = 'p' FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' \
             AND n.nspname <> 'information_schema' ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"",
        )
        .await?;
    let mut found = Vec::new();
    for row in rows {
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        let ancestors = row.get(6).map_or_else(|| Ok(Vec::new()), serde_json::from_str);
        let table = TableInfo {
            oid: parse_number(&text(0))?,
            schema: text(1),
            table: text(2),
            rows: text(3).parse().unwrap_or(0),
            is_partitioned: text(4) == "p",
            is_logged: text(7) == "t",
            has_identity: text(5) == "t",
            ancestors: ancestors
                .map_err(|e| CdcError::source("the catalog has malformed partitions").because(e))?,
        };
        if !table.is_logged && settings.values.compat == Compatibility::Corrected {
            continue;
        }
        let names = std::iter::once((&table.schema, &table.table))
            .chain(table.ancestors.iter().map(|(schema, name)| (schema, name)));
        if names.into_iter().any(|(schema, name)| settings.is_captured(schema, name)) {
            found.push(table);
        }
    }
    Ok(found)
}

/// Returns whether the patterns name a table or a partitioned table that contains it.
pub(crate) async fn is_captured_partition(
    session: &Session,
    settings: &CaptureSettings,
    table: u32,
) -> CdcResult<bool> {
    let sql = format!(
        "SELECT n.nspname, c.relname FROM pg_partition_ancestors({table}) AS a(relid) \
         JOIN pg_class c ON c.oid = a.relid JOIN pg_namespace n ON n.oid = c.relnamespace"
    );
    let rows = session.rows(&sql).await?;
    let text =
        |row: &tokio_postgres::SimpleQueryRow, column: usize| row.get(column).unwrap_or_default().to_owned();
    Ok(rows.iter().any(|row| settings.is_captured(&text(row, 0), &text(row, 1))))
}

fn parse_number(text: &str) -> CdcResult<u32> {
    text.parse().map_err(|_| CdcError::source(format!("the catalog has {text:?} for a number")))
}

struct CatalogColumn {
    name: String,
    /// Identifies the column: the OID of its table, and its number.
    id: String,
    is_required: bool,
    type_oid: u32,
    type_modifier: i32,
    /// The expression of the default value, or of a generated value.
    default: Option<String>,
    is_generated: bool,
    is_domain: bool,
}

async fn columns(session: &Session, table: u32) -> CdcResult<Vec<CatalogColumn>> {
    let sql = format!(
        "SELECT attname, attnotnull, atttypid, atttypmod, \
         pg_get_expr(adbin, adrelid), attgenerated <> '', typtype = 'd', attnum FROM pg_attribute \
         JOIN pg_type ON pg_type.oid = atttypid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
         WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    );
    let mut columns = Vec::new();
    for row in session.rows(&sql).await? {
        let text = |column: usize| row.get(column).unwrap_or_default();
        columns.push(CatalogColumn {
            name: text(0).to_owned(),
            id: format!("{table}.{}", text(7)),
            is_required: text(1) == "t",
            type_oid: parse_number(text(2))?,
            type_modifier: text(3).parse().unwrap_or(-1),
            default: row.get(4).map(str::to_owned),
            is_generated: text(5) == "t",
            is_domain: text(6) == "t",
        });
    }
    Ok(columns)
}

/// Returns the columns, in key order, of a table's index that the condition names.
async fn index_columns(session: &Session, table: u32, condition: &str) -> CdcResult<Vec<String>> {
    let sql = format!(
        "SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indrelid = {table} AND {condition} AND k.place <= i.indnkeyatts ORDER BY k.place"
    );
    names(session, &sql).await
}

/// Returns the columns of the table's key in key order: of the index that is the replica identity, which is
/// all that the log of a DELETE has of a row, or else of the primary key. Debezium takes those of the primary
/// key, or else of the first unique index, by its name: null or partial ones too.
async fn key(session: &Session, events: &EventContext, table: u32) -> CdcResult<Vec<String>> {
    if events.modes.compat == Compatibility::Corrected {
        let identity = index_columns(session, table, "i.indisreplident").await?;
        if !identity.is_empty() {
            return Ok(identity);
        }
        return index_columns(session, table, "i.indisprimary").await;
    }
    let primary = index_columns(session, table, "i.indisprimary").await?;
    if !primary.is_empty() {
        return Ok(primary);
    }
    let sql = format!(
        "SELECT a.attname FROM (SELECT i.* FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = {table} AND i.indisunique AND i.indexprs IS NULL \
         ORDER BY i.indisclustered DESC, c.relname COLLATE \"C\" LIMIT 1) i \
         CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE k.place <= i.indnkeyatts ORDER BY k.place"
    );
    names(session, &sql).await
}

async fn names(session: &Session, sql: &str) -> CdcResult<Vec<String>> {
    let rows = session.rows(sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect())
}

impl Catalog {
    /// Returns a table with its current columns, for the snapshot; `published` restricts them to those that
    /// the publication has.
    pub(crate) async fn current_table(
        &mut self,
        session: &Session,
        events: &EventContext,
        table_info: &TableInfo,
        published: Option<&[String]>,
    ) -> CdcResult<Table> {
        let mut key = key(session, events, table_info.oid).await?;
        let all = columns(session, table_info.oid).await?;
        let is_published = |name: &String| published.is_none_or(|names| names.contains(name));
        if !key.iter().all(|name| is_published(name) && all.iter().any(|column| column.name == *name)) {
            key.clear();
        }
        let rules = events.columns.of_table(&table_info.schema, &table_info.table, events.modes.compat);
        let mut table_columns = Vec::new();
        for column in all {
            // the user may lack the privilege to read a column that no event has
            if !is_published(&column.name) || !rules.is_needed(&column.name, &key) {
                continue;
            }
            let described = self.catalog_type(session, column.type_oid, column.type_modifier).await?;
            let kind = snapshot_kind(Kind::from_type(&described, &context(session, events)));
            let default_value = default(kind.as_ref(), &column, events);
            let by = DescribedBy::Snapshot { default: column.default.as_deref() };
            let source = self.source(session, events, &described, column.type_oid, by).await?;
            let id = Some(column.id);
            let column = Column::new(column.name, !column.is_required, kind);
            table_columns.push(column.with_default(default_value).with_source(source).with_id(id));
        }
        Ok(Table::new(events, &table_info.schema, &table_info.table, table_columns, key))
    }

    /// Returns a table as the log describes it. Nullability and default values, which the log does not
    /// contain, come from the catalog; `earlier` is the last version of the table that the log described, if
    /// any.
    pub(crate) async fn relation_table(
        &mut self,
        session: &Session,
        events: &EventContext,
        relation: &Relation,
        earlier: Option<&Table>,
    ) -> CdcResult<Table> {
        let current = columns(session, relation.id).await?;
        let current: HashMap<&str, &CatalogColumn> = current.iter().map(|c| (c.name.as_str(), c)).collect();
        let rules = events.columns.of_table(&relation.schema, &relation.table, events.modes.compat);
        let mut table_columns = Vec::new();
        for column in &relation.columns {
            let described = self.catalog_type(session, column.type_oid, column.type_modifier).await?;
            let kind = Kind::from_type(&described, &context(session, events));
            let source = self.source(session, events, &described, column.type_oid, DescribedBy::Log).await?;
            // Debezium does not look for columns that rows do not have
            let is_looked_up =
                events.modes.compat == Compatibility::Corrected || rules.is_in_rows(&column.name);
            let current = current.get(column.name.as_str()).filter(|_| is_looked_up);
            let is_optional = current.is_none_or(|current| !current.is_required);
            // of another type the default value is no value
            let current = current.filter(|current| current.type_oid == column.type_oid);
            let default = current.and_then(|current| default(kind.as_ref(), current, events));
            let id = current.map(|current| current.id.clone());
            let column = Column::new(column.name.clone(), is_optional, kind);
            table_columns.push(column.with_default(default).with_source(source).with_id(id));
        }
        let current = key(session, events, relation.id).await?;
        let earlier = earlier.map_or(&[][..], Table::primary_key);
        let key = key_at(relation, &current, earlier, events.modes.compat);
        Ok(Table::new(events, &relation.schema, &relation.table, table_columns, key))
    }

    /// Returns a type with a column's modifier.
    async fn catalog_type(&mut self, session: &Session, oid: u32, modifier: i32) -> CdcResult<CatalogType> {
        let mut found = self.resolve_type(session, oid).await?;
        if modifier != -1 {
            found.modifier = modifier;
            if let Some(items) = &mut found.items {
                items.modifier = modifier;
            }
        }
        Ok(found)
    }

    /// Describes the source's column of a type. The name of the type is only looked up if events have it.
    async fn source(
        &mut self,
        session: &Session,
        events: &EventContext,
        described: &CatalogType,
        oid: u32,
        by: DescribedBy<'_>,
    ) -> CdcResult<SourceColumn> {
        let mut source = source_column(described, by);
        if events.columns.has_source_types() && source.type_name == described.name {
            let TypeName { name, qualified } = self.type_name(session, oid).await?;
            source.type_name = if by == DescribedBy::Log { name } else { qualified };
        }
        Ok(source)
    }

    async fn type_name(&mut self, session: &Session, oid: u32) -> CdcResult<TypeName> {
        if let Some(found) = self.names.get(&oid) {
            return Ok(found.clone());
        }
        let sql = format!(
            "SELECT typname, nspname, nspname = ANY(current_schemas(true)) \
             FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE pg_type.oid = {oid}"
        );
        let found = session.row(&sql).await?.map(|row| {
            let text = |column: usize| row.get(column).unwrap_or_default();
            let (name, schema) = (text(0), text(1));
            let is_visible = text(2) == "t";
            let qualified = if is_visible { name.to_owned() } else { format!("\"{schema}\".\"{name}\"") };
            TypeName { name: name.to_owned(), qualified }
        });
        let found = found.unwrap_or_default();
        self.names.insert(oid, found.clone());
        Ok(found)
    }

    async fn resolve_type(&mut self, session: &Session, oid: u32) -> CdcResult<CatalogType> {
        if let Some(cached) = self.types.get(&oid) {
            return Ok(cached.clone());
        }
        let sql = format!(
            "SELECT typname, typtype, typbasetype, typtypmod, CASE WHEN typcategory = 'A' AND typname NOT IN ('int2vector', 'oidvector') THEN typelem ELSE 0 END \
             FROM pg_type WHERE oid = {oid}"
        );
        let unknown = CatalogType {
            oid,
            name: String::new(),
            kind: 'p',
            modifier: -1,
            is_domain: false,
            labels: Vec::new(),
            items: None,
        };
        // dropped since: the log has its values as text
        let Some(row) = session.row(&sql).await? else { return Ok(CatalogType { oid: TEXT, ..unknown }) };
        let text = |column: usize| row.get(column).unwrap_or_default();
        let kind = text(1).chars().next().unwrap_or('p');
        let found = if kind == 'd' {
            let mut base = Box::pin(self.resolve_type(session, parse_number(text(2))?)).await?;
            if let Ok(modifier @ 0..) = text(3).parse() {
                base.modifier = modifier;
            }
            CatalogType { is_domain: true, ..base }
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

/// Returns the kind of a column in a snapshot: there Debezium has the values of `name`, which are always null
/// in events of the log.
fn snapshot_kind(kind: Option<Kind>) -> Option<Kind> {
    if kind == Some(Kind::AlwaysNull) { Some(Kind::Printed) } else { kind }
}

fn context<'a>(session: &Session, events: &'a EventContext) -> KindContext<'a> {
    KindContext { modes: &events.modes, money_digits: session.money_digits() }
}

/// Returns a column's default value as events have it. Debezium takes the expression of a generated value for
/// one, but has none for a column of a domain.
fn default(kind: Option<&Kind>, column: &CatalogColumn, events: &EventContext) -> Option<Value> {
    let compat = events.modes.compat;
    let is_omitted = match compat {
        Compatibility::Corrected => column.is_generated,
        Compatibility::Debezium => column.is_domain,
    };
    if is_omitted {
        return None;
    }
    value::default_json(kind?, column.default.as_deref()?, compat)
}

/// Returns the key that a table had at a place in the log, in key order where it is known. `current`
/// is the key of the catalog, which may be later than the log, `earlier` that of the version before. Debezium
/// has the current one.
fn key_at(relation: &Relation, current: &[String], earlier: &[String], compat: Compatibility) -> Vec<String> {
    let has = |name: &String| relation.columns.iter().any(|column| column.name == *name);
    if compat == Compatibility::Debezium && current.iter().all(has) {
        return current.to_vec();
    }
    if !matches!(relation.identity, ReplicaIdentity::Default | ReplicaIdentity::Index) {
        // the log does not say
        let known = [current, earlier].into_iter().find(|key| !key.is_empty() && key.iter().all(has));
        return known.unwrap_or_default().to_vec();
    }
    let identity: Vec<&String> =
        relation.columns.iter().filter(|column| column.is_identity).map(|column| &column.name).collect();
    let is_same =
        |key: &&[String]| key.len() == identity.len() && key.iter().all(|name| identity.contains(&name));
    // the log has the key's columns in table order
    let ordered = [current, earlier].into_iter().find(is_same).map(<[String]>::to_vec);
    ordered.unwrap_or_else(|| identity.into_iter().cloned().collect())
}

async fn enum_labels(session: &Session, oid: u32) -> CdcResult<Vec<String>> {
    let sql = format!("SELECT enumlabel FROM pg_enum WHERE enumtypid = {oid} ORDER BY enumsortorder");
    let rows = session.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::super::pgoutput::RelationColumn;
    use super::*;

    #[test]
    fn key_is_that_of_the_place_in_the_log() {
        use ReplicaIdentity::{Default, Full, Index, Nothing};
        let relation = |identity, columns: &str| Relation {
            id: 1,
            schema: "public".into(),
            table: "t".into(),
            identity,
            columns: columns
                .split(' ')
                .map(|name| RelationColumn {
                    name: name.trim_end_matches('*').into(),
                    is_identity: name.ends_with('*'),
                    type_oid: 23,
                    type_modifier: -1,
                })
                .collect(),
        };
        for (identity, columns, current, earlier, expected) in [
            (Default, "a* b* c", "b a", "", "b a"),
            (Default, "a* b* c", "", "b a", "b a"),
            // replaced, renamed or dropped since
            (Default, "a* b c", "b", "", "a"),
            (Default, "a* b c", "x", "", "a"),
            (Default, "a* b c", "", "", "a"),
            // added since
            (Default, "a b c", "a", "", ""),
            (Full, "a* b* c*", "b", "", "b"),
            (Full, "a* b* c*", "x", "a", "a"),
            (Full, "a* b* c*", "x", "y", ""),
            // the index of the replica identity, which is all that the log of a DELETE has
            (Index, "a* b c", "c", "", "a"),
            (Index, "a* b* c", "b a", "c", "b a"),
            (Nothing, "a b c", "c", "", "c"),
        ] {
            let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let key = |compat| key_at(&relation(identity, columns), &names(current), &names(earlier), compat);
            let found = key(Compatibility::Corrected);
            assert_eq!(found, names(expected), "{identity:?} {columns} {current} {earlier}");
            // a column that the log does not have yet cannot be in the key
            let expected = if current == "x" { expected } else { current };
            assert_eq!(key(Compatibility::Debezium), names(expected), "{identity:?} {columns} {current}");
        }
    }
}
