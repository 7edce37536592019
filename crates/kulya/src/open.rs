//! Finding the store that a command is about, in a folder, on object storage, behind a server or in Pravega, and putting the
//! registry on it: what every command begins with.

use crate::args::Place;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use kulya_client::{HttpRegistry, Login, RegistrySettings, RemoteSettings, RemoteStore, random_id};
use kulya_registry::Registry;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store::{ErrorKind, StreamStore};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_store_object::{Location, ObjectLogStore, Settings as ObjectSettings};
use kulya_store_pravega::{Credentials, PravegaStore, Settings as PravegaSettings};
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A server that does not answer is tried for so long: whoever sits before a terminal waits for it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to reach what a server's store is kept on and is not up yet: doubled each time, up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// That it is waited for is said again after about so long.
const SAID_AGAIN: Duration = Duration::from_secs(30);

/// A store with its registry.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where a store is, once flags, variables and the settings file have been asked.
#[derive(Debug)]
pub(crate) enum Address {
    /// In a folder, which this process then owns.
    Folder(PathBuf),
    /// On object storage, which any number of processes share.
    Objects(Location),
    /// Behind a server.
    Server(RemoteSettings),
    /// In Pravega.
    Pravega(PravegaSettings),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Objects(location) => write!(f, "{location}"),
            Self::Server(remote) => f.write_str(&remote.url),
            Self::Pravega(pravega) => write!(f, "Pravega at {}", pravega.controller),
        }
    }
}

impl Address {
    /// Where flags, variables and the settings file say that the store is: `--url`, else `--data`, else the file.
    pub(crate) fn of(place: Place, settings: &Settings) -> Result<Self> {
        match (&place.url, &place.data) {
            (Some(url), _) => Self::of_flag("--url", url, &place),
            (None, Some(data)) => Self::of_flag("--data", data, &place),
            (None, None) => Self::of_flag("the settings file's data", &settings.data(None), &place),
        }
    }

    /// `--url` and `--data` take the same; `said_by` is for messages.
    fn of_flag(said_by: &str, text: &Path, place: &Place) -> Result<Self> {
        match text.to_str() {
            Some(text) if said_by == "--url" && !text.contains('/') => {
                bail!(
                    "--url {text:?} is neither a URL nor a path: write http://host:port, or ./{text} for a folder"
                )
            }
            Some(text) => Self::at(text, place).with_context(|| format!("{said_by} is wrong")),
            // no URL
            None => Ok(Self::Folder(text.to_owned())),
        }
    }

    /// What an address names: `tcp://` and `tls://` Pravega, `s3://` and `file://` object storage, `http://` and `https://` a
    /// server, and a text without a scheme a folder.
    pub(crate) fn at(text: &str, place: &Place) -> Result<Self> {
        let ca = &place.ca;
        let url = text.trim();
        let scheme = scheme(url).map(str::to_ascii_lowercase);
        let Some(scheme) = scheme else {
            refuse_almost_url(text)?;
            return Ok(Self::Folder(text.into()));
        };
        refuse_secrets(url)?;
        match scheme.as_str() {
            "s3" | "file" | "memory" => {
                if ca.is_some() {
                    bail!(
                        "--ca is for servers and Pravega: object storage is trusted by the authorities of this machine"
                    );
                }
                Ok(Self::Objects(Location::of(url, |name| std::env::var(name).ok())?))
            }
            "tcp" | "tls" => {
                let mut pravega = PravegaSettings::new(url.parse()?, random_id());
                pravega.credentials = Credentials::from_variables(|name| std::env::var(name).ok());
                pravega.authorities = ca.clone();
                Ok(Self::Pravega(pravega))
            }
            "http" | "https" => {
                let Presented { ca_pem, basic, token } = presented(place)?;
                let mut remote = RemoteSettings::new(url);
                (remote.patience, remote.ca_pem, remote.basic, remote.token) =
                    (PATIENCE, ca_pem, basic, token);
                Ok(Self::Server(remote))
            }
            other => bail!("{other}:// is no store's scheme: {KNOWN}"),
        }
    }

    /// Opens the store; makes a folder's when it is not there and `makes` says so.
    pub(crate) async fn store(self, makes: bool) -> Result<Arc<dyn StreamStore>> {
        self.store_with(makes, Components::default()).await
    }

