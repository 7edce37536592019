//! The program on Pravega: startup while it is unreachable, and the largest schema on each kind of store.

use crate::program::{Running, command, http, run};
use std::io::BufRead;
use std::net::TcpListener;
use std::path::Path;
use tempfile::tempdir;

/// Largest schema of the registry, in bytes.
const MAX_SCHEMA_BYTES: usize = 8 << 20;

fn registration(bytes: usize) -> String {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(vec![b'a'; bytes]);
    format!(
        r#"{{"type":"t","serializationFormat":{{"serializationFormat":"Custom","fullTypeName":"c"}},"schemaData":"{data}","properties":{{}}}}"#
    )
}

/// Registers and reads a schema of the largest size over REST v1, also after a restart; one byte more is
/// rejected.
fn check_largest_schema(folder: &Path, args: &[&str], group: &str) {
    let properties = r#"{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"c"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":false}"#;
    let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let version = r#"{"type":"t","serializationFormat":"c","version":0,"id":0}"#;
    for restarted in [false, true] {
        let (_server, url) = Running::serving(&mut command(folder, &args));
        let schemas = format!("{url}/v1/groups/{group}/schemas");
        if !restarted {
            let group_body = format!(r#"{{"groupName":"{group}","groupProperties":{properties}}}"#);
            assert_eq!(http("POST", &format!("{url}/v1/groups"), &group_body).0, 201);
            let (status, response) = http("POST", &schemas, &registration(MAX_SCHEMA_BYTES + 1));
            assert_eq!(status, 400, "{args:?}: {response:.200}");
            let response = http("POST", &schemas, &registration(MAX_SCHEMA_BYTES));
            assert_eq!(
                (response.0, response.1.get(..200).unwrap_or(&response.1)),
                (201, version),
                "{args:?}"
            );
        }
        let (status, found) = http("GET", &format!("{schemas}/schema/0"), "");
        assert_eq!((status, found.len() > MAX_SCHEMA_BYTES * 4 / 3), (200, true), "{args:?}: {found:.200}");
    }
}

#[test]
fn largest_schema_in_a_folder_and_on_object_storage() {
    let folder = tempdir().unwrap();
    let objects = format!("file://{}/objects", folder.path().display());
    check_largest_schema(folder.path(), &[], "g");
    check_largest_schema(folder.path(), &["--data", &objects], "g");
}

/// The server may be started before Pravega.
#[test]
fn server_waits_for_pravega_and_stops_on_a_signal() {
    let folder = tempdir().unwrap();
    // bound and closed again: nothing listens there
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pravega = format!("tcp://{unused}");
    let args = ["serve", "--listen", "127.0.0.1:0", "--url", &pravega];
    let (mut server, url) = Running::serving(&mut command(folder.path(), &args));
    let (status, _) = http("GET", &format!("{url}/v1/groups"), "");
    assert_eq!(status, 503);
    let (status, body) = http("GET", &format!("{url}/health/ready"), "");
    assert!(status == 503 && body.contains("does not answer"), "{status} {body}");
    let (status, body) = http("GET", &format!("{url}/v2/streams/shop"), "");
    assert_eq!(status, 503, "{body}");
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    let stderr: Vec<String> = (&mut server.err).lines().map(Result::unwrap).collect();
    let report = stderr.iter().find(|line| line.contains("waiting for Pravega"));
    let report = report.unwrap_or_else(|| panic!("no report of the wait: {stderr:?}"));
    assert!(report.contains(&pravega) && report.contains("503"), "{report}");

    let wrong =
        run(&mut command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--url", "tcp://nowhere"]));
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("tcp://host:9090"), "{wrong:?}");
}

mod real_pravega {
    use super::*;
    use crate::program::server;

    #[test]
    #[ignore = "needs a real Pravega: cargo xtask test"]
    fn largest_schema_on_pravega() {
        let folder = tempdir().unwrap();
        let url = server("KULYA_TEST_PRAVEGA");
        check_largest_schema(folder.path(), &["--url", &url], "largest");
    }
}
