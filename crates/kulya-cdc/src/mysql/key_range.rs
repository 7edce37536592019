//! Reading a table in ranges of its key, of integers: the key's columns in order, and the conditions and
//! bounds of SQL statements.

use super::binlog::value::Value;
use super::connection::{Connection, ConnectionError};
use super::ddl::TypeName;
use super::schema_history::Table;
use super::session::quoted;
use crate::snapshot_progress::{Key, KeyColumn, KeyOrder};
use crate::where_clause::where_clause;
use crate::{CdcError, CdcResult};
use std::sync::Arc;

/// The key of a table whose rows can be read in ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyColumns {
    columns: Arc<[KeyColumn]>,
    parts: Vec<KeyPart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyPart {
    /// The place in a row of the log.
    place: usize,
    /// What is added to a negative number of a column without sign.
    modulus: i128,
}

impl KeyColumns {
    /// Returns the key of a table; `None` if it has none, or one of other values than integers.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let (mut columns, mut parts) = (Vec::new(), Vec::new());
        for place in table.primary_key() {
            let column = table.columns.get(place).filter(|column| !column.hidden)?;
            let bits = match column.column_type.name {
                TypeName::TinyInt => 8,
                TypeName::SmallInt => 16,
                TypeName::MediumInt => 24,
                TypeName::Int => 32,
                TypeName::BigInt => 64,
                _ => return None,
            };
            let modulus = if column.column_type.unsigned { 1 << bits } else { 0 };
            columns.push(KeyColumn { name: column.name.clone(), order: KeyOrder::Integer });
            parts.push(KeyPart { place, modulus });
        }
        (!parts.is_empty()).then(|| Self { columns: columns.into(), parts })
    }

    /// Returns the columns in key order.
    pub(crate) fn columns(&self) -> &Arc<[KeyColumn]> {
        &self.columns
    }

    /// Returns the quoted names, separated by commas.
    pub(crate) fn names(&self) -> String {
        self.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Returns the condition of the rows whose key is greater than `after` and not greater than `to`, with
    /// WHERE; empty for all rows.
    pub(crate) fn condition(&self, after: Option<&Key>, to: Option<&Key>) -> String {
        let bounds = [after.map(|key| self.bound(">", ">", key)), to.map(|key| self.bound("<", "<=", key))];
        let bounds: Vec<String> = bounds.into_iter().flatten().collect();
        where_clause(&bounds)
    }

    /// Compares the key with another one, in the form in which the servers use an index: they do not for a
    /// comparison of rows of values.
    fn bound(&self, other: &str, last: &str, key: &Key) -> String {
        let columns: Vec<(String, &String)> =
            self.columns.iter().map(|column| quoted(&column.name)).zip(key).collect();
        let mut condition = String::new();
        for (index, (name, value)) in columns.iter().enumerate().rev() {
            condition = match index + 1 == columns.len() {
                true => format!("{name} {last} {value}"),
                false => format!("({name} {other} {value} OR ({name} = {value} AND {condition}))"),
            };
        }
        match columns.first() {
            Some((name, value)) if columns.len() > 1 => format!("{name} {other}= {value} AND {condition}"),
            _ => condition,
        }
    }

    /// Returns the last key of the first `rows` rows of a table that the condition names; `None` if there are
    /// no more rows than that.
    ///
    /// # Errors
    /// Those that `failed` makes of the connection's; `Source` for a key that is no integer.
    pub(crate) async fn last_of(
        &self,
        session: &mut Connection,
        table: &str,
        condition: &str,
        rows: u64,
        failed: impl FnOnce(ConnectionError) -> CdcError,
    ) -> CdcResult<Option<Key>> {
        let names = self.names();
        let before = rows.max(1) - 1;
        let sql = format!("SELECT {names} FROM {table}{condition} ORDER BY {names} LIMIT 2 OFFSET {before}");
        let found = session.query(&sql).await.map_err(failed)?;
        let [row, _] = &found.rows[..] else { return Ok(None) };
        self.key(row.iter().map(|cell| cell.as_deref().map(str::as_bytes))).map(Some)
    }

    /// Returns the places of the columns in a row of the log, in key order.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|part| part.place)
    }

    /// Returns the key of a row of a snapshot, whose values `cell` gives by these places.
    ///
    /// # Errors
    /// `Source` for a key that is no integer.
    pub(crate) fn of_row<'r>(&self, cell: impl Fn(usize) -> Option<&'r [u8]>) -> CdcResult<Key> {
        self.key(self.places().map(cell))
    }

    fn key<'r>(&self, cells: impl Iterator<Item = Option<&'r [u8]>>) -> CdcResult<Key> {
        let number = |cell: Option<&[u8]>| {
            // ZEROFILL has zeros before it
            let number = std::str::from_utf8(cell?).ok()?.parse::<i128>().ok()?;
            Some(number.to_string())
        };
        let key: Option<Key> = cells.map(number).collect();
        let key = key.filter(|key| key.len() == self.parts.len());
        key.ok_or_else(|| CdcError::source("a key of integers has a value that is none"))
    }

    /// Returns the key of a row of the log; `None` for values that are no integers.
    pub(crate) fn of_log_row(&self, row: &[Value<'_>]) -> Option<Key> {
        let number = |part: &KeyPart| {
            let number = match row.get(part.place)? {
                Value::Int(number) if *number < 0 => i128::from(*number) + part.modulus,
                Value::Int(number) => i128::from(*number),
                Value::UInt(number) => i128::from(*number),
                _ => return None,
            };
            Some(number.to_string())
        };
        self.parts.iter().map(number).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::mysql::ddl::{Flavour, ParseSettings, ServerVersion, SqlMode, parse};
    use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};

    /// Returns the definition that a statement gives to the table `d.t`.
    pub(crate) fn definition(sql: &str) -> Table {
        let server = ServerVersion { flavour: Flavour::MySql, number: 80_030 };
        let mut history = SchemaHistory::new(TableNameCase::Sensitive);
        for sql in ["CREATE DATABASE d CHARACTER SET utf8mb4", sql] {
            let statement = parse(sql.as_bytes(), ParseSettings { server, sql_mode: SqlMode(0) }).unwrap();
            let session = Session {
                default_database: Some("d"),
                server_charset: &Collated::new("utf8mb4"),
                explicit_defaults_for_timestamp: true,
            };
            history.apply(&statement, &session).unwrap();
        }
        history.table("d", "t").unwrap().clone()
    }

    fn key(values: &[&str]) -> Key {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn keys_of_integers_have_ranges() {
        for (sql, expected) in [
            ("CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))", Some("`b`, `a`")),
            ("CREATE TABLE t (a INT NOT NULL UNIQUE)", Some("`a`")),
            ("CREATE TABLE t (a INT UNIQUE)", None),
            ("CREATE TABLE t (a VARCHAR(9) PRIMARY KEY)", None),
            ("CREATE TABLE t (a INT, b DATE, PRIMARY KEY (a, b))", None),
            ("CREATE TABLE t (a INT)", None),
        ] {
            let found = KeyColumns::of(&definition(sql)).map(|key| key.names());
            assert_eq!(found.as_deref(), expected, "{sql}");
        }
    }

    #[test]
    fn conditions_have_a_bound_of_the_first_column() {
        let one = KeyColumns::of(&definition("CREATE TABLE t (a INT PRIMARY KEY)")).unwrap();
        let (low, high) = (key(&["-1"]), key(&["7"]));
        assert_eq!(one.condition(None, None), "");
        assert_eq!(one.condition(Some(&low), Some(&high)), " WHERE `a` > -1 AND `a` <= 7");
        let two = KeyColumns::of(&definition("CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))")).unwrap();
        let (low, high) = (key(&["1", "2"]), key(&["3", "4"]));
        assert_eq!(
            two.condition(Some(&low), Some(&high)),
            " WHERE `a` >= 1 AND (`a` > 1 OR (`a` = 1 AND `b` > 2)) \
             AND `a` <= 3 AND (`a` < 3 OR (`a` = 3 AND `b` <= 4))"
        );
    }

    #[test]
    fn keys_of_both_kinds_of_rows_are_the_same() {
        let sql = "CREATE TABLE t (v INT, a SMALLINT UNSIGNED ZEROFILL, b BIGINT, PRIMARY KEY (b, a))";
        let columns = KeyColumns::of(&definition(sql)).unwrap();
        assert_eq!(columns.places().collect::<Vec<_>>(), [2, 1]);
        let cells: [&[u8]; 3] = [b"1", b"00042", b"-9"];
        assert_eq!(columns.of_row(|cell| cells.get(cell).copied()).unwrap(), key(&["-9", "42"]));
        assert!(columns.of_row(|_| None).is_err());
        for (a, expected) in [
            (Value::Int(42), Some("42")),
            (Value::UInt(42), Some("42")),
            // of unknown signedness
            (Value::Int(-1), Some("65535")),
            (Value::Null, None),
        ] {
            let found = columns.of_log_row(&[Value::Null, a, Value::Int(-9)]);
            assert_eq!(found, expected.map(|a| key(&["-9", a])), "{a:?}");
        }
    }
}
