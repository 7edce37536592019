//! `kulya sql`: statements from the command line, a file, a pipe, or a prompt.

use crate::args::{Output, Place, SqlArgs};
use crate::history::History;
use crate::memory;
use crate::open::{self, Address, House};
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use kulya_auth::Credentials;
use kulya_client::{HttpRegistry, Login, RegistrySettings};
use kulya_registry_api::SchemaRegistry;
use kulya_sql::{
    Backend, CatalogOptions, Opener, RowWriter, Security, Session, Shape, SqlError, SqlResult, Started,
    StoreAddress,
};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is said where a catalog is needed, and no store was named.
const NO_STORE: &str = "folder kulya-data does not exist: kulya serve, kulya cdc or kulya demo make one, --data names a store, CREATE CATALOG … WITH another";

/// The name of the catalog of the folder's own store.
const CATALOG: &str = "kulya";

const HELP: &str = "\
SHOW DATABASES;  USE database;  SHOW TABLES;  DESCRIBE table;  SELECT …;  EXPLAIN SELECT …;
SHOW CATALOGS;   CREATE CATALOG name WITH ('type' = 'pravega', …);  USE CATALOG name;
A statement ends with a semicolon. Names with dots go in backticks: SELECT * FROM `shop.public.customers`;
Ctrl-C drops what was typed, or ends a running query; Ctrl-D, or quit, ends.";

pub(crate) async fn run(settings: Settings, args: SqlArgs) -> Result<()> {
    let limits = settings.query_limits(&args)?;
    let is_named = args.place.url.is_some() || args.place.data.is_some() || settings.names_data();
    let address = Address::of(args.place, &settings)?;
    let own = match &address {
        Address::Folder(path) => Some(path.clone()),
        Address::Objects(_) | Address::Server(_) | Address::Pravega(_) => None,
    };
    let house = match &own {
        // CREATE CATALOG may name all that is asked
        Some(path) if !is_named && !path.exists() => None,
        _ => Some(open::on(address.store(false).await?).await?),
    };
    let text = match (args.execute, args.file) {
        (Some(text), _) => Some(text),
        (None, Some(path)) => {
            Some(std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        (None, None) if std::io::stdin().is_terminal() => None,
        (None, None) => {
            let mut piped = String::new();
            std::io::stdin().read_to_string(&mut piped).context("cannot read standard input")?;
            Some(piped)
        }
    };
    let memory = limits.memory_bytes as u64;
    let session = match &house {
        Some(house) => session(house, own).await?,
        None => Session::without_catalog(NO_STORE).opener(StoreOpener { own: None, backend: None }),
    };
    let mut session = session.limits(limits);
    let shape = shape(args.output);
    match text {
        Some(text) => {
            let stop = stop::on_signal()?;
            tokio::select! {
                done = execute(&mut session, &text, shape) => done?,
                () = stop.cancelled() => bail!("interrupted"),
                bytes = memory::exceeded(memory) => return Err(too_much(bytes, memory)),
            }
        }
        None => prompt(&mut session, shape, memory).await?,
    }
    if let Some(house) = house {
        house.store.close().await?;
    }
    Ok(())
}

fn shape(output: Output) -> Shape {
    match output {
        Output::Table => Shape::Table,
        Output::Csv => Shape::Csv,
        Output::Json => Shape::Json,
    }
}

/// A session on a house, whose store is in this folder if it is in one.
pub(crate) async fn session(house: &House, folder: Option<PathBuf>) -> SqlResult<Session> {
    let backend = Backend { store: Arc::clone(&house.store), registry: Arc::clone(&house.registry) as _ };
    let opener = StoreOpener { own: folder, backend: Some(backend.clone()) };
    Ok(Session::new(CATALOG, backend).await?.opener(opener))
}

/// Opens the stores and registries that CREATE CATALOG names. The session's own folder is open already.
struct StoreOpener {
    own: Option<PathBuf>,
    backend: Option<Backend>,
}

#[async_trait]
impl Opener for StoreOpener {
    async fn open(&self, options: &CatalogOptions) -> SqlResult<Backend> {
        let said = |error: anyhow::Error| SqlError::new(format!("{error:#}"));
        let address = match &options.store {
            Some(StoreAddress::Folder(folder)) if !self.own.as_ref().is_some_and(|own| same(folder, own)) => {
                if !folder.exists() {
                    return Err(SqlError::new(format!("folder {} does not exist", folder.display())));
                }
                Some(Address::Folder(folder.clone()))
            }
            Some(StoreAddress::Url(url)) => Some(secured(url, &options.security).map_err(said)?),
            _ => None,
        };
        let mut backend = self.backend.clone();
        if let Some(address) = address {
            let house = open::on(address.store(false).await.map_err(said)?).await.map_err(said)?;
            backend = Some(Backend { store: house.store, registry: house.registry as _ });
        }
        let none = || SqlError::new("this session has no store of its own: give 'controller-uri'");
        let mut backend = backend.ok_or_else(none)?;
        if let Some(url) = &options.registry {
            let mut settings = RegistrySettings::new(url);
            // one option says both: an authority is no matter of a registry that speaks no TLS
            if ["https://", "tls://"].iter().any(|scheme| url.starts_with(scheme)) {
                settings.ca_pem = authority(&options.security).map_err(said)?;
            }
            settings.login = match login(&options.security).map_err(said)? {
                None => Login::Nobody,
                Some(Shown::User(user, password)) => Login::Basic { user, password },
                Some(Shown::Token(token)) => Login::Token(token),
            };
            let registry = HttpRegistry::with(settings)?;
            // a wrong address is said now, and not by the first query
            registry.groups("").await?;
            backend.registry = Arc::new(registry);
        }
        Ok(backend)
    }
}

/// What a catalog's options show.
enum Shown {
    User(String, String),
    Token(String),
}

fn login(security: &Security) -> Result<Option<Shown>> {
    let Some((method, token)) = &security.authorization else { return Ok(None) };
    // the token itself is not shown
    match method.as_str() {
        "Bearer" => Ok(Some(Shown::Token(token.clone()))),
        "Basic" => match Credentials::parse(&format!("Basic {token}")) {
            Some(Credentials::Basic { user, password }) => {
                let password = String::from_utf8(password.reveal().to_vec());
                Ok(Some(Shown::User(
                    user,
                    password.context("the password in security.auth-token is no text")?,
                )))
            }
            _ => bail!("security.auth-token is not the base64 of user:password, as auth-type Basic wants it"),
        },
        other => bail!("security.auth-type {other} is not supported: Basic or Bearer"),
    }
}

fn authority(security: &Security) -> Result<Option<String>> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        text.with_context(|| format!("cannot read security.trust-store {} (a file in PEM)", path.display()))
    };
    security.authority.as_ref().map(read).transpose()
}

