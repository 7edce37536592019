//! Four servers over one store on object storage, each of which is killed or stopped every few seconds and started again,
//! under numbered writers, readers and changers of the registry that go from one server to another. What was acknowledged is
//! there once and in order, and no schema that was registered is lost.

use crate::program::{command, kulya, run};
use crate::server::Server;
use crate::watch::{Counts, bytes_below};
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
/// Of a server between its start and its end, in milliseconds: the least, and how much more.
const LIFE_MS: (u64, u64) = (1500, 5000);
/// A server that takes longer than this to start again does not start.
const START: Duration = Duration::from_secs(60);

/// Where the servers are; those that are down too.
#[derive(Clone)]
struct House {
    urls: Arc<Vec<RwLock<String>>>,
    counts: Arc<Counts>,
    client: Client,
    is_over: Arc<AtomicBool>,
    /// The highest number that each writer was told is stored, and how many groups have how many schemas.
    acknowledged: Arc<Mutex<BTreeMap<u64, u64>>>,
    registered: Arc<Mutex<BTreeMap<String, u64>>>,
}

#[test]
fn four_servers_on_one_store_lose_nothing() {
    let scratch = tempdir().unwrap();
    let place = format!("file://{}", scratch.path().join("store").display());
    let stream = |words: &[&str]| kulya(&scratch, &[&["stream", "--data", &place], words].concat());
    stream(&["create", "soak/all", "--segments", "2"]);
    stream(&["create", "soak/by-size", "--segments", "2", "--keep-bytes", "8MB"]);
    let folders: Vec<PathBuf> = (0..SERVERS).map(|n| scratch.path().join(format!("server-{n}"))).collect();
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let servers: Vec<Server> = folders.iter().map(|folder| start(folder, &place, "127.0.0.1:0")).collect();
    // the client looks for a crypto library at its start, though it speaks no TLS here
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let house = House {
        urls: Arc::new(servers.iter().map(|server| RwLock::new(server.url.clone())).collect()),
        counts: Arc::default(),
        client: Client::builder().timeout(Duration::from_secs(30)).build().unwrap(),
        is_over: Arc::default(),
        acknowledged: Arc::default(),
        registered: Arc::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients: Vec<_> = runtime.block_on(async {
        let writers = (0..WRITERS).map(|writer| tokio::spawn(house.clone().write("all", writer)));
        let kept = (0..2).map(|n| tokio::spawn(house.clone().write("by-size", WRITERS + n)));
        let groups = (0..2).map(|n| tokio::spawn(house.clone().register(n)));
        let readers = (0..2).map(|n| tokio::spawn(house.clone().read(n)));
        writers.chain(kept).chain(groups).chain(readers).collect()
    });
    let keepers: Vec<_> = servers
        .into_iter()
        .enumerate()
        .map(|(number, server)| {
            let (house, folder, place) = (house.clone(), folders[number].clone(), place.clone());
            let (over, is_over) = mpsc::channel::<()>();
            (over, std::thread::spawn(move || house.disturb(number, server, &folder, &place, &is_over)))
        })
        .collect();
    let (mut most_disk, began) = (0, Instant::now());
    for _ in 0..crate::windows() {
        runtime.block_on(async { tokio::time::sleep(crate::WINDOW).await });
        most_disk = bytes_below(&scratch.path().join("store")).max(most_disk);
        println!(
            "{:5} s  {} MB on disk | {}",
            began.elapsed().as_secs(),
            most_disk / 1_000_000,
            house.counts.taken()
        );
    }
    house.is_over.store(true, Ordering::Relaxed);
    let end = |(over, keeper): (mpsc::Sender<()>, JoinHandle<Server>)| {
        drop(over);
        keeper.join().unwrap()
    };
    let servers: Vec<Server> = keepers.into_iter().map(end).collect();
    runtime.block_on(async {
        for client in clients {
            client.await.unwrap();
        }
        house.holds().await;
    });
    let faults = house.counts.faults();
    assert!(faults.is_empty(), "{} faults, first ones: {faults:#?}", house.counts.fault_count());
    for server in &servers {
        assert!(!server.said().contains("panicked"), "{:.10000}", server.said());
    }
    for server in servers {
        assert_eq!(server.end("TERM").code(), Some(0), "it ends in order");
    }
    let checked = run(&mut command(scratch.path(), &["store", "check", "--data", &place]));
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

fn start(folder: &Path, place: &str, listen: &str) -> Server {
    Server::start(folder, &["--listen", listen, "--data", place])
}

impl House {
    fn url(&self, number: usize) -> String {
        self.urls[number % SERVERS].read().unwrap().clone()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Kills or stops one server after another life, and starts it again; gives the last one when it is over.
    fn disturb(
        &self,
        number: usize,
        mut server: Server,
        folder: &Path,
        place: &str,
        is_over: &mpsc::Receiver<()>,
    ) -> Server {
        let mut rng = SeededRng::new(number as u64);
        loop {
            let life = Duration::from_millis(LIFE_MS.0 + rng.u64_below(LIFE_MS.1));
            if is_over.recv_timeout(life) == Err(RecvTimeoutError::Disconnected) {
                return server;
            }
            let (signal, what) = rng.pick(&[("KILL", "kills"), ("TERM", "stops")]);
            let status = server.end(signal);
            if signal == "TERM" && status.code() != Some(0) {
                self.counts.fault(format!("a server that was stopped ends with {status}"));
            }
            self.counts.add(what, 1);
            let began = Instant::now();
            server = start(folder, place, "127.0.0.1:0");
            *self.urls[number].write().unwrap() = server.url.clone();
            if began.elapsed() > START {
                self.counts.fault(format!("a server took {:?} to start again", began.elapsed()));
            }
        }
    }

    /// One request; nothing where nobody answers or the server is not able to.
    async fn ask(
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
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        (status != StatusCode::SERVICE_UNAVAILABLE).then_some((status, text))
    }

    /// Numbered events, each asked for at one server after another until one says that it is stored.
    async fn write(self, stream: &'static str, writer: u64) {
        let path = format!("/v2/streams/soak/{stream}/events?key={writer}");
        let mut server = writer as usize;
        for number in 1_u64.. {
            let event = json!({ "writer": writer, "number": number, "padding": "x".repeat(100) }).to_string();
            let head =
                [("kulya-writer", format!("{writer:032x}")), ("kulya-event-number", number.to_string())];
            loop {
                match self.ask(server, Method::POST, &path, &head, event.clone()).await {
                    // 200 is that it was stored before
                    Some((StatusCode::CREATED | StatusCode::OK, _)) => break,
                    Some((status, text)) => self.counts.fault(format!("append: {status} {text:.300}")),
                    None => {
                        self.counts.add("tried again", 1);
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

    /// Groups that get schemas, from whichever server.
    async fn register(self, which: usize) {
        let mut server = which;
        for round in 0_u64.. {
            let group = format!("g{which}-{round}");
            let made = json!({ "serializationFormat": {"serializationFormat": "Avro"}, "compatibility": {"policy": "Backward"} });
            let path = format!("/v2/groups/{group}?namespace=soak");
            if !self.until(&mut server, Method::PUT, &path, &made, &[200, 201]).await {
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
                if !self.until(&mut server, Method::POST, &path, &schema, &[200, 201]).await {
                    return;
                }
                self.registered.lock().unwrap().insert(group.clone(), version + 1);
                self.counts.add("schemas", 1);
            }
        }
    }

    /// Asks until one of these statuses is the answer; `false` when the soak ends before.
    async fn until(
        &self,
        server: &mut usize,
        method: Method,
        path: &str,
        body: &Value,
        right: &[u16],
    ) -> bool {
        while !self.is_over() {
            match self.ask(*server, method.clone(), path, &[], body.to_string()).await {
                Some((status, _)) if right.contains(&status.as_u16()) => return true,
                Some((status, text)) => self.counts.fault(format!("{method} {path}: {status} {text:.300}")),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            *server += 1;
        }
        false
    }

    /// Reads the whole stream again and again, each time at another server.
    async fn read(self, which: usize) {
        let mut server = which;
        while !self.is_over() {
            server += 1;
            let known = self.acknowledged.lock().unwrap().clone();
            if let Some(found) = self.events(server, "all").await {
                self.are_in_order(&found, &known);
                self.counts.add("reads", 1);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The numbers of each writer's events, as they come; nothing when the server goes meanwhile.
    async fn events(&self, server: usize, stream: &str) -> Option<BTreeMap<u64, Vec<u64>>> {
        let (mut found, mut from) = (BTreeMap::<u64, Vec<u64>>::new(), String::new());
        loop {
            let url = format!("{}/v2/streams/soak/{stream}/events?limit=10000{from}", self.url(server));
            let answer = self.client.get(url).send().await.ok()?;
            let status = answer.status();
            let next = answer.headers().get("kulya-next").and_then(|it| it.to_str().ok()).map(str::to_owned);
            let text = answer.text().await.ok()?;
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

    /// What was acknowledged before is there, and everything once and in order.
    fn are_in_order(&self, found: &BTreeMap<u64, Vec<u64>>, known: &BTreeMap<u64, u64>) {
        for writer in 0..WRITERS {
            let numbers = found.get(&writer).map(Vec::as_slice).unwrap_or_default();
            let wrong = (1..).zip(numbers).find(|(expected, number)| expected != *number);
            let acknowledged = known.get(&writer).copied().unwrap_or_default();
            if wrong.is_some() || (numbers.len() as u64) < acknowledged {
                let many = numbers.len();
                self.counts.fault(format!("writer {writer}: {many} events, {acknowledged} acknowledged, first out of place: {wrong:?}"));
            }
        }
    }

    /// In the end: every event and every schema.
    async fn holds(&self) {
        let (known, registered) =
            (self.acknowledged.lock().unwrap().clone(), self.registered.lock().unwrap().clone());
        for server in 0..SERVERS {
            let found = self.events(server, "all").await;
            self.are_in_order(&found.unwrap_or_default(), &known);
            for (group, schemas) in &registered {
                let path = format!("/v1/groups/{group}/history?namespace=soak");
                let answer = self.ask(server, Method::GET, &path, &[], String::new()).await;
                let history: Value =
                    serde_json::from_str(&answer.map(|it| it.1).unwrap_or_default()).unwrap_or_default();
                let many = history["history"].as_array().map_or(0, Vec::len) as u64;
                if many < *schemas {
                    self.counts.fault(format!("group {group}: {many} schemas, {schemas} registered"));
                }
            }
        }
        println!(
            "{} events of {} writers, {} groups",
            known.values().sum::<u64>(),
            known.len(),
            registered.len()
        );
    }
}
