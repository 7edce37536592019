//! Opens a store at an address and the schema registry on it.

use crate::address::Address;
use crate::output::format_error;
use anyhow::{Result, bail};
use kulya_client::{RemoteStore, random_id};
use kulya_registry::Registry;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store::{ErrorKind, StreamStore};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_store_object::{Location, ObjectLogStore, Settings as ObjectSettings};
use kulya_store_pravega::PravegaStore;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Pauses between two attempts to connect a server's store to its backend: doubled each time, up to the
/// maximum.
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(10);
/// How often the wait is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// A store and its registry.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Puts a registry on a store. Creates nothing: the first change creates the registry's table, so that a
/// reader needs no permission to write and leaves nothing in a store that belongs to others.
pub(crate) async fn open_services(store: Arc<dyn StreamStore>) -> Result<Services> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let registry = Arc::new(Registry::on(Arc::clone(&store), Arc::clone(&clock))?);
    Ok(Services { store, registry, clock })
}

/// Opens the embedded store in a folder, creating it if needed, and the registry on it.
pub(crate) async fn open_folder(path: &Path) -> Result<Services> {
    open_services(Arc::new(EmbeddedStore::open(path)?)).await
}

/// Opens the store at an address. A folder that does not exist is created if `create` is set.
///
/// # Errors
/// A folder that does not exist without `create`, and what the store reports.
pub(crate) async fn open_store(address: Address, create: bool) -> Result<Arc<dyn StreamStore>> {
    open_store_with(address, create, Components::default()).await
}

async fn open_store_with(
    address: Address,
    create: bool,
    components: Components,
) -> Result<Arc<dyn StreamStore>> {
    match address {
        Address::Folder(path) if !create && !path.exists() => bail!(
            "folder {} does not exist: kulya serve, kulya cdc or kulya demo creates one, --data names another",
            path.display()
        ),
        Address::Folder(path) => {
            // recovery reads the log, which blocks
            let open = move || EmbeddedStore::open_with(path, components);
            Ok(Arc::new(tokio::task::spawn_blocking(open).await??))
        }
        Address::Objects(Location { objects, prefix }) => {
            Ok(Arc::new(ObjectLogStore::open(objects, &prefix, ObjectSettings::new(random_id())).await?))
        }
        Address::Server(remote) => Ok(Arc::new(RemoteStore::connect(remote).await?)),
        Address::Pravega(pravega) => Ok(Arc::new(PravegaStore::open(pravega).await?)),
    }
}

/// Opens the store of a server, which does not exit while its backend is unreachable: the server waits for
/// object storage and for another server before it serves, and for Pravega while it answers requests with
/// 503.
///
/// # Errors
/// Errors that waiting does not resolve.
pub(crate) async fn open_server_store(
    address: Address,
    components: Components,
) -> Result<(Arc<dyn StreamStore>, Option<PravegaReconnect>)> {
    let name = address.to_string();
    let mut backoff = ConnectBackoff::new(name);
    match address {
        Address::Pravega(pravega) => {
            let (store, unreachable) = PravegaStore::start(pravega).await?;
            let reconnect =
                unreachable.map(|error| PravegaReconnect { store: store.clone(), backoff, error });
            Ok((Arc::new(store), reconnect))
        }
        Address::Objects(Location { objects, prefix }) => loop {
            let settings = ObjectSettings::new(random_id());
            match ObjectLogStore::open(Arc::clone(&objects), &prefix, settings).await {
                Err(error) if error.kind() == ErrorKind::Unreachable => backoff.wait(error).await,
                opened => break Ok((Arc::new(opened?), None)),
            }
        },
        Address::Server(remote) => loop {
            match RemoteStore::connect(remote.clone()).await {
                Err(error) if error.kind() == ErrorKind::Unreachable => backoff.wait(error).await,
                connected => break Ok((Arc::new(connected?), None)),
            }
        },
        Address::Folder(_) => Ok((open_store_with(address, true, components).await?, None)),
    }
}

/// Exponential backoff between attempts to connect, with a report to standard error from time to time.
struct ConnectBackoff {
    /// The backend's name in reports.
    name: String,
    pause: Duration,
    since_report: Duration,
}

impl ConnectBackoff {
    fn new(name: String) -> Self {
        Self { name, pause: INITIAL_BACKOFF, since_report: REPORT_INTERVAL }
    }

    /// Waits before the next attempt.
    async fn wait(&mut self, error: kulya_store::Error) {
        if self.since_report >= REPORT_INTERVAL {
            self.since_report = Duration::ZERO;
            let error = format_error(&anyhow::Error::from(error));
            eprintln!(
                "kulya: waiting for {}, requests are answered with 503 until it is reachable: {error}",
                self.name
            );
        }
        tokio::time::sleep(self.pause).await;
        self.since_report += self.pause;
        self.pause = (self.pause * 2).min(MAX_BACKOFF);
    }
}

/// A Pravega store that was unreachable when the server started.
pub(crate) struct PravegaReconnect {
    store: PravegaStore,
    backoff: ConnectBackoff,
    error: kulya_store::Error,
}

impl PravegaReconnect {
    /// Connects in the background; returns only an error that waiting does not resolve.
    pub(crate) async fn run(self) -> anyhow::Error {
        let Self { store, mut backoff, mut error } = self;
        loop {
            backoff.wait(error).await;
            error = match store.reach().await {
                Ok(()) => {
                    eprintln!("kulya: connected to {}", backoff.name);
                    return std::future::pending().await;
                }
                Err(error) if error.kind() == ErrorKind::Unreachable => error,
                Err(error) => return error.into(),
            };
        }
    }
}
