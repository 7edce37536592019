//! Compares the `--help` of each command with the files `help/*.txt`. After a change of flags regenerate and
//! read them: `KULYA_REGENERATE=1 cargo test -p kulya --test it help`.

use crate::program::{command, run};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::tempdir;

/// Collects the help of a command and of its subcommands.
fn collect(words: &[String], found: &mut BTreeMap<String, String>) {
    let folder = tempdir().unwrap();
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("--help");
    let ran = run(command(folder.path(), &args).env("COLUMNS", "100"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{args:?}");
    let name = [&["kulya".to_owned()], words].concat().join("-");
    let below: Vec<String> = ran
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // a command is indented by two spaces, its description by more
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .filter(|command| command != "help")
        .collect();
    let lines: Vec<&str> = ran.out.lines().map(str::trim_end).collect();
    found.insert(name, lines.join("\n") + "\n");
    for command in below {
        collect(&[words, &[command]].concat(), found);
    }
}

#[test]
fn help_matches_the_files() {
    let mut found = BTreeMap::new();
    collect(&[], &mut found);
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/help");
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        let _ = std::fs::remove_dir_all(&files);
        std::fs::create_dir_all(&files).unwrap();
        for (name, text) in &found {
            std::fs::write(files.join(format!("{name}.txt")), text).unwrap();
        }
    }
    for (name, text) in &found {
        let file = files.join(format!("{name}.txt"));
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            &expected, text,
            "{name}: regenerate the files with KULYA_REGENERATE=1 cargo test -p kulya --test it help, and read them"
        );
    }
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), found.len(), "a file of a removed command");
    // a command's own flags come first, then those of the connection under a heading
    for (name, text) in &found {
        let position = |heading: &str| text.find(&format!("\n{heading}:\n"));
        if let (Some(own), Some(connection)) = (position("Options"), position("Connection")) {
            assert!(own < connection, "{name}");
        }
        let below = text.lines().skip_while(|line| *line != "Connection:").skip(1);
        // a heading is not indented
        let section: Vec<&str> =
            below.take_while(|line| !line.ends_with(':') || line.starts_with(' ')).collect();
        let flags = section.iter().filter_map(|line| line.split_whitespace().next());
        let flags = flags.filter(|word| word.starts_with("--"));
        let known = ["--data", "--url", "--ca", "--token-file", "--user", "--password-file"];
        for flag in flags {
            assert!(known.contains(&flag), "{name}: {flag} is not a flag of the connection");
        }
    }
}
