//! Runs the commands of the documentation: shell blocks of the README, of docs/registry.md and
//! docs/security.md, and the transcripts of docs/registry-command.md. The output on the page is compared with
//! the actual one; `…` matches anything. Needs bash and curl.

use crate::program::{command, run};
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};

/// Blocks that are not run, by their start, and why.
const SKIPPED_BLOCKS: &[(&str, &str)] = &[
    ("cargo run --release --bin kulya -- demo", "tests/it/demo.rs runs it"),
    ("kulya serve --data DIR", "shows the forms of the commands"),
    ("cargo xtask test", "runs this"),
];

/// Lines that are not run, by their start.
const SKIPPED_LINES: &[&str] = &[
    // another server in place of kulya serve
    "cargo run -p kulya-server",
    // waits for new events
    "curl -N localhost:9092/v2/streams/shop/clicks/tail",
    // needs protoc: the set is compiled by kulya beforehand
    "protoc ",
];

/// The start of each page's script: the program under its name, with the server in the background.
const PRELUDE: &str = r#"
set -euo pipefail
server=
kulya() {
  case "$1" in
    serve)
      "$KULYA" "$@" --listen "$ADDRESS" > serve.out 2> serve.err & server=$!
      until grep -q 'registry at' serve.out; do kill -0 "$server"; done ;;
    account)
      # the password comes from standard input instead of a terminal
      if [ "$2" = add ]; then echo "$PASSWORD" | "$KULYA" "$@"; else "$KULYA" "$@"; fi ;;
    *) "$KULYA" "$@" ;;
  esac
}
trap '[ -z "$server" ] || kill "$server"' EXIT
PASSWORD=1111_aaaa
"#;

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new() })
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (None, None) => {}
        }
    }
    assert!(open.is_none() && !blocks.is_empty(), "{page}");
    blocks
}

