//! What is written down: one JSON line for each change that was asked for, and for each refusal.
//!
//! `{"time":"2026-11-25T14:30:00.123Z","caller":"anna","by":"password","address":"10.0.0.7:51234","face":"registry",
//! "operation":"addSchema","resource":"prn::/namespace:/group:g/schemas:*","permission":"READ_UPDATE","allowed":true,"status":201}`
//!
//! `caller` and `by` are absent where nobody was known, `resource` and `permission` where none was asked for. No password,
//! token or content is in it.

use crate::document::inode;
use chrono::{DateTime, SecondsFormat};
use kulya_store::clock::Clock;
use serde::Serialize;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

impl Audit {
    /// Writes to `to`, one write for each line.
    pub fn new(to: impl Write + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        Self { clock, out: Mutex::new(Out { to: Box::new(to), is_failing: false }) }
    }

    /// Writes a line. A log that cannot be written is said once, and tried again with the next line.
    pub fn write(&self, entry: &Entry<'_>) {
        let now = self.clock.since_epoch().as_millis();
        let time = i64::try_from(now).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
        let line = Line { time: time.to_rfc3339_opts(SecondsFormat::Millis, true), entry };
        let Ok(mut text) = serde_json::to_string(&line) else { return };
        text.push('\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.to.write_all(text.as_bytes()).and_then(|()| out.to.flush());
        if let Err(error) = &written
            && !out.is_failing
        {
            tracing::error!("the audit log cannot be written, and has gaps from now on: {error}");
        }
        out.is_failing = written.is_err();
    }
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
}
