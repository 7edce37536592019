//! `kulya registry`: groups and schemas in a folder and behind a server, compatibility of schemas in files,
//! export and import.

use crate::program::{Ran, Running, command, http, kulya, run, server};
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Stdio;
use tempfile::{TempDir, tempdir};

const ORDER: &str =
    r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"}]}"#;
const ORDER_NOTE: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string","default":""}]}"#;
const ORDER_TOTAL: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"total","type":"long"}]}"#;
const CLICK: &str = r#"{"type":"object","properties":{"page":{"type":"string"}},"required":["page"]}"#;
const CLICK_STRICTER: &str = r#"{"type":"object","properties":{"page":{"type":"string"},"at":{"type":"integer"}},"required":["page","at"]}"#;

/// Schemas in files: versions of an Avro record, `v10` the newest by number, and two JSON schemas.
fn files() -> TempDir {
    let folder = tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("orders")).unwrap();
    for (name, text) in [
        ("orders/v1.avsc", ORDER),
        ("orders/v2.avsc", ORDER_NOTE),
        ("orders/v10.avsc", ORDER_TOTAL),
        ("orders/README.md", "not a schema"),
        ("click1.json", CLICK),
        ("click2.json", CLICK_STRICTER),
        ("broken.avsc", "{"),
        ("schema.txt", "no schema"),
    ] {
        std::fs::write(path.join(name), text).unwrap();
    }
    folder
}

fn registry(folder: &TempDir, args: &[&str]) -> Ran {
    run(&mut command(folder.path(), &[&["registry"], args].concat()))
}

