//! Files in FROM, and DESCRIBE of a file.

use crate::data_types::type_name;
use crate::dialect::{Path, Position};
use crate::files::FileTable;
use crate::output::StatementResult;
use crate::session::Session;
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::catalog::TableProvider;
use std::sync::Arc;

/// The setting that bounds how much of a file tells its columns.
const SAMPLE: &str = "files.sample-bytes";

impl Session {
    /// Returns the table of a file that a statement names at a position.
    ///
    /// # Errors
    /// `Unauthorized` in a session that reads no files, and what is wrong with the file.
    pub(super) async fn file_table(&mut self, path: &str, at: Position) -> SqlResult<Arc<FileTable>> {
        if !self.allows_files {
            let what = format!(
                "this session may not read file {path}: kulya sql reads files, a program must allow its sessions to"
            );
            return Err(SqlError::new(SqlErrorKind::Unauthorized, what).at(at));
        }
        let (path, bytes, progress) = (path.to_owned(), self.settings.number(SAMPLE), self.progress.clone());
        let opened = self.engine()?.blocking(move || FileTable::open(&path, bytes, progress)).await;
        opened.map(Arc::new).map_err(|error| match error.kind() {
            // has a place in the file
            SqlErrorKind::InvalidValue => error,
            _ => error.at(at),
        })
    }

    pub(super) async fn describe_file(&mut self, path: &Path) -> SqlResult<StatementResult> {
        let file = self.file_table(&path.to_name(), path.position.0).await?;
        let row = |name: &str, kind: String| {
            let none = String::new();
            vec![name.to_owned(), kind, true.to_string(), none.clone(), none.clone(), none]
        };
        let schema = file.schema();
        let fields = schema.fields().iter();
        let rows: Vec<_> = fields.map(|field| row(field.name(), type_name(field.data_type()))).collect();
        StatementResult::text_rows(&["name", "type", "null", "key", "extras", "watermark"], &rows)
    }
}
