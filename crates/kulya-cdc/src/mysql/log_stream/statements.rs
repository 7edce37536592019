//! Changes of rows in statement format: the log has no rows of them, so they must be of tables that are not
//! captured. A name that is not in the schema history may be a view's, which the server is asked for.

use crate::CdcResult;
use crate::mysql::connection::{Connection, ConnectionError};
use crate::mysql::schema_history::TableName;
use crate::mysql::session::literal;
use crate::mysql::stream::StatementChange;
use std::collections::HashSet;

/// The statements whose tables have not been looked up.
#[derive(Default)]
pub(super) struct Statements {
    unverified: Vec<StatementChange>,
    /// Tables that are no views.
    verified: HashSet<TableName>,
}

impl Statements {
    pub(super) fn push(&mut self, statement: StatementChange) {
        self.unverified.push(statement);
    }

    /// Whether all tables are looked up; only then the place behind the statements may be stored.
    pub(super) fn are_verified(&self) -> bool {
        self.unverified.is_empty()
    }

    /// Forgets what was looked up: views may have been created since.
    pub(super) fn forget(&mut self) {
        self.verified.clear();
    }

    /// Looks up the tables of statements that have been read.
    ///
    /// # Errors
    /// `Configuration` for a statement on a view: the view may be of captured tables.
    pub(super) async fn verify(&mut self, session: &mut Connection) -> CdcResult<()> {
        for statement in std::mem::take(&mut self.unverified) {
            for name in statement.unknown {
                if self.verified.contains(&name) {
                    continue;
                }
                if is_view(session, &name).await? {
                    return Err(statement.error.into());
                }
                self.verified.insert(name);
            }
        }
        Ok(())
    }
}

/// Whether a view has this name.
async fn is_view(session: &mut Connection, name: &TableName) -> Result<bool, ConnectionError> {
    let sql = format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = {} \
         AND table_type = 'VIEW'",
        literal(&name.database),
        literal(&name.table)
    );
    Ok(!session.query(&sql).await?.rows.is_empty())
}