/// Whether the output matches the page's, in which `…` matches anything; whitespace is ignored.
fn matches_page(expected: &str, actual: &str) -> bool {
    let dense = |text: &str| text.chars().filter(|sign| !sign.is_whitespace()).collect::<String>();
    let (expected, actual) = (dense(expected), dense(actual));
    let pieces: Vec<&str> = expected.split('…').collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    if pieces.len() == 1 {
        return expected == actual;
    }
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    for piece in &pieces[1..pieces.len() - 1] {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Runs a page's shell blocks in one shell, in order; the block behind one is its expected output.
fn run_page(page: &str, before: &str) -> TempDir {
    let folder = tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (mut script, mut expected, mut number) = (PRELUDE.to_owned() + before, Vec::new(), 0);
    let blocks = blocks(page);
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "sh" || SKIPPED_BLOCKS.iter().any(|(begin, _)| block.text.starts_with(begin)) {
            continue;
        }
        let mut text = String::new();
        for line in block.text.lines() {
            if SKIPPED_LINES.iter().any(|skipped| line.starts_with(skipped)) {
                continue;
            }
            // an endless response: as many lines as the page shows are read
            if line.starts_with("curl -N") {
                let lines = blocks.get(at + 1).map_or(0, |shown| shown.text.lines().count());
                writeln!(text, "head -n {lines} < <({line})").unwrap();
            } else {
                writeln!(text, "{line}").unwrap();
            }
        }
        let text = text.replace("127.0.0.1:9092", &address).replace("localhost:9092", &address);
        let text = text.replace("curl ", "curl -sS ");
        write!(script, "{{\n{text}}} > {number}.out\n").unwrap();
        if let Some(shown) =
            blocks.get(at + 1).filter(|shown| shown.language == "json" || shown.language.is_empty())
        {
            expected.push((number, shown.text.clone(), block.text.clone()));
        }
        number += 1;
    }
    std::fs::write(folder.path().join("page.sh"), &script).unwrap();
    let mut bash = Command::new("bash");
    bash.arg("page.sh").current_dir(folder.path()).env("KULYA", env!("CARGO_BIN_EXE_kulya"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KULYA_")) {
        bash.env_remove(name);
    }
    let ran = run(bash.env("ADDRESS", &address).stdin(std::process::Stdio::null()));
    let printed = |number: usize| {
        std::fs::read_to_string(folder.path().join(format!("{number}.out"))).unwrap_or_default()
    };
    let all: String = (0..number).map(printed).collect();
    assert_eq!(ran.code, Some(0), "{page}: {ran:?}\n{all}\n{script}");
    assert!(number > 0, "{page} has nothing to run");
    for (number, expected, text) in expected {
        let got = printed(number);
        let last = got.trim_end();
        // of several responses the page shows the last
        assert!(
            matches_page(&format!("…{expected}"), last),
            "{page}:\n{text}\nexpected\n{expected}\nactual\n{got}"
        );
    }
    // no response was an error that the page does not show
    for number in 0..number {
        let got = printed(number);
        assert!(
            !got.contains("\"kind\":\"invalid-input\"") && !got.contains("\"kind\":\"not-found\""),
            "{page}: {got}"
        );
    }
    folder
}

#[test]
fn readme() {
    run_page("README.md", "kulya serve --data folder\n");
}

#[test]
fn registry_page() {
    let proto = "cat > order.proto <<'END'\nsyntax = \"proto3\"; package shop; message Order { int64 id = 1; }\nEND\n\
                 kulya registry --data compiled group create g --format protobuf --policy AllowAny > /dev/null\n\
                 kulya registry --data compiled schema add --group g order.proto > /dev/null\n\
                 kulya registry --data compiled schema show --group g 0 --raw > order.pb\n";
    run_page("docs/registry.md", proto);
}

#[test]
fn security_page() {
    let folder = run_page("docs/security.md", "");
    assert!(std::fs::read_to_string(folder.path().join("accounts")).unwrap().starts_with("anna:"));
}

/// Compares each command of the transcripts with its output.
#[test]
fn registry_command_page() {
    let folder = tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("orders")).unwrap();
    let order = |fields: &str| {
        format!(
            r#"{{"type":"record","name":"Order","namespace":"shop","fields":[{{"name":"id","type":"long"}}{fields}]}}"#
        )
    };
    write("orders/v1.avsc", &order(""));
    write("orders/v2.avsc", &order(r#",{"name":"note","type":"string","default":""}"#));
    write("orders/v3.avsc", &order(r#",{"name":"total","type":"long"}"#));
    write("click1.json", r#"{"type":"object","properties":{"page":{"type":"string"}},"required":["page"]}"#);
    write(
        "click2.json",
        r#"{"type":"object","properties":{"page":{"type":"string"},"at":{"type":"string"}},"required":["page","at"]}"#,
    );
    write("part.avsc", r#"{"type":"record","name":"shop.Part","fields":[{"name":"id","type":"long"}]}"#);
    write("offer.avsc", r#"{"type":"record","name":"shop.Offer","fields":[{"name":"part","type":"Part"}]}"#);
    std::fs::create_dir(folder.path().join("schemas")).unwrap();
    write("schemas/order.avsc", &order(""));
    write("schemas/package.json", r#"{"name":"shop","version":"1.0.0","type":"module"}"#);
    let commit = "git init --quiet --initial-branch=main && git add schemas && \
                  git -c user.name=t -c user.email=t@example.com -c commit.gpgsign=false commit --quiet -m first";
    let committed = run(Command::new("bash").args(["-c", commit]).current_dir(folder.path()));
    assert_eq!(committed.code, Some(0), "{committed:?}");
    write(
        "schemas/order.avsc",
        &order(",\n{\"name\":\"total\",\"type\":\"long\"}").replace("\"fields\"", "\n\"fields\""),
    );
    write("schemas/refund.avsc", &order("").replace("Order", "Refund"));
    let mut commands = 0;
    for block in blocks("docs/registry-command.md") {
        for part in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (line, expected) = part.split_once('\n').unwrap_or((part, ""));
            // needs a Java registry
            if line.contains("--from-v1") {
                continue;
            }
            let mut shell = command(folder.path(), &[]);
            let program = shell.get_program().to_owned();
            let script = format!("kulya() {{ \"$KULYA\" \"$@\"; }}\n{{ {line}; }} 2>&1");
            shell = Command::new("bash");
            let ran = run(shell
                .args(["-c", &script])
                .current_dir(folder.path())
                .env("KULYA", program)
                .env_remove("KULYA_DATA")
                .stdin(std::process::Stdio::null()));
            assert!(matches_page(expected, &ran.out), "$ {line}\nexpected\n{expected}\nactual\n{}", ran.out);
            commands += 1;
        }
    }
    assert!(commands > 10, "{commands} commands were found");
}
