//! What is written down: one JSON line for each change that was asked for, and for each refusal.
//!
//! `{"time":"2026-11-25T14:30:00.123Z","caller":"anna","by":"password","address":"10.0.0.7:51234","face":"registry",
//! "operation":"addSchema","resource":"prn::/namespace:/group:g/schemas:*","permission":"READ_UPDATE","allowed":true,"status":201}`
//!
//! What a caller chooses is cut where it is long, and says so. Of refusals of one caller, or of one address where nobody is
//! known, so many a second have a line of their own; of the rest one line says how many they were:
//! `{"time":"…","address":"10.0.0.7:51234","refused":12345,"since":"2026-11-25T14:30:00.000Z"}`.
//!
//! `caller` and `by` are absent where nobody was known, `resource` and `permission` where none was asked for. No password,
//! token or content is in it.

use crate::bounded::bounded;
use crate::document::inode;
use crate::share::counted_address;
use chrono::{DateTime, SecondsFormat};
use kulya_store::clock::Clock;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of what a caller chooses, of each field.
const FIELD_BYTES: usize = 256;
/// Refusals of one caller that have a line of their own in a second.
const LINES_A_SECOND: u32 = 10;
/// Callers whose refusals are counted apart; those of further ones are counted together.
const MOST_CALLERS: usize = 1024;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Entry<'a> {
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// What they showed: a password, or a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// At which face.
    pub face: &'a str,
    /// For what.
    pub operation: &'a str,
    /// On what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'a str>,
    /// With which right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<&'a str>,
    /// Whether the caller was let.
    pub allowed: bool,
    /// What was answered: an HTTP status, or a gRPC code.
    pub status: u16,
}

/// The audit log.
pub struct Audit {
    clock: Arc<dyn Clock>,
    out: Mutex<Out>,
}

struct Out {
    to: Box<dyn Write + Send>,
    is_failing: bool,
    /// The second that is counted now, and the refusals in it.
    second: u64,
    refusals: HashMap<Who, Refusals>,
}

/// Whose refusals are counted together: a caller's, an address's, or those of all others.
#[derive(PartialEq, Eq, Hash)]
enum Who {
    Caller(String),
    Address(Option<std::net::IpAddr>),
    Others,
}

#[derive(Default)]
struct Refusals {
    caller: Option<String>,
    address: Option<SocketAddr>,
    count: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

#[derive(Serialize)]
struct More<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    refused: u64,
    since: String,
}

impl Audit {
    /// Writes to `to`, one write for each line.
    pub fn new(to: impl Write + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        let out = Out { to: Box::new(to), is_failing: false, second: 0, refusals: HashMap::new() };
        Self { clock, out: Mutex::new(out) }
    }

    /// Writes a line. A log that cannot be written is said once, and tried again with the next line.
    pub fn write(&self, entry: &Entry<'_>) {
        let now = self.clock.since_epoch();
        let mut out = self.out();
        out.turn(now);
        if !entry.allowed && !out.has_line(entry) {
            return;
        }
        let cut = [entry.caller, Some(entry.operation), entry.resource]
            .map(|text| text.map(|text| bounded(text, FIELD_BYTES)));
        let [caller, operation, resource] = &cut;
        let entry = Entry {
            caller: caller.as_deref(),
            operation: operation.as_deref().unwrap_or_default(),
            resource: resource.as_deref(),
            ..entry.clone()
        };
        out.line(&Line { time: written(now), entry: &entry });
    }

    /// Writes down the refusals that were counted in seconds that are over; to be called from time to time.
    pub fn flush(&self) {
        self.out().turn(self.clock.since_epoch());
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        let now = self.clock.since_epoch();
        self.out().tell(now);
    }
}

impl Out {
    /// Begins another second, if it is one.
    fn turn(&mut self, now: Duration) {
        if now.as_secs() != self.second {
            self.tell(now);
            self.second = now.as_secs();
        }
    }

    /// Writes down how many refusals of each caller have no line.
    fn tell(&mut self, now: Duration) {
        let since = written(Duration::from_secs(self.second));
        for refusals in std::mem::take(&mut self.refusals).into_values() {
            let refused = refusals.count.saturating_sub(LINES_A_SECOND.into());
            if refused > 0 {
                let (caller, address) = (refusals.caller.as_deref(), refusals.address);
                self.line(&More { time: written(now), caller, address, refused, since: since.clone() });
            }
        }
    }

    /// Counts a refusal; whether it has a line of its own.
    fn has_line(&mut self, entry: &Entry<'_>) -> bool {
        let who = match (entry.caller, entry.address) {
            (Some(caller), _) => Who::Caller(bounded(caller, FIELD_BYTES).into_owned()),
            (None, address) => Who::Address(address.map(|address| counted_address(address.ip()))),
        };
        let is_known = self.refusals.contains_key(&who) || self.refusals.len() < MOST_CALLERS;
        let (who, caller, address) = if is_known {
            (who, entry.caller.map(|caller| bounded(caller, FIELD_BYTES).into_owned()), entry.address)
        } else {
            (Who::Others, None, None)
        };
        let refusals = self.refusals.entry(who).or_insert_with(|| Refusals { caller, address, count: 0 });
        refusals.count += 1;
        refusals.count <= LINES_A_SECOND.into()
    }

