//! Error messages: one line that says what to do, and exit code 1 (2 for wrong arguments).

use crate::program::{Ran, Running, command, http, kulya, run, server};
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use tempfile::{TempDir, tempdir};

fn assert_error(ran: &Ran, messages: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "one line: {ran:?}");
    assert!(ran.err.starts_with("kulya: ") && !ran.err.contains("External error"), "{ran:?}");
    for text in messages {
        assert!(ran.err.contains(text), "{text}: {ran:?}");
    }
}

fn check(folder: &TempDir, args: &[&str], messages: &[&str]) {
    assert_error(&run(&mut command(folder.path(), args)), messages);
}

#[test]
fn invalid_folders_settings_and_addresses() {
    let folder = tempdir().unwrap();
    std::fs::create_dir(folder.path().join("photos")).unwrap();
    std::fs::write(folder.path().join("photos/cat.jpg"), "cat").unwrap();
    std::fs::write(folder.path().join("bad.toml"), "data = \"x\"\nlisen = \"y\"").unwrap();
    std::fs::write(folder.path().join("cdc.toml"), "[[cdc]]\nurl = \"mysql://x\"").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, messages) in [
        (&["sql", "-e", "SHOW TABLES"][..], &["no database is selected"][..]),
        (&["sql", "-e", "SELECT * FROM d.t"], &["folder kulya-data does not exist", "kulya demo"]),
        (&["stream", "read", "s/t"], &["folder kulya-data does not exist"]),
        (&["serve", "--data", "photos"], &["folder photos is not empty and contains no Kulya store"]),
        (&["serve", "--data", "photos/cat.jpg"], &["photos/cat.jpg", "not a folder"]),
        (&["serve", "--listen", &taken], &["cannot listen on", &taken, "--listen"]),
        (&["serve", "--config", "none.toml"], &["cannot read settings none.toml"]),
        (&["serve", "--config", "bad.toml"], &["bad.toml", "line 2", "lisen"]),
        (&["serve", "--config", "cdc.toml"], &["invalid database URL", "mysql://user:password@host"]),
        (&["cdc"], &["no database given", "--postgres URL"]),
        (&["cdc", "--postgres", "http://x"], &["invalid database URL", "postgres://user:password@host"]),
        (&["cdc", "--postgres", "postgres://me:secret@127.0.0.1:1/x"], &["127.0.0.1:1"]),
        (&["cdc", "--postgres", "postgres://me@h/x", "--table", "orders"], &["orders", "schema.table"]),
        (&["cdc", "--postgres", "postgres://me@h/x", "--scope", "a_b"], &["a_b", "'_'"]),
        (&["stream", "append", "s", "--text", "x"], &["\"s\"", "scope/stream"]),
        (&["stream", "append", "s/t", "--hex", "0"], &["hexadecimal"]),
        (&["stream", "append", "s/t", "--file", "none"], &["cannot read none"]),
        (&["stream", "append", "s/t", "--text", "x", "--segments", "0"], &["s/t", "1 to 10000"]),
    ] {
        check(&folder, args, messages);
    }
    let secret =
        run(&mut command(folder.path(), &["cdc", "--postgres", "postgres://me:secret@127.0.0.1:1/x"]));
    assert!(!secret.err.contains("secret"), "{secret:?}");
    for args in [&["serv"][..], &["sql", "--output", "xml"], &["stream", "append", "s/t"]] {
        let ran = run(&mut command(folder.path(), args));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("--help"), "{ran:?}");
    }
}