    /// The same, with what a folder's store stands on.
    pub(crate) async fn store_with(
        self,
        makes: bool,
        components: Components,
    ) -> Result<Arc<dyn StreamStore>> {
        match self {
            Self::Folder(path) if !makes && !path.exists() => bail!(
                "folder {} does not exist: kulya serve, kulya cdc or kulya demo make one, --data names another",
                path.display()
            ),
            Self::Folder(path) => {
                // reading a log takes its time
                let opening = move || EmbeddedStore::open_with(path, components);
                Ok(Arc::new(tokio::task::spawn_blocking(opening).await??))
            }
            Self::Objects(Location { objects, prefix }) => {
                Ok(Arc::new(ObjectLogStore::open(objects, &prefix, ObjectSettings::new(random_id())).await?))
            }
            Self::Server(remote) => Ok(Arc::new(RemoteStore::connect(remote).await?)),
            Self::Pravega(pravega) => Ok(Arc::new(PravegaStore::open(pravega).await?)),
        }
    }

    /// Opens the store for a server, which does not end because what it is kept on is not up yet: object storage and another
    /// server are waited for before anything is served, and Pravega while requests are answered 503.
    pub(crate) async fn store_to_serve(
        self,
        components: Components,
    ) -> Result<(Arc<dyn StreamStore>, Option<Awaited>)> {
        let place = self.to_string();
        let mut waiting = Waiting::for_place(place.clone());
        match self {
            Self::Pravega(pravega) => {
                let (store, away) = PravegaStore::start(pravega).await?;
                let awaited = away.map(|error| Awaited { store: store.clone(), waiting, error });
                Ok((Arc::new(store), awaited))
            }
            Self::Objects(Location { objects, prefix }) => loop {
                let settings = ObjectSettings::new(random_id());
                match ObjectLogStore::open(Arc::clone(&objects), &prefix, settings).await {
                    Err(error) if error.kind() == ErrorKind::Unreachable => waiting.again(error).await,
                    opened => break Ok((Arc::new(opened?), None)),
                }
            },
            Self::Server(remote) => loop {
                match RemoteStore::connect(remote.clone()).await {
                    Err(error) if error.kind() == ErrorKind::Unreachable => waiting.again(error).await,
                    connected => break Ok((Arc::new(connected?), None)),
                }
            },
            Self::Folder(_) => Ok((self.store_with(true, components).await?, None)),
        }
    }
}

/// Pauses between tries to reach what does not answer, and what is said of it meanwhile.
struct Waiting {
    place: String,
    pause: Duration,
    silent: Duration,
}

impl Waiting {
    fn for_place(place: String) -> Self {
        Self { place, pause: FIRST_PAUSE, silent: SAID_AGAIN }
    }

    /// Waits before the next try.
    async fn again(&mut self, error: kulya_store::Error) {
        if self.silent >= SAID_AGAIN {
            self.silent = Duration::ZERO;
            let error = crate::line(&anyhow::Error::from(error));
            eprintln!(
                "kulya: waiting for {}, requests are answered 503 until it answers: {error}",
                self.place
            );
        }
        tokio::time::sleep(self.pause).await;
        self.silent += self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// A Pravega that did not answer when the server began.
pub(crate) struct Awaited {
    store: PravegaStore,
    waiting: Waiting,
    error: kulya_store::Error,
}

impl Awaited {
    /// Asks again and again, and says so; gives the error that more waiting does not mend.
    pub(crate) async fn failure(self) -> anyhow::Error {
        let Self { store, mut waiting, mut error } = self;
        loop {
            waiting.again(error).await;
            error = match store.reach().await {
                Ok(()) => {
                    eprintln!("kulya: {} answers", waiting.place);
                    return std::future::pending().await;
                }
                Err(error) if error.kind() == ErrorKind::Unreachable => error,
                Err(error) => return error.into(),
            };
        }
    }
}

/// What an address may be, for messages.
const KNOWN: &str = "give a folder, http://host:port or https://host:port of a kulya serve, tcp://controller:9090 or tls:// of Pravega, s3://bucket/prefix, or file:///folder";

/// The scheme of a URL; a folder has none.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|sign| sign.is_ascii_alphanumeric() || "+-.".contains(sign));
    is_scheme.then_some(scheme)
}

/// Refuses a folder's name that was meant as a URL, before such a folder is made.
fn refuse_almost_url(text: &str) -> Result<()> {
    let first = text.trim().split('/').next().unwrap_or_default();
    let Some((name, behind)) = first.split_once(':') else { return Ok(()) };
    let is_port = !behind.is_empty() && behind.bytes().all(|digit| digit.is_ascii_digit());
    let is_known = ["tcp", "tls", "http", "https", "s3", "file", "memory", "pravega"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    if is_port || is_known || behind.is_empty() {
        bail!("{text:?} looks like a URL and is none; {KNOWN} (and ./{text} if it is a folder)");
    }
    Ok(())
}

/// Refuses what is no folder where only a folder will do.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    let Some(text) = path.to_str() else { return Ok(()) };
    if let Some(scheme) = scheme(text) {
        bail!("a folder of this machine is asked for here, and {scheme}://… is a URL");
    }
    refuse_almost_url(text)
}

/// Refuses a URL with a password or a key in it, without showing it: lists of processes and histories would.
fn refuse_secrets(url: &str) -> Result<()> {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        bail!(
            "the URL names a user: give --user with --password-file or KULYA_PASSWORD, or a token, instead"
        );
    }
    let query = behind.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
    if ["secret", "password", "token", "access_key", "credential"].iter().any(|word| query.contains(word)) {
        bail!("the URL holds a secret: give it by a variable or a file, as AWS_SECRET_ACCESS_KEY");
    }
    Ok(())
}

