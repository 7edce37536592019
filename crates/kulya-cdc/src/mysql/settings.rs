//! Settings of a MySQL or MariaDB source: the parsed URL, the defaults of name, tables and reader id.

use super::connection::ConnectionSettings;
use crate::{CaptureSettings, CdcError, CdcResult};
use std::sync::Arc;

/// The first id of readers whose settings have none.
const FIRST_SERVER_ID: u32 = 0x4b00_0000;
/// The number of ids of readers whose settings have none.
const SERVER_IDS: u32 = 1 << 24;

/// Validated settings with their defaults.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) connection: ConnectionSettings,
    /// The id as a reader of the log.
    pub(crate) server_id: u32,
    pub(crate) settings: Arc<CaptureSettings>,
}

impl CaptureSettings {
    /// Parses the URL of a MySQL or MariaDB server, sets the defaults, and validates.
    ///
    /// # Errors
    /// `Configuration`.
    pub(crate) fn mysql_target(self) -> CdcResult<Target> {
        let mut connection = ConnectionSettings::parse(&self.url)?;
        if connection.password.is_empty() {
            connection.password.clone_from(&self.password);
        }
        for (setting, value) in [("slot", &self.slot), ("publication", &self.publication)] {
            if !value.is_empty() {
                return Err(CdcError::configuration(format!(
                    "{setting} is a setting of PostgreSQL: remove it"
                )));
            }
        }
        let database = connection.database.clone();
        let mut settings = self.with_defaults(database.as_deref().unwrap_or_default())?;
        if settings.name.is_empty() {
            return Err(CdcError::configuration(
                "the capture has no name: set one, or a database in the URL",
            ));
        }
        if let (true, Some(database)) = (settings.tables.is_empty(), database) {
            settings.tables = vec![format!("{database}.*")];
        }
        let server_id = settings.server_id.unwrap_or_else(|| default_server_id(&settings.name));
        if server_id == 0 {
            return Err(CdcError::configuration("the server id is 0: set a number from 1 on"));
        }
        Ok(Target { connection, server_id, settings: Arc::new(settings) })
    }
}

/// Returns an id that differs between captures of different names, and from those that operators choose.
fn default_server_id(name: &str) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    FIRST_SERVER_ID + crc.sum() % SERVER_IDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> CaptureSettings {
        CaptureSettings { url: url.to_owned(), ..CaptureSettings::default() }
    }

    #[test]
    fn defaults_follow_from_the_url() {
        let target = settings("mysql://me:geheim@db/shop").mysql_target().unwrap();
        let found = &target.settings;
        assert_eq!((found.name.as_str(), found.scope.as_str()), ("shop", "shop"));
        assert!(found.is_captured("shop", "orders") && !found.is_captured("shop2", "orders"));
        assert!((FIRST_SERVER_ID..FIRST_SERVER_ID + SERVER_IDS).contains(&target.server_id));
        assert!(!format!("{target:?}").contains("geheim"));
        let other =
            CaptureSettings { name: "other".into(), server_id: Some(7), ..settings("mariadb://me@db") };
        let target = CaptureSettings { password: "geheim".into(), ..other }.mysql_target().unwrap();
        assert_eq!((target.server_id, target.connection.password.as_str()), (7, "geheim"));
        assert!(target.settings.is_captured("any", "table"));
    }

    #[test]
    fn invalid_settings_are_named() {
        let shop = || settings("mysql://me@db/shop");
        for (settings, expected) in [
            (settings("mysql://db"), "no user"),
            (settings("mysql://me@db"), "the capture has no name"),
            (CaptureSettings { tables: vec!["orders".into()], ..shop() }, "schema.table"),
            (CaptureSettings { slot: "x".into(), ..shop() }, "slot is a setting of PostgreSQL"),
            (CaptureSettings { server_id: Some(0), ..shop() }, "server id is 0"),
        ] {
            let error = settings.mysql_target().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
