//! `kulya store` on a damaged folder and on a read-only file system: the report, and that a check changes
//! nothing.

use crate::program::{Ran, Running, command, http, kulya, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::{TempDir, tempdir};

fn store(folder: &TempDir, args: &[&str]) -> Ran {
    run(&mut command(folder.path(), &[&["store", "--data", "d"], args].concat()))
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("d/log/0000000000000000.log")
}

/// Writes a store of three events, one commit each; the server is stopped or killed.
fn three_events(folder: &TempDir, is_killed: bool) {
    let (server, url) = Running::serve(folder, &["--data", "d"]);
    assert_eq!(http("PUT", &format!("{url}/v2/streams/shop/clicks"), "").0, 201);
    for number in 0..3 {
        let event = format!("event {number} {}", "x".repeat(500));
        assert_eq!(http("POST", &format!("{url}/v2/streams/shop/clicks/events"), &event).0, 201);
    }
    if is_killed {
        drop(server);
    } else {
        assert_eq!(server.interrupt(), Some(0));
    }
}

/// Returns the files of a folder with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Asserts that a check reports the damage and changes nothing, and that a repair reports the same and leaves
/// an intact store.
fn assert_reported_and_repaired(folder: &TempDir, damage: &str, lost: &str) {
    let before = files(&folder.path().join("d"));
    let checked = store(folder, &["check"]);
    assert!(checked.code == Some(1) && checked.err.contains(damage), "{damage}: {checked:?}");
    assert!(checked.out.contains(lost), "{lost}: {checked:?}");
    assert!(files(&folder.path().join("d")) == before, "a check has changed the folder");
    let rejected = run(&mut command(folder.path(), &["stream", "--data", "d", "list"]));
    assert!(rejected.code == Some(1) && rejected.err.contains("kulya store repair"), "{rejected:?}");
    let repaired = store(folder, &["repair"]);
    assert!(repaired.code == Some(0) && repaired.out.contains(lost), "{lost}: {repaired:?}");
    assert_eq!(store(folder, &["check"]).code, Some(0));
    kulya(folder, &["stream", "--data", "d", "append", "shop/clicks", "--text", "after the repair"]);
    let again = store(folder, &["repair"]);
    assert!(again.out.contains("the log is intact"), "{again:?}");
}

#[test]
fn flipped_bit_in_the_last_frame_is_reported() {
    for is_killed in [false, true] {
        let folder = tempdir().unwrap();
        three_events(&folder, is_killed);
        change(&log(&folder), |bytes| {
            let at = bytes.len() - 100;
            bytes[at] ^= 1;
        });
        assert_reported_and_repaired(
            &folder,
            "is damaged from byte",
            "lost: the events of shop/clicks, segment 0, from offset",
        );
        let read = kulya(&folder, &["stream", "--data", "d", "read", "shop/clicks", "--output", "text"]);
        let left: Vec<&str> = read.lines().map(|line| line.split(" x").next().unwrap()).collect();
        assert_eq!(left, ["event 0", "event 1", "after the repair"]);
    }
}

#[test]
fn truncated_log_is_reported() {
    for (is_killed, cut) in [(false, 10), (true, 10), (false, 700)] {
        let folder = tempdir().unwrap();
        three_events(&folder, is_killed);
        change(&log(&folder), |bytes| bytes.truncate(bytes.len() - cut));
        assert_reported_and_repaired(&folder, "0000000000000000.log", "lost: ");
    }
}

#[test]
fn missing_log_file_is_reported() {
    let folder = tempdir().unwrap();
    three_events(&folder, false);
    fs::remove_file(log(&folder)).unwrap();
    let _ = fs::remove_dir_all(folder.path().join("d/index"));
    assert_reported_and_repaired(
        &folder,
        "0000000000000000.log is missing",
        "lost: the events of shop/clicks",
    );
    let folder = tempdir().unwrap();
    three_events(&folder, false);
    fs::remove_file(folder.path().join("d/MANIFEST")).unwrap();
    assert_reported_and_repaired(&folder, "MANIFEST is missing", "file MANIFEST is missing");
}

/// The incomplete frame of a write that was not acknowledged is no damage.
#[test]
fn torn_write_is_no_damage() {
    let folder = tempdir().unwrap();
    three_events(&folder, true);
    change(&log(&folder), |bytes| bytes.extend(b"KLG3 is how a frame begins"));
    let before = files(&folder.path().join("d"));
    let checked = store(&folder, &["check"]);
    assert!(
        checked.code == Some(0)
            && checked.out.contains("an incomplete frame of a write that was never acknowledged"),
        "{checked:?}"
    );
    assert!(files(&folder.path().join("d")) == before, "a check has changed the folder");
    let read = kulya(&folder, &["stream", "--data", "d", "read", "shop/clicks", "--output", "text"]);
    assert_eq!(read.lines().count(), 3);
}

/// Removes the write permission from the folder. It does not bind root: as root, the test runs the program as
/// another user.
#[test]
fn read_only_file_system_is_read() {
    let folder = tempdir().unwrap();
    three_events(&folder, true);
    let data = folder.path().join("d");
    fs::remove_file(data.join("LOCK")).unwrap();
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    assert!(Command::new("chmod").args(["-R", "a+rX,a-w"]).arg(&data).status().unwrap().success());
    assert!(Command::new("chmod").arg("755").arg(folder.path()).status().unwrap().success());
    let copies = tempdir().unwrap();
    assert!(Command::new("chmod").arg("777").arg(copies.path()).status().unwrap().success());
    // where others may read it
    let program = copies.path().join("kulya");
    if fs::hard_link(env!("CARGO_BIN_EXE_kulya"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_kulya"), &program).unwrap();
    }
    let as_user = |program: &Path, args: &[&str]| {
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        run(command.args(args).current_dir(copies.path()).env("HOME", copies.path()))
    };
    let at = data.to_str().unwrap();
    let written = as_user(Path::new("touch"), &[&format!("{at}/LOCK")]);
    assert_ne!(written.code, Some(0), "the folder is writable, so the test would prove nothing: {written:?}");
    let before = files(&data);
    let copy = copies.path().join("copy");
    let copy = copy.to_str().unwrap();
    let restored = copies.path().join("restored");
    let restored = restored.to_str().unwrap();
    for (args, message) in [
        (&["store", "--data", at, "check"][..], "3 events ("),
        (&["store", "--data", at, "info"], "streams  1 with 1 segments"),
        (&["store", "--data", at, "backup", copy], "bytes copied to"),
        (&["store", "--data", restored, "restore", at], "bytes restored to"),
        (&["stream", "--data", restored, "read", "shop/clicks", "--output", "text"], "event 2"),
        (&["stream", "--data", copy, "read", "shop/clicks", "--output", "text"], "event 2"),
    ] {
        let ran = as_user(&program, args);
        assert!(ran.code == Some(0) && ran.out.contains(message), "{message}: {ran:?}");
    }
    assert!(files(&data) == before, "nothing was changed");
    // so that it can be removed
    assert!(Command::new("chmod").args(["-R", "u+w"]).arg(&data).status().unwrap().success());
}
