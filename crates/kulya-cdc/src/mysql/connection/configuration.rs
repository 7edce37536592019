//! The server's configuration, and what capture needs of it: a function on values. Each wrong setting is one
//! line with the statement that mends it.

use super::grants::Grants;
use super::query::Rows;
use super::version::{Flavor, ServerVersion};
use std::collections::BTreeMap;
use std::fmt;

/// The variables that are read.
const VARIABLES: [&str; 9] = [
    "binlog_format",
    "binlog_row_image",
    "binlog_row_value_options",
    "binlog_storage_engine",
    "enforce_gtid_consistency",
    "gtid_mode",
    "log_bin",
    "server_id",
    "server_uuid",
];

/// Returns the statement that reads the variables; a server leaves out those that it does not have.
pub(super) fn variables_query() -> String {
    let names = VARIABLES.map(|name| format!("'{name}'")).join(", ");
    format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
}

/// The values that the check is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfiguration {
    /// The server's product and version.
    pub version: ServerVersion,
    /// The account of the connection, `'user'@'host'`.
    pub account: String,
    /// Global variables by name; one that is missing does not exist on the server.
    pub variables: BTreeMap<String, String>,
    /// The lines of SHOW GRANTS.
    pub grants: Vec<String>,
}

/// What a capture needs besides what every capture needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureNeeds {
    /// Whether MySQL's positions are GTIDs.
    pub gtid: bool,
    /// Whether a snapshot of tables is read, which needs SELECT, and LOCK TABLES on MySQL.
    pub snapshot: bool,
    /// The id of the log's reader, which must differ from the server's.
    pub reader_server_id: Option<u32>,
}

/// A setting that prevents capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// The statements, or the lines of the option file, that mend it.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.mend)
    }
}

/// The oldest versions whose log is read.
const MIN_MYSQL: (u16, u16, u16) = (8, 0, 0);
const MIN_MARIADB: (u16, u16, u16) = (10, 6, 0);

impl ServerConfiguration {
    /// Collects the values from the results of the queries.
    pub(super) fn from_rows(
        version: ServerVersion,
        account: String,
        variables: &Rows,
        grants: &Rows,
    ) -> Self {
        let variables = variables.rows.iter().filter_map(|row| match row.as_slice() {
            [Some(name), Some(value)] => Some((name.to_ascii_lowercase(), value.clone())),
            _ => None,
        });
        let grants = grants.column(0).map(str::to_owned).collect();
        Self { version, account, variables: variables.collect(), grants }
    }

    /// Returns what prevents capture; empty for a suitable server.
    pub fn check(&self, needs: &CaptureNeeds) -> Vec<Problem> {
        if let Some(problem) = self.check_version() {
            // the rest has other names there
            return vec![problem];
        }
        let problems = [
            self.check_log(),
            self.check_server_id(needs),
            self.check_format(),
            self.check_image(),
            self.check_value_options(),
            self.check_gtid(needs),
        ];
        problems.into_iter().flatten().chain(self.check_grants(needs)).collect()
    }

