//! Plans of queries that follow the changes of their tables.

use super::insert::target_columns;
use crate::dialect::{self, Explain, ExplainDetail, Position, StatementKind};
use crate::live::LiveQuery;
use crate::output::StatementResult;
use crate::session::Session;
use crate::{SqlError, SqlErrorKind, SqlResult};

impl Session {
    /// Returns the plan of a live query: a row for each node, and the warnings.
    pub(super) async fn explain_live(
        &mut self,
        explain: Explain,
        at: Position,
    ) -> SqlResult<StatementResult> {
        let is_other = |detail: &&ExplainDetail| **detail != ExplainDetail::ChangelogMode;
        if explain.details.iter().any(|detail| is_other(&detail)) {
            return Err(SqlError::not_supported("EXPLAIN CHANGELOG_MODE with further details").at(at));
        }
        let live = match *explain.statement {
            StatementKind::Query(query) => self.live_query(&query, None, None).await?,
            StatementKind::Insert(insert) => self.live_query(&insert.query, None, None).await?,
            other => return Err(SqlError::not_supported(format!("EXPLAIN of {}", other.name())).at(at)),
        };
        let rows = live.nodes().iter().map(|node| {
            let key = node.key.as_ref().map(|key| match key.as_slice() {
                [] => "one row".to_owned(),
                key => key.join(", "),
            });
            vec![
                format!("{:width$}{}", "", node.text, width = 2 * node.depth),
                node.state.to_string(),
                node.mode.map(|mode| mode.to_string()).unwrap_or_default(),
                key.unwrap_or_default(),
            ]
        });
        let mut result =
            StatementResult::text_rows(&["node", "state", "changes", "key"], &rows.collect::<Vec<_>>())?;
        if let StatementResult::Rows { warnings, .. } = &mut result {
            let of_nodes = live.nodes().iter().flat_map(|node| &node.warnings);
            warnings.extend(of_nodes.cloned());
            if let LiveQuery::Rerun(rerun) = &live {
                warnings.push(format!("the query is run again when its tables change: {}", rerun.reason));
            }
        }
        Ok(result)
    }

    /// Plans a query, or the query of an INSERT, as a graph of operators that follows the changes of its
    /// tables. The caller feeds the graph; nothing is executed here.
    ///
    /// # Errors
    /// A syntax error, those of planning, and `NotSupported` for another statement.
    pub async fn plan_live(&mut self, statement: &str) -> SqlResult<LiveQuery> {
        let mut statements = dialect::parse(statement)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, "a live query is one statement"));
        };
        let at = statement.position();
        match statement.kind {
            StatementKind::Query(query) => self.live_query(&query, None, None).await,
            StatementKind::Insert(insert) => {
                let (_, definition) = self.insert_target(&insert).await?;
                let columns = target_columns(&insert, &definition)?;
                self.live_query(&insert.query, Some(columns), None).await
            }
            other => Err(SqlError::not_supported(format!("a live {}", other.name())).at(at)),
        }
    }
}
