//! `kulya serve`: the HTTP and gRPC server of a store and its registry, with the change data captures of the
//! settings file.

use crate::access;
use crate::address::Address;
use crate::args::ServeArgs;
use crate::capture::read_password_file;
use crate::captures::served::ServedCaptures;
use crate::output::print_line;
use crate::services::{Services, open_server_store, open_services};
use crate::settings::Settings;
use crate::shutdown;
use crate::sql::{catalog_backend, run_live_queries};
use anyhow::{Context, Result};
use kulya_server::AccessControl;
use kulya_sql::{CatalogBackend, LiveRunner};
use kulya_store::supervision::{self, Supervisor};
use kulya_store::{HealthStatus, StreamStore};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long health requests that came during the start may still take.
const HEALTH_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// Interval of the check whether the store has failed.
const STORE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The exit code of a server whose store has failed: EX_IOERR of sysexits.h. A process supervisor restarts
/// it, and recovery reads what the disk holds (docs/operations.md).
const STORE_FAILED: u8 = 74;

/// Time for captures, and then for the store, to stop at shutdown. With the time of requests in flight it is
/// less than that of a signal.
const CAPTURE_STOP_TIMEOUT: Duration = Duration::from_millis(500);
/// Time between attempts to start live queries while the store does not answer.
const LIVE_START_INTERVAL: Duration = Duration::from_secs(5);
const LIVE_STOP_TIMEOUT: Duration = Duration::from_millis(300);
const STORE_CLOSE_TIMEOUT: Duration = Duration::from_millis(800);

