//! Four servers on one object storage, each killed or stopped every few seconds and restarted, under writers,
//! readers and registry clients that fail over between them. Every acknowledged event exists exactly once and
//! in order, and no registered schema is lost.

use crate::monitor::{Counts, bytes_below};
use crate::program::{command, kulya, run};
use crate::server::Server;
use kulya_testkit::SeededRng;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const SERVERS: usize = 4;
const WRITERS: u64 = 4;
/// Lifetime of a server, in milliseconds: the minimum, and the range above it.
const LIFETIME_MS: (u64, u64) = (1500, 5000);
/// Longest time of a restart.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The servers, including those that are down, and what clients know.
#[derive(Clone)]
struct Cluster {
    urls: Arc<Vec<RwLock<String>>>,
    counts: Arc<Counts>,
    client: Client,
    is_over: Arc<AtomicBool>,
    /// The highest acknowledged number of each writer, and the number of schemas of each group.
    acknowledged: Arc<Mutex<BTreeMap<u64, u64>>>,
    registered: Arc<Mutex<BTreeMap<String, u64>>>,
}

#[test]
fn four_servers_on_one_store_lose_nothing() {
    let scratch = tempdir().unwrap();
    let store_url = format!("file://{}", scratch.path().join("store").display());
    let stream = |words: &[&str]| kulya(&scratch, &[&["stream", "--data", &store_url], words].concat());
    stream(&["create", "soak/all", "--segments", "2"]);
    stream(&["create", "soak/by-size", "--segments", "2", "--keep-bytes", "8MB"]);
    let folders: Vec<PathBuf> = (0..SERVERS).map(|n| scratch.path().join(format!("server-{n}"))).collect();
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let servers: Vec<Server> =
        folders.iter().map(|folder| start(folder, &store_url, "127.0.0.1:0")).collect();
    // the client looks for a crypto library at its start, though it speaks no TLS here
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let cluster = Cluster {
        urls: Arc::new(servers.iter().map(|server| RwLock::new(server.url.clone())).collect()),
        counts: Arc::default(),
        client: Client::builder().timeout(Duration::from_secs(30)).build().unwrap(),
        is_over: Arc::default(),
        acknowledged: Arc::default(),
        registered: Arc::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients: Vec<_> = runtime.block_on(async {
        let writers = (0..WRITERS).map(|writer| tokio::spawn(cluster.clone().write("all", writer)));
        let retained = (0..2).map(|n| tokio::spawn(cluster.clone().write("by-size", WRITERS + n)));
        let groups = (0..2).map(|n| tokio::spawn(cluster.clone().register(n)));
        let readers = (0..2).map(|n| tokio::spawn(cluster.clone().read(n)));
        writers.chain(retained).chain(groups).chain(readers).collect()
    });
    let disruptors: Vec<_> = servers
        .into_iter()
        .enumerate()
        .map(|(number, server)| {
            let (cluster, folder, store_url) = (cluster.clone(), folders[number].clone(), store_url.clone());
            let (over, is_over) = mpsc::channel::<()>();
            (over, std::thread::spawn(move || cluster.disrupt(number, server, &folder, &store_url, &is_over)))
        })
        .collect();
    let (mut max_disk_bytes, started) = (0, Instant::now());
    for _ in 0..crate::windows() {
        runtime.block_on(async { tokio::time::sleep(crate::WINDOW).await });
        max_disk_bytes = bytes_below(&scratch.path().join("store")).max(max_disk_bytes);
        println!(
            "{:5} s  {} MB on disk | {}",
            started.elapsed().as_secs(),
            max_disk_bytes / 1_000_000,
            cluster.counts.take()
        );
    }
    cluster.is_over.store(true, Ordering::Relaxed);
    let end = |(over, disruptor): (mpsc::Sender<()>, JoinHandle<Server>)| {
        drop(over);
        disruptor.join().unwrap()
    };
    let servers: Vec<Server> = disruptors.into_iter().map(end).collect();
    runtime.block_on(async {
        for client in clients {
            client.await.unwrap();
        }
        cluster.check_contents().await;
    });
    let faults = cluster.counts.faults();
    assert!(faults.is_empty(), "{} faults, first ones: {faults:#?}", cluster.counts.fault_count());
    for server in &servers {
        assert!(!server.log().contains("panicked"), "{:.10000}", server.log());
    }
    for server in servers {
        assert_eq!(server.stop("TERM").code(), Some(0), "a graceful shutdown");
    }
    let checked = run(&mut command(scratch.path(), &["store", "check", "--data", &store_url]));
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

fn start(folder: &Path, store_url: &str, listen: &str) -> Server {
    Server::start(folder, &["--listen", listen, "--data", store_url])
}

impl Cluster {
    fn url(&self, number: usize) -> String {
        self.urls[number % SERVERS].read().unwrap().clone()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Kills or stops a server again and again and restarts it; returns the last one when the soak is over.
    fn disrupt(
        &self,
        number: usize,
        mut server: Server,
        folder: &Path,
        store_url: &str,
        is_over: &mpsc::Receiver<()>,
    ) -> Server {
        let mut rng = SeededRng::new(number as u64);
        loop {
            let lifetime = Duration::from_millis(LIFETIME_MS.0 + rng.u64_below(LIFETIME_MS.1));
            if is_over.recv_timeout(lifetime) == Err(RecvTimeoutError::Disconnected) {
                return server;
            }
            let (signal, what) = rng.pick(&[("KILL", "kills"), ("TERM", "stops")]);
            let status = server.stop(signal);
            if signal == "TERM" && status.code() != Some(0) {
                self.counts.fault(format!("a stopped server exited with {status}"));
            }
            self.counts.add(what, 1);
            let started = Instant::now();
            server = start(folder, store_url, "127.0.0.1:0");
            *self.urls[number].write().unwrap() = server.url.clone();
            if started.elapsed() > START_TIMEOUT {
                self.counts.fault(format!("a server took {:?} to restart", started.elapsed()));
            }
        }
    }

    /// Sends a request; returns nothing if the server is down or unavailable.
    async fn send(
        &self,
        server: usize,
        method: Method,
        path: &str,
        head: &[(&str, String)],
        body: String,
    ) -> Option<(StatusCode, String)> {
        let mut request = self.client.request(method, format!("{}{path}", self.url(server))).body(body);
        for (name, value) in head.iter().chain(&[("content-type", "application/json".to_owned())]) {
            request = request.header(*name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        let text = response.text().await.ok()?;
        (status != StatusCode::SERVICE_UNAVAILABLE).then_some((status, text))
    }

    /// Writes numbered events, each at one server after another until one acknowledges it.
    async fn write(self, stream: &'static str, writer: u64) {
        let path = format!("/v2/streams/soak/{stream}/events?key={writer}");
        let mut server = writer as usize;
        for number in 1_u64.. {
            let event = json!({ "writer": writer, "number": number, "padding": "x".repeat(100) }).to_string();
            let head =
                [("kulya-writer", format!("{writer:032x}")), ("kulya-event-number", number.to_string())];
            loop {
                match self.send(server, Method::POST, &path, &head, event.clone()).await {
                    // 200: a duplicate that was stored before
                    Some((StatusCode::CREATED | StatusCode::OK, _)) => break,
                    Some((status, text)) => self.counts.fault(format!("append: {status} {text:.300}")),
                    None => {
                        self.counts.add("retries", 1);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                server += 1;
                if self.is_over() {
                    return;
                }
            }
            self.acknowledged.lock().unwrap().insert(writer, number);
            self.counts.add("appends", 1);
            if self.is_over() {
                return;
            }
            if number.is_multiple_of(100) {
                server += 1;
            }
        }
    }

    /// Creates groups and registers schemas, on changing servers.
    async fn register(self, which: usize) {
        let mut server = which;
        for round in 0_u64.. {
            let group = format!("g{which}-{round}");
            let properties = json!({ "serializationFormat": {"serializationFormat": "Avro"}, "compatibility": {"policy": "Backward"} });
            let path = format!("/v2/groups/{group}?namespace=soak");
            if !self.send_until(&mut server, Method::PUT, &path, &properties, &[200, 201]).await {
                return;
            }
            for version in 0..10 {
                let fields: Vec<_> = (0..=version)
                    .map(|f| json!({"name": format!("f{f}"), "type": "long", "default": 0}))
                    .collect();
                let schema = json!({
                    "serializationFormat": {"serializationFormat": "Avro"},
                    "schema": {"type": "record", "name": "Soak", "fields": fields},
                });
                let path = format!("/v2/groups/{group}/schemas?namespace=soak");
                if !self.send_until(&mut server, Method::POST, &path, &schema, &[200, 201]).await {
                    return;
                }
                self.registered.lock().unwrap().insert(group.clone(), version + 1);
                self.counts.add("schemas", 1);
            }
        }
    }

    /// Sends a request until the response has one of these statuses; `false` when the soak is over before.
    async fn send_until(
        &self,
        server: &mut usize,
        method: Method,
        path: &str,
        body: &Value,
        expected: &[u16],
    ) -> bool {
        while !self.is_over() {
            match self.send(*server, method.clone(), path, &[], body.to_string()).await {
                Some((status, _)) if expected.contains(&status.as_u16()) => return true,
                Some((status, text)) => self.counts.fault(format!("{method} {path}: {status} {text:.300}")),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            *server += 1;
        }
        false
    }

    /// Reads the whole stream repeatedly, each time from another server.
    async fn read(self, which: usize) {
        let mut server = which;
        while !self.is_over() {
            server += 1;
            let acknowledged = self.acknowledged.lock().unwrap().clone();
            if let Some(found) = self.events(server, "all").await {
                self.check_order(&found, &acknowledged);
                self.counts.add("reads", 1);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Returns the numbers of each writer's events in order; nothing if the server stops meanwhile.
    async fn events(&self, server: usize, stream: &str) -> Option<BTreeMap<u64, Vec<u64>>> {
        let (mut found, mut from) = (BTreeMap::<u64, Vec<u64>>::new(), String::new());
        loop {
            let url = format!("{}/v2/streams/soak/{stream}/events?limit=10000{from}", self.url(server));
            let response = self.client.get(url).send().await.ok()?;
            let status = response.status();
            let next =
                response.headers().get("kulya-next").and_then(|it| it.to_str().ok()).map(str::to_owned);
            let text = response.text().await.ok()?;
            if status != StatusCode::OK {
                if status != StatusCode::SERVICE_UNAVAILABLE {
                    self.counts.fault(format!("read of {stream}: {status} {text:.300}"));
                }
                return None;
            }
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                let event: Value = serde_json::from_str(line["text"].as_str()?).ok()?;
                found.entry(event["writer"].as_u64()?).or_default().push(event["number"].as_u64()?);
            }
            if text.is_empty() {
                return Some(found);
            }
            from = format!("&from={}", next?);
        }
    }

    /// Checks that every acknowledged event exists, and every event once and in order.
    fn check_order(&self, found: &BTreeMap<u64, Vec<u64>>, acknowledged: &BTreeMap<u64, u64>) {
        for writer in 0..WRITERS {
            let numbers = found.get(&writer).map(Vec::as_slice).unwrap_or_default();
            let wrong = (1..).zip(numbers).find(|(expected, number)| expected != *number);
            let acknowledged = acknowledged.get(&writer).copied().unwrap_or_default();
            if wrong.is_some() || (numbers.len() as u64) < acknowledged {
                let many = numbers.len();
                self.counts.fault(format!("writer {writer}: {many} events, {acknowledged} acknowledged, first out of order: {wrong:?}"));
            }
        }
    }

    /// Checks every event and every schema at the end.
    async fn check_contents(&self) {
        let (acknowledged, registered) =
            (self.acknowledged.lock().unwrap().clone(), self.registered.lock().unwrap().clone());
        for server in 0..SERVERS {
            let found = self.events(server, "all").await;
            self.check_order(&found.unwrap_or_default(), &acknowledged);
            for (group, schemas) in &registered {
                let path = format!("/v1/groups/{group}/history?namespace=soak");
                let response = self.send(server, Method::GET, &path, &[], String::new()).await;
                let history: Value =
                    serde_json::from_str(&response.map(|it| it.1).unwrap_or_default()).unwrap_or_default();
                let many = history["history"].as_array().map_or(0, Vec::len) as u64;
                if many < *schemas {
                    self.counts.fault(format!("group {group}: {many} schemas, {schemas} registered"));
                }
            }
        }
        println!(
            "{} events of {} writers, {} groups",
            acknowledged.values().sum::<u64>(),
            acknowledged.len(),
            registered.len()
        );
    }
}
