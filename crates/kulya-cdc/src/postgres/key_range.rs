//! Reading a table in ranges of its primary key: the key's columns in order, and the conditions and bounds of
//! SQL statements.

use super::connection::session::{Session, identifier, literal};
use super::connection::wait;
use crate::snapshot_progress::{Key, KeyColumn, KeyOrder};
use crate::{CdcError, CdcResult};
use std::sync::Arc;

/// The primary key of a table whose rows can be read in ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyColumns(Arc<[KeyColumn]>);

impl KeyColumns {
    /// Returns the key of these columns, in key order; `None` without any.
    pub(crate) fn new(columns: Vec<KeyColumn>) -> Option<Self> {
        (!columns.is_empty()).then(|| Self(columns.into()))
    }

    /// Reads the primary key of a table; `None` if it has none, or one whose values have an order that is
    /// known to the server only.
    ///
    /// # Errors
    /// Those of the session.
    pub(crate) async fn read(session: &Session, table: u32) -> CdcResult<Option<Self>> {
        let sql = format!(
            "SELECT a.attname, a.atttypid, pg_encoding_to_char(d.encoding) <> 'SQL_ASCII' AND \
             (c.collname IN ('C', 'POSIX') OR (c.collname = 'default' AND d.datcollate IN ('C', 'POSIX') \
             AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c')) \
             FROM pg_index i CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
             JOIN pg_database d ON d.datname = current_database() \
             LEFT JOIN pg_collation c ON c.oid = a.attcollation \
             WHERE i.indrelid = {table} AND i.indisprimary AND k.place <= i.indnkeyatts ORDER BY k.place"
        );
        let mut columns = Vec::new();
        for row in session.rows(&sql).await? {
            let text = |column: usize| row.get(column).unwrap_or_default();
            let Some(order) = order(text(1), text(2) == "t") else { return Ok(None) };
            columns.push(KeyColumn { name: text(0).to_owned(), order });
        }
        Ok(Self::new(columns))
    }

    /// Returns the columns in key order.
    pub(crate) fn columns(&self) -> &Arc<[KeyColumn]> {
        &self.0
    }

    /// Returns the quoted names, separated by commas.
    pub(crate) fn names(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|column| identifier(&column.name)).collect();
        names.join(", ")
    }

    /// Returns the condition of the rows whose key is greater than `after` and not greater than `to`; `None`
    /// for all rows.
    pub(crate) fn condition(&self, after: Option<&Key>, to: Option<&Key>) -> Option<String> {
        let bound = |operator: &str, key: &Key| {
            let values: Vec<String> = key.iter().map(|value| literal(value)).collect();
            format!("({}) {operator} ({})", self.names(), values.join(", "))
        };
        let bounds = [after.map(|key| bound(">", key)), to.map(|key| bound("<=", key))];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        (!bounds.is_empty()).then(|| bounds.join(" AND "))
    }

    /// Returns the last key of the first `rows` rows of a relation that the condition names; `None` if there
    /// are no more rows than that.
    ///
    /// # Errors
    /// Those of the session.
    pub(crate) async fn bound(
        &self,
        session: &Session,
        relation: &str,
        condition: &str,
        rows: u64,
    ) -> CdcResult<Option<Key>> {
        let names = self.names();
        let before = rows.max(1) - 1;
        let sql =
            format!("SELECT {names} FROM {relation}{condition} ORDER BY {names} OFFSET {before} LIMIT 2");
        let found = wait::run(session, "the rows of a range of a table", &sql).await?;
        let [row, _] = &found[..] else { return Ok(None) };
        let value = |index| match row.try_get(index) {
            Ok(Some(value)) => Ok(value.to_owned()),
            _ => Err(CdcError::source(format!("a key of {relation} is no text"))),
        };
        (0..self.0.len()).map(value).collect::<CdcResult<Key>>().map(Some)
    }
}

/// Returns the order of a type's values by its OID; `None` if it depends on more than the values' texts.
fn order(type_oid: &str, has_byte_order: bool) -> Option<KeyOrder> {
    match type_oid {
        // bigint, smallint, integer, oid
        "20" | "21" | "23" | "26" => Some(KeyOrder::Integer),
        // numeric
        "1700" => Some(KeyOrder::Decimal),
        // boolean, bytea, uuid
        "16" | "17" | "2950" => Some(KeyOrder::Bytes),
        // date, timestamp, timestamptz
        "1082" | "1114" | "1184" => Some(KeyOrder::Date),
        // text, varchar
        "25" | "1043" if has_byte_order => Some(KeyOrder::Bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_rows_of_values() {
        let column = |name: &str| KeyColumn { name: name.into(), order: KeyOrder::Bytes };
        let key = KeyColumns::new(vec![column("a"), column("b\"")]).unwrap();
        let values = |a: &str, b: &str| Some(vec![a.to_owned(), b.to_owned()]);
        let (low, high) = (values("1", "it's"), values("2", "x"));
        for (after, to, expected) in [
            (None, None, None),
            (low.as_ref(), None, Some(r#"("a", "b""") > ('1', 'it''s')"#)),
            (None, high.as_ref(), Some(r#"("a", "b""") <= ('2', 'x')"#)),
            (
                low.as_ref(),
                high.as_ref(),
                Some(r#"("a", "b""") > ('1', 'it''s') AND ("a", "b""") <= ('2', 'x')"#),
            ),
        ] {
            assert_eq!(key.condition(after, to).as_deref(), expected);
        }
        assert_eq!(KeyColumns::new(Vec::new()), None);
    }

    #[test]
    fn texts_have_an_order_without_collation() {
        assert_eq!(order("25", true), Some(KeyOrder::Bytes));
        assert_eq!(order("25", false), None);
        assert_eq!(order("20", false), Some(KeyOrder::Integer));
        assert_eq!(order("701", true), None);
    }
}
