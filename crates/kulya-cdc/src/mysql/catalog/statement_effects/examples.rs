//! The scripts of a folder, each on databases of its own. `KULYA_DDL_EXAMPLES` names the folder; files end
//! with `.sql` or `.ddl`. Without it the folder is that of the project's own examples.
//!
//! Statements whose first words say that they change tables or databases are run. The server accepts a
//! statement or not; of those that it accepts each must be read with the effect that it has, or refused by
//! name. Every other statement must be read or refused.

use super::super::{CapturedTables, ServerFacts, is_system, read_definitions};
use super::comparison::{Compared, difference, from_history, from_server, table_from_history};
use super::{missing, script};
use crate::mysql::connection::{Connection, ConnectionSettings};
use crate::mysql::ddl::{DdlError, Statement, TableBody, TableRef, parse};
use crate::mysql::schema_history::{Change, SchemaHistory, TableName};
use crate::mysql::session::{self, quoted};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The database in which a script starts.
const DATABASE: &str = "examples";

/// Statements that make what a statement lacks, at most.
const MAX_REMEDIES: usize = 100;

/// Objects whose statements change neither tables nor databases, but the server that others use.
const UNTOUCHED: &[&str] =
    &["EVENT", "INSTANCE", "LOGFILE", "RESOURCE", "ROLE", "SERVER", "TABLESPACE", "UNDO", "USER"];

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn examples_have_the_effect_that_real_mariadb_has() {
    compare("KULYA_TEST_MARIADB").await;
}

#[tokio::test]
#[ignore = "needs MySQL"]
async fn examples_have_the_effect_that_real_mysql_has() {
    compare("KULYA_TEST_MYSQL").await;
}

async fn compare(variable: &str) {
    let _alone = super::SERVER.lock().await;
    let folder = std::env::var("KULYA_DDL_EXAMPLES")
        .unwrap_or_else(|_| format!("{}/tests/data/mysql/ddl/examples", env!("CARGO_MANIFEST_DIR")));
    let mut files = Vec::new();
    list(Path::new(&folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no file that ends with .sql or .ddl");
    files.sort();
    let settings = ConnectionSettings::parse(&std::env::var(variable).unwrap()).unwrap();
    let mut run = Run::start(&settings).await;
    for file in &files {
        run.run_script(file).await;
    }
    run.drop_databases().await;
    println!("{} files, {}", files.len(), run.figures);
    for wrong in &run.wrong {
        println!("DIFFERS {wrong}\n");
    }
    assert!(run.wrong.is_empty(), "{} statements differ", run.wrong.len());
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            list(&path, files);
        } else if matches!(extension, Some("sql" | "ddl")) {
            files.push(path);
        }
    }
}

/// How many statements had which result.
#[derive(Debug, Default)]
struct Figures {
    statements: usize,
    /// Statements that change no table, by their first words, and are not run.
    others: usize,
    /// Statements that the server accepted, and whose effect the history has.
    equal: usize,
    /// Statements that the server accepted and the reader refused, by reason.
    refused: BTreeMap<String, usize>,
    /// Statements that the server did not accept: read, and refused by reason.
    unaccepted: usize,
    unaccepted_and_refused: BTreeMap<String, usize>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let refused: usize = self.refused.values().sum();
        let unaccepted_and_refused: usize = self.unaccepted_and_refused.values().sum();
        writeln!(f, "{} statements: {} change no table", self.statements, self.others)?;
        writeln!(f, "accepted by the server: {} equal, {refused} refused: {:#?}", self.equal, self.refused)?;
        write!(
            f,
            "not accepted: {} read, {unaccepted_and_refused} refused: {:#?}",
            self.unaccepted, self.unaccepted_and_refused
        )
    }
}

struct Run<'a> {
    settings: &'a ConnectionSettings,
    connection: Connection,
    facts: ServerFacts,
    /// The databases that were there before.
    kept: BTreeSet<String>,
    history: SchemaHistory,
    /// The session's database.
    database: String,
    figures: Figures,
    wrong: Vec<String>,
}

impl<'a> Run<'a> {
    async fn start(settings: &'a ConnectionSettings) -> Self {
        let mut connection = connect(settings).await;
        let facts = ServerFacts::read(&mut connection).await.unwrap();
        // what an interrupted run has left
        connection.query(&format!("DROP DATABASE IF EXISTS {DATABASE}")).await.unwrap();
        let kept = databases(&mut connection).await;
        let history = SchemaHistory::new(facts.case);
        let database = DATABASE.to_owned();
        let (figures, wrong) = (Figures::default(), Vec::new());
        Self { settings, connection, facts, kept, history, database, figures, wrong }
    }

