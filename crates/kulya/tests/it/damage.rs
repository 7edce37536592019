//! A folder that is damaged, or that takes no writes, by the command line: what is said of it, and that nothing is changed
//! that should not be.

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

/// A store of three events, one after the other; its end is orderly, or it is killed.
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

/// All files of a folder, with what is in them.
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

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// A check of a damaged folder names the damage and changes nothing; a repair says the same, and then the store is whole.
fn is_named_and_repaired(folder: &TempDir, names: &str, lost: &str) {
    let before = files(&folder.path().join("d"));
    let checked = store(folder, &["check"]);
    assert!(checked.code == Some(1) && checked.err.contains(names), "{names}: {checked:?}");
    assert!(checked.out.contains(lost), "{lost}: {checked:?}");
    assert!(files(&folder.path().join("d")) == before, "a check has changed the folder");
    let refused = run(&mut command(folder.path(), &["stream", "--data", "d", "list"]));
    assert!(refused.code == Some(1) && refused.err.contains("kulya store repair"), "{refused:?}");
    let repaired = store(folder, &["repair"]);
    assert!(repaired.code == Some(0) && repaired.out.contains(lost), "{lost}: {repaired:?}");
    assert_eq!(store(folder, &["check"]).code, Some(0));
    kulya(folder, &["stream", "--data", "d", "append", "shop/clicks", "--text", "after the repair"]);
    let again = store(folder, &["repair"]);
    assert!(again.out.contains("the log is whole"), "{again:?}");
}

#[test]
fn a_flipped_bit_in_the_last_frame_is_found() {
    for is_killed in [false, true] {
        let folder = tempdir().unwrap();
        three_events(&folder, is_killed);
        change(&log(&folder), |bytes| {
            let at = bytes.len() - 100;
            bytes[at] ^= 1;
        });
        is_named_and_repaired(
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
fn what_was_cut_off_is_said() {
    for (is_killed, cut) in [(false, 10), (true, 10), (false, 700)] {
        let folder = tempdir().unwrap();
        three_events(&folder, is_killed);
        change(&log(&folder), |bytes| bytes.truncate(bytes.len() - cut));
        is_named_and_repaired(&folder, "0000000000000000.log", "lost: ");
    }
}

#[test]
fn a_log_file_that_is_gone_is_refused_by_name() {
    let folder = tempdir().unwrap();
    three_events(&folder, false);
    fs::remove_file(log(&folder)).unwrap();
    let _ = fs::remove_dir_all(folder.path().join("d/index"));
    is_named_and_repaired(&folder, "0000000000000000.log is missing", "lost: the events of shop/clicks");
    let folder = tempdir().unwrap();
    three_events(&folder, false);
    fs::remove_file(folder.path().join("d/MANIFEST")).unwrap();
    is_named_and_repaired(&folder, "MANIFEST is missing", "file MANIFEST is missing");
}

/// What was never acknowledged is no damage.
#[test]
fn the_end_of_a_write_that_was_cut_off_is_no_damage() {
    let folder = tempdir().unwrap();
    three_events(&folder, true);
    change(&log(&folder), |bytes| bytes.extend(b"KLG3 is how a frame begins"));
    let before = files(&folder.path().join("d"));
    let checked = store(&folder, &["check"]);
    assert!(
        checked.code == Some(0) && checked.out.contains("the end of a write that was cut off"),
        "{checked:?}"
    );
    assert!(files(&folder.path().join("d")) == before, "a check has changed the folder");
    let read = kulya(&folder, &["stream", "--data", "d", "read", "shop/clicks", "--output", "text"]);
    assert_eq!(read.lines().count(), 3);
}

/// The test takes the rights to write from the folder. They bind everybody but root: as root, another user runs the program.
#[test]
fn media_that_take_no_writes_are_read() {
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
    assert_ne!(
        written.code,
        Some(0),
        "the folder takes writes, so that this would test nothing: {written:?}"
    );
    let before = files(&data);
    let copy = copies.path().join("copy");
    let copy = copy.to_str().unwrap();
    let restored = copies.path().join("restored");
    let restored = restored.to_str().unwrap();
    for (args, says) in [
        (&["store", "--data", at, "check"][..], "3 events ("),
        (&["store", "--data", at, "info"], "streams  1 with 1 segments"),
        (&["store", "--data", at, "backup", copy], "bytes copied to"),
        (&["store", "--data", restored, "restore", at], "bytes restored to"),
        (&["stream", "--data", restored, "read", "shop/clicks", "--output", "text"], "event 2"),
        (&["stream", "--data", copy, "read", "shop/clicks", "--output", "text"], "event 2"),
    ] {
        let ran = as_user(&program, args);
        assert!(ran.code == Some(0) && ran.out.contains(says), "{says}: {ran:?}");
    }
    assert!(files(&data) == before, "nothing was changed");
    // so that it can be removed
    assert!(Command::new("chmod").args(["-R", "u+w"]).arg(&data).status().unwrap().success());
}
