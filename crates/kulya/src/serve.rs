//! `kulya serve`: the registry over HTTP, and the captures that the settings name, in one process, on a
//! folder that it owns, on object storage, or on Pravega.

use crate::args::ServeArgs;
use crate::cdc;
use crate::open::{self, Address, House};
use crate::progress::CaptureProgress;
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result};
use kulya_cdc::{CdcErrorKind, PostgresSettings, Until};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two tries to reach a database that does not answer.
const PAUSE: Duration = Duration::from_secs(10);

pub(crate) async fn run(settings: Settings, args: ServeArgs) -> Result<()> {
    let address = Address::of(args.place, &settings)?;
    let place = address.to_string();
    for source in &settings.cdc {
        source.store_settings()?;
    }
    let listener = listen(settings.listen(args.listen)).await?;
    let house = open::on(address.store(true).await?).await?;
    let stop = stop::on_signal()?;
    let address = listener.local_addr()?;
    say!("registry at http://{address}, store in {place}; Ctrl-C ends");
    let mut captures = JoinSet::new();
    for source in settings.cdc {
        captures.spawn(keep_capturing(house.clone(), source, stop.clone()));
    }
    registry(listener, &house, stop.clone()).await?;
    // the server may have ended by itself
    stop.cancel();
    captures.join_all().await;
    house.store.close().await?;
    Ok(())
}

/// Takes the address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let taken = || format!("cannot listen on {address}: stop who does, or give another --listen");
    TcpListener::bind(address).await.with_context(taken)
}

/// Serves the registry until told to stop.
pub(crate) async fn registry(listener: TcpListener, house: &House, stop: CancellationToken) -> Result<()> {
    let house =
        kulya_server::House { registry: Arc::clone(&house.registry), store: Arc::clone(&house.store) };
    kulya_server::serve(listener, house, stop.cancelled_owned()).await.context("the HTTP server failed")
}

/// Captures until told to stop. A database that does not answer is tried again for ever; what needs somebody's decision
/// ends this capture, and is said, and the registry goes on.
async fn keep_capturing(house: House, source: PostgresSettings, stop: CancellationToken) {
    let name = if source.name.is_empty() { "cdc".to_owned() } else { source.name.clone() };
    loop {
        let progress = CaptureProgress::new(&name);
        let error =
            match cdc::into_house(&house, source.clone(), Until::Stopped, &progress, stop.clone()).await {
                Ok(()) => return,
                Err(error) => error,
            };
        let again = matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy);
        let then = if again { "trying again" } else { "this capture has ended: mend it and start again" };
        eprintln!("{name}: {}; {then}", crate::line(&anyhow::Error::from(error)));
        if !again {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}