    async fn run_script(&mut self, file: &Path) {
        self.drop_databases().await;
        self.connection = connect(self.settings).await;
        self.use_database(DATABASE).await;
        self.read_history().await;
        let script = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        for statement in script::statements(&script) {
            let wrong = self.wrong.len();
            self.run_statement(statement).await;
            if let Some(wrong) = self.wrong.get_mut(wrong) {
                *wrong = format!("{}: {wrong}", file.display());
            }
        }
        self.check_all(&format!("{}: at the end", file.display())).await;
    }

    async fn run_statement(&mut self, statement: &str) {
        self.figures.statements += 1;
        let parsed = parse(statement.as_bytes(), self.facts.parse_settings(0));
        let words: Vec<&str> = match &parsed {
            Ok(Statement::Harmless(words)) => words.split(' ').collect(),
            Ok(Statement::ChangeRows { verb, .. }) => vec![verb],
            _ => vec!["CREATE"],
        };
        if words[0] == "USE" {
            self.figures.others += 1;
            let name = statement.trim().rsplit(|sign: char| sign.is_whitespace()).next().unwrap_or_default();
            self.use_database(name.trim_matches('`')).await;
            return;
        }
        let is_definition = matches!(words[0], "CREATE" | "ALTER" | "DROP" | "RENAME" | "TRUNCATE");
        let is_untouched = words.iter().any(|word| UNTOUCHED.contains(word));
        if !is_definition || is_untouched || self.concerns_kept(statement, &parsed) {
            self.figures.others += 1;
            return;
        }
        let accepted = self.run_with_remedies(statement, parsed.as_ref().ok()).await;
        if let Err(cause) = &accepted {
            println!("{statement}\n-- {cause}");
        }
        match (accepted, &parsed) {
            (Err(_), Ok(_)) => self.figures.unaccepted += 1,
            (Err(_), Err(error)) => {
                println!("-- refused also here: {error}");
                *self.figures.unaccepted_and_refused.entry(reason(error)).or_default() += 1;
            }
            (Ok(()), Err(error)) => {
                println!("{statement}\n-- refused: {error}");
                *self.figures.refused.entry(reason(error)).or_default() += 1;
                if error.tables.is_none() {
                    self.wrong.push(format!("{statement}\nrefused without a name: {error}"));
                }
                self.read_history().await;
            }
            (Ok(()), Ok(parsed)) => self.check_effect(statement, parsed).await,
        }
        self.find_database(&words).await;
    }

    /// Runs a statement, and before it, while the server refuses it, those that make what it lacks.
    async fn run_with_remedies(&mut self, statement: &str, parsed: Option<&Statement>) -> Result<(), String> {
        for _ in 0..MAX_REMEDIES {
            let Err(error) = self.connection.query(statement).await else { return Ok(()) };
            let mut is_mended = false;
            for alternatives in missing::remedies(&error, parsed) {
                for remedy in alternatives {
                    if self.connection.query(&remedy).await.is_ok() {
                        let read = parse(remedy.as_bytes(), self.facts.parse_settings(0)).unwrap();
                        self.apply(&read).unwrap();
                        is_mended = true;
                        break;
                    }
                }
            }
            if !is_mended {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                return Err(cause);
            }
        }
        Err("too many remedies".to_owned())
    }

    fn apply(&mut self, statement: &Statement) -> Result<Vec<Change>, String> {
        let session = self.facts.session(Some(&self.database), None);
        self.history.apply(statement, &session).map_err(|error| error.to_string())
    }

    /// Compares the tables of a statement that the server has accepted.
    async fn check_effect(&mut self, statement: &str, parsed: &Statement) {
        let applied = self.apply(parsed);
        let mut differences = String::new();
        for name in applied.iter().flatten().flat_map(changed_tables) {
            let server = from_server(&mut self.connection, &self.facts, Compared::Table(name)).await;
            differences += &difference(&server, &table_from_history(&self.history, &self.facts, name))
                .unwrap_or_default();
        }
        if applied.is_ok() && differences.is_empty() {
            self.figures.equal += 1;
            return;
        }
        self.wrong.push(format!("{statement}\n{applied:?}\n{differences}"));
        self.read_history().await;
    }

