//! Readers need only the permission READ, and write nothing.

use crate::program::{Ran, Running, command, http, kulya, run};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use tempfile::{TempDir, tempdir};

fn account(folder: &TempDir, user: &str, acl: &str) -> String {
    let args = ["account", "add", user, acl, "--iterations", "1000"];
    let mut child = command(folder.path(), &args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"1111_aaaa\n").unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Creates a store with a table of one row.
fn shop() -> TempDir {
    let folder = tempdir().unwrap();
    let (_server, url) = Running::serve(&folder, &[]);
    let group =
        r#"{"serializationFormat":{"serializationFormat":"Json"},"compatibility":{"policy":"AllowAny"}}"#;
    assert_eq!(http("PUT", &format!("{url}/v2/groups/t?namespace=shop"), group).0, 201);
    let schema = r#"{"serializationFormat":{"serializationFormat":"Json"},"type":"T","schema":{"type":"object","properties":{"n":{"type":"integer"}}}}"#;
    let (status, version) = http("POST", &format!("{url}/v2/groups/t/schemas?namespace=shop"), schema);
    assert_eq!(status, 201, "{version}");
    let encoding = format!(r#"{{"versionInfo":{version},"codecType":""}}"#);
    assert_eq!(http("PUT", &format!("{url}/v1/groups/t/encodings?namespace=shop"), &encoding).0, 200);
    drop(_server);
    // {"n":7}
    kulya(&folder, &["stream", "append", "shop/t", "--hex", "01 00000000 7b226e223a377d"]);
    folder
}

#[test]
fn reader_needs_read_only_and_missing_permissions_are_named() {
    let folder = shop();
    let accounts = account(&folder, "reader", "prn::/scope:_schemaregistry*,READ;prn::/scope:shop*,READ")
        + &account(&folder, "half", "prn::/scope:shop*,READ")
        + &account(&folder, "other", "prn::/scope:_schemaregistry*,READ;prn::/scope:shop,READ");
    std::fs::write(folder.path().join("accounts"), accounts).unwrap();
    std::fs::write(folder.path().join("password"), "1111_aaaa\n").unwrap();
    let (_server, url) = Running::serve(&folder, &["--accounts", "accounts"]);
    let sql = |user: &str| -> Ran {
        let connection = ["--url", &url, "--user", user, "--password-file", "password", "--output", "json"];
        run(&mut command(
            folder.path(),
            &[&["sql"][..], &connection, &["-e", "SELECT n FROM shop.t"]].concat(),
        ))
    };
    let read = sql("reader");
    assert_eq!((read.code, read.out.as_str()), (Some(0), "{\"n\":7}\n"), "{read:?}");
    for (user, permission) in [
        ("half", "READ on prn::/scope:_schemaregistry/key-value-table:registry"),
        ("other", "READ on prn::/scope:shop/stream:t"),
    ] {
        let denied = sql(user);
        assert_eq!(denied.code, Some(1), "{denied:?}");
        assert!(denied.err.contains(&format!("the caller needs {permission}")), "{user}: {}", denied.err);
    }
    let writes = run(&mut command(
        folder.path(),
        &[
            "stream",
            "--url",
            &url,
            "--user",
            "reader",
            "--password-file",
            "password",
            "append",
            "shop/t",
            "--hex",
            "78",
        ],
    ));
    assert!(writes.err.contains("the caller needs READ_UPDATE on prn::/scope:shop/stream:t"), "{writes:?}");
}

fn objects(folder: &Path) -> BTreeMap<std::path::PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                folders.push(entry.path())
            } else {
                _ = found.insert(entry.path(), kind.len())
            }
        }
    }
    found
}

/// Reading the tables of a store that belongs to others creates no registry in it.
#[test]
fn reading_creates_no_registry() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("objects");
    let url = format!("file://{}", path.display());
    kulya(&folder, &["stream", "--data", &url, "append", "shop/t", "--hex", "78"]);
    let before = objects(&path);
    for statement in ["SHOW DATABASES", "USE shop; SHOW TABLES", "SELECT 1"] {
        kulya(&folder, &["sql", "--data", &url, "-e", statement]);
    }
    let described = run(&mut command(folder.path(), &["sql", "--data", &url, "-e", "DESCRIBE shop.t"]));
    assert!(described.err.contains("has no schema"), "{described:?}");
    kulya(&folder, &["registry", "--data", &url, "group", "list"]);
    assert_eq!(objects(&path), before);
}
