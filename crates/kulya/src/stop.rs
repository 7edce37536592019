//! Ending cleanly: Ctrl-C, or the signal a service manager sends, becomes a token that everyone watches.
//!
//! Signals are waited for on a thread of their own: whatever keeps the program's other threads busy, it ends in time.

use kulya_store::HealthStatus;
use kulya_store::supervision::Supervisor;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The program ends so long after the signal, whatever still runs. What was acknowledged is on the disk by then; what is cut
/// off was not.
const LIMIT: Duration = Duration::from_millis(4500);

/// A token that is cancelled by SIGINT or SIGTERM. A second signal ends the program at once, and so does [`LIMIT`].
pub(crate) fn on_signal() -> anyhow::Result<CancellationToken> {
    watched(130)
}

/// The same for what is meant to run until a signal: then the signal is no failure.
pub(crate) fn on_signal_of_a_service() -> anyhow::Result<CancellationToken> {
    watched(0)
}

fn watched(code: i32) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancel = token.clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let wait = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let waiting = async {
            let both =
                signal(SignalKind::interrupt()).and_then(|one| Ok((one, signal(SignalKind::terminate())?)));
            match both {
                Ok((mut interrupt, mut terminate)) => {
                    let _ = ready.send(Ok(()));
                    end_on(&mut interrupt, &mut terminate, &cancel, code).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        match runtime {
            Ok(runtime) => runtime.block_on(waiting),
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    // a panic there is logged, and a signal ends the program as the system does it
    drop(Supervisor::default().thread("signals", HealthStatus::Degraded, wait)?);
    is_ready.recv()??;
    Ok(token)
}

async fn end_on(interrupt: &mut Signal, terminate: &mut Signal, cancel: &CancellationToken, code: i32) {
    let either = async |interrupt: &mut Signal, terminate: &mut Signal| {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    either(interrupt, terminate).await;
    cancel.cancel();
    if tokio::time::timeout(LIMIT, either(interrupt, terminate)).await.is_ok() {
        std::process::exit(130);
    }
    tracing::warn!("not everything ended in {LIMIT:?}: what still ran was cut off");
    std::process::exit(code);
}
