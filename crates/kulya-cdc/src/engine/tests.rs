//! Runs of a source that follows a script, in memory: pauses, failures and the status.

use super::*;
use crate::batch::{Destination, Parts, Span};
use crate::output::Output;
use crate::{Batch, CaptureStatus, Position};
use async_trait::async_trait;
use kulya_store::clock::{ManualClock, SystemClock};
use kulya_store::memory::MemoryStore;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::watch;

#[test]
fn delays_double_up_to_a_maximum() {
    let delays: Vec<u128> = [1, 2, 3, 6, 7, 100, u32::MAX].map(|n| delay(n).as_millis()).to_vec();
    assert_eq!(delays, [200, 400, 800, 6400, 10_000, 10_000, 10_000]);
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The database does not respond, and does not refuse either.
    Hangs,
    Refuses(CdcErrorKind),
    /// The log is streamed until it is cancelled.
    Streams,
    /// The connection is lost at the first change after the stored position.
    IsLost,
    /// The log has a table at the first change after the stored position whose rows must be read.
    FindsTable,
    /// The log cannot be read from the stored position on.
    HasNoLog,
}

/// A database whose log has as many transactions of one record as were committed.
struct Script {
    steps: Mutex<VecDeque<Step>>,
    committed: watch::Receiver<u64>,
    /// The number of open connections.
    open: Arc<Mutex<u64>>,
}

struct ScriptedConnection {
    step: Step,
    committed: watch::Receiver<u64>,
    open: Arc<Mutex<u64>>,
}

impl Drop for ScriptedConnection {
    fn drop(&mut self) {
        *self.open.lock().unwrap() -= 1;
    }
}

fn checkpoint(number: u64) -> Checkpoint {
    let text = format!(r#"{{"system":"1","database":"d","slot":"s","lsn":{number}}}"#);
    serde_json::from_str::<Position>(&text).unwrap().into()
}

fn number(checkpoint: &Checkpoint) -> u64 {
    let Position::Postgres(position) = &checkpoint.position else { panic!("{checkpoint:?}") };
    position.lsn
}

fn error(kind: CdcErrorKind) -> CdcError {
    CdcError::new(kind, "the script says so")
}

#[async_trait]
impl Source for Script {
    type Connection = ScriptedConnection;

    async fn connect(&self) -> CdcResult<ScriptedConnection> {
        let step = self.steps.lock().unwrap().pop_front().expect("a step for each connection");
        match step {
            Step::Hangs => std::future::pending().await,
            Step::Refuses(kind) => Err(error(kind)),
            _ => {
                *self.open.lock().unwrap() += 1;
                Ok(ScriptedConnection {
                    step,
                    committed: self.committed.clone(),
                    open: Arc::clone(&self.open),
                })
            }
        }
    }
}

#[async_trait]
impl SourceConnection for ScriptedConnection {
    async fn validate(&mut self, _: &Checkpoint) -> CdcResult<()> {
        match self.step {
            Step::HasNoLog => Err(error(CdcErrorKind::Position)),
            _ => Ok(()),
        }
    }

    async fn discard(&mut self, _: &Checkpoint) -> CdcResult<()> {
        Ok(())
    }

    async fn snapshot(
        &mut self,
        stored: Option<Checkpoint>,
        _: SnapshotMode,
        _: &mut Output<'_>,
    ) -> CdcResult<Checkpoint> {
        Ok(stored.unwrap_or_else(|| checkpoint(0)))
    }

    async fn stream(
        &mut self,
        start: Checkpoint,
        _: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<StreamEnd> {
        let topic = Arc::new(Destination::of_topic("t"));
        let mut position = number(&start);
        loop {
            let committed = *self.committed.borrow_and_update();
            if position < committed && self.step == Step::IsLost {
                return Err(error(CdcErrorKind::Unreachable));
            }
            if position < committed && self.step == Step::FindsTable {
                return Ok(StreamEnd::TablesAdded);
            }
            while position < committed {
                position += 1;
                output.batch.buffer().extend_from_slice(b"{}");
                let value = Some(Span::new(0, 2));
                output.batch.push(&topic, Parts::new(None, value, None));
                output.last_committed = Some(Duration::from_secs(position));
                output.commit(checkpoint(position)).await?;
            }
            output.flush().await;
            let cancel = output.cancel;
            tokio::select! {
                changed = self.committed.changed() => changed.unwrap(),
                () = cancel.cancelled() => return Ok(StreamEnd::Finished),
            }
        }
    }
}

/// A sink that counts.
#[derive(Default)]
struct CountingSink {
    stored: Option<Checkpoint>,
    records: u64,
    /// The position that another process stores after this one has read the stored one.
    stored_by_others: Option<Checkpoint>,
}

#[async_trait]
impl Sink for CountingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        let later = self.stored_by_others.take().or_else(|| self.stored.clone());
        Ok(std::mem::replace(&mut self.stored, later))
    }

    async fn stage(&mut self, _: Batch) -> CdcResult<()> {
        unreachable!("the script has small transactions")
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.records += batch.events();
        self.stored = Some(checkpoint.clone());
        Ok(())
    }

    fn dead_letters(&self) -> u64 {
        7
    }
}