#[test]
fn invalid_statements() {
    let folder = tempdir().unwrap();
    kulya(&folder, &["stream", "append", "s/t", "--text", "x"]);
    let (server, url) = Running::serve(&folder, &[]);
    for (method, path, body, status) in [
        (
            "POST",
            "groups",
            r#"{"groupName":"java","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":true}}"#,
            201,
        ),
        (
            "POST",
            "groups/java/schemas",
            r#"{"type":"int","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9XX0=","properties":{}}"#,
            400,
        ),
        (
            "POST",
            "groups/java/schemas",
            r#"{"type":"U","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9XX0=","properties":{}}"#,
            201,
        ),
        ("POST", "groups/java/codecTypes", r#"{"name":"application/x-other","properties":{}}"#, 201),
        (
            "PUT",
            "groups/java/encodings",
            r#"{"versionInfo":{"type":"U","serializationFormat":"Avro","version":0,"id":0},"codecType":"application/x-other"}"#,
            200,
        ),
    ] {
        assert_eq!(http(method, &format!("{url}/v1/{path}?namespace=s"), body).0, status, "{path}");
    }
    assert_eq!(server.interrupt(), Some(0));
    kulya(&folder, &["stream", "append", "s/java", "--hex", "010000000054"]);
    for (sql, says) in [
        ("SELEC 1", "unknown statement SELEC"),
        ("SELECT FROM WHERE", "expected an expression, found FROM at line 1, column 8"),
        ("SELECT * FROM nothing", "no table nothing"),
        ("SELECT * FROM t", "stream s/t has no schema: register one in namespace s, group t"),
        ("SELECT nothing", "nothing"),
        ("USE nowhere", "no database nowhere: it has s"),
        ("USE CATALOG c", "catalog c does not exist: catalogs are kulya"),
        ("CREATE CATALOG c WITH ('type' = 'hive')", "unknown type hive"),
        (
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'http://127.0.0.1:1')",
            "cannot connect to a Kulya server at http://127.0.0.1:1",
        ),
        (
            "CREATE CATALOG c WITH ('type' = 'pravega', 'controller-uri' = 'nowhere')",
            "folder nowhere does not exist",
        ),
        (
            "CREATE CATALOG c WITH ('type' = 'pravega', 'schema-registry-uri' = 'http://127.0.0.1:1')",
            "cannot connect to the registry",
        ),
        ("CREATE CATALOG c WITH ('type' = 'pravega', 'default-database' = 'x')", "no database x"),
        ("CREATE TABLE x (a INT, a INT)", "column a is defined twice at line 1, column 24"),
        ("CREATE TABLE x (a INT) WITH ('segment' = '2')", "did you mean 'segments'?"),
        ("CREATE VIEW v AS SELECT * FROM nothing", "no table nothing"),
        ("CREATE FUNCTION f AS 'x'", "CREATE FUNCTION is not supported yet at line 1, column 1"),
        ("INSERT INTO nothing VALUES (1)", "no table nothing"),
        ("SELECT 1 / 0", "ivide by zero"),
        ("SELECT * FROM java", "unknown codec \"application/x-other\"; known codecs are"),
    ] {
        check(&folder, &["sql", "-e", sql], &[says]);
    }
    // statements before the failed one have run
    let ran = run(&mut command(
        folder.path(),
        &["sql", "--output", "csv", "-e", "SELECT 1 AS a; SELECT x; SELECT 2"],
    ));
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), "a\n1\n"));
}

#[test]
fn second_process_is_told_the_owner_of_the_lock() {
    let folder = tempdir().unwrap();
    let (server, _) = Running::serve(&folder, &[]);
    let owner = format!("is in use by process {}", server.child.id());
    for args in
        [&["sql", "-e", "SELECT 1"][..], &["serve", "--listen", "127.0.0.1:0"], &["stream", "read", "s/t"]]
    {
        check(&folder, args, &["folder kulya-data", &owner, "stop it first"]);
    }
    assert_eq!(server.interrupt(), Some(0));
    kulya(&folder, &["sql", "-e", "SELECT 1"]);
}

/// Limits the file size of the process to 64 KiB, as on a full disk.
#[test]
fn full_disk_is_reported_and_existing_data_is_kept() {
    let folder = tempdir().unwrap();
    kulya(&folder, &["stream", "append", "s/t", "--text", "kept"]);
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" stream append s/t --file -";
    let mut child = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_kulya")])
        .current_dir(folder.path())
        .env_remove("KULYA_DATA")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&vec![b'x'; 1 << 20]).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
    assert_error(
        &ran,
        &[
            "0000000000000000.log",
            "no space left on device",
            "nothing of this request was written",
            "free disk space",
        ],
    );
    assert_eq!(kulya(&folder, &["stream", "read", "s/t", "--output", "text"]), "kept\n");
    kulya(&folder, &["stream", "append", "s/t", "--text", "more"]);
    assert_eq!(kulya(&folder, &["stream", "read", "s/t", "--output", "text"]), "kept\nmore\n");
}