    /// Compares all tables: statements that seem to change none may have changed one.
    async fn check_all(&mut self, title: &str) {
        let kept = &self.kept;
        let is_compared = |database: &str| !kept.contains(database);
        let compared = Compared::Databases(&is_compared);
        let server = from_server(&mut self.connection, &self.facts, compared).await;
        if let Some(difference) = difference(&server, &from_history(&self.history, &self.facts)) {
            self.wrong.push(format!("{title}\n{difference}"));
        }
    }

    async fn read_history(&mut self) {
        let kept = &self.kept;
        let is_captured = |database: &str, _: &str| !kept.contains(database);
        let tables = CapturedTables::list(&mut self.connection, &is_captured).await.unwrap();
        let definitions = read_definitions(&mut self.connection, &self.facts, &tables).await.unwrap();
        self.history = definitions.history;
        self.check_all("SHOW CREATE TABLE").await;
    }

    async fn use_database(&mut self, name: &str) {
        let name = if self.kept.contains(name) { DATABASE } else { name };
        let create = format!("CREATE DATABASE {}", quoted(name));
        if self.connection.query(&create).await.is_ok() {
            let create = parse(create.as_bytes(), self.facts.parse_settings(0)).unwrap();
            self.apply(&create).unwrap();
        }
        self.connection.query(&format!("USE {}", quoted(name))).await.unwrap();
        name.clone_into(&mut self.database);
    }

    /// Finds the session's database again, after a statement that may have dropped it, and forgets
    /// temporary tables.
    async fn find_database(&mut self, words: &[&str]) {
        if words.contains(&"TEMPORARY") {
            self.connection = connect(self.settings).await;
        }
        let database = self.database.clone();
        self.use_database(&database).await;
    }

    /// Whether a statement names a database that was there before.
    fn concerns_kept(&self, statement: &str, parsed: &Result<Statement, DdlError>) -> bool {
        let text = statement.to_lowercase().replace('`', "");
        let is_in_text = self.kept.iter().any(|name| text.contains(&format!("{}.", name.to_lowercase())));
        let of = |table: &TableRef| table.database.clone();
        let databases: Vec<Option<String>> = match parsed {
            Ok(Statement::DropDatabase(name) | Statement::CreateDatabase { database: name, .. }) => {
                vec![Some(name.clone())]
            }
            Ok(Statement::AlterDatabase { database, .. }) => vec![database.clone()],
            Ok(Statement::CreateTable(create)) => match &create.body {
                TableBody::Like(source) => vec![of(&create.table), of(source)],
                TableBody::Definition(_) => vec![of(&create.table)],
            },
            Ok(Statement::AlterTable { table, .. } | Statement::TruncateTable(table)) => vec![of(table)],
            Ok(Statement::DropTables(tables)) => tables.iter().map(of).collect(),
            Ok(Statement::RenameTables(pairs)) => pairs.iter().flat_map(|(a, b)| [of(a), of(b)]).collect(),
            Err(error) => error.tables.iter().flatten().map(of).collect(),
            _ => Vec::new(),
        };
        is_in_text || databases.iter().flatten().any(|name| self.kept.contains(name) || is_system(name))
    }

    async fn drop_databases(&mut self) {
        for name in databases(&mut self.connection).await {
            if !self.kept.contains(&name) {
                self.connection.query(&format!("DROP DATABASE {}", quoted(&name))).await.unwrap();
            }
        }
    }
}

fn changed_tables(change: &Change) -> Vec<&TableName> {
    match change {
        Change::Created(table) | Change::Altered(table) | Change::Dropped(table) => vec![table],
        Change::Truncated(table) => vec![table],
        Change::Renamed { from, to } => vec![from, to],
        Change::Unknown { table, renamed } => std::iter::once(table).chain(renamed).collect(),
        Change::DatabaseChanged(_) | Change::DatabaseDropped(_) => Vec::new(),
    }
}

async fn connect(settings: &ConnectionSettings) -> Connection {
    let mut connection = session::open(settings).await.unwrap();
    for statement in ["SET foreign_key_checks = 0", "SET innodb_strict_mode = 0"] {
        connection.query(statement).await.unwrap();
    }
    connection
}

async fn databases(connection: &mut Connection) -> BTreeSet<String> {
    let rows = connection.query("SELECT schema_name FROM information_schema.schemata").await.unwrap();
    rows.column(0).map(str::to_owned).collect()
}

/// Why a statement is refused, without its place and tables.
fn reason(error: &DdlError) -> String {
    error.problem.to_string()
}