    /// Returns a variable, in upper case.
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.to_ascii_uppercase())
    }

    /// Returns the statement that sets a variable and keeps it over a restart, as far as one statement can.
    fn set(&self, name: &str, value: &str) -> String {
        match self.version.flavor {
            Flavor::Mariadb => format!(
                "run SET GLOBAL {name} = {value}, and write {name} = {value} under [mysqld] in the option file"
            ),
            _ => format!("run SET PERSIST {name} = {value}"),
        }
    }

    fn check_version(&self) -> Option<Problem> {
        let (name, minimum) = match self.version.flavor {
            Flavor::Mysql => ("MySQL 8.0", MIN_MYSQL),
            Flavor::Mariadb => ("MariaDB 10.6", MIN_MARIADB),
            Flavor::Tidb => {
                return problem("TiDB has no binary log", "use TiDB's own changefeeds (TiCDC)");
            }
        };
        if self.version.number < minimum {
            return problem(
                format!("{} is not supported", self.version),
                format!("upgrade the server to {name} or newer"),
            );
        }
        None
    }

    fn check_log(&self) -> Option<Problem> {
        if !matches!(self.variable("log_bin").as_deref(), Some("ON" | "1")) {
            return problem(
                "the server writes no binary log (log_bin = OFF)",
                "write log_bin = binlog and server_id = 1 under [mysqld] in the option file, and restart the server",
            );
        }
        match self.variable("binlog_storage_engine") {
            Some(engine) if !engine.is_empty() => problem(
                format!(
                    "the binary log is kept in {engine} (binlog_storage_engine), which is not supported yet"
                ),
                "remove binlog_storage_engine from the option file, and restart the server",
            ),
            _ => None,
        }
    }

    fn check_server_id(&self, needs: &CaptureNeeds) -> Option<Problem> {
        let id = self.variable("server_id")?.parse::<u32>().ok()?;
        if id == 0 {
            return problem("the server has no server id (server_id = 0)", self.set("server_id", "1"));
        }
        if needs.reader_server_id == Some(id) {
            return problem(
                format!("the server id {id} of this reader is that of the server"),
                "set another server id in the settings",
            );
        }
        None
    }

    fn check_format(&self) -> Option<Problem> {
        match self.variable("binlog_format") {
            Some(format) if format != "ROW" => problem(
                format!("the binary log contains statements instead of rows (binlog_format = {format})"),
                format!(
                    "{}; open sessions keep the old value until they reconnect",
                    self.set("binlog_format", "ROW")
                ),
            ),
            _ => None,
        }
    }

    fn check_image(&self) -> Option<Problem> {
        match self.variable("binlog_row_image") {
            Some(image) if image != "FULL" => problem(
                format!("the binary log contains incomplete rows (binlog_row_image = {image})"),
                format!(
                    "{}; open sessions keep the old value until they reconnect",
                    self.set("binlog_row_image", "FULL")
                ),
            ),
            _ => None,
        }
    }

    fn check_value_options(&self) -> Option<Problem> {
        match self.variable("binlog_row_value_options") {
            Some(options) if !options.is_empty() => problem(
                format!(
                    "the binary log contains parts of JSON values (binlog_row_value_options = {options})"
                ),
                self.set("binlog_row_value_options", "''"),
            ),
            _ => None,
        }
    }

    fn check_gtid(&self, needs: &CaptureNeeds) -> Option<Problem> {
        if !needs.gtid || self.version.flavor == Flavor::Mariadb {
            return None;
        }
        let mode = self.variable("gtid_mode").unwrap_or_else(|| "OFF".to_owned());
        // from each mode only the next one can be set
        let modes = match mode.as_str() {
            "ON" => return None,
            "ON_PERMISSIVE" => &["ON"][..],
            "OFF_PERMISSIVE" => &["ON_PERMISSIVE", "ON"],
            _ => &["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"],
        };
        let mut statements = Vec::new();
        if self.variable("enforce_gtid_consistency").is_none_or(|value| value != "ON" && value != "1") {
            statements.push("SET PERSIST enforce_gtid_consistency = ON".to_owned());
        }
        statements.extend(modes.iter().map(|mode| format!("SET PERSIST gtid_mode = {mode}")));
        problem(
            format!("not every transaction has a GTID (gtid_mode = {mode})"),
            format!("run {}", statements.join("; ")),
        )
    }

    fn check_grants(&self, needs: &CaptureNeeds) -> Vec<Problem> {
        let grants = Grants::parse(self.grants.iter().map(String::as_str));
        if grants.has_role {
            // what a role grants is not known here; the server's error tells then
            return Vec::new();
        }
        let is_mariadb = self.version.flavor == Flavor::Mariadb;
        let monitor = if is_mariadb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
        let needed = [
            (true, grants.reads_log, "REPLICATION SLAVE"),
            (true, grants.monitors_log, monitor),
            (needs.snapshot, grants.selects, "SELECT"),
            (needs.snapshot && !is_mariadb, grants.locks_tables, "LOCK TABLES"),
        ];
        let missing = needed.iter().filter(|(is_needed, is_granted, _)| *is_needed && !is_granted);
        let account = &self.account;
        let problems = missing.filter_map(|(_, _, privilege)| {
            problem(
                format!("the account {account} lacks the privilege {privilege}"),
                format!("run GRANT {privilege} ON *.* TO {account}"),
            )
        });
        problems.collect()
    }
}

