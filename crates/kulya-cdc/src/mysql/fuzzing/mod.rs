//! Fuzz entry points for what a MySQL or MariaDB server sends: events of the log with their rows, sets of
//! GTIDs, packets, and statements.

mod kinds;
mod log;
mod statements;
mod tables;

pub(crate) use log::run as run_log;
pub(crate) use statements::run as run_statements;

use super::catalog::ServerFacts;
use super::ddl::{Flavour, ServerVersion};
use super::schema_history::{Collated, TableNameCase};

const MYSQL: ServerVersion = ServerVersion { flavour: Flavour::MySql, number: 80_036 };
const MARIADB: ServerVersion = ServerVersion { flavour: Flavour::MariaDb, number: 101_119 };

fn server(is_mariadb: bool) -> ServerVersion {
    if is_mariadb { MARIADB } else { MYSQL }
}

/// Returns a server's settings with a collation of each way to store characters.
fn facts(is_mariadb: bool) -> ServerFacts {
    let collations = [
        (8, "latin1"),
        (13, "sjis"),
        (28, "gbk"),
        (33, "utf8mb3"),
        (35, "ucs2"),
        (45, "utf8mb4"),
        (54, "utf16"),
        (60, "utf32"),
        (82, "swe7"),
        (255, "utf8mb4"),
    ];
    ServerFacts {
        version: server(is_mariadb),
        case: TableNameCase::Sensitive,
        charset: Collated::new("utf8mb4"),
        charset_names: Default::default(),
        explicit_timestamps: true,
        collations: collations.map(|(number, charset)| (number, Collated::new(charset))).into(),
    }
}
