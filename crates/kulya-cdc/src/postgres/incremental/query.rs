//! The queries of a chunk.

use crate::postgres::connection::session::{identifier, literal};
use crate::where_clause::where_clause;

/// What the queries of a table have in common.
pub(super) struct ChunkQuery<'a> {
    pub(super) key: &'a [String],
    pub(super) columns: Vec<&'a str>,
    /// The table, quoted.
    pub(super) relation: String,
    /// The conditions of the publication and of the request.
    pub(super) filters: [Option<&'a str>; 2],
}

impl ChunkQuery<'_> {
    /// Returns the query of the largest key.
    pub(super) fn maximum(&self) -> String {
        let order: Vec<String> = self.key.iter().map(|name| format!("{} DESC", identifier(name))).collect();
        let (keys, condition) = (self.keys(), self.condition(Vec::new()));
        format!("SELECT {keys} FROM {}{condition} ORDER BY {} LIMIT 1", self.relation, order.join(", "))
    }

    /// Returns the statement that copies a chunk: the rows after a key, up to another one, with the key
    /// before the columns, so that a row of which only the beginning is kept has it.
    pub(super) fn chunk(&self, after: Option<&[String]>, maximum: &[String], rows: u32) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| identifier(name)).collect();
        let mut bounds = vec![format!("({}) <= ({})", self.keys(), values(maximum))];
        bounds.extend(after.map(|after| format!("({}) > ({})", self.keys(), values(after))));
        let (keys, condition) = (self.keys(), self.condition(bounds));
        let list: Vec<&str> =
            std::iter::once(keys.as_str()).chain(columns.iter().map(String::as_str)).collect();
        let list = list.join(", ");
        format!(
            "COPY (SELECT {list} FROM {}{condition} ORDER BY {keys} LIMIT {rows}) TO STDOUT",
            self.relation
        )
    }

    fn keys(&self) -> String {
        self.key.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ")
    }

    fn condition(&self, bounds: Vec<String>) -> String {
        // a line comment in a condition must not take what is behind it
        let filters = self.filters.iter().flatten().map(|filter| format!("({filter}\n)"));
        let conditions: Vec<String> = bounds.into_iter().chain(filters).collect();
        where_clause(&conditions)
    }
}

fn values(texts: &[String]) -> String {
    texts.iter().map(|text| literal(text)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_by_comparison_of_rows() {
        let key = ["a".to_owned(), "b\"c".to_owned()];
        let mut query = ChunkQuery {
            key: &key,
            columns: vec!["a", "x"],
            relation: "ONLY \"s\".\"t\"".into(),
            filters: [None, None],
        };
        assert_eq!(
            query.maximum(),
            r#"SELECT "a", "b""c" FROM ONLY "s"."t" ORDER BY "a" DESC, "b""c" DESC LIMIT 1"#
        );
        let maximum = ["9".to_owned(), "it's".to_owned()];
        assert_eq!(
            query.chunk(None, &maximum, 10),
            concat!(
                r#"COPY (SELECT "a", "b""c", "a", "x" FROM ONLY "s"."t" WHERE ("a", "b""c") <= ('9', 'it''s') "#,
                r#"ORDER BY "a", "b""c" LIMIT 10) TO STDOUT"#
            )
        );
        query.filters = [Some("x > 1"), Some("y OR z -- all")];
        let after = ["1".to_owned(), "2".to_owned()];
        let sql = query.chunk(Some(&after), &maximum, 10);
        let condition = "(\"a\", \"b\"\"c\") > ('1', '2') AND (x > 1\n) AND (y OR z -- all\n) ORDER BY";
        assert!(sql.contains(condition), "{sql}");
        assert!(query.maximum().contains("WHERE (x > 1\n) AND (y OR z -- all\n) ORDER"));
    }
}
