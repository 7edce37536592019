//! `kulya stream` and `kulya store`: the commands on a stream, and check, repair, backup and restore of a
//! store.

use crate::program::{Running, command, kulya, run, server};
use tempfile::{TempDir, tempdir};

#[test]
fn stream_commands() {
    let folder = tempdir().unwrap();
    run_all_commands(|args| kulya(&folder, &[&["stream"], args].concat()));
    read_by_pointer(&folder, &[]);
}

#[test]
fn stream_commands_behind_a_server() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &[]);
    run_all_commands(|args| kulya(&folder, &[&["stream", "--url", &url], args].concat()));
    kulya(&folder, &["stream", "append", "s/kept", "--text", "{}", "--url", &url]);
    let rows = kulya(&folder, &["sql", "--url", &url, "-e", "SHOW DATABASES;", "--output", "csv"]);
    assert!(rows.lines().any(|line| line == "s"), "{rows}");
    read_by_pointer(&folder, &["--url", &url]);
    assert_eq!(server.interrupt(), Some(0));
    assert_eq!(kulya(&folder, &["stream", "read", "s/kept", "--output", "text"]), "{}\n");
}

/// Events, the registry and SQL on Pravega, from two processes at once.
#[test]
#[ignore = "needs Pravega: run cargo xtask test"]
fn real_pravega_supports_all_commands() {
    let folder = tempdir().unwrap();
    let pravega = server("KULYA_TEST_PRAVEGA");
    let stream = |args: &[&str]| kulya(&folder, &[&["stream", "--url", &pravega], args].concat());
    let (serving, url) = Running::serve(&folder, &["--url", &pravega]);
    stream(&["create", "cli/t", "--segments", "2", "--keep-for", "36h"]);
    for n in 0..6 {
        stream(&["append", "cli/t", "--text", &format!("event {n}"), "--key", &n.to_string()]);
    }
    kulya(&folder, &["stream", "--url", &url, "append", "cli/t", "--text", "by the server"]);
    let read = stream(&["read", "cli/t", "--output", "text"]);
    assert!(read.lines().count() == 7 && read.contains("by the server\n"), "{read}");
    assert!(stream(&["describe", "cli/t"]).contains("keeps   events of the last 36h\n"));
    let databases = kulya(&folder, &["sql", "--url", &pravega, "-e", "SHOW DATABASES;", "--output", "csv"]);
    assert!(databases.lines().any(|line| line == "cli"), "{databases}");
    for (name, address) in [("direct", &pravega), ("served", &url)] {
        let sql = format!(
            "CREATE CATALOG {name} WITH ('type' = 'pravega', 'controller-uri' = '{address}'); USE CATALOG {name}; SHOW DATABASES;"
        );
        let databases = kulya(&folder, &["sql", "--url", &url, "-e", &sql, "--output", "csv"]);
        assert!(databases.lines().any(|line| line == "cli"), "{address}: {databases}");
    }
    let ran =
        run(&mut command(folder.path(), &["stream", "--url", &pravega, "read", "cli/t", "--since", "1d"]));
    assert!(ran.code == Some(1) && ran.err.lines().count() == 1, "Pravega has no cut by time: {ran:?}");
    read_by_pointer(&folder, &["--url", &pravega]);
    assert_eq!(serving.interrupt(), Some(0));
    stream(&["seal", "cli/t"]);
    stream(&["delete", "cli/t"]);
}

/// Reads events of a table back by their pointers; those of other streams and truncated ones are refused.
fn read_by_pointer(folder: &TempDir, store: &[&str]) {
    let sql = |statements: &str| {
        let args = [&["sql", "-e", statements, "--output", "csv"], store].concat();
        run(&mut command(folder.path(), &args))
    };
    let columns = "(a INT, event_pointer BYTES METADATA VIRTUAL) WITH ('format' = 'json')";
    let created = sql(&format!(
        "CREATE DATABASE pointers; USE pointers; CREATE TABLE t {columns}; CREATE TABLE u {columns}; \
         INSERT INTO t VALUES (1), (22); INSERT INTO u VALUES (333);"
    ));
    assert_eq!(created.code, Some(0), "{created:?}");
    let pointers = |table: &str| -> Vec<(String, String)> {
        let read = sql(&format!("SELECT a, event_pointer FROM pointers.{table}"));
        assert_eq!(read.code, Some(0), "{read:?}");
        let line = |line: &str| line.split_once(',').map(|(a, pointer)| (a.to_owned(), pointer.to_owned()));
        read.out.lines().skip(1).filter_map(line).collect()
    };
    let (of_t, of_u) = (pointers("t"), pointers("u"));
    let event = |pointer: &str| {
        sql(&format!("SELECT a, event_pointer FROM TABLE(EVENT(TABLE pointers.t, X'{pointer}'))"))
    };
    assert_eq!((of_t.len(), of_u.len()), (2, 1));
    for (a, pointer) in &of_t {
        let read = event(pointer);
        assert_eq!(read.out, format!("a,event_pointer\n{a},{pointer}\n"), "{read:?}");
    }
    let refused = |pointer: &str, expected: &str| {
        let ran = event(pointer);
        assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{ran:?}");
        assert!(ran.err.contains(expected), "{ran:?}");
    };
    refused(&of_u[0].1, "is of stream pointers/u, but the table reads pointers/t");
    let second = "pointers/t@0.0:15";
    kulya(folder, &[&["stream", "truncate", "pointers/t", "--at", second], store].concat());
    refused(&of_t[0].1, "is truncated: the oldest one of its segment is at 15");
    assert_eq!(event(&of_t[1].1).code, Some(0));
    let dropped = sql("DROP DATABASE pointers CASCADE");
    assert_eq!(dropped.code, Some(0), "{dropped:?}");
}

