//! The server's settings on which the meaning of its statements depends, and its collations.

use crate::mysql::connection::{Connection, Flavor, Rows};
use crate::mysql::ddl::{self, ParseSettings, SqlMode};
use crate::mysql::schema_history::{Collated, Session, TableNameCase};
use crate::{CdcError, CdcResult};
use std::collections::HashMap;

/// A character set and a collation, by the server's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CharsetNames {
    pub(crate) charset: String,
    pub(crate) collation: String,
}

/// The settings of a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerFacts {
    /// The product and version, for statements.
    pub(crate) version: ddl::ServerVersion,
    /// How names of tables are compared.
    pub(crate) case: TableNameCase,
    /// The default character set of new databases.
    pub(crate) charset: Collated,
    /// The names that the server has for it and for its collation.
    pub(crate) charset_names: CharsetNames,
    /// `explicit_defaults_for_timestamp`.
    pub(crate) explicit_timestamps: bool,
    /// The collations by number.
    pub(crate) collations: HashMap<u64, Collated>,
}

impl ServerFacts {
    /// Reads the settings.
    ///
    /// # Errors
    /// Those of the connection, and `Source` for a version that is none.
    pub(crate) async fn read(connection: &mut Connection) -> CdcResult<Self> {
        let sql = "SELECT @@version, @@lower_case_table_names, @@collation_server, \
                   @@global.explicit_defaults_for_timestamp, @@character_set_server";
        let settings = connection.query(sql).await?;
        let collations = connection.query(collations_query(connection.version().flavor)).await?;
        Self::from_rows(&settings, &collations)
    }

    fn from_rows(settings: &Rows, collations: &Rows) -> CdcResult<Self> {
        let setting = |index| settings.column(index).next().unwrap_or_default();
        let version = ddl::ServerVersion::parse(setting(0))
            .ok_or_else(|| CdcError::source(format!("{:?} is no version of a server", setting(0))))?;
        let collations = collations.rows.iter().filter_map(|row| match row.as_slice() {
            [Some(id), Some(charset), Some(name), is_default] => {
                let is_default = is_default.as_deref() == Some("Yes");
                Some((id.parse().ok()?, collated(charset, name, is_default)))
            }
            _ => None,
        });
        let collations: HashMap<u64, Collated> = collations.collect();
        let name = setting(2);
        let charset = collations.values().find(|known| known.collation.as_deref() == Some(name)).cloned();
        Ok(Self {
            version,
            case: TableNameCase::from_setting(setting(1).parse().unwrap_or(0)),
            // what is not found is the character set's default
            charset: charset.unwrap_or_else(|| Collated::new(setting(4))),
            charset_names: CharsetNames { charset: setting(4).to_owned(), collation: name.to_owned() },
            explicit_timestamps: setting(3) == "1",
            collations,
        })
    }

    /// Returns a collation by its number, as the log has it.
    pub(crate) fn collation(&self, number: u64) -> Option<&Collated> {
        self.collations.get(&number)
    }

    /// Returns how statements of a session with this `sql_mode` are parsed.
    pub(crate) fn parse_settings(&self, sql_mode: u64) -> ParseSettings {
        ParseSettings { server: self.version, sql_mode: SqlMode(sql_mode) }
    }

    /// Returns the session of a statement; `collation` is the number of its `collation_server`.
    pub(crate) fn session<'a>(
        &'a self,
        default_database: Option<&'a str>,
        collation: Option<u16>,
    ) -> Session<'a> {
        let charset = collation.and_then(|number| self.collation(number.into()));
        Session {
            default_database,
            server_charset: charset.unwrap_or(&self.charset),
            explicit_defaults_for_timestamp: self.explicit_timestamps,
        }
    }
}

/// MariaDB has collations that exist for several character sets, each with its own number.
fn collations_query(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Mariadb => {
            "SELECT id, character_set_name, full_collation_name, is_default \
             FROM information_schema.collation_character_set_applicability"
        }
        _ => "SELECT id, character_set_name, collation_name, is_default FROM information_schema.collations",
    }
}

/// Returns a collation as the history has it.
pub(super) fn collated(charset: &str, name: &str, is_default: bool) -> Collated {
    let charset = Collated::new(charset).charset;
    let collation = Collated::of_collation(name).collation.filter(|_| !is_default);
    Collated { charset, collation }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The settings of a server, for tests without one.
    pub(crate) fn facts(version: &str) -> ServerFacts {
        let collations = [
            (8, "latin1"),
            (13, "sjis"),
            (28, "gbk"),
            (33, "utf8mb3"),
            (35, "ucs2"),
            (45, "utf8mb4"),
            (46, "utf8mb4"),
            (47, "latin1"),
            (54, "utf16"),
            (60, "utf32"),
            (255, "utf8mb4"),
        ];
        ServerFacts {
            version: ddl::ServerVersion::parse(version).unwrap(),
            case: TableNameCase::Sensitive,
            charset: Collated::new("utf8mb4"),
            charset_names: CharsetNames::default(),
            explicit_timestamps: true,
            collations: collations.map(|(number, charset)| (number, Collated::new(charset))).into(),
        }
    }

    fn rows(rows: &[&[&str]]) -> Rows {
        let row = |row: &&[&str]| row.iter().map(|cell| Some((*cell).to_owned())).collect();
        Rows { columns: Vec::new(), rows: rows.iter().map(row).collect() }
    }

    #[test]
    fn settings_are_read() {
        let settings = rows(&[&["8.0.36-28.1", "1", "latin1_bin", "1", "latin1"]]);
        let collations = rows(&[
            &["8", "latin1", "latin1_swedish_ci", "Yes"],
            &["47", "latin1", "latin1_bin", ""],
            &["33", "utf8", "utf8_general_ci", "Yes"],
        ]);
        let facts = ServerFacts::from_rows(&settings, &collations).unwrap();
        assert_eq!(facts.case, TableNameCase::Insensitive);
        assert_eq!(
            facts.charset,
            Collated { charset: "latin1".into(), collation: Some("latin1_bin".into()) }
        );
        assert_eq!(facts.session(None, Some(33)).server_charset, &Collated::new("utf8mb3"));
        assert_eq!(facts.session(None, Some(99)).server_charset, &facts.charset);
        assert!(facts.explicit_timestamps && facts.collation(1).is_none());
        assert!(ServerFacts::from_rows(&rows(&[&["new"]]), &collations).is_err());
    }
}
