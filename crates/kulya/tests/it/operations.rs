//! Operation of the server: health, maintenance, locks, backups, file modes and resource limits.

use crate::program::{Running, command, http, kulya, run, wait_until};
use kulya_store::{StreamId, StreamStore, bounded_read};
use kulya_store_embedded::EmbeddedStore;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::{TempDir, tempdir};

/// Small files and frequent maintenance, so that all of it happens in a test.
const SMALL_FILES: &str = "[store]\nlog-file-bytes = 262144\nmaintenance-interval-ms = 50\n";

fn small_files() -> TempDir {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("kulya.toml"), SMALL_FILES).unwrap();
    folder
}

fn health(url: &str) -> Value {
    let (status, body) = http("GET", &format!("{url}/health"), "");
    assert!(status == 200 || status == 503, "{status} {body}");
    serde_json::from_str(&body).unwrap()
}

fn counter(url: &str, component: &str, counter: &str) -> u64 {
    let health = health(url);
    let found = health["components"].as_array().unwrap().iter().find(|found| found["name"] == component);
    found.and_then(|found| found["counters"][counter].as_u64()).unwrap_or_default()
}

fn disk_bytes(folder: &Path) -> u64 {
    let logs = std::fs::read_dir(folder.join("kulya-data/log")).unwrap();
    // a file may be deleted by compaction meanwhile
    logs.flatten().filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

/// Returns the number in the text of a stream's first event.
fn first_event(url: &str, stream: &str) -> Option<u64> {
    let (status, body) = http("GET", &format!("{url}/v2/streams/{stream}/events?limit=1"), "");
    // without a position the read starts at the head, wherever retention has moved it
    assert_eq!(status, 200, "{body}");
    let line = body.lines().next()?;
    let event: Value = serde_json::from_str(line).unwrap();
    event["text"].as_str().unwrap().split(' ').next().unwrap().parse().ok()
}

#[test]
fn retention_checkpoints_and_compaction_run_in_the_server() {
    let folder = small_files();
    kulya(&folder, &["stream", "create", "load/small", "--keep-bytes", "1MB"]);
    kulya(&folder, &["stream", "create", "load/young", "--keep-for", "500ms"]);
    kulya(&folder, &["stream", "create", "load/all"]);
    let (mut server, url) = Running::serve(&folder, &[]);
    let append = |stream: &str, text: &str| {
        let (status, body) = http("POST", &format!("{url}/v2/streams/load/{stream}/events"), text);
        assert_eq!(status, 201, "{body}");
    };
    let filling = "x".repeat(32 << 10);
    for number in 0..400 {
        append("small", &format!("{number} {filling}"));
        if number % 10 == 0 {
            append("young", &format!("{number} {filling}"));
            append("all", &format!("{number}"));
        }
    }
    // 14 MB were written, retention leaves 1 MB, and compaction leaves less than half a file of garbage
    wait_until("the disk usage is little more than the retained data", || {
        disk_bytes(folder.path()) < 3 << 20
    });
    let store = "store.maintenance";
    for (name, least) in [("truncations", 5), ("checkpoints", 5), ("compactions", 2), ("files removed", 20)] {
        wait_until(name, || counter(&url, store, name) >= least);
    }
    append("young", "400 is the last one");
    wait_until("the old events of the stream with a retention by age are deleted", || {
        first_event(&url, "load/young").is_none_or(|first| first >= 400)
    });
    let first = first_event(&url, "load/small").unwrap();
    assert!((368..=372).contains(&first), "1 MB is about 30 events of 32 KiB, and the first is {first}");
    assert_eq!(first_event(&url, "load/all"), Some(0), "a stream without retention keeps everything");
    let report = health(&url);
    assert_eq!((report["status"].as_str(), counter(&url, store, "panics")), (Some("healthy"), 0), "{report}");
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let checked = kulya(&folder, &["store", "check"]);
    assert!(checked.contains("are intact"), "{checked}");
    kulya(&folder, &["store", "compact"]);
    assert!(disk_bytes(folder.path()) < 3 << 20);
}

/// A server may be started before its object storage.
#[test]
fn server_waits_for_object_storage_and_stops_on_a_signal() {
    let folder = tempdir().unwrap();
    // bound and closed again: nothing listens there
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (unused, listen) = (free(), free());
    let mut serve =
        command(folder.path(), &["serve", "--listen", &listen.to_string(), "--data", "s3://bucket/prefix"]);
    serve
        .env("AWS_ENDPOINT_URL", format!("http://{unused}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1");
    let mut server = Running::start(&mut serve);
    let report = server.wait_for("waiting for AmazonS3(bucket) at prefix");
    assert!(report.contains("see that it runs and can be reached"), "{report}");
    let (status, body) = http("GET", &format!("http://{listen}/health/ready"), "");
    assert_eq!(status, 503, "{body}");
    let (status, _) = http("GET", &format!("http://{listen}/v1/groups"), "");
    assert_eq!(status, 503);
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn health_endpoints_report_the_components() {
    let folder = small_files();
    let (server, url) = Running::serve(&folder, &[]);
    for path in ["/health/live", "/health/ready", "/health"] {
        let (status, body) = http("GET", &format!("{url}{path}"), "");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, body["status"].as_str()), (200, Some("healthy")), "{path}: {body}");
        let components = body["components"].as_array().unwrap();
        for name in ["server", "store.log", "store.index", "store.maintenance"] {
            assert!(components.iter().any(|found| found["name"] == name), "{name}: {body}");
        }
        assert_eq!(http("POST", &format!("{url}{path}"), "").0, 405);
    }
    assert_eq!(server.interrupt(), Some(0));
    // without authentication only the status is reported
    let line = run(Command::new("sh").current_dir(folder.path()).arg("-c").arg(format!(
        "echo secret | {} account --iterations 1000 add anna 'prn::/scope:*,READ'",
        env!("CARGO_BIN_EXE_kulya")
    )));
    std::fs::write(folder.path().join("accounts"), line.out).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (_server, url) = Running::serve(&folder, &["--accounts", "accounts", "--health-listen", &free]);
    assert_eq!(http("GET", &format!("{url}/ping"), "").0, 401);
    for base in [url, format!("http://{free}")] {
        let (status, body) = http("GET", &format!("{base}/health/ready"), "");
        assert_eq!((status, body.as_str()), (200, "{\"status\":\"healthy\"}"), "{base}");
    }
}

/// Compiles a library that makes fsync fail while a file exists.
fn failing_syncs(folder: &Path) -> std::path::PathBuf {
    let (source, library) = (folder.join("fault.c"), folder.join("fault.so"));
    let code = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int fails(void) {
    const char *file = getenv("SYNC_FAULT_FILE");
    if (!file || access(file, F_OK)) return 0;
    errno = EIO;
    return 1;
}
int fdatasync(int fd) { return fails() ? -1 : (int)syscall(SYS_fdatasync, fd); }
int fsync(int fd) { return fails() ? -1 : (int)syscall(SYS_fsync, fd); }
"#;
    std::fs::write(&source, code).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(built.unwrap().success(), "the program itself needs a C compiler");
    library
}

/// As with databases: what the disk holds after a failed fsync is known only after recovery.
#[test]
fn failed_fsync_stops_the_server_with_its_own_exit_code() {
    let folder = small_files();
    let (library, fault) = (failing_syncs(folder.path()), folder.path().join("fault"));
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let (mut server, url) = Running::serving(serve.env("LD_PRELOAD", library).env("SYNC_FAULT_FILE", &fault));
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/t"), "").0, 201);
    let events = format!("{url}/v2/streams/s/t/events");
    for number in 0..5 {
        assert_eq!(http("POST", &events, &number.to_string()).0, 201);
    }
    std::fs::write(&fault, "").unwrap();
    assert_eq!(http("POST", &events, "not acknowledged").0, 500);
    assert_eq!(server.child.wait().unwrap().code(), Some(74));
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut server.err, &mut stderr).unwrap();
    assert!(stderr.contains("cannot sync") && stderr.contains("store.log"), "{stderr}");
    std::fs::remove_file(&fault).unwrap();
    let kept = kulya(&folder, &["stream", "read", "s/t", "--output", "text"]);
    assert!(kept.starts_with("0\n1\n2\n3\n4\n"), "{kept}");
}

