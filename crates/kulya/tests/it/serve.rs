//! The server, its settings, and the catalog of another server's registry.

use crate::program::{Running, command, http, kulya, run};
use std::io::BufRead;
use tempfile::tempdir;

const GROUP: &str = r#"{"groupName":"t","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"Backward"},"allowMultipleTypes":false}}"#;
const SCHEMA: &str = r#"{"type":"U","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9XX0=","properties":{}}"#;

/// The schema's record with one more field, which has a default.
const WIDER: &str = "eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9LHsibmFtZSI6Im0iLCJ0eXBlIjoiaW50IiwiZGVmYXVsdCI6MH1dfQ==";

#[test]
fn what_is_registered_survives_and_its_events_are_rows() {
    let folder = tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let (mut server, url) = Running::serve(&folder, &[]);
        assert_eq!(http("GET", &format!("{url}/ping"), "").0, 200);
        let (created, _) = http("POST", &format!("{url}/v1/groups?namespace=s"), GROUP);
        assert_eq!(created, if signal == "INT" { 201 } else { 409 });
        let schemas = format!("{url}/v1/groups/t/schemas?namespace=s");
        let version = r#"{"type":"U","serializationFormat":"Avro","version":0,"id":0}"#;
        assert_eq!(http("POST", &schemas, SCHEMA), (201, version.to_owned()));
        let encoding = format!(r#"{{"versionInfo":{version},"codecType":""}}"#);
        let encodings = format!("{url}/v1/groups/t/encodings?namespace=s");
        assert_eq!(http("PUT", &encodings, &encoding), (200, r#"{"encodingId":0}"#.to_owned()));
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
    kulya(&folder, &["stream", "append", "s/t", "--hex", "01 00000000 54"]);
    kulya(&folder, &["stream", "append", "s/t", "--hex", "010000000001", "--key", "k"]);
    let rows = kulya(&folder, &["sql", "--output", "json", "-e", "SELECT n FROM s.t ORDER BY n"]);
    assert_eq!(rows, "{\"n\":-1}\n{\"n\":42}\n");
    // the same stream through the registry of another server
    let other = tempdir().unwrap();
    kulya(&other, &["stream", "append", "s/t", "--hex", "010000000002"]);
    let (_server, url) = Running::serve(&folder, &[]);
    let catalog = format!(
        "CREATE CATALOG c WITH ('type' = 'pravega', 'default-database' = 's', 'schema-registry-uri' = ' {url} '); USE CATALOG c; SELECT * FROM t"
    );
    let shown = kulya(&other, &["sql", "-e", &catalog]);
    assert!(shown.contains("| 1 |"), "{shown}");
}

#[test]
fn two_servers_share_a_folder_of_objects() {
    let folder = tempdir().unwrap();
    share(&format!("file://{}/objects", folder.path().display()));
}

mod real_s3 {
    use crate::program::server;

    #[test]
    #[ignore = "needs a server that speaks S3: cargo xtask test"]
    fn two_servers_share_a_bucket() {
        let url = server("KULYA_TEST_S3");
        super::share(&url.replacen('?', "/two-servers?", 1));
    }
}

/// Two servers at once on one object storage give each schema one id, and what comes to one the other has.
fn share(data: &str) {
    let folder = tempdir().unwrap();
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "kulya"));
    let args = ["serve", "--listen", "127.0.0.1:0", "--data", data];
    let serve = || Running::serving(command(folder.path(), &args).envs(keys));
    let ((one, left), (two, right)) = (serve(), serve());
    assert_eq!(http("POST", &format!("{left}/v1/groups?namespace=s"), GROUP).0, 201);
    assert_eq!(http("POST", &format!("{right}/v1/groups?namespace=s"), GROUP).0, 409);
    let add =
        |url: &str, schema: &str| http("POST", &format!("{url}/v1/groups/t/schemas?namespace=s"), schema);
    let version = r#"{"type":"U","serializationFormat":"Avro","version":0,"id":0}"#;
    assert_eq!(add(&right, SCHEMA), (201, version.to_owned()));
    assert_eq!(add(&left, SCHEMA), (201, version.to_owned()), "it is there already");
    let (_, rest) = SCHEMA.split_once("schemaData").unwrap();
    let (old, _) = rest.trim_start_matches("\":\"").split_once('"').unwrap();
    let version = r#"{"type":"U","serializationFormat":"Avro","version":1,"id":1}"#;
    assert_eq!(add(&left, &SCHEMA.replace(old, WIDER)), (201, version.to_owned()));
    let latest = http("GET", &format!("{right}/v1/groups/t/schemas?namespace=s"), "").1;
    assert!(latest.contains(WIDER) && latest.contains(version), "{latest}");
    let say = ["stream", "append", "s/t", "--text", "hello", "--data", data];
    let said = run(command(folder.path(), &say).envs(keys));
    assert_eq!(said.code, Some(0), "{said:?}");
    for url in [left, right] {
        let (status, events) = http("GET", &format!("{url}/v2/streams/s/t/events"), "");
        assert!(status == 200 && events.contains("hello"), "{status} {events}");
    }
    assert_eq!((one.interrupt(), two.interrupt()), (Some(0), Some(0)));
    assert!(!folder.path().join("kulya-data").exists(), "nothing is kept elsewhere");
}

#[test]
fn settings_come_from_file_environment_and_flag_in_this_order() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("kulya.toml"), "data = \"from-file\"\n").unwrap();
    let append = ["stream", "append", "s/t", "--text", "x"];
    let is_made = |name: &str| folder.path().join(name).is_dir();
    kulya(&folder, &append);
    assert!(is_made("from-file") && !is_made("from-variable"));
    let with_variable = |args: &[&str]| {
        let ran = run(command(folder.path(), args).env("KULYA_DATA", "from-variable"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    with_variable(&append);
    assert!(is_made("from-variable") && !is_made("from-flag"));
    with_variable(&[&append[..], &["--data", "from-flag"]].concat());
    assert!(is_made("from-flag"));
}

#[test]
fn events_are_read_back_and_followed() {
    let folder = tempdir().unwrap();
    let pointer =
        kulya(&folder, &["stream", "append", "s/t", "--text", "one", "--segments", "2", "--key", "k"]);
    assert!(pointer.contains("s/t/") && pointer.starts_with("00000100"), "{pointer}");
    kulya(&folder, &["stream", "append", "s/t", "--text", "two", "--key", "k"]);
    let read = |args: &[&str]| kulya(&folder, &[&["stream", "read", "s/t"], args].concat());
    assert_eq!(read(&["--output", "text"]), "one\ntwo\n");
    assert_eq!(read(&["--output", "text", "--limit", "1"]), "one\n");
    let hex = read(&["--limit", "1"]);
    assert_eq!(hex, format!("{} 6f6e65\n", pointer.split(' ').next().unwrap()));
    let mut tail =
        Running::start(&mut command(folder.path(), &["stream", "read", "s/t", "--tail", "--output", "text"]));
    let mut line = String::new();
    tail.out.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    assert_eq!(tail.interrupt(), Some(0));
}
