//! The program on Pravega: what it does while there is none, and what it takes on one as on every other store.

use crate::program::{Running, command, http, run};
use std::io::BufRead;
use std::net::TcpListener;
use std::path::Path;
use tempfile::tempdir;

/// The most that the registry's contract lets a schema have.
const MOST: usize = 8 << 20;

fn registration(bytes: usize) -> String {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(vec![b'a'; bytes]);
    format!(
        r#"{{"type":"t","serializationFormat":{{"serializationFormat":"Custom","fullTypeName":"c"}},"schemaData":"{data}","properties":{{}}}}"#
    )
}

/// A schema of the largest size is taken and given back over REST v1, also after a restart; one byte more is refused.
fn takes_the_largest_schema(folder: &Path, args: &[&str], group: &str) {
    let properties = r#"{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"c"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":false}"#;
    let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
    let version = r#"{"type":"t","serializationFormat":"c","version":0,"id":0}"#;
    for restarted in [false, true] {
        let (_server, url) = Running::serving(&mut command(folder, &args));
        let schemas = format!("{url}/v1/groups/{group}/schemas");
        if !restarted {
            let made = format!(r#"{{"groupName":"{group}","groupProperties":{properties}}}"#);
            assert_eq!(http("POST", &format!("{url}/v1/groups"), &made).0, 201);
            let (status, answer) = http("POST", &schemas, &registration(MOST + 1));
            assert_eq!(status, 400, "{args:?}: {answer:.200}");
            let answer = http("POST", &schemas, &registration(MOST));
            assert_eq!((answer.0, answer.1.get(..200).unwrap_or(&answer.1)), (201, version), "{args:?}");
        }
        let (status, found) = http("GET", &format!("{schemas}/schema/0"), "");
        assert_eq!((status, found.len() > MOST * 4 / 3), (200, true), "{args:?}: {found:.200}");
    }
}

#[test]
fn a_folder_and_objects_take_the_largest_schema() {
    let folder = tempdir().unwrap();
    let objects = format!("file://{}/objects", folder.path().display());
    takes_the_largest_schema(folder.path(), &[], "g");
    takes_the_largest_schema(folder.path(), &["--data", &objects], "g");
}

/// As a compose file starts them: the server first.
#[test]
fn a_server_waits_for_pravega_and_ends_when_told() {
    let folder = tempdir().unwrap();
    // bound, and closed again: nobody listens there
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let pravega = format!("tcp://{nobody}");
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
    let said: Vec<String> = (&mut server.err).lines().map(Result::unwrap).collect();
    let waits = said.iter().find(|line| line.contains("waiting for Pravega"));
    let waits = waits.unwrap_or_else(|| panic!("it does not say for whom it waits: {said:?}"));
    assert!(waits.contains(&pravega) && waits.contains("503"), "{waits}");

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
    fn pravega_takes_the_largest_schema() {
        let folder = tempdir().unwrap();
        let url = server("KULYA_TEST_PRAVEGA");
        takes_the_largest_schema(folder.path(), &["--url", &url], "largest");
    }
}