#[test]
fn folder_has_one_owner_if_its_lock_file_is_deleted() {
    let folder = small_files();
    let (mut server, url) = Running::serve(&folder, &[]);
    let lock = folder.path().join("kulya-data/LOCK");
    let assert_locked = || {
        let second = run(&mut command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
        assert_eq!((second.code, second.err.lines().count()), (Some(1), 1), "{second:?}");
        assert!(second.err.contains("is in use by process"), "{second:?}");
        second.err
    };
    std::fs::remove_file(&lock).unwrap();
    assert_locked();
    // the lock file is created again, with its owner
    wait_until("the lock file exists", || lock.exists());
    wait_until("the lock file names its owner", || {
        !std::fs::read_to_string(&lock).unwrap_or_default().trim().is_empty()
    });
    assert!(assert_locked().contains(&server.child.id().to_string()));
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/t"), "").0, 201);
    // nothing is written to a folder that replaced it
    std::fs::rename(folder.path().join("kulya-data"), folder.path().join("moved")).unwrap();
    std::fs::create_dir(folder.path().join("kulya-data")).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(74));
    assert_eq!(std::fs::read_dir(folder.path().join("kulya-data")).unwrap().count(), 0);
    assert!(kulya(&folder, &["stream", "--data", "moved", "list"]).contains("s/t"));
}