#[test]
fn files_are_checked_without_a_registry() {
    let folder = files();
    let check = |args: &[&str]| registry(&folder, &[&["check"], args].concat());
    let ran = check(&["--policy", "BackwardTransitive", "orders/v1.avsc", "orders/v2.avsc"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.out, "v2.avsc is compatible with v1.avsc (policy BackwardTransitive, java rules)\n");
    // a folder, in the order of numbers: v10 is the new one
    let ran = check(&["--policy", "BackwardTransitive", "--rules", "strict", "orders"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran:?}");
    let start = "v10.avsc (shop.Order) is incompatible (policy BackwardTransitive, strict rules), for 2 reasons\n\n1. it cannot read events of v1.avsc\n   rule     avro/missing-default\n";
    assert!(ran.out.starts_with(start), "{}", ran.out);
    for part in [
        "\n   reader   ",
        "\n   writer   ",
        "\n   reason   ",
        "\n   fix      ",
        "total",
        "2. it cannot read events of v2.avsc",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    // Backward alone looks at the latest
    let ran = check(&["--policy", "backward", "orders/v10.avsc", "orders/v1.avsc"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // an identical schema is already registered
    let ran = check(&["--policy", "DenyAll", "orders/v1.avsc", "orders/v1.avsc"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "v1.avsc is already registered: v1.avsc\n"));
    let ran = check(&["--policy", "DenyAll", "orders/v1.avsc", "orders/v2.avsc"]);
    assert!(ran.code == Some(1) && ran.out.contains("allows no further schema, and has v1.avsc"), "{ran:?}");
    let ran = check(&["--policy", "Full", "orders/v1.avsc"]);
    assert_eq!(ran.out, "v1.avsc is the first schema (policy Full, java rules)\n");
    // a side of its own, from a version on
    let advanced = ["--policy", "Advanced", "--backward", "till:1"];
    let ran = check(&[&advanced[..], &["orders/v10.avsc", "orders/v1.avsc", "orders/v2.avsc"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = check(&["--backward", "transitive", "orders/v1.avsc", "orders/v10.avsc"]);
    assert!(ran.code == Some(1) && ran.out.contains("policy Advanced"), "{ran:?}");
    // a format that has rules of its own only; its witness is shown
    let json = ["--policy", "Backward", "--rules", "strict", "click1.json", "click2.json"];
    let ran = check(&json);
    assert!(
        ran.code == Some(1) && ran.out.contains("json-schema/") && ran.out.contains("\n   example  "),
        "{ran:?}"
    );
    let ran = check(&["--policy", "Forward", "--rules", "strict", "click1.json", "click2.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // for programs
    let ran = check(&[&["--json"], &json[..]].concat());
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &verdict["compatible"]), (Some(1), &serde_json::json!(false)));
    let reason = &verdict["refusal"]["reasons"][0];
    assert_eq!(
        (&reason["kind"], &reason["versions"][0]["id"]),
        (&serde_json::json!("cannot-read"), &serde_json::json!(0))
    );
    let ran = check(&["--json", "--policy", "AllowAny", "--format", "avro", "orders/v1.avsc"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "{\"compatible\":true}\n"));
}

/// Our own interface is a descriptor set like any other.
#[test]
fn descriptor_set_is_checked_by_its_message() {
    let folder = files();
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kulya-wire/generated");
    for (name, copy) in [("kulya.registry.v1.bin", "v1.binpb"), ("kulya.store.v1.bin", "v2.desc")] {
        std::fs::copy(generated.join(name), folder.path().join(copy)).unwrap();
    }
    let check = |args: &[&str]| {
        registry(&folder, &[&["check", "--policy", "FullTransitive", "--rules", "strict"], args].concat())
    };
    let ran = check(&["--type", "kulya.registry.v1.Version", "v1.binpb", "v1.binpb"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(0), "v1.binpb is already registered: v1.binpb\n"),
        "{ran:?}"
    );
    let ran = check(&["--type", "kulya.registry.v1.Version", "v1.binpb", "v2.desc"]);
    assert!(ran.code == Some(2) && ran.err.contains("v2.desc: Type mismatch"), "{ran:?}");
    let ran = check(&["v1.binpb"]);
    assert!(ran.code == Some(2) && ran.err.contains("several messages, give --type"), "{ran:?}");
}

#[test]
fn files_are_compared() {
    let folder = files();
    let ran = registry(&folder, &["diff", "orders/v1.avsc", "orders/v10.avsc"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.starts_with("+ total long\n\nv10.avsc cannot read events of v1.avsc, for 1 reason\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("\nv1.avsc can read events of v10.avsc\n"), "{}", ran.out);
    let ran = registry(&folder, &["diff", "--json", "orders/v2.avsc", "orders/v10.avsc"]);
    let compared: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(compared["fields"]["removed"][0]["path"], "note");
    let ran = registry(&folder, &["diff", "click1.json", "click1.json"]);
    assert!(ran.out.starts_with("no field was added, removed or changed\n"), "{}", ran.out);
}

/// Runs every command on groups and schemas; `at` is the store's flag.
fn run_all_commands(folder: &TempDir, at: &[&str]) {
    let ran = |args: &[&str]| registry(folder, &[at, args].concat());
    let ok = |args: &[&str]| {
        let ran = ran(args);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}: {ran:?}");
        ran.out
    };
    let group = ["--group", "orders", "--namespace", "shop"];
    let with = |args: &[&str]| ok(&[args, &group[..]].concat());
    let created = ok(&[
        "group",
        "create",
        "orders",
        "--namespace",
        "shop",
        "--format",
        "avro",
        "--policy",
        "Backward",
        "--rules",
        "strict",
        "--label",
        "team=a",
    ]);
    let expected = "group      orders\nnamespace  shop\nformat     Avro\npolicy     Backward\nrules      strict\ntypes      one\nlabel      kulya.rules=strict\nlabel      team=a\n";
    assert_eq!(created, expected);
    assert_eq!(ok(&["group", "describe", "orders", "--namespace", "shop"]), expected);
    ok(&["group", "create", "scope/clicks", "--format", "json", "--policy", "AllowAny", "--multiple-types"]);
    assert_eq!(
        ok(&["group", "list"]),
        "NAMESPACE  GROUP         FORMAT  POLICY    RULES   TYPES\n-          scope/clicks  Json    AllowAny  java    many\nshop       orders        Avro    Backward  strict  one\n"
    );
    assert_eq!(ok(&["group", "list", "--namespace", "shop"]).lines().count(), 2);
    assert_eq!(ok(&["namespaces"]), "(default)\nshop\n");
    assert_eq!(ok(&["namespaces", "--json"]), "\"\"\n\"shop\"\n");

    assert_eq!(
        with(&["schema", "add", "orders/v1.avsc", "--label", "by=me"]),
        "shop.Order version 0 (id 0)\n"
    );
    assert_eq!(with(&["schema", "add", "orders/v2.avsc"]), "shop.Order version 1 (id 1)\n");
    assert_eq!(
        with(&["schema", "add", "orders/v1.avsc"]),
        "shop.Order version 0 (id 0)\n",
        "it is found again"
    );
    let rejected = ran(&[&["schema", "add", "orders/v10.avsc"], &group[..]].concat());
    assert_eq!((rejected.code, rejected.err.lines().count()), (Some(1), 1), "{rejected:?}");
    assert!(rejected.err.contains("total"), "{rejected:?}");
    let rejected = ran(&[&["check", "orders/v10.avsc"], &group[..]].concat());
    assert_eq!((rejected.code, rejected.err.as_str()), (Some(1), ""), "{rejected:?}");
    assert!(rejected.out.contains("it cannot read events of shop.Order version 1 (id 1)"), "{rejected:?}");
    let checked = with(&["check", "--policy", "Advanced", "--forward", "till:1", "orders/v10.avsc"]);
    assert_eq!(checked, "v10.avsc is compatible with group shop/orders\n");
    assert!(
        with(&["check", "orders/v2.avsc"]).contains("is already registered: shop.Order version 1 (id 1)")
    );
    let diff = with(&["diff", "0", "1"]);
    assert!(diff.starts_with("+ note string\n\nschema 1 can read events of schema 0\n"), "{diff}");

    assert_eq!(with(&["schema", "show", "0"]), format!("{ORDER}\n"));
    assert_eq!(with(&["schema", "show", "0", "--raw"]), ORDER);
    assert!(with(&["schema", "show", "0", "--json"]).contains("\"properties\":{\"by\":\"me\"}"));
    ok(&["schema", "add", "click1.json", "--group", "scope/clicks", "--type", "click"]);
    assert_eq!(
        ok(&["search", "--field", "ID"]),
        "NAMESPACE  GROUP   TYPE        FORMAT  VERSION  ID  FIELDS\nshop       orders  shop.Order  Avro    1        1   id long\n"
    );
    assert_eq!(ok(&["search", "--json", "--all-versions"]).lines().count(), 3);
    assert_eq!(ok(&["search", "--format", "Json"]).lines().count(), 2);
    assert_eq!(with(&["schema", "find", "orders/v2.avsc"]), "shop.Order version 1 (id 1)\n");
    let found = ok(&["schema", "find", "orders/v2.avsc", "--namespace", "shop"]);
    assert_eq!(found, "GROUP   TYPE        VERSION  ID\norders  shop.Order  1        1\n");

    with(&["codec", "add", "application/x-gzip", "--property", "level=9"]);
    assert_eq!(with(&["codec", "list"]), "CODEC               PROPERTIES\napplication/x-gzip  level=9\n");
    assert_eq!(with(&["encoding", "id", "0"]), "0\n");
    assert_eq!(with(&["encoding", "id", "1", "--codec", "application/x-gzip"]), "1\n");
    let encoding = "encoding  1\nschema    Avro shop.Order version 1 (id 1)\ncodec     application/x-gzip\n";
    assert_eq!(with(&["encoding", "show", "1"]), encoding);
    // protocol 1, encoding 0, and 21 as Avro writes a long
    let decoded = with(&["decode", "--hex", "01 00000000 2a"]);
    let encoding = "encoding  0\nschema    Avro shop.Order version 0 (id 0)\ncodec     none\n";
    assert_eq!(decoded, format!("{encoding}payload   2a\nvalue     {{\"id\":21}}\n"));
    assert!(with(&["decode", "--json", "--hex", "01000000002a"]).contains("\"value\":{\"id\":21}"));

    with(&["schema", "delete", "1"]);
    with(&["schema", "delete", "1"]);
    assert_eq!(
        with(&["schema", "list"]),
        "ID  TYPE        VERSION  FORMAT  STATE\n0   shop.Order  0        Avro    live\n1   shop.Order  1        Avro    deleted\n"
    );
    let changed = ok(&[
        "group",
        "change",
        "orders",
        "--namespace",
        "shop",
        "--policy",
        "Full",
        "--no-label",
        "team",
        "--rules",
        "java",
    ]);
    assert!(
        changed.contains("policy     Full\nrules      java\n") && !changed.contains("label"),
        "{changed}"
    );

    // export and import keep ids and deleted versions
    let exported = ok(&["export"]);
    assert_eq!(exported.lines().count(), 1 + 2 + 3 + 2 + 1, "{exported}");
    std::fs::write(folder.path().join("all.ndjson"), &exported).unwrap();
    let other = ["--data", "other"];
    let imported = registry(folder, &[&other[..], &["import", "all.ndjson"]].concat());
    assert_eq!(
        imported.out, "2 groups with 3 schemas and 2 encodings imported, 0 groups skipped\n",
        "{imported:?}"
    );
    assert_eq!(registry(folder, &[&other[..], &["export"]].concat()).out, exported);
    let again = registry(folder, &[&other[..], &["import", "all.ndjson"]].concat());
    assert!(again.code == Some(1) && again.err.contains("already exists"), "{again:?}");
    let skipped =
        registry(folder, &[&other[..], &["--json", "import", "--skip-existing", "all.ndjson"]].concat());
    assert_eq!(skipped.out, "{\"groups\":0,\"skipped\":2,\"schemas\":0,\"encodings\":0}\n", "{skipped:?}");
    std::fs::remove_dir_all(folder.path().join("other")).unwrap();
    assert_eq!(ok(&["export", "--namespace", "shop"]).lines().count(), 1 + 1 + 2 + 2 + 1);
    ok(&["group", "delete", "orders", "--namespace", "shop"]);
    assert_eq!(ok(&["group", "list", "--json"]).lines().count(), 1);
}

#[test]
fn registry_in_a_folder() {
    let folder = files();
    run_all_commands(&folder, &["--data", "d"]);
}

#[test]
fn registry_behind_a_server() {
    let folder = files();
    let (server, url) = Running::serve(&folder, &[]);
    run_all_commands(&folder, &["--url", &url]);
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn changes_are_watched() {
    let folder = files();
    let (server, url) = Running::serve(&folder, &[]);
    let at = |args: &[&str]| kulya(&folder, &[&["registry", "--url", &url], args].concat());
    let watch = ["registry", "--url", &url, "watch", "--json"];
    let mut watching = Running::start(&mut command(folder.path(), &watch));
    watching.wait_for("following");
    at(&["group", "create", "g", "--format", "avro", "--policy", "Backward"]);
    at(&["schema", "add", "--group", "g", "orders/v1.avsc"]);
    let mut lines = String::new();
    watching.out.read_line(&mut lines).unwrap();
    let first: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&first["change"], &first["group"]), (&"group-created".into(), &"g".into()));
    watching.out.read_line(&mut lines).unwrap();
    assert!(lines.contains("\"change\":\"schema-added\""), "{lines}");
    assert_eq!(watching.interrupt(), Some(0));
    // from a position on
    let position = first["place"].as_str().unwrap();
    let mut later = Running::start(&mut command(
        folder.path(),
        &["registry", "--url", &url, "watch", "--from", position],
    ));
    let mut line = String::new();
    later.out.read_line(&mut line).unwrap();
    assert!(line.ends_with("  g  schema added: shop.Order version 0 (id 0)\n"), "{line}");
    assert_eq!(later.interrupt(), Some(0));
    assert_eq!(server.interrupt(), Some(0));
}

/// Fills a registry by REST v1, as a Java client does.
fn fill(url: &str, namespace: &str) {
    let base64 = |text: &str| {
        const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits =
                chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            for index in 0..4 {
                let sign = SIGNS[(bits >> (18 - 6 * index) & 63) as usize];
                out.push(if index <= chunk.len() { sign as char } else { '=' });
            }
        }
        out
    };
    let send = |method: &str, path: &str, body: &str, status: u16| {
        let response = http(method, &format!("{url}/v1/{path}?namespace={namespace}"), body);
        assert_eq!(response.0, status, "{method} {path}: {}", response.1);
    };
    let group = |name: &str, format: &str| {
        let body = format!(
            r#"{{"groupName":"{name}","groupProperties":{{"serializationFormat":{{"serializationFormat":"{format}"}},"compatibility":{{"policy":"AllowAny"}},"allowMultipleTypes":true,"properties":{{"a":"b"}}}}}}"#
        );
        send("POST", "groups", &body, 201);
    };
    let schema = |group: &str, type_name: &str, format: &str, text: &str| {
        let body = format!(
            r#"{{"type":"{type_name}","serializationFormat":{{"serializationFormat":"{format}","fullTypeName":"{format}"}},"schemaData":"{}","properties":{{}}}}"#,
            base64(text)
        );
        send("POST", &format!("groups/{group}/schemas"), &body, 201);
    };
    group("orders", "Avro");
    group("mixed", "Any");
    for text in [ORDER, ORDER_NOTE, ORDER_TOTAL] {
        schema("orders", "shop.Order", "Avro", text);
    }
    schema("mixed", "click", "Json", CLICK);
    schema("mixed", "shop.Order", "Avro", ORDER);
    schema("mixed", "struct", "Custom", "struct T {}");
    schema("mixed", "click", "Json", CLICK_STRICTER);
    send("POST", "groups/orders/codecTypes", r#"{"name":"gz","properties":{"level":"1"}}"#, 201);
    for (id, codec, status) in [(0, "", 200), (1, "gz", 200), (2, "", 200), (2, "none", 412)] {
        let body = format!(
            r#"{{"versionInfo":{{"type":"shop.Order","serializationFormat":"Avro","version":{id},"id":{id}}},"codecType":"{codec}"}}"#
        );
        send("PUT", "groups/orders/encodings", &body, status);
    }
    // one in the middle, and the last two of a group
    send("DELETE", "groups/orders/schemas/schema/1", "", 204);
    send("DELETE", "groups/mixed/schemas/schema/2", "", 204);
    send("DELETE", "groups/mixed/schemas/schema/3", "", 204);
}

/// Migrates a registry with REST v1 into a folder, and compares the responses of both.
fn migrate(folder: &TempDir, java: &str, namespace: &str) {
    let export = ["registry", "export", "--from-v1", java, "--namespace", namespace, "--namespace", "empty"];
    let exported = kulya(folder, &export);
    assert_eq!(exported.lines().count(), 1 + 2 + 7 + 3 + 1, "{exported}");
    assert_eq!(exported.matches("\"deleted\":true").count(), 3, "{exported}");
    // through a pipe
    let mut importing = command(folder.path(), &["registry", "--data", "moved", "import", "-"]);
    importing.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut importing = importing.spawn().unwrap();
    importing.stdin.take().unwrap().write_all(exported.as_bytes()).unwrap();
    let output = importing.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "2 groups with 7 schemas and 3 encodings imported, 0 groups skipped\n");
    assert_eq!(kulya(folder, &["registry", "--data", "moved", "export"]), exported);
    // the migrated registry responds like the original one
    let (server, url) = Running::serve(folder, &["--data", "moved"]);
    let again = kulya(folder, &["registry", "export", "--from-v1", &url, "--namespace", namespace]);
    assert_eq!(again, exported);
    for path in [
        "groups/orders/encodings/1",
        "groups/mixed/schemas/versions",
        "groups/orders/schemas/schema/1",
        "groups/orders/history",
    ] {
        let path = format!("v1/{path}?namespace={namespace}");
        assert_eq!(
            http("GET", &format!("{url}/{path}"), ""),
            http("GET", &format!("{java}/{path}"), ""),
            "{path}"
        );
    }
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
fn registry_is_migrated_by_rest_v1() {
    let folder = files();
    let (server, url) = Running::serve(&folder, &["--data", "old"]);
    fill(&url, "shop");
    migrate(&folder, &url, "shop");
    assert_eq!(server.interrupt(), Some(0));
}

#[test]
#[ignore = "needs a Java registry: cargo xtask registry -- cargo test -p kulya java_registry -- --ignored"]
fn java_registry_is_migrated() {
    let folder = files();
    let java = server("KULYA_TEST_JAVA_REGISTRY");
    let namespace = format!("moves-{}", std::process::id());
    fill(&java, &namespace);
    migrate(&folder, &java, &namespace);
}

#[test]
fn usage_errors_are_one_line() {
    let folder = files();
    let path = |name: &str| folder.path().join(name).display().to_string();
    kulya(
        &folder,
        &["registry", "--data", "d", "group", "create", "g", "--format", "avro", "--policy", "Backward"],
    );
    std::fs::write(path("cut.ndjson"), "{\"line\":\"begin\",\"kulyaRegistryExport\":1}\n").unwrap();
    std::fs::write(path("newer.ndjson"), "{\"line\":\"begin\",\"kulyaRegistryExport\":9}\n").unwrap();
    std::fs::write(path("odd.ndjson"), "{\"line\":\"begin\",\"kulyaRegistryExport\":1}\nodd\n").unwrap();
    for (args, message) in [
        (&["group", "list"][..], "folder kulya-data does not exist"),
        (&["--url", "nonsense", "group", "list"], "write http://host:port"),
        (
            &["--url", "http://127.0.0.1:1", "group", "list"],
            "cannot connect to a Kulya server at http://127.0.0.1:1",
        ),
        (
            &["--data", "d", "group", "create", "g", "--format", "avro", "--policy", "Full"],
            "group g already exists",
        ),
        (
            &["--data", "d", "group", "create", "h", "--format", "avro"],
            "no compatibility policy: give --policy",
        ),
        (
            &["--data", "d", "group", "create", "h", "--format", "json", "--policy", "Full"],
            "not supported for format Json",
        ),
        (
            &["--data", "d", "group", "create", "", "--format", "avro", "--policy", "Full"],
            "must not be empty",
        ),
        (
            &["--data", "d", "group", "create", "h", "--format", "avro", "--backward", "till:0"],
            "till:0 is not the id of a schema",
        ),
        (&["--data", "d", "group", "describe", "none"], "group none does not exist"),
        (&["--data", "d", "group", "delete", "none"], "group none does not exist"),
        (&["--data", "d", "group", "change", "g"], "nothing to change"),
        (&["--data", "d", "group", "change", "g", "--protobuf", "json"], "need --rules strict"),
        (
            &["--data", "d", "group", "change", "g", "--label", "kulya.rule=strict"],
            "\"kulya.rule\" is unknown",
        ),
        (&["--data", "d", "schema", "add", "--group", "g", "none.avsc"], "cannot read none.avsc"),
        (&["--data", "d", "schema", "add", "--group", "g", "broken.avsc"], "Unable to parse schema"),
        (&["--data", "d", "schema", "add", "--group", "g", "schema.txt"], "schema.txt has an unknown format"),
        (
            &["--data", "d", "schema", "add", "--group", "g", "--format", "protobuf", "schema.txt"],
            "schema.txt is not a descriptor set",
        ),
        (&["--data", "d", "schema", "add", "--group", "g", "click1.json"], "Json"),
        (&["--data", "d", "schema", "show", "--group", "g", "7"], "schema 7 of group g does not exist"),
        (&["--data", "d", "schema", "delete", "--group", "g", "7"], "schema 7 of group g does not exist"),
        (
            &["--data", "d", "schema", "find", "--group", "g", "orders/v1.avsc"],
            "is not registered in group g",
        ),
        (&["--data", "d", "diff", "--group", "g", "one", "2"], "\"one\" is no schema id"),
        (&["--data", "d", "encoding", "id", "--group", "g", "0"], "schema 0"),
        (&["--data", "d", "encoding", "show", "--group", "g", "0"], "encoding 0 of group g does not exist"),
        (&["--data", "d", "decode", "--group", "g", "--hex", "0"], "hexadecimal"),
        (&["--data", "d", "decode", "--group", "g", "--hex", "7b7d"], "no header"),
        (
            &["--data", "d", "decode", "--group", "g", "--hex", "010000000000"],
            "encoding 0 of group g does not exist",
        ),
        (&["--data", "d", "watch", "--from", "here"], "is not a position in the changelog"),
        (&["--data", "d", "export", "--namespace", "a", "--namespace", "b"], "give one --namespace"),
        (&["export", "--from-v1", "http://127.0.0.1:1"], "cannot connect to the registry"),
        (&["export", "--from-v1", "nonsense"], "write http://host:port"),
        (&["--data", "d", "import", "none.ndjson"], "cannot read none.ndjson"),
        (&["--data", "d", "import", "cut.ndjson"], "the export is truncated"),
        (&["--data", "d", "import", "newer.ndjson"], "use a newer program"),
        (&["--data", "d", "import", "odd.ndjson"], "line 2 of odd.ndjson is not a line of an export"),
        (&["diff", "orders/v1.avsc", "none.avsc"], "cannot read none.avsc"),
    ] {
        let ran = registry(&folder, args);
        assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{args:?}: {ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
    }
    // the exit code tells incompatible from an error
    for (args, message) in [
        (&["orders/v1.avsc", "orders/v2.avsc"][..], "no compatibility policy: give --policy"),
        (&["--policy", "Full", "orders/v1.avsc", "none.avsc"], "cannot read none.avsc"),
        (&["--policy", "Full", "orders/v1.avsc", "broken.avsc"], "broken.avsc"),
        (&["--policy", "Full", "orders/v1.avsc", "schema.txt"], "has an unknown format"),
        (
            &["--policy", "Full", "click1.json", "click2.json"],
            "has no effect on Json schemas with java rules",
        ),
        (&["--policy", "Full", "--unknown", "allow", "orders/v1.avsc"], "need --rules strict"),
        (&["--policy", "Full", "--backward", "latest", "orders/v1.avsc"], "need policy Advanced"),
        (&["--policy", "Advanced", "orders/v1.avsc"], "needs --backward or --forward"),
        (&["--policy", "Advanced", "--forward", "till:9", "orders"], "till:9 is not the id of a schema"),
        (&["--policy", "Full", "d"], "folder d has no schemas"),
        (&["--policy", "Full", "--format", "any", "schema.txt"], "any is not a schema's format"),
        (&["--group", "g", "orders/v1.avsc"], "folder kulya-data does not exist"),
        (&["--group", "g", "--data", "d", "orders"], "give one schema"),
        (&["--group", "none", "--data", "d", "orders/v1.avsc"], "group none does not exist"),
        (
            &["--group", "g", "--url", "http://127.0.0.1:1", "orders/v1.avsc"],
            "cannot connect to a Kulya server",
        ),
    ] {
        let ran = registry(&folder, &[&["check"], args].concat());
        assert_eq!((ran.code, ran.err.lines().count()), (Some(2), 1), "{args:?}: {ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
    }
    for (args, message) in [
        (&["check", "--policy", "Sometimes", "a.avsc"][..], "use one of AllowAny"),
        (&["check", "--policy", "Full"], "--help"),
        (&["check", "--backward", "till:x", "a.avsc"], "as till:3"),
        (&["group", "create", "g", "--format", "thrift", "--policy", "Full"], "custom:NAME"),
        (&["group", "create", "g", "--format", "avro", "--label", "team"], "KEY=VALUE"),
        (&["schema", "show", "--group", "g", "first"], "first"),
    ] {
        let ran = registry(&folder, args);
        assert!(ran.code == Some(2) && ran.err.contains(message), "{message}: {ran:?}");
    }
    assert!(!Path::new(&path("kulya-data")).exists(), "an error creates no folder");
}
