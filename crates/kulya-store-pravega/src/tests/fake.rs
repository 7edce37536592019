//! A Pravega in memory, as far as this crate speaks to it: a controller over gRPC and one segment store, each on a port of
//! its own. Unlike a real one it stops where a test says, tells what it was asked, and needs no Java.

mod controller;
mod segment_store;

use crate::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What it holds, by Pravega's own names.
#[derive(Default)]
pub(super) struct Held {
    pub(super) scopes: BTreeSet<String>,
    pub(super) streams: BTreeMap<(String, String), Stream>,
    pub(super) segments: HashMap<String, Segment>,
    /// How many segments a stream of this name ever had.
    pub(super) numbered: HashMap<(String, String), u32>,
    /// Each call of the controller: its method and what it is about.
    pub(super) calls: Vec<String>,
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
    /// The last number of each writer, and the connection that may write in its name.
    pub(super) writers: HashMap<u128, (i64, u64)>,
}

impl Segment {
    pub(super) fn tail(&self) -> u64 {
        self.head + self.bytes.len() as u64
    }
}

/// A running one; dropped, it is gone.
pub(super) struct FakePravega {
    pub(super) held: Arc<Mutex<Held>>,
    controller: u16,
    /// Counts changes of segments.
    changed: watch::Sender<u64>,
    /// Whether the controller, and the segment store, say nothing.
    silent: watch::Sender<(bool, bool)>,
    /// Appends to a segment whose name begins so are kept waiting, and how many wait.
    held_back: watch::Sender<Option<String>>,
    waiting: watch::Sender<usize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl FakePravega {
    pub(super) async fn start() -> Self {
        let controller = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let segment_store = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let mut this = Self {
            held: Arc::default(),
            controller: port(&controller),
            changed: watch::Sender::new(0),
            silent: watch::Sender::new((false, false)),
            held_back: watch::Sender::new(None),
            waiting: watch::Sender::new(0),
            tasks: Vec::new(),
        };
        let segments = segment_store::SegmentStore {
            held: Arc::clone(&this.held),
            changed: this.changed.clone(),
            silent: this.silent.subscribe(),
            held_back: this.held_back.subscribe(),
            waiting: this.waiting.clone(),
        };
        let service = controller::Service {
            held: Arc::clone(&this.held),
            changed: this.changed.clone(),
            silent: this.silent.subscribe(),
            segment_store: port(&segment_store),
        };
        this.tasks.push(tokio::spawn(segments.run(segment_store)));
        this.tasks.push(tokio::spawn(service.run(controller)));
        this
    }

    /// Another process on it.
    pub(super) fn settings(&self, instance: u128) -> Settings {
        Settings::new(format!("tcp://127.0.0.1:{}", self.controller).parse().unwrap(), instance)
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the controller, and the segment store, take what is asked and say nothing.
    pub(super) fn be_silent(&self, controller: bool, segment_store: bool) {
        self.silent.send_replace((controller, segment_store));
    }

    /// Keeps appends to a segment waiting; those of every segment whose name begins so.
    pub(super) fn hold_back(&self, segment: &str) {
        self.held_back.send_replace(Some(segment.to_owned()));
    }

    /// Returns when so many appends wait.
    pub(super) async fn waiting(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await.unwrap();
    }

    pub(super) fn let_go(&self) {
        self.held_back.send_replace(None);
    }

    /// The methods of the controller that were called since this was last asked.
    pub(super) fn calls(&self) -> Vec<String> {
        self.with(|held| std::mem::take(&mut held.calls))
    }
}

impl Drop for FakePravega {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