fn problem(what: impl Into<String>, mend: impl Into<String>) -> Option<Problem> {
    Some(Problem { what: what.into(), mend: mend.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: &str, changes: &[(&str, &str)]) -> ServerConfiguration {
        let mut variables: BTreeMap<String, String> = [
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("binlog_row_value_options", ""),
            ("enforce_gtid_consistency", "ON"),
            ("gtid_mode", "ON"),
            ("log_bin", "ON"),
            ("server_id", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        ServerConfiguration {
            version: ServerVersion::parse(version),
            account: "'me'@'%'".to_owned(),
            variables,
            grants: vec!["GRANT ALL PRIVILEGES ON *.* TO `me`@`%`".to_owned()],
        }
    }

    fn needs() -> CaptureNeeds {
        CaptureNeeds { gtid: true, snapshot: true, reader_server_id: Some(77) }
    }

    #[test]
    fn suitable_servers_have_no_problems() {
        for version in ["8.0.36", "8.4.3", "5.5.5-10.6.18-MariaDB", "11.4.2-MariaDB-log"] {
            assert_eq!(server(version, &[]).check(&needs()), [], "{version}");
        }
        let by_file = CaptureNeeds { gtid: false, ..needs() };
        assert_eq!(server("8.0.36", &[("gtid_mode", "OFF")]).check(&by_file), []);
        // MySQL may drop variables that have one value only
        let mut newer = server("9.5.0", &[]);
        newer.variables.remove("binlog_format");
        assert_eq!(newer.check(&needs()), []);
    }

    #[test]
    fn each_wrong_setting_has_a_line_with_its_statement() {
        for (version, change, expected) in [
            ("8.0.36", ("log_bin", "OFF"), "(log_bin = OFF): write log_bin = binlog and server_id = 1"),
            ("8.0.36", ("server_id", "0"), "run SET PERSIST server_id = 1"),
            ("8.0.36", ("server_id", "77"), "77 of this reader is that of the server: set another"),
            (
                "8.0.36",
                ("binlog_format", "MIXED"),
                "(binlog_format = MIXED): run SET PERSIST binlog_format = ROW; open sessions",
            ),
            (
                "10.11.6-MariaDB",
                ("binlog_format", "STATEMENT"),
                "run SET GLOBAL binlog_format = ROW, and write",
            ),
            ("8.0.36", ("binlog_row_image", "MINIMAL"), "run SET PERSIST binlog_row_image = FULL"),
            ("11.4.2-MariaDB", ("binlog_row_image", "FULL_NODUP"), "(binlog_row_image = FULL_NODUP)"),
            (
                "8.0.36",
                ("binlog_row_value_options", "PARTIAL_JSON"),
                "run SET PERSIST binlog_row_value_options = ''",
            ),
            (
                "8.0.36",
                ("gtid_mode", "OFF"),
                "run SET PERSIST gtid_mode = OFF_PERMISSIVE; SET PERSIST gtid_mode = ON_PERMISSIVE; SET PERSIST gtid_mode = ON",
            ),
            (
                "8.0.36",
                ("gtid_mode", "ON_PERMISSIVE"),
                "(gtid_mode = ON_PERMISSIVE): run SET PERSIST gtid_mode = ON",
            ),
            ("12.3.1-MariaDB", ("binlog_storage_engine", "innodb"), "INNODB (binlog_storage_engine)"),
            ("8.0.11-TiDB-v7.5.0", ("log_bin", "OFF"), "TiDB has no binary log"),
            ("5.7.44", ("log_bin", "OFF"), "MySQL 5.7.44 is not supported: upgrade the server to MySQL 8.0"),
            ("10.5.9-MariaDB", ("log_bin", "OFF"), "upgrade the server to MariaDB 10.6"),
        ] {
            let problems = server(version, &[change]).check(&needs());
            let [problem] = problems.as_slice() else { panic!("{change:?}: {problems:?}") };
            let line = problem.to_string();
            assert!(line.contains(expected), "{change:?}: {line}");
            assert!(!line.contains('\n') && !line.ends_with('.'), "{line}");
        }
        let mut changed = server("8.0.36", &[("gtid_mode", "OFF")]);
        changed.variables.remove("enforce_gtid_consistency");
        let line = changed.check(&needs())[0].to_string();
        assert!(
            line.contains("run SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode"),
            "{line}"
        );
    }

    #[test]
    fn each_missing_privilege_has_a_line_with_its_grant() {
        for (version, grants, expected) in [
            (
                "8.0.36",
                &["GRANT USAGE ON *.* TO `me`@`%`"][..],
                &["REPLICATION SLAVE", "REPLICATION CLIENT", "SELECT", "LOCK TABLES"][..],
            ),
            (
                "10.11.6-MariaDB",
                &["GRANT SELECT ON *.* TO `me`@`%`"],
                &["REPLICATION SLAVE", "BINLOG MONITOR"],
            ),
            ("8.0.36", &["GRANT `reader`@`%` TO `me`@`%`", "GRANT USAGE ON *.* TO `me`@`%`"], &[]),
        ] {
            let mut server = server(version, &[]);
            server.grants = grants.iter().map(|line| (*line).to_owned()).collect();
            let found: Vec<_> = server.check(&needs()).into_iter().map(|problem| problem.mend).collect();
            let expected: Vec<_> =
                expected.iter().map(|name| format!("run GRANT {name} ON *.* TO 'me'@'%'")).collect();
            assert_eq!(found, expected, "{grants:?}");
        }
    }
}
