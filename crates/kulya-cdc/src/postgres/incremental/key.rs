//! By which columns a table is read in chunks: those of a unique key without nulls.

use crate::postgres::connection::session::Session;
use crate::postgres::publication::PublishedTable;
use crate::postgres::table::Table;
use crate::{CdcError, CdcResult};

/// The key by which a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChunkKey {
    /// The columns, in the order in which rows are read.
    pub(super) columns: Vec<String>,
    /// The places of those among them by which the log knows a row.
    pub(super) identity: Vec<usize>,
}

/// Finds the key of a table.
///
/// # Errors
/// `Configuration` when the table has none, or the surrogate key cannot be used; those of the session.
pub(super) async fn find(
    session: &Session,
    published: &PublishedTable,
    table: &Table,
    surrogate_key: Option<&str>,
) -> CdcResult<ChunkKey> {
    let oid = published.info.oid;
    let sql = format!(
        "SELECT json_agg(a.attname ORDER BY k.place), bool_and(a.attnotnull) \
         FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
         WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL \
         AND i.indexprs IS NULL AND k.place <= i.indnkeyatts GROUP BY i.indexrelid"
    );
    let mut unique = Vec::new();
    for row in session.rows(&sql).await? {
        if row.get(1) == Some("t") {
            let names = serde_json::from_str(row.get(0).unwrap_or_default());
            unique.push(names.map_err(|e| CdcError::source("the catalog has a malformed index").because(e))?);
        }
    }
    let has_nulls = match surrogate_key {
        Some(name) => {
            let sql = format!(
                "SELECT attnotnull FROM pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND attname = {}",
                crate::postgres::connection::session::literal(name)
            );
            session.row(&sql).await?.and_then(|row| row.get(0).map(|value| value != "t"))
        }
        None => None,
    };
    choose(table.primary_key(), &unique, surrogate_key.map(|name| (name, has_nulls)))
        .map_err(CdcError::configuration)
}

/// Chooses the key. `unique` are the unique keys without nulls; `surrogate` is the surrogate key and whether
/// it may have nulls, `None` if there is no such column.
fn choose(
    primary: &[String],
    unique: &[Vec<String>],
    surrogate: Option<(&str, Option<bool>)>,
) -> Result<ChunkKey, String> {
    let primary = if unique.iter().any(|key| key == primary) { primary } else { &[] };
    let Some((name, has_nulls)) = surrogate else {
        if primary.is_empty() {
            return Err("it has no primary key: give a column with a unique index as surrogate-key".into());
        }
        return Ok(ChunkKey { columns: primary.to_vec(), identity: (0..primary.len()).collect() });
    };
    match has_nulls {
        None => return Err(format!("it has no column {name:?}, the surrogate-key")),
        Some(true) => {
            return Err(format!("the surrogate-key {name:?} may be null: give a column that is NOT NULL"));
        }
        Some(false) => {}
    }
    if primary.is_empty() && !unique.iter().any(|key| *key == [name]) {
        return Err(format!(
            "it has neither a primary key nor a unique index on the surrogate-key {name:?}: create one, or rows of \
             equal values would be left out"
        ));
    }
    // the primary key behind it tells rows of equal values apart
    let mut columns = vec![name.to_owned()];
    columns.extend(primary.iter().filter(|column| *column != name).cloned());
    let identity = primary.iter().filter_map(|name| columns.iter().position(|column| column == name));
    let identity: Vec<usize> = identity.collect();
    Ok(ChunkKey { identity: if primary.is_empty() { vec![0] } else { identity }, columns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_by_a_unique_key_without_nulls() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let unique = [names("a b"), names("u")];
        for (primary, surrogate, expected) in [
            ("a b", None, Ok(("a b", vec![0, 1]))),
            ("a b", Some(("n", Some(false))), Ok(("n a b", vec![1, 2]))),
            ("a b", Some(("b", Some(false))), Ok(("b a", vec![1, 0]))),
            ("", Some(("u", Some(false))), Ok(("u", vec![0]))),
            ("", None, Err("no primary key")),
            // a unique index with nulls, which Debezium takes for a key
            ("x", None, Err("no primary key")),
            ("", Some(("n", Some(false))), Err("unique index")),
            ("a b", Some(("n", Some(true))), Err("may be null")),
            ("a b", Some(("n", None)), Err("no column")),
        ] {
            let found = choose(&names(primary), &unique, surrogate);
            match expected {
                Ok((columns, identity)) => {
                    assert_eq!(found, Ok(ChunkKey { columns: names(columns), identity }), "{primary}");
                }
                Err(part) => assert!(found.unwrap_err().contains(part), "{primary} {surrogate:?}"),
            }
        }
    }
}
