//! The address of a store by flag, environment variable and settings file: each accepts the same, and a
//! misspelt URL creates no folder.

use crate::program::{Running, command, http, kulya, run};
use tempfile::tempdir;

const INVALID: [&str; 8] = [
    "tcp:/127.0.0.1:1",
    "http:/127.0.0.1:1",
    "127.0.0.1:1",
    "localhost:9090",
    "kafka://127.0.0.1:1",
    "file:/data",
    "s3:bucket",
    "http://me:marker@127.0.0.1:1",
];

const COMMANDS: [&[&str]; 6] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["sql", "-e", "SELECT 1"],
    &["stream", "append", "s/t", "--text", "x"],
    &["stream", "list"],
    &["registry", "group", "create", "g", "--format", "avro", "--policy", "AllowAny"],
    &["cdc", "--postgres", "postgres://me@127.0.0.1:1/x"],
];

#[test]
fn invalid_address_is_rejected_and_creates_no_folder() {
    let folder = tempdir().unwrap();
    for wrong in INVALID {
        std::fs::write(folder.path().join("data.toml"), format!("data = {wrong:?}\n")).unwrap();
        for line in COMMANDS {
            let options: [&[&str]; 3] = [&["--data", wrong], &["--url", wrong], &["--config", "data.toml"]];
            for option in options {
                let ran = run(&mut command(folder.path(), &[line, option].concat()));
                assert_eq!(ran.code, Some(1), "{line:?} {option:?}: {ran:?}");
                assert_eq!(ran.err.lines().count(), 1, "{line:?} {option:?}: {ran:?}");
                let message = if wrong.contains('@') { "--password-file" } else { "http://host:port" };
                assert!(ran.err.contains(message), "{line:?} {option:?}: {ran:?}");
                assert!(!ran.err.contains("marker"), "{line:?} {option:?}: {ran:?}");
            }
        }
        let ran = run(&mut command(folder.path(), &["demo", "--data", wrong]));
        assert_eq!(ran.code, Some(1), "{wrong}: {ran:?}");
        for line in
            [["store", "restore", "data.toml", "--data", wrong], ["store", "info", "--log", "off", wrong]]
        {
            assert_ne!(run(&mut command(folder.path(), &line)).code, Some(0), "{line:?}");
        }
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["data.toml"], "no folder was created");
}

/// A server, a folder and object storage by either flag.
#[test]
fn both_flags_accept_each_kind_of_address() {
    let folder = tempdir().unwrap();
    let (server, url) = Running::serve(&folder, &["--data", "served"]);
    let objects = format!("file://{}", folder.path().join("objects").display());
    for (number, address) in ["./plain", &objects, &url].into_iter().enumerate() {
        for flag in ["--data", "--url"] {
            let stream = format!("s/t{number}");
            let text = format!("by {flag}");
            kulya(&folder, &["stream", "append", &stream, "--text", &text, flag, address]);
            let read = kulya(&folder, &["stream", "read", &stream, "-o", "text", flag, address]);
            assert!(read.ends_with(&format!("{text}\n")), "{flag} {address}: {read}");
        }
    }
    // the settings file, too
    std::fs::write(folder.path().join("kulya.toml"), format!("data = {url:?}\n")).unwrap();
    assert_eq!(kulya(&folder, &["stream", "read", "s/t2", "-o", "text"]), "by --data\nby --url\n");
    assert_eq!(server.interrupt(), Some(0));
}

/// A session may have only the catalogs of CREATE CATALOG.
#[test]
fn sql_on_a_remote_catalog_needs_no_folder() {
    let (folder, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (server, url) = Running::serve(&other, &[]);
    assert_eq!(http("PUT", &format!("{url}/v2/streams/shop/orders"), "").0, 201);
    let create = format!(
        "CREATE CATALOG far WITH ('type' = 'pravega', 'controller-uri' = '{url}', 'default-database' = 'shop')"
    );
    let sql = |text: &str| run(&mut command(folder.path(), &["sql", "-o", "csv", "-e", text]));
    assert_eq!(sql("SELECT 1 AS a").out, "a\n1\n");
    let ran = sql(&format!("{create}; USE CATALOG far; SHOW DATABASES; SHOW CURRENT CATALOG"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("shop\n") && ran.out.ends_with("current catalog name\nfar\n"), "{ran:?}");
    for text in ["SHOW DATABASES", "SELECT * FROM shop.orders", "USE shop"] {
        let ran = sql(text);
        assert!(
            ran.err.contains("no catalog is selected: folder kulya-data does not exist"),
            "{text}: {ran:?}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no folder was created");
    assert_eq!(server.interrupt(), Some(0));
}

/// A newcomer names a folder and brings data in the first line.
#[test]
fn sql_makes_a_new_folder_and_says_so() {
    let folder = tempdir().unwrap();
    let sql =
        |text: &str| run(&mut command(folder.path(), &["sql", "--data", "new", "-o", "csv", "-e", text]));
    let ran = sql("CREATE DATABASE d; CREATE TABLE d.t (a INT, b STRING); INSERT INTO d.t VALUES (1, 'x')");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.starts_with("a new store in folder new: "), "{ran:?}");
    let ran = sql("SELECT * FROM d.t");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("a,b\n1,x\n", ""));
}

/// A limit without a flag is unchanged, `none` removes a limit; in a folder and behind a server.
#[test]
fn update_changes_only_the_given_limits() {
    let (folder, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (server, url) = Running::serve(&other, &[]);
    for option in [["--data", "here"], ["--url", url.as_str()]] {
        let stream = |args: &[&str]| kulya(&folder, &[&["stream"], args, &option].concat());
        let retention = || {
            let text = stream(&["describe", "s/t"]);
            text.lines().filter(|line| line.starts_with("keeps")).map(str::to_owned).collect::<Vec<_>>()
        };
        stream(&["create", "s/t", "--keep-for", "7d", "--keep-bytes", "500MB"]);
        stream(&["update", "s/t", "--keep-for", "36h"]);
        assert_eq!(retention(), ["keeps   events of the last 36h", "keeps   500000000 bytes at most"]);
        stream(&["update", "s/t", "--keep-bytes", "1GiB"]);
        assert_eq!(retention(), ["keeps   events of the last 36h", "keeps   1073741824 bytes at most"]);
        stream(&["update", "s/t", "--keep-for", "none"]);
        assert_eq!(retention(), ["keeps   1073741824 bytes at most"]);
        let ran = run(&mut command(folder.path(), &[&["stream", "update", "s/t"][..], &option].concat()));
        assert!(ran.code == Some(1) && ran.err.contains("--keep-for or --keep-bytes"), "{ran:?}");
        assert_eq!(retention(), ["keeps   1073741824 bytes at most"]);
        stream(&["update", "s/t", "--keep-bytes", "none", "--keep-for", "1h"]);
        assert_eq!(retention(), ["keeps   events of the last 1h"]);
    }
    assert_eq!(server.interrupt(), Some(0));
}
