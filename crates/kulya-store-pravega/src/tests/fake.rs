//! An in-memory Pravega, as far as this crate uses it: a controller over gRPC and one segment store, each on
//! its own port. It pauses where a test says, records its calls, and needs no Java.

mod controller;
mod segment_store;

use crate::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Its contents, by Pravega's names.
#[derive(Default)]
pub(super) struct FakeState {
    pub(super) scopes: BTreeSet<String>,
    pub(super) streams: BTreeMap<(String, String), Stream>,
    pub(super) segments: HashMap<String, Segment>,
    /// The number of segments that streams of this name ever had.
    pub(super) numbered: HashMap<(String, String), u32>,
    /// Each call of the controller: its method and resource.
    pub(super) calls: Vec<String>,
    /// Segments with this name prefix grow by an event with each request for their tail.
    pub(super) growing: Option<String>,
}

pub(super) struct Stream {
    pub(super) config: crate::controller::messages::StreamConfig,
    pub(super) segments: std::ops::Range<u32>,
    pub(super) sealed: bool,
}

#[derive(Default)]
pub(super) struct Segment {
    pub(super) bytes: Vec<u8>,
    pub(super) head: u64,
    pub(super) sealed: bool,
    /// The last event number of each writer, and the connection that may write as it.
    pub(super) writers: HashMap<u128, (i64, u64)>,
}

impl Segment {
    pub(super) fn tail(&self) -> u64 {
        self.head + self.bytes.len() as u64
    }
}

/// A running fake; stopped when dropped.
pub(super) struct FakePravega {
    pub(super) state: Arc<Mutex<FakeState>>,
    controller: u16,
    /// Counts changes of segments.
    changed: watch::Sender<u64>,
    /// Whether the controller and the segment store do not respond.
    unresponsive: watch::Sender<(bool, bool)>,
    /// Appends to segments with this name prefix are delayed; and the number of delayed ones.
    delayed: watch::Sender<Option<String>>,
    delayed_count: watch::Sender<usize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl FakePravega {
    pub(super) async fn start() -> Self {
        let controller = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let segment_store = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let mut fake = Self {
            state: Arc::default(),
            controller: port(&controller),
            changed: watch::Sender::new(0),
            unresponsive: watch::Sender::new((false, false)),
            delayed: watch::Sender::new(None),
            delayed_count: watch::Sender::new(0),
            tasks: Vec::new(),
        };
        let segments = segment_store::SegmentStore {
            state: Arc::clone(&fake.state),
            changed: fake.changed.clone(),
            unresponsive: fake.unresponsive.subscribe(),
            delayed: fake.delayed.subscribe(),
            delayed_count: fake.delayed_count.clone(),
        };
        let service = controller::Service {
            state: Arc::clone(&fake.state),
            changed: fake.changed.clone(),
            unresponsive: fake.unresponsive.subscribe(),
            segment_store: port(&segment_store),
        };
        fake.tasks.push(tokio::spawn(segments.run(segment_store)));
        fake.tasks.push(tokio::spawn(service.run(controller)));
        fake
    }

    /// Returns settings for a process on it.
    pub(super) fn settings(&self, instance: u128) -> Settings {
        Settings::new(format!("tcp://127.0.0.1:{}", self.controller).parse().unwrap(), instance)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut FakeState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the controller and the segment store accept requests without responding.
    pub(super) fn set_unresponsive(&self, controller: bool, segment_store: bool) {
        self.unresponsive.send_replace((controller, segment_store));
    }

    /// Delays appends to all segments with this name prefix.
    pub(super) fn delay_appends(&self, segment: &str) {
        self.delayed.send_replace(Some(segment.to_owned()));
    }

    /// Waits until this many appends are delayed.
    pub(super) async fn delayed_count(&self, count: usize) {
        self.delayed_count.subscribe().wait_for(|delayed_count| *delayed_count >= count).await.unwrap();
    }

    pub(super) fn release(&self) {
        self.delayed.send_replace(None);
    }

    /// Returns the calls of the controller since the last time.
    pub(super) fn calls(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.calls))
    }
}

impl Drop for FakePravega {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