/// Runs every command on a stream.
fn run_all_commands(stream: impl Fn(&[&str]) -> String) {
    stream(&["create", "s/t", "--segments", "2", "--keep-for", "36h"]);
    for n in 0..6 {
        stream(&["append", "s/t", "--text", &format!("event {n}"), "--key", &n.to_string()]);
    }
    assert_eq!(stream(&["list"]), "s/t  2 segments, 90 bytes\n");
    assert_eq!(stream(&["list", "s"]), "s/t  2 segments, 90 bytes\n");
    let described = stream(&["describe", "s/t"]);
    let tail = described.lines().find_map(|line| line.strip_prefix("tail    ")).unwrap().to_owned();
    assert!(described.contains("head    s/t@0.0:0,1.0:0\n") && tail.starts_with("s/t@0.0:"), "{described}");
    assert!(
        described.contains("segment s/t/0.#epoch.0  keys 0.0000 to 0.5000  offsets 0 to "),
        "{described}"
    );
    assert!(described.contains("keeps   events of the last 36h\n"), "{described}");
    let updated = stream(&["update", "s/t", "--keep-bytes", "2GiB"]);
    assert!(
        updated.contains("keeps   2147483648 bytes") && updated.contains("36h"),
        "a limit without a flag is unchanged: {updated}"
    );
    assert_eq!(stream(&["read", "s/t", "--since", "1d", "--output", "text"]).lines().count(), 6);
    assert_eq!(stream(&["truncate", "s/t", "--older-than", "1d"]), "s/t begins at s/t@0.0:0,1.0:0\n");
    assert_eq!(stream(&["truncate", "s/t", "--at", &tail]), format!("s/t begins at {tail}\n"));
    assert_eq!(stream(&["read", "s/t"]), "");
    stream(&["append", "s/t", "--text", "kept"]);
    assert_eq!(stream(&["read", "s/t", "--output", "text"]), "kept\n");
    assert_eq!(stream(&["seal", "s/t"]), "s/t is sealed\n");
    assert_eq!(stream(&["seal", "s/t"]), "s/t was already sealed\n");
    assert_eq!(stream(&["tail", "s/t", "--output", "text"]), "", "nothing follows in a sealed stream");
    assert_eq!(stream(&["read", "s/t", "--tail", "--output", "text"]), "kept\n");
    stream(&["delete", "s/t"]);
    assert_eq!(stream(&["list"]), "");
}

