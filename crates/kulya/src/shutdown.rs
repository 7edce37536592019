//! Graceful shutdown: SIGINT (Ctrl-C) or SIGTERM cancels a token that every task watches.
//!
//! Signals are handled on a thread of their own, so that the process exits in time whatever its other threads
//! do.

use kulya_store::HealthStatus;
use kulya_store::supervision::Supervisor;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Time from the signal until the process exits, whatever still runs. Acknowledged writes are durable by
/// then.
const TIMEOUT: Duration = Duration::from_millis(4500);

/// Exit code of a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Returns a token that SIGINT or SIGTERM cancels. A second signal exits at once, and so does [`TIMEOUT`].
///
/// # Errors
/// Signal handlers or the thread that cannot be set up.
pub(crate) fn on_signal() -> anyhow::Result<CancellationToken> {
    token_with_exit_code(INTERRUPTED)
}

/// Like [`on_signal`], for a command that runs until a signal: the signal is no failure.
///
/// # Errors
/// Signal handlers or the thread that cannot be set up.
pub(crate) fn on_service_signal() -> anyhow::Result<CancellationToken> {
    token_with_exit_code(0)
}

fn token_with_exit_code(code: i32) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let handle_signals = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let handler = async {
            let signals = signal(SignalKind::interrupt())
                .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
            match signals {
                Ok((mut interrupt, mut terminate)) => {
                    let _ = ready.send(Ok(()));
                    exit_on_signal(&mut interrupt, &mut terminate, &cancelled, code).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        };
        match runtime {
            Ok(runtime) => runtime.block_on(handler),
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    // a panic there is logged, and the default action of a signal ends the process
    drop(Supervisor::default().thread("signals", HealthStatus::Degraded, handle_signals)?);
    is_ready.recv()??;
    Ok(token)
}

async fn exit_on_signal(
    interrupt: &mut Signal,
    terminate: &mut Signal,
    token: &CancellationToken,
    code: i32,
) {
    let next_signal = async |interrupt: &mut Signal, terminate: &mut Signal| {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    next_signal(interrupt, terminate).await;
    token.cancel();
    if tokio::time::timeout(TIMEOUT, next_signal(interrupt, terminate)).await.is_ok() {
        std::process::exit(INTERRUPTED);
    }
    tracing::warn!("shutdown timed out after {TIMEOUT:?}: tasks that still ran were aborted");
    std::process::exit(code);
}
