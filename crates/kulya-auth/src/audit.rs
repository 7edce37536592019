//! The audit log: one JSON line for each requested change and for each denied request.
//!
//! ```json
//! {
//!   "time": "2026-11-25T14:30:00.123Z", "caller": "anna", "by": "password", "address": "10.0.0.7:51234",
//!   "face": "registry", "operation": "addSchema", "resource": "prn::/namespace:/group:g/schemas:*",
//!   "permission": "READ_UPDATE", "allowed": true, "status": 201
//! }
//! ```
//!
//! Long client-supplied fields are truncated. Of the denials of one caller, or of one address without a
//! caller, a few per second have a line each; one line counts the others:
//!
//! ```json
//! {"time": "…", "address": "10.0.0.7:51234", "refused": 12345, "since": "2026-11-25T14:30:00.000Z"}
//! ```
//!
//! `caller` and `by` are absent for unauthenticated requests, `resource` and `permission` where none was
//! required. No password, token or payload is logged.

use crate::fair_share::accounting_address;
use crate::text_source::inode;
use crate::truncate::truncate;
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

/// Longest client-supplied field, in bytes.
const MAX_FIELD_BYTES: usize = 256;
/// Denials of one caller that have a line of their own in one second.
const MAX_LINES_PER_SECOND: u32 = 10;
/// Callers whose denials are counted separately; those of further callers are counted together.
const MAX_CALLERS: usize = 1024;

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct Entry<'a> {
    /// The caller's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// The kind of the caller's credentials: `password` or `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'a str>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// The API.
    #[serde(rename = "face")]
    pub api: &'a str,
    /// The operation.
    pub operation: &'a str,
    /// The resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'a str>,
    /// The permission that the operation requires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<&'a str>,
    /// Whether the caller was allowed.
    pub allowed: bool,
    /// The response's status: of HTTP or of gRPC.
    pub status: u16,
}

/// Writes the audit log.
pub struct AuditLog {
    clock: Arc<dyn Clock>,
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    is_failing: bool,
    /// The current second, and the denials in it.
    second: u64,
    denials: HashMap<CountedBy, Denials>,
}

/// What denials are counted by: a caller, an address, or all others together.
#[derive(PartialEq, Eq, Hash)]
enum CountedBy {
    Caller(String),
    Address(Option<std::net::IpAddr>),
    Others,
}

#[derive(Default)]
struct Denials {
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
struct SuppressedLine<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    refused: u64,
    since: String,
}

impl AuditLog {
    /// Creates a log that writes each line to `writer` in one call.
    pub fn new(writer: impl Write + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        let writer = Box::new(writer);
        let output = Output { writer, is_failing: false, second: 0, denials: HashMap::new() };
        Self { clock, output: Mutex::new(output) }
    }

    /// Writes a line. A failing writer is reported once and retried with the next line.
    pub fn write(&self, entry: &Entry<'_>) {
        let now = self.clock.since_epoch();
        let mut output = self.output();
        output.advance(now);
        if !entry.allowed && !output.count_denial(entry) {
            return;
        }
        let truncated = [entry.caller, Some(entry.operation), entry.resource]
            .map(|text| text.map(|text| truncate(text, MAX_FIELD_BYTES)));
        let [caller, operation, resource] = &truncated;
        let entry = Entry {
            caller: caller.as_deref(),
            operation: operation.as_deref().unwrap_or_default(),
            resource: resource.as_deref(),
            ..entry.clone()
        };
        output.line(&Line { time: format_time(now), entry: &entry });
    }

    /// Writes the counts of suppressed denials of past seconds; to be called about once per second.
    pub fn flush(&self) {
        self.output().advance(self.clock.since_epoch());
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let now = self.clock.since_epoch();
        self.output().write_suppressed(now);
    }
}

impl Output {
    /// Moves on to the current second.
    fn advance(&mut self, now: Duration) {
        if now.as_secs() != self.second {
            self.write_suppressed(now);
            self.second = now.as_secs();
        }
    }

    /// Writes how many denials of each caller had no line.
    fn write_suppressed(&mut self, now: Duration) {
        let since = format_time(Duration::from_secs(self.second));
        for denials in std::mem::take(&mut self.denials).into_values() {
            let refused = denials.count.saturating_sub(MAX_LINES_PER_SECOND.into());
            if refused > 0 {
                let (caller, address) = (denials.caller.as_deref(), denials.address);
                let (time, since) = (format_time(now), since.clone());
                self.line(&SuppressedLine { time, caller, address, refused, since });
            }
        }
    }

