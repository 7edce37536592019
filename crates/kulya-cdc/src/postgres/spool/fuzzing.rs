//! Fuzz entry point for the spool: any order of what a server may send of unfinished transactions, compared
//! with lists in memory; files that were damaged; and any bytes as records.

use super::record::{self, Parsed};
use super::{Arrival, Spool, SpoolReader, SpooledTransaction, streamed};
use crate::CdcErrorKind;
use crate::postgres::streamed::StreamControl;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of spools of this process.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// The messages of a transaction: the number of their subtransaction, and their bytes.
type Messages = Vec<(u32, Vec<u8>)>;

/// Reads bytes as records, and as messages with their lengths in two bytes before them. The first byte
/// selects the memory, without which all is in files, and by its lowest bit whether these are damaged.
pub(crate) fn run(bytes: &[u8]) {
    let mut rest = bytes;
    while let Parsed::Whole(header, size) = record::parse(rest) {
        let message = record::message(rest, size);
        let (first, body) = message.split_first().expect("a message is not empty");
        assert_eq!([&record::header(header, *first, body)[..], body].concat(), &rest[..size]);
        rest = &rest[size..];
    }
    let Some((selector, messages)) = bytes.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let folder = std::env::temp_dir().join(format!(
        "kulya-fuzz-spool-{}-{}",
        std::process::id(),
        RUNS.fetch_add(1, Ordering::Relaxed)
    ));
    let max_memory = match selector >> 1 {
        0 => 0,
        bits => usize::from(bits) << 8,
    };
    let mut model = Model::new(folder, max_memory);
    runtime.block_on(model.read(messages, selector & 1 == 1));
    let folder = model.folder.clone();
    drop(model);
    assert!(!folder.exists(), "the spool leaves files");
}

/// A spool, and what it must have.
struct Model {
    spool: Spool,
    folder: PathBuf,
    max_memory: usize,
    open: BTreeMap<u32, Messages>,
    block: Option<u32>,
}

impl Model {
    fn new(folder: PathBuf, max_memory: usize) -> Self {
        let spool = Spool::open(folder.clone(), max_memory, Arc::default()).expect("the folder is new");
        Self { spool, folder, max_memory, open: BTreeMap::new(), block: None }
    }

    async fn read(&mut self, mut rest: &[u8], is_damaged: bool) {
        let mut lsn = 0;
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
            let (message, tail) = tail.split_at(length);
            rest = tail;
            lsn += 1;
            let is_taken = match streamed::decode_control(message) {
                Some(control) => self.control(control, lsn, is_damaged).await,
                None => self.push(message, lsn).await,
            };
            // the connection ends
            if !is_taken {
                return;
            }
            if !self.spool.is_in_block() {
                assert!(self.spool.memory <= self.max_memory, "{} bytes", self.spool.memory);
                assert_eq!(self.spool.size().transactions, self.open.len() as u64);
            }
        }
    }

    async fn push(&mut self, message: &[u8], lsn: u64) -> bool {
        let arrival = Arrival { lsn, cut_from: None };
        if self.spool.push(&Bytes::copy_from_slice(message), arrival).await.is_err() {
            return false;
        }
        if let Some(split) = streamed::split(message).filter(|_| !streamed::is_ignored(message)) {
            let block = self.block.expect("a message that is taken is one of a block");
            let messages = self.open.get_mut(&block).expect("the block's transaction is open");
            messages.push((split.subxid, [&[split.kind], split.body].concat()));
        }
        true
    }

    async fn control(&mut self, control: StreamControl, lsn: u64, is_damaged: bool) -> bool {
        // a server aborts the last subtransactions only, whose ids are the highest
        if let StreamControl::Abort { xid, subxid } = control
            && xid != subxid
            && let Some(messages) = self.open.get(&xid)
        {
            let number = |id: u32| id.wrapping_sub(xid);
            let start = messages.iter().position(|(id, _)| number(*id) >= number(subxid));
            let start = start.unwrap_or(messages.len());
            if messages.iter().skip(start).any(|(id, _)| number(*id) < number(subxid)) {
                return false;
            }
        }
        let Ok(ended) = self.spool.on_control(control, lsn).await else { return false };
        match control {
            StreamControl::Start { xid, .. } => {
                self.block = Some(xid);
                self.open.entry(xid).or_default();
            }
            StreamControl::Stop => self.block = None,
            StreamControl::Abort { xid, subxid } if xid == subxid => drop(self.open.remove(&xid)),
            StreamControl::Abort { xid, subxid } => {
                if let Some(messages) = self.open.get_mut(&xid) {
                    messages.retain(|(id, _)| id.wrapping_sub(xid) < subxid.wrapping_sub(xid));
                }
            }
            StreamControl::Commit(commit) => {
                let (_, transaction) = ended.expect("a commit ends a transaction");
                let expected = self.open.remove(&commit.xid).expect("it was open");
                self.check(&transaction, expected, is_damaged).await;
                self.spool.remove(transaction).await.expect("the file is removed");
            }
        }
        true
    }

    async fn check(&self, transaction: &SpooledTransaction, expected: Messages, is_damaged: bool) {
        let is_damaged = is_damaged && damage(&self.folder);
        let (mut reader, mut found) = (SpoolReader::default(), Messages::new());
        loop {
            match self.spool.next(&mut reader, transaction).await {
                Ok(Some(record)) => found.push((record.header.subxid, record.message.to_vec())),
                Ok(None) => return assert_eq!(found, expected),
                Err(error) => {
                    assert!(is_damaged && error.kind() == CdcErrorKind::Unreachable, "{error}");
                    return assert!(expected.starts_with(&found));
                }
            }
        }
    }
}

/// Changes a byte in the middle of each file; returns whether there was one.
fn damage(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    let mut is_changed = false;
    for path in entries.map(|entry| entry.expect("the folder is read").path()) {
        let mut bytes = std::fs::read(&path).expect("the file is read");
        let middle = bytes.len() / 2;
        let Some(byte) = bytes.get_mut(middle) else { continue };
        *byte ^= 0x40;
        std::fs::write(&path, bytes).expect("the file is written");
        is_changed = true;
    }
    is_changed
}