#[test]
fn backup_of_a_served_folder_under_load() {
    let folder = small_files();
    kulya(&folder, &["stream", "create", "load/noise", "--keep-bytes", "300kB"]);
    kulya(&folder, &["stream", "create", "load/kept"]);
    let (_server, url) = Running::serve(&folder, &[]);
    let (acknowledged, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    let noise = "x".repeat(64 << 10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let events = |stream: &str| format!("{url}/v2/streams/load/{stream}/events?key=k");
            for number in 0u64.. {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                assert_eq!(http("POST", &events("noise"), &noise).0, 201);
                assert_eq!(http("POST", &events("kept"), &number.to_string()).0, 201);
                acknowledged.store(number + 1, Ordering::SeqCst);
            }
        });
        let copies: Vec<(String, u64)> = (0..4)
            .map(|copy| {
                let more = acknowledged.load(Ordering::SeqCst) + 25;
                wait_until("the load continues", || acknowledged.load(Ordering::SeqCst) >= more);
                let before = acknowledged.load(Ordering::SeqCst);
                let name = format!("copy-{copy}");
                kulya(&folder, &["store", "backup", &name]);
                (name, before)
            })
            .collect();
        wait_until("files are compacted meanwhile", || counter(&url, "store.maintenance", "compactions") > 2);
        ends.store(true, Ordering::SeqCst);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (name, before) in copies {
            kulya(&folder, &["store", "--data", &name, "check"]);
            runtime.block_on(async {
                let store = EmbeddedStore::open(folder.path().join(&name)).unwrap();
                let kept = bounded_read(&store, &StreamId::new("load", "kept").unwrap()).await.unwrap();
                let numbers: Vec<u64> =
                    kept.iter().map(|(_, event)| String::from_utf8_lossy(event).parse().unwrap()).collect();
                assert!(numbers.len() as u64 >= before, "{name}: {} of {before}", numbers.len());
                assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{name}: {numbers:?}");
                store.close().await.unwrap();
            });
        }
    });
}

/// Returns every file and folder below a path with its mode.
fn modes(path: &Path) -> Vec<(std::path::PathBuf, u32)> {
    let mut found = vec![(path.to_owned(), path.metadata().unwrap().permissions().mode() & 0o777)];
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            found.extend(modes(&entry.unwrap().path()));
        }
    }
    found
}

#[test]
fn files_are_readable_by_their_owner_only() {
    let folder = small_files();
    let shell = |script: &str| {
        let script =
            format!("umask 000; {}", script.replace("kulya ", &format!("{} ", env!("CARGO_BIN_EXE_kulya"))));
        let ran = run(Command::new("sh").current_dir(folder.path()).arg("-c").arg(&script));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    let filling = "x".repeat(60_000);
    std::fs::write(folder.path().join("event"), filling).unwrap();
    shell("for i in 1 2 3 4 5 6 7 8 9 10; do kulya stream append s/t --file event || exit 1; done");
    shell("kulya store compact && kulya store backup copy && kulya store --data restored restore copy");
    shell("kulya stream --data file://$PWD/objects append s/t --text x");
    // the server's files, started with an open umask
    let serve = format!(
        "umask 000; exec {} serve --listen 127.0.0.1:0 --audit-log audit",
        env!("CARGO_BIN_EXE_kulya")
    );
    let (server, url) = Running::serving(Command::new("sh").current_dir(folder.path()).arg("-c").arg(serve));
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/u"), "").0, 201);
    assert_eq!(server.interrupt(), Some(0));
    assert!(folder.path().join("kulya-data/index").exists(), "the index exists");
    let mut seen = 0;
    for name in ["kulya-data", "copy", "restored", "objects", "audit"] {
        for (path, mode) in modes(&folder.path().join(name)) {
            let expected = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}, not {expected:o}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn limited_address_space_is_enough_or_reported() {
    let folder = tempdir().unwrap();
    let limited = |megabytes: u32, args: &str| {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_kulya");
        let script = format!("ulimit -v {}; exec {program} {args}", megabytes << 10);
        command.current_dir(folder.path()).arg("-c").arg(script);
        command
    };
    let rejected = run(&mut limited(256, "serve --listen 127.0.0.1:0"));
    assert_eq!((rejected.code, rejected.err.lines().count()), (Some(1), 1), "{rejected:?}");
    assert!(rejected.err.contains("address space is limited to 256 MiB"), "{rejected:?}");
    // concurrent reads of large events succeed or are rejected, and the process survives
    let (server, url) = Running::serving(&mut limited(512, "serve --listen 127.0.0.1:0"));
    assert_eq!(http("PUT", &format!("{url}/v2/streams/s/t"), "").0, 201);
    let (events, filling) = (format!("{url}/v2/streams/s/t/events"), "x".repeat(7 << 20));
    for _ in 0..10 {
        assert_eq!(http("POST", &events, &filling).0, 201);
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (status, _) = http("GET", &events, "");
                assert!(status == 200 || status == 503, "{status}");
            });
        }
    });
    assert_eq!(http("GET", &format!("{url}/health/ready"), "").0, 200);
    assert_eq!(server.interrupt(), Some(0));
    let read = run(&mut limited(512, "stream read s/t --output text"));
    assert_eq!((read.code, read.out.len()), (Some(0), 10 * (filling.len() + 1)));
}