#[test]
fn store_is_checked_backed_up_restored_and_repaired() {
    let folder = tempdir().unwrap();
    kulya(&folder, &["demo", "--data", "d", "--orders", "500", "--listen", "127.0.0.1:0"]);
    let store = |data: &str, args: &[&str]| kulya(&folder, &[&["store", "--data", data], args].concat());
    let info = store("d", &["info"]);
    assert!(
        info.contains("format   kulya-store 3\n") && info.contains("streams  5 with 8 segments, "),
        "{info}"
    );
    let check = |data: &str| store(data, &["check"]).split(';').next().unwrap().to_owned();
    let before = check("d");
    assert!(before.contains("in 1 log files (") && before.contains(") are intact\n"), "{before}");
    // 552 orders, 197 changes, 7 of the registry, and what the view of the demo keeps, in any number of parts
    let events = before.lines().find_map(|line| line.split_once(" events (")?.0.parse().ok());
    assert!(events > Some(756), "{before}");
    store("d", &["compact"]);
    assert_eq!(check("d"), before, "there was nothing to compact");
    store("d", &["backup", "copy"]);
    assert_eq!(check("copy"), before);
    store("restored", &["restore", "copy"]);
    assert_eq!(check("restored"), before);
    for (args, message) in [
        (&["store", "--data", "d", "backup", "copy"][..], "folder copy is not empty"),
        (&["store", "--data", "d", "restore", "nowhere"], "folder nowhere does not exist"),
        (&["store", "--data", "nowhere", "check"], "folder nowhere does not exist"),
        (&["stream", "--data", "d", "create", "shop/orders"], "stream shop/orders already exists"),
        (&["stream", "--data", "d", "delete", "shop/orders"], "stream shop/orders is not sealed: seal it"),
        (&["stream", "--data", "d", "delete", "shop/none"], "stream shop/none does not exist"),
        (&["stream", "--data", "d", "seal", "shop/none"], "stream shop/none does not exist"),
        (
            &["stream", "--data", "d", "truncate", "shop/orders", "--at", "here"],
            "must be written as scope/stream@",
        ),
        (&["stream", "--data", "d", "truncate", "shop/orders", "--at", "shop/x@0.0:1"], "of another stream"),
        (
            &["stream", "--data", "d", "truncate", "shop/orders", "--at", "shop/orders@0.0:1"],
            "does not name each segment",
        ),
        (
            &["stream", "--data", "d", "truncate", "shop/customers", "--at", "shop/customers@0.0:1"],
            "has no event at offset 1",
        ),
        (&["stream", "--data", "d", "list", "nowhere"], "scope nowhere does not exist"),
        (&["stream", "--url", "localhost:9092", "list"], "write http://host:port"),
        (
            &["stream", "--url", "http://127.0.0.1:1", "list"],
            "cannot connect to a Kulya server at http://127.0.0.1:1",
        ),
        (&["sql", "--url", "https://127.0.0.1:1", "-e", "SHOW TABLES;"], "needs the certificate"),
        (&["stream", "--url", "https://127.0.0.1:1", "--ca", "none", "list"], "cannot read none"),
        (&["stream", "--data", "d", "create", "shop/new", "--keep-for", "2w"], "write 90s, 15m, 36h or 7d"),
        (&["stream", "--data", "d", "update", "shop/orders", "--keep-bytes", "much"], "write 500MB or 2GiB"),
        (&["stream", "--data", "d", "read", "shop/orders", "--since", "then"], "invalid duration"),
    ] {
        let ran = run(&mut command(folder.path(), args));
        assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
    }
    // damage in the middle is reported by every command
    let log = folder.path().join("d/log/0000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let ran = run(&mut command(folder.path(), &["store", "--data", "d", "check"]));
    assert!(ran.code == Some(1) && ran.err.contains("0000000000000000.log is damaged from byte"), "{ran:?}");
    assert!(
        ran.out.contains("lost: 1 frames of the log") && ran.out.contains("lost: the events of"),
        "{ran:?}"
    );
    assert!(ran.err.contains("kulya store repair"), "{ran:?}");
    let repaired = store("d", &["repair"]);
    assert!(
        repaired.contains("file 0000000000000000.log is damaged from byte")
            && repaired.contains("lost: the events of"),
        "{repaired}"
    );
    assert!(check("d").contains(" events ("), "it opens again");
    assert!(store("d", &["repair"]).contains("the log is intact"));
}

/// Every command on object storage: a backup while a server runs, damage that is reported, and a repair.
#[test]
fn store_commands_on_object_storage() {
    let folder = tempdir().unwrap();
    let url_of = |name: &str| format!("file://{}", folder.path().join(name).display());
    let (data, copy) = (url_of("objects"), url_of("copy"));
    let (server, url) = Running::serve(&folder, &["--data", &data]);
    kulya(&folder, &["stream", "create", "s/t", "--segments", "1", "--url", &url]);
    for n in 0..6 {
        kulya(&folder, &["stream", "append", "s/t", "--text", &format!("event {n}"), "--url", &url]);
    }
    let store = |args: &[&str]| kulya(&folder, &[&["store"], args].concat());
    let read = |data: &str| kulya(&folder, &["stream", "--data", data, "read", "s/t", "--output", "text"]);
    // backup and compaction while a server has the store open
    assert!(store(&["backup", &copy, "--data", &data]).contains("bytes of events copied to"));
    assert!(store(&["compact", "--data", &data]).contains("bytes of events merged"));
    assert_eq!(server.interrupt(), Some(0));
    assert!(store(&["info", "--data", &data]).contains("streams  "), "info lists the streams");
    assert!(
        store(&["check", "--data", &copy]).contains("6 events"),
        "the backup has every acknowledged event"
    );
    assert_eq!(read(&copy).lines().count(), 6);
    let again = url_of("again");
    assert!(
        store(&["restore", folder.path().join("copy").to_str().unwrap(), "--data", &again])
            .contains("restored to")
    );
    assert_eq!(read(&again), read(&copy));
    // missing objects are reported, and dropped by a repair only
    let merged =
        std::fs::read_dir(folder.path().join("objects/data")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(&merged).unwrap();
    let ran = run(&mut command(folder.path(), &["store", "check", "--data", &data]));
    let name = format!("data/{}", merged.file_name().unwrap().to_str().unwrap());
    assert!(
        ran.code == Some(1) && ran.out.contains(&name) && ran.out.contains("lost: the events of segment s/t"),
        "{ran:?}"
    );
    assert!(store(&["repair", "--data", &data]).contains("without what is lost"));
    assert!(
        store(&["check", "--data", &data])
            .contains("dropped by an earlier repair: the events of segment s/t")
    );
    let ran = run(&mut command(folder.path(), &["store", "check", "--data", &url_of("nowhere")]));
    assert!(ran.code == Some(1) && ran.err.contains("there is no store at"), "{ran:?}");
}
