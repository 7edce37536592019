//! The queries of a chunk.

use super::key::ChunkKey;
use crate::where_clause::where_clause;

/// What the queries of a table have in common.
pub(super) struct ChunkQuery<'a> {
    pub(super) key: &'a ChunkKey,
    /// The list of columns.
    pub(super) columns: String,
    /// The table, quoted.
    pub(super) table: String,
    /// The list of the columns by which the log knows a row.
    pub(super) identity: String,
    /// The condition of the request.
    pub(super) filter: Option<&'a str>,
}

impl ChunkQuery<'_> {
    /// Returns the query of the largest key.
    pub(super) fn maximum(&self) -> String {
        let selected = self.selected();
        let order: Vec<String> =
            self.key.columns.iter().map(|column| format!("{} DESC", column.ordered())).collect();
        let (condition, order) = (self.condition(Vec::new()), order.join(", "));
        format!("SELECT {selected} FROM {}{condition} ORDER BY {order} LIMIT 1", self.table)
    }

    /// Returns the query of a chunk: the rows after a key, up to another one, with the key and the identity
    /// behind the columns.
    pub(super) fn chunk(&self, after: Option<&[String]>, maximum: &[String], rows: u32) -> String {
        let mut bounds = vec![self.bound(maximum, "<", true)];
        bounds.extend(after.map(|after| self.bound(after, ">", false)));
        let order: Vec<String> = self.key.columns.iter().map(|column| column.ordered()).collect();
        let (condition, order) = (self.condition(bounds), order.join(", "));
        format!(
            "SELECT {}, {}, {} FROM {}{condition} ORDER BY {order} LIMIT {rows}",
            self.columns,
            self.selected(),
            self.identity,
            self.table
        )
    }

    fn selected(&self) -> String {
        self.key.columns.iter().map(|column| column.selected()).collect::<Vec<_>>().join(", ")
    }

    /// Compares the key column by column: servers do not use an index for the comparison of rows.
    fn bound(&self, values: &[String], operator: &str, or_equal: bool) -> String {
        let pairs: Vec<(String, String)> = self
            .key
            .columns
            .iter()
            .zip(values)
            .map(|(column, value)| (column.ordered(), column.literal(value)))
            .collect();
        let mut alternatives = Vec::new();
        for (number, (column, value)) in pairs.iter().enumerate() {
            let is_last = number + 1 == pairs.len();
            let operator = if is_last && or_equal { format!("{operator}=") } else { operator.to_owned() };
            let equal = pairs.iter().take(number).map(|(column, value)| format!("{column} = {value}"));
            let all: Vec<String> = equal.chain([format!("{column} {operator} {value}")]).collect();
            alternatives.push(format!("({})", all.join(" AND ")));
        }
        match pairs.first() {
            // by which the server finds the index
            Some((column, value)) if pairs.len() > 1 => {
                format!("{column} {operator}= {value} AND ({})", alternatives.join(" OR "))
            }
            _ => alternatives.concat(),
        }
    }

    fn condition(&self, bounds: Vec<String>) -> String {
        // a line comment in a condition must not take what is behind it
        let filter = self.filter.map(|filter| format!("({filter}\n)"));
        let conditions: Vec<String> = bounds.into_iter().chain(filter).collect();
        where_clause(&conditions)
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{KeyColumn, KeyForm};
    use super::*;

    #[test]
    fn chunks_are_read_by_comparison_of_columns() {
        let column = |name: &str, form| KeyColumn { name: name.into(), form };
        let key = ChunkKey { columns: vec![column("a", KeyForm::Text), column("b", KeyForm::Bytes)] };
        let mut query = ChunkQuery {
            key: &key,
            columns: "`a`,`b`".into(),
            table: "`d`.`t`".into(),
            identity: "`b`".into(),
            filter: None,
        };
        assert_eq!(query.maximum(), "SELECT `a`, HEX(`b`) FROM `d`.`t` ORDER BY `a` DESC, `b` DESC LIMIT 1");
        let maximum = ["it's".to_owned(), "ff".to_owned()];
        assert_eq!(
            query.chunk(None, &maximum, 5),
            "SELECT `a`,`b`, `a`, HEX(`b`), `b` FROM `d`.`t` WHERE `a` <= 'it''s' AND ((`a` < 'it''s') OR \
             (`a` = 'it''s' AND `b` <= x'ff')) ORDER BY `a`, `b` LIMIT 5"
        );
        query.filter = Some("x OR y -- z");
        let sql = query.chunk(Some(&["1".to_owned(), "00".to_owned()]), &maximum, 5);
        let bound = "`a` >= '1' AND ((`a` > '1') OR (`a` = '1' AND `b` > x'00')) AND (x OR y -- z\n) ORDER";
        assert!(sql.contains(bound), "{sql}");
        let key = ChunkKey { columns: vec![column("e", KeyForm::Number)] };
        let query = ChunkQuery { key: &key, filter: None, ..query };
        let sql = query.chunk(Some(&["3".to_owned()]), &["9".to_owned()], 5);
        assert!(sql.contains("WHERE (`e`+0 <= 9) AND (`e`+0 > 3) ORDER BY `e`+0 LIMIT"), "{sql}");
    }
}