pub(crate) async fn run(mut settings: Settings, args: ServeArgs) -> Result<ExitCode> {
    settings.cdc = settings.cdc.into_iter().map(read_password_file).collect::<Result<_>>()?;
    let address = Address::resolve(args.store, &settings)?;
    let store_name = address.to_string();
    for source in &mut settings.cdc {
        source.spool_folder = source.spool_folder.take().or_else(|| address.spool_folder());
    }
    ServedCaptures::validate(&settings.cdc)?;
    let components = settings.store.components()?;
    let access = access::configure(args.access, &settings).await?;
    let stop = shutdown::on_service_signal()?;
    let listener = listen(settings.listen(args.listen)).await?;
    let health = access.access_control.health().clone();
    if let Some(address) = args.health_listen.or(settings.health_listen) {
        serve_health_separately(access.access_control.clone(), address, stop.clone()).await?;
    }
    // until the store is open, requests are answered with the state "starting"
    let (listener, startup_listener) = duplicate_listener(listener)?;
    let is_open = CancellationToken::new();
    let startup = kulya_server::serve_health(
        access.access_control.clone(),
        startup_listener,
        is_open.clone().cancelled_owned(),
    );
    let mut startup = health.supervisor().spawn("server.starting", HealthStatus::Degraded, startup);
    let (store, reconnect) = tokio::select! {
        opened = open_server_store(address, components) => opened?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let services = open_services(store).await?;
    is_open.cancel();
    // a client that keeps its connection does not delay the server
    if tokio::time::timeout(HEALTH_DRAIN_TIMEOUT, &mut startup).await.is_err() {
        startup.abort();
        drop(startup.await);
    }
    let address = listener.local_addr()?;
    print_line!("registry at {}, store in {store_name}; Ctrl-C stops", access.url(address));
    if let Some(warning) = access.warning(address) {
        eprintln!("kulya: warning: {address} is reachable from other machines, and {warning}");
    }
    let (captures, capture_tasks) =
        ServedCaptures::start(health.supervisor(), &services, settings.cdc, &stop)?;
    let live: Arc<OnceLock<LiveRunner>> = Arc::default();
    let following = supervision::spawn_logged(
        "live queries",
        follow_live_queries(catalog_backend(&services), health.supervisor().clone(), Arc::clone(&live)),
    );
    let failure = supervision::spawn_logged(
        "store check",
        stop_on_store_failure(Arc::clone(&services.store), stop.clone()),
    );
    let unreachable = async {
        match reconnect {
            Some(reconnect) => reconnect.run().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = serve_with(access.access_control, listener, &services, Arc::new(captures), stop.clone()) => {
            served?;
        }
        error = unreachable => return Err(error),
    }
    // the server may have stopped by itself
    stop.cancel();
    let captures_stopped = async {
        for task in capture_tasks {
            task.await?;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(CAPTURE_STOP_TIMEOUT, captures_stopped).await {
        Ok(stopped) => stopped?,
        Err(_) => {
            tracing::warn!(
                "a capture did not stop in {CAPTURE_STOP_TIMEOUT:?}: unconfirmed changes are captured again at the next start"
            );
        }
    }
    following.abort();
    if let Some(live) = live.get()
        && tokio::time::timeout(LIVE_STOP_TIMEOUT, live.stop()).await.is_err()
    {
        tracing::warn!(
            "a live query did not stop in {LIVE_STOP_TIMEOUT:?}: it goes on from its last commit at the next start"
        );
    }
    match tokio::time::timeout(STORE_CLOSE_TIMEOUT, services.store.close()).await {
        Ok(closed) => closed?,
        Err(_) => tracing::warn!(
            "the store did not close in {STORE_CLOSE_TIMEOUT:?}: it recovers from its log at the next start"
        ),
    }
    if let Some(reason) = failure.await?.flatten() {
        eprintln!("kulya: the store in {store_name} failed and was closed: {reason}");
        return Ok(ExitCode::from(STORE_FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Binds a listener.
///
/// # Errors
/// An address that is in use or not of this machine.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let message =
        || format!("cannot listen on {address}: stop the process that does, or give another --listen");
    TcpListener::bind(address).await.with_context(message)
}

/// Returns two listeners that accept connections from the same queue.
fn duplicate_listener(listener: TcpListener) -> Result<(TcpListener, TcpListener)> {
    let first = listener.into_std().context("cannot duplicate the listener")?;
    let second = first.try_clone().context("cannot duplicate the listener")?;
    Ok((TcpListener::from_std(first)?, TcpListener::from_std(second)?))
}

/// Serves the health endpoints on an address, a thread and a runtime of their own, so that load does not
/// delay the responses to a process supervisor.
async fn serve_health_separately(
    access_control: AccessControl,
    address: SocketAddr,
    stop: CancellationToken,
) -> Result<()> {
    let listener = listen(address).await?.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut runtime = Some(runtime.context("cannot start the runtime of --health-listen")?);
    let mut state = Some((access_control.clone(), listener, stop));
    let serve = move || {
        let (Some(runtime), Some((access_control, listener, stop))) = (runtime.take(), state.take()) else {
            return;
        };
        runtime.block_on(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    kulya_server::serve_health(access_control, listener, stop.cancelled_owned()).await
                }
                Err(error) => tracing::error!("cannot serve --health-listen: {error}"),
            }
        });
    };
    let thread =
        access_control.health().supervisor().spawn_thread("server.health", HealthStatus::Degraded, serve);
    drop(thread.context("cannot start the thread of --health-listen")?);
    Ok(())
}

/// Serves a store and its registry without authentication until `stop` is cancelled.
///
/// # Errors
/// A listener that fails.
pub(crate) async fn serve_permissive(
    listener: TcpListener,
    services: &Services,
    stop: CancellationToken,
) -> Result<()> {
    let access_control = AccessControl::permissive(Arc::clone(&services.clock));
    let services = kulya_server::Services::from(services);
    kulya_server::serve_with_access_control(access_control, listener, services, stop.cancelled_owned())
        .await
        .context("the HTTP server failed")
}

async fn serve_with(
    access_control: AccessControl,
    listener: TcpListener,
    services: &Services,
    captures: Arc<ServedCaptures>,
    stop: CancellationToken,
) -> Result<()> {
    let services = kulya_server::Services::from(services);
    kulya_server::serve_with_captures(access_control, listener, services, captures, stop.cancelled_owned())
        .await
        .context("the HTTP server failed")
}

impl From<&Services> for kulya_server::Services {
    fn from(services: &Services) -> Self {
        Self { registry: Arc::clone(&services.registry), store: Arc::clone(&services.store) }
    }
}

/// Stops the server once its store has failed for good, and returns the reason. Only a restart helps, as with
/// databases after a failed sync: what the disk holds is known only after recovery.
async fn stop_on_store_failure(store: Arc<dyn StreamStore>, stop: CancellationToken) -> Option<String> {
    let mut interval = tokio::time::interval(STORE_CHECK_INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = stop.cancelled() => return None,
        }
        let health = store.health();
        if let Some(worst) = health.worst().filter(|worst| worst.status == HealthStatus::Failed) {
            let reason = worst.reason.clone().unwrap_or_default();
            tracing::error!("{} failed, the server stops: {reason}", worst.name);
            stop.cancel();
            return Some(format!("{}: {reason}", worst.name));
        }
    }
}

/// Runs the live queries of the store, which need not be there yet when the server starts.
async fn follow_live_queries(
    backend: CatalogBackend,
    supervisor: Supervisor,
    running: Arc<OnceLock<LiveRunner>>,
) {
    let live = loop {
        match run_live_queries(backend.clone(), &supervisor).await {
            Ok(live) => break running.get_or_init(|| live),
            Err(error) => tracing::debug!("live queries are not started yet: {error}"),
        }
        tokio::time::sleep(LIVE_START_INTERVAL).await;
    };
    if let Err(error) = live.follow().await {
        let what = format!("{error}; restart the server for new live queries");
        supervisor.component("live").set(HealthStatus::Degraded, what);
    }
}