/// A running capture of a script.
struct Running {
    control: Control,
    cancel: CancellationToken,
    committed: watch::Sender<u64>,
    open: Arc<Mutex<u64>>,
    task: tokio::task::JoinHandle<(CdcResult<()>, CountingSink)>,
}

impl Running {
    fn start(control: Control, steps: &[Step]) -> Self {
        Self::start_with(control, steps, CountingSink::default())
    }

    fn start_with(control: Control, steps: &[Step], mut sink: CountingSink) -> Self {
        let (committed, receiver) = watch::channel(0);
        let open = Arc::default();
        let steps = Mutex::new(steps.iter().copied().collect());
        let script = Script { steps, committed: receiver, open: Arc::clone(&open) };
        let cancel = CancellationToken::new();
        let (token, used) = (cancel.clone(), control.clone());
        let task = tokio::spawn(async move {
            let context = RunContext {
                sink: &mut sink,
                clock: SystemClock.into(),
                on_progress: &|_| (),
                cancel: token,
                control: Some(used),
            };
            let result = run(&script, SnapshotMode::Initial, StopCondition::Cancelled, context).await;
            (result, sink)
        });
        Self { control, cancel, committed, open, task }
    }

    /// Waits for a status. Time is paused: it advances when all tasks are idle.
    async fn wait_for(&self, condition: impl Fn(&CaptureStatus) -> bool) -> CaptureStatus {
        for _ in 0..100_000 {
            let status = self.control.status();
            if condition(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("not reached: {:?}", self.control.status());
    }

    async fn wait_for_state(&self, state: &str) -> CaptureStatus {
        self.wait_for(|status| status.state.as_str() == state).await
    }

    fn commit(&self, number: u64) {
        self.committed.send_replace(number);
    }

    async fn stop(self) -> (CdcResult<()>, CountingSink) {
        self.cancel.cancel();
        self.task.await.unwrap()
    }
}

fn control() -> Control {
    Control::new("shop", ManualClock::at(Duration::from_secs(1000)))
}

#[tokio::test(start_paused = true)]
async fn paused_capture_has_no_connection_and_goes_on_from_its_position() {
    let running = Running::start(control(), &[Step::Streams, Step::Streams]);
    running.commit(3);
    let status = running.wait_for(|status| status.records == 3).await;
    assert_eq!((status.state, status.position.as_deref()), (CaptureState::Streaming, Some("0/3")));
    assert_eq!((status.last_committed, status.last_stored), (Some(3000), Some(1_000_000)));
    assert_eq!((status.lag_seconds, status.dead_letters), (Some(997), 7));
    assert!(running.control.pause().await.unwrap());
    running.wait_for_state("paused").await;
    assert_eq!(*running.open.lock().unwrap(), 0);
    running.commit(5);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(running.control.status().records, 3);
    assert!(running.control.resume().await.unwrap());
    let status = running.wait_for(|status| status.records == 5).await;
    assert_eq!((status.restarts, status.last_error), (0, None));
    let control = running.control.clone();
    let (result, sink) = running.stop().await;
    result.unwrap();
    assert_eq!((sink.records, sink.stored), (5, Some(checkpoint(5))));
    assert_eq!(control.status().state, CaptureState::Stopped { error: None });
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_retried() {
    use CdcErrorKind::{Busy, Unreachable};
    let steps = [Step::IsLost, Step::Refuses(Unreachable), Step::Refuses(Busy), Step::Streams];
    let running = Running::start(control(), &steps);
    running.wait_for_state("streaming").await;
    running.commit(1);
    let status = running.wait_for_state("retrying").await;
    let error = "the script says so".to_owned();
    assert_eq!(status.state, CaptureState::Retrying { error: error.clone(), attempt: 1, next: 1_000_200 });
    assert_eq!(status.last_error.unwrap().error, error);
    let second = |status: &CaptureStatus| matches!(status.state, CaptureState::Retrying { attempt: 2, .. });
    running.wait_for(second).await;
    let status = running.wait_for(|status| status.records == 1).await;
    assert_eq!((status.restarts, status.state), (3, CaptureState::Streaming));
    let (result, sink) = running.stop().await;
    result.unwrap();
    assert_eq!(sink.records, 1);
}

/// The rows of the table are read by the next run, which starts at once and is no retry.
#[tokio::test(start_paused = true)]
async fn added_table_is_no_failure() {
    let running = Running::start(control(), &[Step::FindsTable, Step::FindsTable, Step::Streams]);
    running.commit(2);
    let status = running.wait_for(|status| status.records == 2).await;
    assert_eq!((status.restarts, status.last_error, status.state), (0, None, CaptureState::Streaming));
    running.stop().await.0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pause_interrupts_connecting_and_retrying() {
    let refusal = Step::Refuses(CdcErrorKind::Busy);
    for (step, state) in [(Step::Hangs, "starting"), (refusal, "retrying")] {
        let running = Running::start(control(), &[step, Step::Streams]);
        running.wait_for_state(state).await;
        running.control.pause().await.unwrap();
        running.wait_for_state("paused").await;
        running.control.resume().await.unwrap();
        running.commit(1);
        running.wait_for(|status| status.records == 1).await;
        running.stop().await.0.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn fatal_error_is_in_the_status() {
    let mut running = Running::start(control(), &[Step::Refuses(CdcErrorKind::Configuration)]);
    let status = running.wait_for(|status| status.last_error.is_some()).await;
    let error = Some("the script says so".to_owned());
    assert_eq!((status.state, status.restarts), (CaptureState::Stopped { error }, 0));
    assert!((&mut running.task).await.unwrap().0.is_err());
}

/// The pause is stored, so neither a restart nor another process needs the capture to run.
#[tokio::test(start_paused = true)]
async fn capture_that_was_paused_before_does_not_connect() {
    let store = MemoryStore::new();
    Control::open(store.clone(), "shop").await.unwrap().pause().await.unwrap();
    let control = Control::open(store.clone(), "shop").await.unwrap();
    let running = Running::start(control, &[Step::Streams]);
    running.wait_for_state("paused").await;
    running.commit(2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((running.control.status().records, *running.open.lock().unwrap()), (0, 0));
    let other = Control::open(store, "shop").await.unwrap();
    other.resume().await.unwrap();
    running.wait_for(|status| status.records == 2).await;
    other.pause().await.unwrap();
    running.wait_for_state("paused").await;
    running.stop().await.0.unwrap();
}

/// The database is looked at after the position was read: another process may have advanced both meanwhile.
#[tokio::test(start_paused = true)]
async fn position_that_another_process_advances_is_in_use_and_not_invalid() {
    let sink = |stored_by_others| CountingSink { stored: Some(checkpoint(1)), stored_by_others, records: 0 };
    let control = || Control::new("shop", SystemClock);
    let running = Running::start_with(control(), &[Step::HasNoLog, Step::Streams], sink(Some(checkpoint(2))));
    let status = running.wait_for_state("streaming").await;
    let last = status.last_error.unwrap().error;
    assert!(last.contains("in use") && last.contains("the script says so"), "{last}");
    running.cancel.cancel();
    running.task.await.unwrap().0.unwrap();
    let running = Running::start_with(control(), &[Step::HasNoLog], sink(None));
    let error = running.task.await.unwrap().0.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Position);
}