/// What we show a server, and by whom we know it.
struct Presented {
    ca_pem: Option<String>,
    /// User and password.
    basic: Option<(String, String)>,
    token: Option<String>,
}

fn presented(place: &Place) -> Result<Presented> {
    let Place { ca, token_file, user, password_file, .. } = place;
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    // a flag would show the secret to everybody who lists processes
    let secret = |file: &Option<PathBuf>, variable: &str| {
        let text = file.as_ref().map(read).transpose()?.or_else(|| std::env::var(variable).ok());
        anyhow::Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()))
    };
    let (mut basic, mut token) = (None, None);
    match user {
        Some(user) => {
            let password = secret(password_file, "KULYA_PASSWORD")?;
            let password = match password {
                Some(password) => password,
                None => typed_password(user)?,
            };
            basic = Some((user.clone(), password));
        }
        None => token = secret(token_file, "KULYA_TOKEN")?.map(|token| token.trim().to_owned()),
    }
    Ok(Presented { ca_pem: ca.as_ref().map(read).transpose()?, basic, token })
}

/// Asks for a password where somebody can type one.
fn typed_password(user: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("a user needs a password: give --password-file or KULYA_PASSWORD");
    }
    rpassword::prompt_password(format!("Password of {user}: ")).context("cannot ask for a password")
}

/// A registry that speaks REST v1, Kulya's or the Java one.
pub(crate) fn registry_v1(url: String, place: &Place) -> Result<HttpRegistry> {
    let Presented { ca_pem, basic, token } = presented(place)?;
    let login = match (basic, token) {
        (Some((user, password)), _) => Login::Basic { user, password },
        (None, Some(token)) => Login::Token(token),
        (None, None) => Login::Nobody,
    };
    let settings = RegistrySettings { ca_pem, login, ..RegistrySettings::new(url) };
    Ok(HttpRegistry::with(settings)?)
}

/// Opens, or makes, the folder's store.
pub(crate) async fn folder(path: &Path) -> Result<House> {
    on(Arc::new(EmbeddedStore::open(path)?)).await
}

/// A house on any store. Nothing is made there: the registry's table is made by its first change, so that whoever only reads
/// needs no right to write, and leaves nothing behind in a store that others own.
pub(crate) async fn on(store: Arc<dyn StreamStore>) -> Result<House> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let registry = Arc::new(Registry::on(Arc::clone(&store), Arc::clone(&clock))?);
    Ok(House { store, registry, clock })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String> {
        Ok(match Address::at(text, &Place::default())? {
            Address::Folder(path) => format!("folder {}", path.display()),
            Address::Objects(_) => "objects".to_owned(),
            Address::Server(remote) => format!("server {}", remote.url),
            Address::Pravega(_) => "pravega".to_owned(),
        })
    }

    #[tokio::test]
    async fn an_address_is_what_its_scheme_says() {
        for (text, meant) in [
            ("kulya-data", "folder kulya-data"),
            ("/var/lib/kulya", "folder /var/lib/kulya"),
            ("a/b:1", "folder a/b:1"),
            ("./localhost:9092", "folder ./localhost:9092"),
            ("HTTP://h:1", "server HTTP://h:1"),
            (" https://h:1 ", "server https://h:1"),
            ("tcp://h:1", "pravega"),
            ("TLS://h:1", "pravega"),
            ("memory://", "objects"),
        ] {
            assert_eq!(at(text).unwrap(), meant, "{text}");
        }
    }

    #[test]
    fn what_was_meant_as_a_url_makes_no_folder() {
        for text in
            ["tcp:/h:1", "tcp:h", "http:", "localhost:9092", "h:1/x", "file:/x", "S3:bucket", "kafka:"]
        {
            let refused = at(text).unwrap_err().to_string();
            assert!(refused.contains(text) && refused.contains("http://host:port"), "{refused}");
        }
        assert!(at("kafka://h:1").unwrap_err().to_string().contains("kafka:// is no store's scheme"));
        for text in ["http://me:hidden@h:1", "tcp://hidden@h:1", "s3://b/p?secret_access_key=hidden"] {
            let refused = at(text).unwrap_err().to_string();
            assert!(!refused.contains("hidden"), "{refused}");
        }
    }
}
