//! The prompt of `kulya sql` on a pseudo-terminal: keys in, what the terminal shows out.

use crate::program::{command, wait_until};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

/// Timeout of a wait: a second or two are enough, but for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<String>,
    /// What the program has printed since the last wait.
    shown: String,
}

impl Terminal {
    /// Starts `kulya sql` with a home folder of its own.
    fn start(folder: &TempDir, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 250, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let stdio = |fd: &OwnedFd| Stdio::from(fd.try_clone().unwrap());
        let mut sql = command(folder.path(), &[&["sql", "--data", "data"], args].concat());
        let sql = sql.env("HOME", folder.path()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let sql = sql.stdin(stdio(&pty.slave)).stdout(stdio(&pty.slave)).stderr(stdio(&pty.slave));
        let child = sql.spawn().unwrap();
        // the terminal closes when the program ends: no copy of it may stay open here
        replace(sql);
        drop(pty.slave);
        let mut screen = File::from(pty.master.try_clone().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                let _ = sender.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        });
        Self { child, keys: File::from(pty.master), output, shown: String::new() }
    }

    /// Types text; the enter key is `\r`.
    fn keys(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the terminal shows a text; returns what it showed up to there since the last wait.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let shown = plain(&self.shown);
            if let Some(at) = shown.find(text) {
                let end = at + text.len();
                self.shown = shown[end..].to_owned();
                return shown[..end].to_owned();
            }
            match self.output.recv_timeout(TIMEOUT) {
                Ok(more) => self.shown += &more,
                Err(error) => panic!("{text:?} is not shown ({error}): {shown}"),
            }
        }
    }

    /// Runs a statement; returns what is shown up to the next prompt.
    fn run(&mut self, statement: &str, prompt: &str) -> String {
        self.keys(&format!("{statement}\r"));
        self.prompt(prompt)
    }

    /// Waits for a new prompt: at the beginning of a line, not one that is shown again with each key.
    fn prompt(&mut self, prompt: &str) -> String {
        self.wait_for(&format!("\n{prompt}"))
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for the end; returns the exit code.
    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Drops the terminal's descriptors that a command holds.
fn replace(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}

/// Returns text without escape sequences.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if chars.next() == Some('[') {
                    // up to the letter of the sequence
                    for c in chars.by_ref() {
                        if c.is_ascii_alphabetic() || c == '~' {
                            break;
                        }
                    }
                }
            }
            '\r' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[test]
fn statements_are_typed_completed_and_cancelled() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&folder, &[]);
    let greeting = terminal.prompt("kulya> ");
    assert!(
        greeting.contains("a new store in folder data") && greeting.contains("Tab completes"),
        "{greeting}"
    );
    terminal.run("CREATE DATABASE shop; USE shop;", "kulya.shop> ");
    // a statement of several lines
    terminal.keys("CREATE TABLE orders (id INT,\r");
    terminal.prompt("         -> ");
    terminal.keys("remark STRING);\r");
    terminal.wait_for("table orders created (");
    terminal.prompt("kulya.shop> ");
    let shown = terminal.run(
        "INSERT INTO orders VALUES (1, 'a' || CHR(27) || '1mb'), (2, CAST(NULL AS STRING));",
        "kulya.shop> ",
    );
    assert!(shown.contains("2 rows inserted ("), "{shown}");
    // names are completed: the only table, then its column
    terminal.keys("SELECT rem FROM ord\t");
    terminal.wait_for("SELECT rem FROM orders");
    terminal.keys(" ORDER BY remark;\x01");
    for _ in 0.."SELECT rem".len() {
        terminal.keys("\x06");
    }
    terminal.keys("\t");
    terminal.wait_for("SELECT remark FROM orders ORDER BY remark;");
    terminal.keys("\r");
    // a value does not control the terminal, and null is no text
    let shown = terminal.wait_for("2 rows (");
    assert!(shown.contains("| a\\u001b1mb |") && shown.contains("| <NULL>     |"), "{shown}");
    terminal.prompt("kulya.shop> ");
    // an error shows its place
    let shown = terminal.run("SELECT 1; SELEC 2;", "kulya.shop> ");
    assert!(shown.contains("  SELECT 1; SELEC 2;\n            ^"), "{shown}");
    // Ctrl-C discards what is typed
    terminal.keys("SELECT 'half\r");
    terminal.prompt("         -> ");
    terminal.keys("\x03");
    terminal.prompt("kulya.shop> ");
    let shown = terminal.run("SELECT 40 + 2 AS answer;", "kulya.shop> ");
    assert!(shown.contains("|     42 |"), "{shown}");
    let shown = terminal.run("help", "kulya.shop> ");
    assert!(shown.contains("SELECT * FROM 'file.csv';"), "{shown}");
    terminal.keys("quit;\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_running_statement_is_cancelled_and_the_prompt_goes_on() {
    let folder = tempdir().unwrap();
    let digits = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))";
    let from: Vec<String> = (0..12).map(|n| format!("{digits} AS t{n}(n)")).collect();
    let endless = format!("SELECT SUM(LENGTH(REPEAT('x', t0.n + t1.n))) AS s FROM {};", from.join(", "));
    let path = folder.path().join("endless.sql");
    std::fs::write(&path, &endless).unwrap();
    let mut terminal = Terminal::start(&folder, &[]);
    terminal.prompt("kulya> ");
    for _ in 0..2 {
        terminal.keys(&format!("{endless}\r"));
        // the progress is shown once the query runs
        terminal.wait_for("Ctrl-C cancels");
        terminal.signal("INT");
        terminal.wait_for("interrupted");
        terminal.prompt("kulya> ");
    }
    let shown = terminal.run("SELECT 1 AS one;", "kulya> ");
    assert!(shown.contains("|   1 |"), "{shown}");
    // and no cancelled one computes any longer
    wait_until("no thread computes", || !computes(terminal.child.id()));
    terminal.keys("\x04");
    assert_eq!(terminal.end(), Some(0));
}

