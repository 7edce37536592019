//! `kulya serve`, its settings, and SQL with another server's registry.

use crate::program::{Running, command, http, kulya, run};
use std::io::BufRead;
use tempfile::tempdir;

const GROUP: &str = r#"{"groupName":"t","groupProperties":{"serializationFormat":{"serializationFormat":"Avro"},"compatibility":{"policy":"Backward"},"allowMultipleTypes":false}}"#;
const SCHEMA: &str = r#"{"type":"U","serializationFormat":{"serializationFormat":"Avro"},"schemaData":"eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9XX0=","properties":{}}"#;

/// The schema's record with one more field, which has a default.
const WIDER: &str = "eyJ0eXBlIjoicmVjb3JkIiwibmFtZSI6IlUiLCJmaWVsZHMiOlt7Im5hbWUiOiJuIiwidHlwZSI6ImludCJ9LHsibmFtZSI6Im0iLCJ0eXBlIjoiaW50IiwiZGVmYXVsdCI6MH1dfQ==";

#[test]
fn registered_schemas_survive_a_restart_and_events_are_rows() {
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
    let printed = kulya(&other, &["sql", "-e", &catalog]);
    assert!(printed.contains("| 1 |"), "{printed}");
}

#[test]
fn two_servers_share_a_folder_of_objects() {
    let folder = tempdir().unwrap();
    check_two_servers(&format!("file://{}/objects", folder.path().display()));
}

mod real_s3 {
    use crate::program::server;

    #[test]
    #[ignore = "needs a server that speaks S3: cargo xtask test"]
    fn two_servers_share_a_bucket() {
        let url = server("KULYA_TEST_S3");
        super::check_two_servers(&url.replacen('?', "/two-servers?", 1));
    }
}

/// Checks that two servers on one object storage give each schema one id, and see each other's writes.
fn check_two_servers(data: &str) {
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
    assert_eq!(add(&left, SCHEMA), (201, version.to_owned()), "it is already registered");
    let (_, rest) = SCHEMA.split_once("schemaData").unwrap();
    let (old, _) = rest.trim_start_matches("\":\"").split_once('"').unwrap();
    let version = r#"{"type":"U","serializationFormat":"Avro","version":1,"id":1}"#;
    assert_eq!(add(&left, &SCHEMA.replace(old, WIDER)), (201, version.to_owned()));
    let latest = http("GET", &format!("{right}/v1/groups/t/schemas?namespace=s"), "").1;
    assert!(latest.contains(WIDER) && latest.contains(version), "{latest}");
    let append = ["stream", "append", "s/t", "--text", "hello", "--data", data];
    let appended = run(command(folder.path(), &append).envs(keys));
    assert_eq!(appended.code, Some(0), "{appended:?}");
    for url in [left, right] {
        let (status, events) = http("GET", &format!("{url}/v2/streams/s/t/events"), "");
        assert!(status == 200 && events.contains("hello"), "{status} {events}");
    }
    assert_eq!((one.interrupt(), two.interrupt()), (Some(0), Some(0)));
    assert!(!folder.path().join("kulya-data").exists(), "no default folder is created");
}

#[test]
fn flags_override_environment_and_settings_file() {
    let folder = tempdir().unwrap();
    std::fs::write(folder.path().join("kulya.toml"), "data = \"from-file\"\n").unwrap();
    let append = ["stream", "append", "s/t", "--text", "x"];
    let exists = |name: &str| folder.path().join(name).is_dir();
    kulya(&folder, &append);
    assert!(exists("from-file") && !exists("from-variable"));
    let with_variable = |args: &[&str]| {
        let ran = run(command(folder.path(), args).env("KULYA_DATA", "from-variable"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    with_variable(&append);
    assert!(exists("from-variable") && !exists("from-flag"));
    with_variable(&[&append[..], &["--data", "from-flag"]].concat());
    assert!(exists("from-flag"));
}

#[test]
fn events_are_read_and_tailed() {
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
