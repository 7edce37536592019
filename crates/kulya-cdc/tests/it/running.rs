//! A capture that runs while its database is changed and while something fails, and the check of what it has
//! stored in the end.

use crate::exactly_once::{self, Workload, statements, stored_by};
use crate::test_store::TestStore;
use kulya_cdc::{
    CancellationToken, Capture, CaptureSettings, CaptureState, CdcError, CdcErrorKind, CdcResult, Control,
    Progress,
};
use kulya_store::clock::SystemClock;
use kulya_testkit::SeededRng;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// The time after which a capture that does not go on fails the test.
pub(crate) const STUCK: Duration = Duration::from_secs(180);
/// The distance of the values by which the end of the log is recognised: more than a load adds to one.
const MARKER: i64 = 1_000_000;

/// A database under load, and the store of its capture.
pub(crate) struct Subject {
    pub(crate) workload: Arc<dyn Workload>,
    pub(crate) settings: CaptureSettings,
    pub(crate) store: TestStore,
    rng: SeededRng,
    next_id: i64,
    markers: i64,
}

impl Subject {
    pub(crate) async fn new(workload: Arc<dyn Workload>, settings: CaptureSettings) -> Self {
        let settings = CaptureSettings { transaction_metadata: true, ..settings };
        let store = TestStore::create().await;
        Self { workload, settings, store, rng: SeededRng::new(7), next_id: 1000, markers: 0 }
    }

    /// Returns the settings with another URL of the same database, such as that of a proxy.
    pub(crate) fn through(&self, url: String) -> CaptureSettings {
        CaptureSettings { url, ..self.settings.clone() }
    }

    /// Commits a number of transactions.
    pub(crate) async fn load(&mut self, transactions: usize) {
        for _ in 0..transactions {
            let statements = statements(&mut self.rng, &mut self.next_id);
            self.workload.transaction(&statements).await.unwrap();
        }
    }

    /// Commits transactions until something else has happened. A server that ends meanwhile fails some.
    pub(crate) async fn load_until<T>(&mut self, end: impl Future<Output = T>) -> T {
        let mut end = std::pin::pin!(end);
        loop {
            let statements = statements(&mut self.rng, &mut self.next_id);
            tokio::select! {
                biased;
                result = &mut end => return result,
                _ = self.workload.transaction(&statements) => {}
            }
            tokio::task::yield_now().await;
        }
    }

    /// Starts a capture.
    pub(crate) fn start(&self, settings: &CaptureSettings) -> Running {
        Running::start(&self.store, settings)
    }

    /// Waits until a capture has stored everything that is committed now.
    pub(crate) async fn wait_for(&mut self, running: &mut Running) {
        if let Err(error) = self.try_wait_for(running).await {
            panic!("the capture has ended: {error:?}");
        }
    }

    /// As [`wait_for`](Self::wait_for), or returns the error that has ended the capture.
    pub(crate) async fn try_wait_for(&mut self, running: &mut Running) -> CdcResult<()> {
        let caught_up = async {
            self.mark().await;
            loop {
                match stored_by(self.store.store(), &self.settings, self.markers).await.as_deref() {
                    Some("u") => return true,
                    // the snapshot has it, and may not be at its end
                    Some(_) => self.mark().await,
                    None if running.progress.recv().await.is_none() => return false,
                    None => {}
                }
            }
        };
        match tokio::time::timeout(STUCK, caught_up).await {
            Ok(true) => Ok(()),
            Ok(false) => (&mut running.task).await.unwrap(),
            Err(_) => panic!("the capture does not go on: {:?}", running.control.status()),
        }
    }

    /// Commits a change by which the end of the log is recognised.
    async fn mark(&mut self) {
        self.markers += MARKER;
        let marker = format!("UPDATE acc SET v = {} WHERE id = 1", self.markers);
        self.workload.transaction(&[marker]).await.unwrap();
    }

    /// Checks that the store has each change of the database once.
    pub(crate) async fn check(&self, label: &str) {
        let store = self.store.store();
        let transactions = exactly_once::check(label, store, &*self.workload, &self.settings).await;
        assert!(transactions > 0, "{label}: no transaction was captured from the log");
    }

    /// Runs a capture until everything that is committed now is stored, or to its error.
    pub(crate) async fn catch_up(&self, settings: &CaptureSettings) -> CdcResult<()> {
        let mut sink = self.store.sink(settings).await;
        Capture::from(settings.clone()).until_caught_up().run(&mut sink).await
    }

    /// Runs a capture and expects that it is refused with this kind and words.
    pub(crate) async fn is_refused(&self, settings: &CaptureSettings, kind: CdcErrorKind, words: &str) {
        let result = tokio::time::timeout(STUCK, self.catch_up(settings)).await;
        assert_refused(&result.expect("the capture does not end").unwrap_err(), kind, words);
    }
}

/// A capture that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) control: Control,
    cancel: CancellationToken,
    progress: UnboundedReceiver<Progress>,
    task: JoinHandle<CdcResult<()>>,
}

impl Running {
    pub(crate) fn start(store: &TestStore, settings: &CaptureSettings) -> Self {
        let (cancel, control) = (CancellationToken::new(), Control::new("", SystemClock));
        let (sender, progress) = unbounded_channel();
        let capture = Capture::from(settings.clone())
            .cancelled_by(cancel.clone())
            .controlled_by(control.clone())
            .on_progress(move |progress| drop(sender.send(progress)));
        let (store, settings) = (store.clone(), settings.clone());
        let task = tokio::spawn(async move {
            let mut sink = store.sink(&settings).await;
            capture.run(&mut sink).await
        });
        Self { control, cancel, progress, task }
    }

    /// Waits until an attempt has failed, and returns its error.
    pub(crate) async fn retrying(&self) -> String {
        self.retrying_with("").await
    }

    /// Waits until an attempt has failed with these words, and returns its error.
    pub(crate) async fn retrying_with(&self, words: &str) -> String {
        let retrying = async {
            loop {
                match self.control.status().state {
                    CaptureState::Retrying { error, .. } if error.contains(words) => return error,
                    _ => {}
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(STUCK, retrying).await {
            Ok(error) => error,
            Err(_) => panic!("the capture does not notice the fault: {:?}", self.control.status()),
        }
    }

    /// Waits for the end of the capture.
    pub(crate) async fn wait(&mut self) {
        while self.progress.recv().await.is_some() {}
    }

    /// Waits for the end of the capture, and returns its result.
    pub(crate) async fn ended(self) -> CdcResult<()> {
        tokio::time::timeout(STUCK, self.task).await.expect("the capture does not end").unwrap()
    }

    /// Stops the capture.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Ends the capture as a killed process does: without a last commit or message.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Waits for the error that ends the capture.
    pub(crate) async fn refused(self, kind: CdcErrorKind, words: &str) {
        assert_refused(&self.ended().await.unwrap_err(), kind, words);
    }
}

fn assert_refused(error: &CdcError, kind: CdcErrorKind, words: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}
