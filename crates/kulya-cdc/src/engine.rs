//! The run of a capture: connects, validates the stored position, reads the snapshot, streams the log, and
//! starts again after a failure. It is the same for all sources.

use crate::output;
use crate::source::{Source, SourceConnection, StopCondition};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Progress, Sink, SnapshotMode};
use kulya_store::clock::Clock;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The maximum number of attempts to use what another connection holds. A server notices the end of a process
/// that was killed within this time.
const MAX_BUSY_ATTEMPTS: u32 = 8;
/// The delay before the first retry; it doubles with each further one.
const MIN_DELAY: Duration = Duration::from_millis(200);
/// The maximum delay between attempts.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// The context of a run: its sink, clock, progress callback and cancellation.
pub struct RunContext<'a> {
    /// The destination of the records.
    pub sink: &'a mut dyn Sink,
    /// The clock for the events' processing time, `ts_ms`.
    pub clock: Arc<dyn Clock>,
    /// Called with each progress notification.
    pub on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// Ends the run cleanly.
    pub cancel: CancellationToken,
}

/// What a run has reached so far.
#[derive(Debug, Default)]
struct RunState {
    /// The database has accepted a connection.
    has_connected: AtomicBool,
    /// The log was streamed since the last failure.
    has_streamed: AtomicBool,
    /// The log cannot be read from the stored position on.
    is_position_invalid: AtomicBool,
}

/// Captures a source: first a snapshot of its rows, if the sink has no position yet, and then its log.
///
/// # Errors
/// As [`run`](crate::run).
pub(crate) async fn run(
    source: &impl Source,
    mode: SnapshotMode,
    stop_condition: StopCondition,
    mut context: RunContext<'_>,
) -> CdcResult<()> {
    let mut attempts = 0;
    let state = RunState::default();
    loop {
        let error = match run_once(source, mode, stop_condition, &mut context, &state).await {
            Err(_) if context.cancel.is_cancelled() => return Ok(()),
            Err(error) if matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) => error,
            // found while the log was streamed; when the position was validated it would have been replaced
            Err(error) if error.kind() == CdcErrorKind::Position && mode == SnapshotMode::WhenNeeded => {
                if state.is_position_invalid.swap(true, Ordering::Relaxed) {
                    return Err(error);
                }
                error
            }
            other => return other,
        };
        attempts = if state.has_streamed.swap(false, Ordering::Relaxed) { 1 } else { attempts + 1 };
        let has_connected = state.has_connected.load(Ordering::Relaxed);
        let is_wrong_address = !has_connected && error.kind() == CdcErrorKind::Unreachable;
        let is_held = error.kind() == CdcErrorKind::Busy && attempts > MAX_BUSY_ATTEMPTS;
        if is_held || is_wrong_address && !has_position(&mut context).await {
            return Err(error);
        }
        let delay = delay(attempts);
        tracing::warn!(%error, cause = source_text(&error), attempt = attempts, ?delay, "capture failed, retrying");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = context.cancel.cancelled() => return Ok(()),
        }
    }
}

/// Returns the delay before the next attempt; `attempts` counts from one.
fn delay(attempts: u32) -> Duration {
    (MIN_DELAY * 2u32.pow(attempts.saturating_sub(1).min(16))).min(MAX_DELAY)
}

async fn has_position(context: &mut RunContext<'_>) -> bool {
    matches!(context.sink.position().await, Ok(Some(_)))
}

/// Returns the text of an error's cause, for the log.
fn source_text(error: &CdcError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

/// Captures over one connection. The source and the sink share a task: while the sink waits for the store,
/// the source reads on.
async fn run_once(
    source: &impl Source,
    mode: SnapshotMode,
    stop_condition: StopCondition,
    context: &mut RunContext<'_>,
    state: &RunState,
) -> CdcResult<()> {
    let mut connection = source.connect().await?;
    state.has_connected.store(true, Ordering::Relaxed);
    let stored = context.sink.position().await?;
    let (mut output, input) = output::connect(&context.clock, context.on_progress, &context.cancel);
    let mut write = pin!(input.write_to(context.sink, context.on_progress));
    let result = {
        let read = async move {
            let start =
                prepare(&mut connection, stored, mode, &state.is_position_invalid, &mut output).await?;
            if mode == SnapshotMode::InitialOnly {
                return Ok(());
            }
            state.has_streamed.store(true, Ordering::Relaxed);
            let position = start.position.to_string();
            (output.on_progress)(Progress::Streaming { position });
            connection.stream(start, stop_condition, &mut output).await
        };
        tokio::select! {
            biased;
            result = read => result,
            written = &mut write => return written.and_then(|()| Err(CdcError::source("the source has ended"))),
        }
    };
    // the source has ended: what it has handed over is stored, whatever ended it
    write.await?;
    result
}

/// Validates the stored position and reads what the sink lacks of the snapshot.
async fn prepare<C: SourceConnection>(
    connection: &mut C,
    mut stored: Option<Checkpoint>,
    mode: SnapshotMode,
    is_invalid: &AtomicBool,
    output: &mut output::Output<'_>,
) -> CdcResult<Checkpoint> {
    if is_invalid.load(Ordering::Relaxed)
        && let Some(checkpoint) = stored.take()
    {
        tracing::warn!("the log cannot be read from the stored position on: all rows are read again");
        connection.discard(&checkpoint).await?;
    }
    if let Some(checkpoint) = &stored
        && let Err(error) = connection.validate(checkpoint).await
    {
        if mode != SnapshotMode::WhenNeeded || error.kind() != CdcErrorKind::Position {
            return Err(error);
        }
        tracing::warn!(%error, "the stored position is not valid: all rows are read again");
        connection.discard(checkpoint).await?;
        stored = None;
    }
    let start = connection.snapshot(stored, mode, output).await?;
    is_invalid.store(false, Ordering::Relaxed);
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_maximum() {
        let delays: Vec<u128> = [1, 2, 3, 6, 7, 100, u32::MAX].map(|n| delay(n).as_millis()).to_vec();
        assert_eq!(delays, [200, 400, 800, 6400, 10_000, 10_000, 10_000]);
    }
}
