//! `kulya serve`: the registry over HTTP, and the captures that the settings name, in one process, on a
//! folder that it owns, on object storage, or on Pravega.

use crate::args::ServeArgs;
use crate::cdc;
use crate::door;
use crate::open::{self, Address, House};
use crate::progress::CaptureProgress;
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result};
use kulya_cdc::{CdcErrorKind, PostgresSettings, Until};
use kulya_server::Door;
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{HealthStatus, StreamStore, supervision};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Between two tries to reach a database that does not answer.
const PAUSE: Duration = Duration::from_secs(10);
/// Those who ask while the server starts have so long to be answered once it has started.
const SWITCH: Duration = Duration::from_millis(500);
/// So often the store is asked whether it has failed.
const LOOK: Duration = Duration::from_secs(1);
/// The exit code of a server whose store has failed: EX_IOERR of sysexits.h. A supervisor starts it again, and opening
/// the store finds out what the disk holds (docs/operations.md).
const STORE_FAILED: u8 = 74;

/// So long captures have to end, and then the store, when the server ends. Together with what requests in flight have, it
/// is less than what a signal allows.
const CAPTURES_END: Duration = Duration::from_millis(500);
const STORE_ENDS: Duration = Duration::from_millis(800);

pub(crate) async fn run(mut settings: Settings, args: ServeArgs) -> Result<ExitCode> {
    settings.cdc = settings.cdc.into_iter().map(cdc::with_password).collect::<Result<_>>()?;
    let address = Address::of(args.place, &settings)?;
    let place = address.to_string();
    for source in &settings.cdc {
        source.store_settings()?;
    }
    let components = settings.store.components()?;
    let front = door::of(args.door, &settings).await?;
    let stop = stop::on_signal_of_a_service()?;
    let listener = listen(settings.listen(args.listen)).await?;
    let health = front.door.health().clone();
    if let Some(address) = args.health_listen.or(settings.health_listen) {
        serve_health_apart(front.door.clone(), address, stop.clone()).await?;
    }
    // until the store is there, whoever asks is told that the server starts
    let (listener, starting) = shared(listener)?;
    let opened = CancellationToken::new();
    let health_alone =
        kulya_server::serve_health(front.door.clone(), starting, opened.clone().cancelled_owned());
    let mut health_alone = health.supervisor().spawn("server.starting", HealthStatus::Degraded, health_alone);
    let (store, awaited) = tokio::select! {
        opened = address.store_to_serve(components) => opened?,
        () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let house = open::on(store).await?;
    opened.cancel();
    // from here on every connection is the server's; a client that does not end does not hold it up
    if tokio::time::timeout(SWITCH, &mut health_alone).await.is_err() {
        health_alone.abort();
        drop(health_alone.await);
    }
    let address = listener.local_addr()?;
    say!("registry at {}, store in {place}; Ctrl-C ends", front.url(address));
    if let Some(warning) = front.warning(address) {
        eprintln!("kulya: warning: {address} is not on this machine alone, and {warning}");
    }
    let captures = start_captures(health.supervisor(), &house, settings.cdc, &stop);
    let failure =
        supervision::spawn_logged("store watch", until_failed(Arc::clone(&house.store), stop.clone()));
    let unreachable = async {
        match awaited {
            Some(awaited) => awaited.failure().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = behind(front.door, listener, &house, stop.clone()) => served?,
        error = unreachable => return Err(error),
    }
    // the server may have ended by itself
    stop.cancel();
    let ending = async {
        for capture in captures {
            capture.await?;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(CAPTURES_END, ending).await {
        Ok(ended) => ended?,
        Err(_) => {
            tracing::warn!(
                "not every capture ended in {CAPTURES_END:?}: what it has not confirmed comes again"
            );
        }
    }
    match tokio::time::timeout(STORE_ENDS, house.store.close()).await {
        Ok(closed) => closed?,
        Err(_) => tracing::warn!("the store did not close in {STORE_ENDS:?}: it opens from its log"),
    }
    if let Some(reason) = failure.await?.flatten() {
        eprintln!("kulya: the store in {place} failed and was closed: {reason}");
        return Ok(ExitCode::from(STORE_FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes the address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let taken = || format!("cannot listen on {address}: stop who does, or give another --listen");
    TcpListener::bind(address).await.with_context(taken)
}

/// Two listeners that take connections from one queue.
fn shared(listener: TcpListener) -> Result<(TcpListener, TcpListener)> {
    let one = listener.into_std().context("cannot share the listener")?;
    let other = one.try_clone().context("cannot share the listener")?;
    Ok((TcpListener::from_std(one)?, TcpListener::from_std(other)?))
}

/// Answers for the server's health on a port, a thread and a runtime of its own: requests that keep the others busy do not
/// keep a supervisor waiting.
async fn serve_health_apart(door: Door, address: SocketAddr, stop: CancellationToken) -> Result<()> {
    let listener = listen(address).await?.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut runtime = Some(runtime.context("cannot start the runtime of --health-listen")?);
    let mut served = Some((door.clone(), listener, stop));
    let serve = move || {
        let (Some(runtime), Some((door, listener, stop))) = (runtime.take(), served.take()) else { return };
        runtime.block_on(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => kulya_server::serve_health(door, listener, stop.cancelled_owned()).await,
                Err(error) => tracing::error!("cannot serve --health-listen: {error}"),
            }
        });
    };
    let thread = door.health().supervisor().thread("server.health", HealthStatus::Degraded, serve);
    drop(thread.context("cannot start the thread of --health-listen")?);
    Ok(())
}

/// Serves the registry to all until told to stop.
pub(crate) async fn registry(listener: TcpListener, house: &House, stop: CancellationToken) -> Result<()> {
    behind(Door::open_to_all(Arc::clone(&house.clock)), listener, house, stop).await
}

async fn behind(door: Door, listener: TcpListener, house: &House, stop: CancellationToken) -> Result<()> {
    let house =
        kulya_server::House { registry: Arc::clone(&house.registry), store: Arc::clone(&house.store) };
    kulya_server::serve_behind(door, listener, house, stop.cancelled_owned())
        .await
        .context("the HTTP server failed")
}

/// Ends the server when its store has failed for good, which a restart of the process may cure and nothing else; gives the
/// reason. As databases do after a failed sync: what the disk holds then is known only to who reads it anew.
async fn until_failed(store: Arc<dyn StreamStore>, stop: CancellationToken) -> Option<String> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop.cancelled() => return None,
        }
        let health = store.health();
        if let Some(worst) = health.worst().filter(|worst| worst.status == HealthStatus::Failed) {
            let reason = worst.reason.clone().unwrap_or_default();
            tracing::error!("{} failed, and the server ends: {reason}", worst.name);
            stop.cancel();
            return Some(format!("{}: {reason}", worst.name));
        }
    }
}

/// Starts the captures, each a task that is run again should it panic.
fn start_captures(
    supervisor: &Supervisor,
    house: &House,
    sources: Vec<PostgresSettings>,
    stop: &CancellationToken,
) -> Vec<tokio::task::JoinHandle<()>> {
    let start = |source: PostgresSettings| {
        let name = if source.name.is_empty() { "cdc".to_owned() } else { source.name.clone() };
        let component = supervisor.component(format!("capture.{name}"));
        let (house, stop) = (house.clone(), stop.clone());
        supervisor.spawn_restarting(format!("capture.{name}.task"), move || {
            keep_capturing(name.clone(), component.clone(), house.clone(), source.clone(), stop.clone())
        })
    };
    sources.into_iter().map(start).collect()
}

/// Captures until told to stop. A database that does not answer is tried again for ever; what needs somebody's decision
/// ends this capture, and is said, and the registry goes on.
async fn keep_capturing(
    name: String,
    component: Component,
    house: House,
    source: PostgresSettings,
    stop: CancellationToken,
) {
    loop {
        let progress = CaptureProgress::new(&name).reporting_to(component.clone());
        let error =
            match cdc::into_house(&house, source.clone(), Until::Stopped, &progress, stop.clone()).await {
                Ok(()) => return,
                Err(error) => error,
            };
        let again = matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy);
        let then = if again { "trying again" } else { "this capture has ended: mend it and start again" };
        let what = format!("{}; {then}", crate::line(&anyhow::Error::from(error)));
        eprintln!("{name}: {what}");
        component.set(HealthStatus::Degraded, what);
        if !again {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}