    /// Counts a denial; returns whether it gets a line of its own.
    fn count_denial(&mut self, entry: &Entry<'_>) -> bool {
        let key = match (entry.caller, entry.address) {
            (Some(caller), _) => CountedBy::Caller(truncate(caller, MAX_FIELD_BYTES).into_owned()),
            (None, address) => CountedBy::Address(address.map(|address| accounting_address(address.ip()))),
        };
        let is_counted_separately = self.denials.contains_key(&key) || self.denials.len() < MAX_CALLERS;
        let (key, caller, address) = if is_counted_separately {
            let caller = entry.caller.map(|caller| truncate(caller, MAX_FIELD_BYTES).into_owned());
            (key, caller, entry.address)
        } else {
            (CountedBy::Others, None, None)
        };
        let denials = self.denials.entry(key).or_insert_with(|| Denials { caller, address, count: 0 });
        denials.count += 1;
        denials.count <= MAX_LINES_PER_SECOND.into()
    }

    fn line(&mut self, line: &impl Serialize) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        let written = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush());
        if let Err(error) = &written
            && !self.is_failing
        {
            tracing::error!("cannot write the audit log, lines are lost: {error}");
        }
        self.is_failing = written.is_err();
    }
}

fn format_time(since_epoch: Duration) -> String {
    let time = i64::try_from(since_epoch.as_millis()).ok().and_then(DateTime::from_timestamp_millis);
    time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog")
    }
}

/// A log file that is appended to. After log rotation has moved it away, the next line creates a new file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    inode: u64,
}

impl LogFile {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let (file, inode) = Self::open_append(&path)?;
        Ok(Self { path, file, inode })
    }

    fn open_append(path: &PathBuf) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let inode = inode(&file.metadata()?);
        Ok((file, inode))
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_current = std::fs::metadata(&self.path).is_ok_and(|metadata| inode(&metadata) == self.inode);
        if !is_current {
            (self.file, self.inode) = Self::open_append(&self.path)?;
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
    fn lines_are_appended_and_a_rotated_file_is_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        std::fs::write(&path, "before\n").unwrap();
        let clock = Arc::new(ManualClock::at(Duration::from_millis(1_795_474_607_906)));
        let audit = AuditLog::new(LogFile::open(&path).unwrap(), clock);
        let mut entry = Entry {
            caller: Some("an\"na\n"),
            by: Some("password"),
            address: Some("127.0.0.1:5".parse().unwrap()),
            api: "registry",
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
    struct StubWriter(Arc<Mutex<Vec<u8>>>);

    impl StubWriter {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for StubWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn denial<'a>(address: &str, operation: &'a str) -> Entry<'a> {
        Entry {
            caller: None,
            by: None,
            address: Some(address.parse().unwrap()),
            api: "grpc",
            operation,
            resource: None,
            permission: None,
            allowed: false,
            status: 16,
        }
    }

    #[test]
    fn long_fields_are_truncated() {
        let writer = StubWriter::default();
        let audit = AuditLog::new(writer.clone(), Arc::new(ManualClock::at(Duration::from_secs(1))));
        let long = "A".repeat(60_000);
        audit.write(&Entry { caller: Some(&long), resource: Some(&long), ..denial("1.2.3.4:5", &long) });
        let line = writer.text();
        assert!(line.len() < 4 * MAX_FIELD_BYTES && line.contains("60000 bytes"), "{line}");
    }

    #[test]
    fn unauthenticated_clients_cannot_fill_the_disk() {
        let (writer, clock) = (StubWriter::default(), Arc::new(ManualClock::at(Duration::from_secs(1))));
        let audit = AuditLog::new(writer.clone(), Arc::clone(&clock) as Arc<dyn Clock>);
        let long = "A".repeat(60_000);
        for port in 0..20_000 {
            audit.write(&denial(&format!("1.2.3.4:{port}"), &long));
        }
        audit.write(&denial("5.6.7.8:1", "other"));
        clock.advance(Duration::from_secs(1));
        audit.flush();
        audit.flush();
        let text = writer.text();
        assert_eq!(text.lines().count(), 12, "{text}");
        let suppressed = r#"{"time":"1970-01-01T00:00:02.000Z","address":"1.2.3.4:0","refused":19990,"since":"1970-01-01T00:00:01.000Z"}"#;
        assert!(text.contains(suppressed), "{text}");
        assert!(text.contains("5.6.7.8"), "other addresses have their lines");
        // changes are never suppressed
        let changed = Entry { allowed: true, ..denial("1.2.3.4:5", "append") };
        (0..100).for_each(|_| audit.write(&changed));
        assert_eq!(writer.text().lines().count(), 112);
        // many addresses
        for number in 0..100_000_u32 {
            let [_, b, c, d] = number.to_be_bytes();
            audit.write(&denial(&format!("10.{b}.{c}.{d}:1"), "x"));
        }
        drop(audit);
        let text = writer.text();
        assert!(text.lines().count() < 112 + MAX_CALLERS + 20);
        assert!(text.lines().last().unwrap().contains("\"refused\":"), "counts are written at the end");
    }
}
