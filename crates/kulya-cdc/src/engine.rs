//! The run of a capture: connects, validates the stored position, reads the snapshot, streams the log, and
//! starts again after a failure. It is the same for all sources.

use crate::control::Control;
use crate::output;
use crate::source::{Source, SourceConnection, StopCondition, StreamEnd};
use crate::status::CaptureState;
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
    /// By which others observe and pause the run.
    pub control: Option<Control>,
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
    let control = context.control.clone().unwrap_or_default();
    let result = run_and_retry(source, (mode, stop_condition), &mut context, &control).await;
    control.ended(result.as_ref().err().map(error_text));
    result
}

async fn run_and_retry(
    source: &impl Source,
    conditions: (SnapshotMode, StopCondition),
    context: &mut RunContext<'_>,
    control: &Control,
) -> CdcResult<()> {
    let mut attempts = 0;
    let state = RunState::default();
    while wait_while_paused(control, &context.cancel).await {
        control.set_state(CaptureState::Starting);
        let stop = context.cancel.child_token();
        let result = tokio::select! {
            biased;
            result = run_once(source, conditions, context, &state, (control, &stop)) => result,
            () = stop_when_paused(control, &stop) => Ok(StreamEnd::Finished),
        };
        let is_paused = stop.is_cancelled() && !context.cancel.is_cancelled();
        let error = match result {
            Err(_) if context.cancel.is_cancelled() => return Ok(()),
            Err(error) if is_paused => {
                // changes that are not stored are captured again from the stored position
                control.failed_while_pausing(&error_text(&error));
                attempts = 0;
                continue;
            }
            Ok(_) if is_paused => continue,
            Ok(StreamEnd::Finished) => return Ok(()),
            Ok(StreamEnd::TablesAdded) => {
                state.has_streamed.store(false, Ordering::Relaxed);
                attempts = 0;
                continue;
            }
            Err(error) if matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) => error,
            // found while the log was streamed; when the position was validated it would have been replaced
            Err(error)
                if error.kind() == CdcErrorKind::Position && conditions.0 == SnapshotMode::WhenNeeded =>
            {
                if state.is_position_invalid.swap(true, Ordering::Relaxed) {
                    return Err(error);
                }
                error
            }
            Err(error) => return Err(error),
        };
        attempts = if state.has_streamed.swap(false, Ordering::Relaxed) { 1 } else { attempts + 1 };
        let has_connected = state.has_connected.load(Ordering::Relaxed);
        let is_wrong_address = !has_connected && error.kind() == CdcErrorKind::Unreachable;
        let is_held = error.kind() == CdcErrorKind::Busy && attempts > MAX_BUSY_ATTEMPTS;
        if is_held || is_wrong_address && !has_position(context).await {
            return Err(error);
        }
        let delay = delay(attempts);
        tracing::warn!(%error, cause = source_text(&error), attempt = attempts, ?delay, "capture failed, retrying");
        control.retrying(&error_text(&error), attempts, delay);
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = control.paused() => attempts = 0,
            () = context.cancel.cancelled() => return Ok(()),
        }
    }
    Ok(())
}

/// Waits until the capture is not paused. Returns whether it is to run: it is not cancelled.
async fn wait_while_paused(control: &Control, cancel: &CancellationToken) -> bool {
    if control.is_paused() && !cancel.is_cancelled() {
        control.set_state(CaptureState::Paused);
        tracing::info!("{}: capture is paused", control.status().name);
        tokio::select! {
            () = control.not_paused() => {}
            () = control.follow_store() => {}
            () = cancel.cancelled() => {}
        }
    }
    !cancel.is_cancelled()
}

/// Ends a run when the capture is paused. Does not end itself.
async fn stop_when_paused(control: &Control, stop: &CancellationToken) {
    let stop_run = async {
        control.paused().await;
        stop.cancel();
        std::future::pending().await
    };
    tokio::join!(control.follow_store(), control.log_status(), stop_run).2
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

/// Returns the text of an error with its causes, for the status.
fn error_text(error: &CdcError) -> String {
    match source_text(error) {
        Some(cause) if !error.to_string().contains(&cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}

/// Captures over one connection, until `stop`. The source and the sink share a task: while the sink waits for
/// the store, the source reads on.
async fn run_once(
    source: &impl Source,
    (mode, stop_condition): (SnapshotMode, StopCondition),
    context: &mut RunContext<'_>,
    state: &RunState,
    (control, stop): (&Control, &CancellationToken),
) -> CdcResult<StreamEnd> {
    let mut connection = tokio::select! {
        connected = source.connect() => connected?,
        () = stop.cancelled() => return Ok(StreamEnd::Finished),
    };
    state.has_connected.store(true, Ordering::Relaxed);
    let is_invalid = &state.is_position_invalid;
    let stored = tokio::select! {
        stored = validated(&mut connection, context.sink, mode, is_invalid) => stored?,
        () = stop.cancelled() => return Ok(StreamEnd::Finished),
    };
    let on_progress = |progress: Progress| {
        control.on_progress(&progress);
        (context.on_progress)(progress);
    };
    let (mut output, input) = output::connect(&context.clock, &on_progress, stop, control, source.memory());
    let mut write = pin!(input.write_to(context.sink, &on_progress, control));
    let result = {
        let read = async move {
            let start = tokio::select! {
                start = connection.snapshot(stored, mode, &mut output) => start?,
                () = stop.cancelled() => return Ok(StreamEnd::Finished),
            };
            is_invalid.store(false, Ordering::Relaxed);
            if mode == SnapshotMode::InitialOnly {
                return Ok(StreamEnd::Finished);
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

/// Returns the stored position, if the log can be read from there on.
async fn validated<C: SourceConnection>(
    connection: &mut C,
    sink: &mut dyn Sink,
    mode: SnapshotMode,
    is_invalid: &AtomicBool,
) -> CdcResult<Option<Checkpoint>> {
    let mut stored = sink.position().await?;
    if is_invalid.load(Ordering::Relaxed)
        && let Some(checkpoint) = stored.take()
    {
        tracing::warn!("the log cannot be read from the stored position on: all rows are read again");
        connection.discard(&checkpoint).await?;
    }
    if let Some(checkpoint) = &stored
        && let Err(error) = connection.validate(checkpoint).await
    {
        if error.kind() == CdcErrorKind::Position && sink.position().await? != stored {
            // the database was looked at later than the position: the other process has confirmed meanwhile
            let what = "the position is in use: another process captures under this name and advances it";
            return Err(CdcError::new(CdcErrorKind::Busy, what).because(error));
        }
        if mode != SnapshotMode::WhenNeeded || error.kind() != CdcErrorKind::Position {
            return Err(error);
        }
        tracing::warn!(%error, "the stored position is not valid: all rows are read again");
        connection.discard(checkpoint).await?;
        stored = None;
    }
    Ok(stored)
}

#[cfg(test)]
mod tests;
