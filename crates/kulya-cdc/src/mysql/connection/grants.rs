//! The privileges of an account, from the lines of SHOW GRANTS.

/// Privileges that capture needs, as far as the account's own grants tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Grants {
    /// REPLICATION SLAVE on all databases: reading the log.
    pub(super) reads_log: bool,
    /// REPLICATION CLIENT, or BINLOG MONITOR on MariaDB: asking for the log's files and positions.
    pub(super) monitors_log: bool,
    /// SELECT on something.
    pub(super) selects: bool,
    /// LOCK TABLES on something.
    pub(super) locks_tables: bool,
    /// A role is granted, whose privileges are unknown.
    pub(super) has_role: bool,
}

impl Grants {
    pub(super) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grants = Self::default();
        for line in lines {
            grants.add(line);
        }
        grants
    }

    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("GRANT ") else { return };
        let Some((privileges, object)) = rest.split_once(" ON ") else {
            self.has_role = true;
            return;
        };
        let is_global = object.starts_with("*.* TO ");
        for privilege in privileges.split(',').map(str::trim) {
            match privilege {
                "ALL PRIVILEGES" | "ALL" => {
                    self.reads_log |= is_global;
                    self.monitors_log |= is_global;
                    self.selects = true;
                    self.locks_tables = true;
                }
                "REPLICATION SLAVE" | "REPLICATION REPLICA" => self.reads_log |= is_global,
                "REPLICATION CLIENT" | "BINLOG MONITOR" | "SUPER" => self.monitors_log |= is_global,
                "LOCK TABLES" => self.locks_tables = true,
                // SELECT (column) is a privilege on columns, which is not enough for a table
                "SELECT" => self.selects = true,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_parsed() {
        let all = Grants {
            reads_log: true,
            monitors_log: true,
            selects: true,
            locks_tables: true,
            has_role: false,
        };
        for (lines, expected) in [
            (&["GRANT USAGE ON *.* TO `me`@`%`"][..], Grants::default()),
            (
                &["GRANT ALL PRIVILEGES ON *.* TO `me`@`%` IDENTIFIED BY PASSWORD '*14' WITH GRANT OPTION"],
                all,
            ),
            (
                &["GRANT SELECT, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `me`@`%`"],
                Grants { locks_tables: false, ..all },
            ),
            (
                &[
                    "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `me`@`%`",
                    "GRANT SELECT, LOCK TABLES ON `shop`.* TO `me`@`%`",
                ],
                all,
            ),
            (
                &["GRANT ALL PRIVILEGES ON `shop`.* TO `me`@`%`"],
                Grants { selects: true, locks_tables: true, ..Grants::default() },
            ),
            (&["GRANT SELECT (`id`), INSERT ON `a`.`b` TO `me`@`%`"], Grants::default()),
            (&["GRANT `reader`@`%` TO `me`@`%`"], Grants { has_role: true, ..Grants::default() }),
        ] {
            assert_eq!(Grants::parse(lines.iter().copied()), expected, "{lines:?}");
        }
    }
}