/// Whether a thread of the process runs a query.
fn computes(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()).any(|stat| {
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.starts_with('R'));
        stat.contains("(kulya-query)") && state == Some(true)
    })
}

#[test]
fn the_history_is_kept_without_secrets() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&folder, &[]);
    terminal.prompt("kulya> ");
    terminal.run("SELECT 7 AS seven;", "kulya> ");
    terminal.run("CREATE CATALOG c WITH ('type' = 'pravega', 'security.auth-token' = 'hidden');", "kulya> ");
    terminal.keys("exit\r");
    assert_eq!(terminal.end(), Some(0));
    let history = history(folder.path());
    assert!(history.contains("SELECT 7 AS seven;") && !history.contains("hidden"), "{history}");
    let mut terminal = Terminal::start(&folder, &[]);
    terminal.prompt("kulya> ");
    // the key up brings the last statement back
    terminal.keys("\x1b[A");
    terminal.wait_for("SELECT 7 AS seven;");
    terminal.keys("\r");
    terminal.wait_for("|     7 |");
    terminal.prompt("kulya> ");
    terminal.keys("\x04");
    assert_eq!(terminal.end(), Some(0));
}

fn history(home: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = home.join(".kulya_history");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::read_to_string(path).unwrap()
}

/// Whatever is typed, the prompt stays.
#[test]
fn wrong_keys_do_no_harm() {
    let folder = tempdir().unwrap();
    let mut terminal = Terminal::start(&folder, &["--output", "csv"]);
    terminal.prompt("kulya> ");
    for text in
        ["SELECT * FROM 'no", "SELECT `", "/* ", "SELECT * FROM a.b.c.", "WITH (", "é", "'''", "SET '"]
    {
        terminal.keys(text);
        terminal.keys("\t\t");
        terminal.keys("\x03");
        terminal.prompt("kulya> ");
    }
    // a list of candidates has a prompt after it: the one after this result is the last
    terminal.keys("SELECT 123456 AS last;\r");
    terminal.wait_for("last\n123456");
    terminal.prompt("kulya> ");
    let shown = terminal.run(";", "kulya> ");
    assert!(!shown.contains("error"), "{shown}");
    let shown = terminal.run("SELECT CHR(27) || '[31m' AS a, 1 AS b;", "kulya> ");
    assert!(shown.contains("\\u001b[31m,1"), "{shown}");
    terminal.keys("\x04");
    assert_eq!(terminal.end(), Some(0));
}