#[test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
fn databases_that_cannot_be_captured() {
    let folder = tempdir().unwrap();
    let logical = server("KULYA_TEST_POSTGRES");
    let replica = server("KULYA_TEST_POSTGRES_NOT_LOGICAL");
    let wrong_password = logical.replace("kulya:kulya@", "kulya:other@");
    let wrong_database = logical.replace("/postgres", "/nothing").replace("nothing://", "postgres://");
    for (url, says) in [
        (&replica, "wal_level"),
        (&wrong_password, "password authentication failed"),
        (&wrong_database, "\"nothing\" does not exist"),
    ] {
        check(&folder, &["cdc", "--postgres", url, "--until-caught-up"], &[says]);
    }
}

/// Mistakes of new users.
#[test]
fn messages_name_the_object_and_the_fix() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("one.proto", "syntax = \"proto3\"; package shop; message Order { int64 id = 1; }");
    write(
        "two.proto",
        "syntax = \"proto3\"; import \"one.proto\"; message A { shop.Order o = 1; } message B {}",
    );
    write("wrong.proto", "syntax = \"proto3\"; message {");
    write("order.avsc", r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#);
    write("no.pb", "this is none");
    let registry = |args: &[&str]| run(&mut command(folder.path(), &[&["registry"], args].concat()));
    for (name, format) in [("pb", "protobuf"), ("av", "avro")] {
        let made = registry(&["group", "create", name, "--format", format, "--policy", "AllowAny"]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
    // a .proto file is compiled with its imports; its only message needs no --type
    assert_eq!(
        registry(&["schema", "add", "--group", "pb", "one.proto"]).out,
        "shop.Order version 0 (id 0)\n"
    );
    let show = ["registry", "schema", "show", "--group", "pb", "0", "--raw"];
    let set = command(folder.path(), &show).output().unwrap().stdout;
    std::fs::write(folder.path().join("one.pb"), set).unwrap();
    assert_eq!(registry(&["schema", "add", "--group", "pb", "one.pb"]).out, "shop.Order version 0 (id 0)\n");
    let added = registry(&["schema", "find", "--group", "pb", "one.proto"]);
    assert_eq!(added.out, "shop.Order version 0 (id 0)\n", "{added:?}");
    for (args, messages) in [
        (
            &["schema", "add", "--group", "pb", "two.proto"][..],
            &["several messages", "give --type: A, B"][..],
        ),
        (&["schema", "add", "--group", "pb", "wrong.proto"], &["cannot compile wrong.proto"]),
        (&["schema", "add", "--group", "pb", "no.pb"], &["no.pb is not a descriptor set"]),
        (&["schema", "find", "order.avsc"], &["no group of the default namespace has the schema order.avsc"]),
        (&["group", "delete", "nope"], &["group nope does not exist", "group list"]),
        (&["group", "describe", "nope", "--namespace", "x"], &["group x/nope does not exist"]),
        (&["group", "change", "nope", "--policy", "AllowAny"], &["group nope does not exist"]),
    ] {
        assert_error(&registry(args), messages);
    }
    kulya(&folder, &["stream", "append", "s/db.public.t", "--text", "x"]);
    for (args, messages) in [
        (&["sql", "-e", "SELECT * FROM db.public.t"][..], &["quote it in backticks: `db.public.t`"][..]),
        (&["sql", "-e", "DESCRIBE public.t"], &["quote it in backticks: `public.t`"]),
        (&["sql", "-e", "SELECT * FROM a.b.c.d"], &["backticks"]),
        (&["stream", "describe", "/"], &["\"/\"", "scope/stream"]),
        (&["stream", "describe", "/t"], &["\"/t\"", "scope"]),
        (&["stream", "read", ""], &["scope/stream"]),
    ] {
        check(&folder, args, messages);
    }
    let missing = run(&mut command(folder.path(), &["stream", "append", "s/t"]));
    assert!(missing.err.contains("--text <TEXT>|--file <FILE>|--hex <HEX>"), "{missing:?}");
    // an event in each form
    let read = |form: &str| kulya(&folder, &["stream", "read", "s/db.public.t", "-o", form]);
    assert_eq!((read("text").as_str(), read("raw").as_str()), ("x\n", "x"));
    assert!(read("json").ends_with("\"offset\":0,\"text\":\"x\"}\n"), "{}", read("json"));
    assert!(read("hex").ends_with(" 78\n"));
}