    fn line(&mut self, line: &impl Serialize) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        let written = self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush());
        if let Err(error) = &written
            && !self.is_failing
        {
            tracing::error!("the audit log cannot be written, and has gaps from now on: {error}");
        }
        self.is_failing = written.is_err();
    }
}

fn written(since_epoch: Duration) -> String {
    let time = i64::try_from(since_epoch.as_millis()).ok().and_then(DateTime::from_timestamp_millis);
    time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

/// A file that is appended to. Who rotates it moves it away: the next line makes a new one.
#[derive(Debug)]
pub struct AppendedFile {
    path: PathBuf,
    file: File,
    number: u64,
}

impl AppendedFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let (file, number) = Self::appended(&path)?;
        Ok(Self { path, file, number })
    }

    fn appended(path: &PathBuf) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let number = inode(&file.metadata()?);
        Ok((file, number))
    }
}

impl Write for AppendedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_there = std::fs::metadata(&self.path).is_ok_and(|metadata| inode(&metadata) == self.number);
        if !is_there {
            (self.file, self.number) = Self::appended(&self.path)?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn lines_are_appended_and_a_moved_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::fs::write(&path, "before\n").unwrap();
        let clock = Arc::new(ManualClock::at(Duration::from_millis(1_795_474_607_906)));
        let audit = Audit::new(AppendedFile::open(&path).unwrap(), clock);
        let mut entry = Entry {
            caller: Some("an\"na\n"),
            by: Some("password"),
            address: Some("127.0.0.1:5".parse().unwrap()),
            face: "registry",
            operation: "addSchema",
            resource: Some("prn::/"),
            permission: Some("READ_UPDATE"),
            allowed: true,
            status: 201,
        };
        audit.write(&entry);
        let moved = folder.path().join("audit.1");
        std::fs::rename(&path, &moved).unwrap();
        (entry.caller, entry.by, entry.resource, entry.permission) = (None, None, None, None);
        (entry.allowed, entry.status) = (false, 401);
        audit.write(&entry);
        let expected = r#"{"time":"2026-11-23T22:56:47.906Z","caller":"an\"na\n","by":"password","address":"127.0.0.1:5","face":"registry","operation":"addSchema","resource":"prn::/","permission":"READ_UPDATE","allowed":true,"status":201}"#;
        assert_eq!(std::fs::read_to_string(moved).unwrap(), format!("before\n{expected}\n"));
        let expected = r#"{"time":"2026-11-23T22:56:47.906Z","address":"127.0.0.1:5","face":"registry","operation":"addSchema","allowed":false,"status":401}"#;
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{expected}\n"));
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn refusal<'a>(address: &str, operation: &'a str) -> Entry<'a> {
        Entry {
            caller: None,
            by: None,
            address: Some(address.parse().unwrap()),
            face: "grpc",
            operation,
            resource: None,
            permission: None,
            allowed: false,
            status: 16,
        }
    }

    #[test]
    fn what_a_caller_chooses_is_cut() {
        let page = Page::default();
        let audit = Audit::new(page.clone(), Arc::new(ManualClock::at(Duration::from_secs(1))));
        let long = "A".repeat(60_000);
        audit.write(&Entry { caller: Some(&long), resource: Some(&long), ..refusal("1.2.3.4:5", &long) });
        let line = page.text();
        assert!(line.len() < 4 * FIELD_BYTES && line.contains("60000 bytes"), "{line}");
    }

    #[test]
    fn a_stranger_cannot_fill_the_disk() {
        let (page, clock) = (Page::default(), Arc::new(ManualClock::at(Duration::from_secs(1))));
        let audit = Audit::new(page.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let long = "A".repeat(60_000);
        for port in 0..20_000 {
            audit.write(&refusal(&format!("1.2.3.4:{port}"), &long));
        }
        audit.write(&refusal("5.6.7.8:1", "other"));
        clock.advance(Duration::from_secs(1));
        audit.flush();
        audit.flush();
        let text = page.text();
        assert_eq!(text.lines().count(), 12, "{text}");
        let more = r#"{"time":"1970-01-01T00:00:02.000Z","address":"1.2.3.4:0","refused":19990,"since":"1970-01-01T00:00:01.000Z"}"#;
        assert!(text.contains(more), "{text}");
        assert!(text.contains("5.6.7.8"), "others are seen");
        // and nobody's changes are counted together
        let changed = Entry { allowed: true, ..refusal("1.2.3.4:5", "append") };
        (0..100).for_each(|_| audit.write(&changed));
        assert_eq!(page.text().lines().count(), 112);
        // many addresses
        for number in 0..100_000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            audit.write(&refusal(&format!("10.{b}.{c}.{d}:1"), "x"));
        }
        drop(audit);
        let text = page.text();
        assert!(text.lines().count() < 112 + MOST_CALLERS + 20);
        assert!(text.lines().last().unwrap().contains("\"refused\":"), "what was counted is told at the end");
    }
}
