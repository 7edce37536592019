//! SET and RESET.

use super::completed;
use crate::SqlResult;
use crate::output::StatementResult;
use crate::session::Session;

impl Session {
    /// Sets a key; without one, lists the settings.
    pub(super) fn set(&mut self, setting: Option<(String, String)>) -> SqlResult<StatementResult> {
        let Some((key, value)) = setting else {
            let rows: Vec<Vec<String>> =
                self.settings.iter().map(|(key, value)| vec![key.to_owned(), value.to_owned()]).collect();
            return StatementResult::text_rows(&["key", "value"], &rows);
        };
        self.settings.set(&key, &value)?;
        completed(format!("{key} set"))
    }

    pub(super) fn reset(&mut self, key: Option<&str>) -> SqlResult<StatementResult> {
        self.settings.reset(key)?;
        completed(match key {
            Some(key) => format!("{key} reset"),
            None => "all settings reset".to_owned(),
        })
    }
}