fn secured(url: &str, security: &Security) -> Result<Address> {
    Ok(match Address::at(url, &Place::default())? {
        Address::Server(mut remote) => {
            if url.starts_with("https://") {
                remote.ca_pem = authority(security)?;
            }
            match login(security)? {
                None => {}
                Some(Shown::User(user, password)) => {
                    (remote.basic, remote.token) = (Some((user, password)), None)
                }
                Some(Shown::Token(token)) => remote.token = Some(token),
            }
            Address::Server(remote)
        }
        Address::Pravega(mut pravega) => {
            if let Some((method, token)) = security.authorization.clone() {
                pravega.credentials = Some(kulya_store_pravega::Credentials { method, token });
            }
            pravega.authorities = security.authority.clone().or(pravega.authorities);
            Address::Pravega(pravega)
        }
        folder => folder,
    })
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Runs statements; rows are printed as they come.
async fn execute(session: &mut Session, text: &str, shape: Shape) -> Result<()> {
    for statement in kulya_sql::statements(text)? {
        match session.start(statement).await? {
            Started::Finished(outcome) => print(outcome.write(shape)?).await?,
            Started::Rows(mut rows) => {
                let mut writer = RowWriter::new(rows.schema(), shape);
                while let Some(batch) = rows.next().await? {
                    print(writer.write(&batch)?).await?;
                }
                print(writer.finish()?).await?;
                rows.notes().iter().for_each(|note| eprintln!("kulya: {note}"));
            }
        }
    }
    Ok(())
}

/// Writes to standard output on a thread that may wait for its reader, so that signals are served meanwhile.
async fn print(text: String) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let written = tokio::task::spawn_blocking(move || {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    });
    Ok(written.await??)
}

fn too_much(bytes: u64, memory: u64) -> anyhow::Error {
    anyhow::anyhow!(
        "the query was ended: the process takes {} MB of memory, and --memory allows {} MB; ask for less, or raise it",
        bytes >> 20,
        memory >> 20
    )
}

/// Reads statements from the terminal until Ctrl-D or `quit`.
pub(crate) async fn prompt(session: &mut Session, shape: Shape, memory: u64) -> Result<()> {
    let mut editor = DefaultEditor::new().context("this terminal cannot be used")?;
    let history = History::of_home(&mut editor);
    say!("Statements end with a semicolon; help; says more, Ctrl-D ends.");
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() { format!("{}> ", session.place()) } else { "      -> ".to_owned() };
        let (back, line) = tokio::task::spawn_blocking(move || {
            let line = editor.readline(&prompt);
            (editor, line)
        })
        .await?;
        editor = back;
        match line {
            Ok(line) => typed = if typed.is_empty() { line } else { format!("{typed}\n{line}") },
            Err(ReadlineError::Interrupted) => {
                typed.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("the terminal failed"),
        }
        let word = typed.trim().trim_end_matches(';').trim_end().to_ascii_lowercase();
        if word == "quit" || word == "exit" {
            break;
        }
        if word != "help" && !typed.trim_end().ends_with(';') {
            if typed.trim().is_empty() {
                typed.clear();
            }
            continue;
        }
        history.add(&mut editor, typed.trim());
        if word == "help" {
            say!("{HELP}");
        } else {
            answer(session, &typed, shape, memory).await;
        }
        typed.clear();
    }
    Ok(())
}

/// Runs what was typed; an error is shown, and the prompt goes on. Ctrl-C ends the query alone.
async fn answer(session: &mut Session, text: &str, shape: Shape, memory: u64) {
    let interrupted = CancellationToken::new();
    let cancel = interrupted.clone();
    let watch = kulya_store::supervision::spawn_logged("interrupt", async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    tokio::select! {
        done = execute(session, text, shape) => {
            if let Err(error) = done {
                eprintln!("{}", crate::line(&error));
            }
        }
        () = interrupted.cancelled() => eprintln!("interrupted"),
        bytes = memory::exceeded(memory) => {
            eprintln!("{}", crate::line(&too_much(bytes, memory)));
            // what cannot be interrupted goes on taking memory: the planning of a statement
            if !memory::falls_below(memory).await {
                eprintln!("kulya: it could not be ended but with the program");
                std::process::exit(1);
            }
        }
    }
    watch.abort();
}
