//! Random transactions that are streamed in blocks: what the spool returns at the commit is what a
//! transaction has that was not streamed.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What happens in one of a few transactions.
#[derive(Debug, Clone)]
enum Step {
    /// A change with a message of some bytes.
    Change(usize),
    Savepoint,
    Release,
    RollBack,
    /// The server sends what it has of the transaction.
    Send,
    Commit,
    RollBackAll,
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        12 => (0usize..300).prop_map(Step::Change),
        1 => Just(Step::Change(200_000)),
        5 => Just(Step::Savepoint),
        2 => Just(Step::Release),
        4 => Just(Step::RollBack),
        5 => Just(Step::Send),
        1 => Just(Step::Commit),
        1 => Just(Step::RollBackAll),
    ];
    (0usize..4, step)
}

/// A change in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    subxid: u32,
    lsn: u64,
    message: Vec<u8>,
}

/// A transaction as the server has it.
#[derive(Debug, Default)]
struct ServerTransaction {
    xid: u32,
    /// The ids of the open subtransactions, 0 before the first change, from the outermost.
    open: Vec<u32>,
    /// The ids of the subtransactions that were released into each of the open ones.
    released: Vec<Vec<u32>>,
    changes: Vec<Change>,
    /// The number of changes that were sent.
    sent: usize,
    is_streamed: bool,
}

/// A server that sends each transaction in blocks.
#[derive(Default)]
struct Server {
    transactions: BTreeMap<usize, ServerTransaction>,
    next_xid: u32,
    lsn: u64,
    output: Vec<Sent>,
}

#[derive(Debug)]
enum Sent {
    Control(StreamControl),
    Message(Vec<u8>, u64),
    /// A commit, with the transaction's changes.
    Commit(StreamCommit, Vec<Change>),
}

impl Server {
    fn xid(&mut self) -> u32 {
        self.next_xid = self.next_xid.wrapping_add(1).max(3);
        self.next_xid
    }

    fn run(&mut self, index: usize, step: Step) {
        self.lsn += 8;
        let mut transaction = self.transactions.remove(&index).unwrap_or_default();
        let is_open = match step {
            Step::Change(length) => self.change(&mut transaction, length),
            Step::Savepoint => {
                transaction.open.push(0);
                transaction.released.push(Vec::new());
                true
            }
            Step::Release => {
                if let (Some(xid), Some(mut released)) = (transaction.open.pop(), transaction.released.pop())
                {
                    released.push(xid);
                    if let Some(parent) = transaction.released.last_mut() {
                        parent.append(&mut released);
                    }
                }
                true
            }
            Step::RollBack => self.roll_back(&mut transaction),
            Step::Send => self.send(&mut transaction),
            Step::Commit => self.commit(transaction.xid, &mut transaction),
            Step::RollBackAll => {
                if transaction.is_streamed {
                    let xid = transaction.xid;
                    self.output.push(Sent::Control(StreamControl::Abort { xid, subxid: xid }));
                }
                false
            }
        };
        if is_open {
            self.transactions.insert(index, transaction);
        }
    }

    fn change(&mut self, transaction: &mut ServerTransaction, length: usize) -> bool {
        if transaction.xid == 0 {
            transaction.xid = self.xid();
        }
        for subxid in transaction.open.iter_mut().filter(|subxid| **subxid == 0) {
            *subxid = self.xid();
        }
        let subxid = transaction.open.last().copied().unwrap_or(transaction.xid);
        let message = [b"I", &vec![self.lsn as u8; length][..]].concat();
        transaction.changes.push(Change { subxid, lsn: self.lsn, message });
        true
    }

    fn roll_back(&mut self, transaction: &mut ServerTransaction) -> bool {
        let (Some(xid), Some(mut aborted)) = (transaction.open.pop(), transaction.released.pop()) else {
            return true;
        };
        aborted.push(xid);
        for subxid in aborted {
            let is_of = |change: &Change| change.subxid == subxid;
            let is_sent = transaction.changes.iter().take(transaction.sent).any(is_of);
            if is_sent {
                let xid = transaction.xid;
                self.output.push(Sent::Control(StreamControl::Abort { xid, subxid }));
            }
            let sent = transaction.changes.iter().take(transaction.sent).filter(|change| is_of(change));
            transaction.sent -= sent.count();
            transaction.changes.retain(|change| !is_of(change));
        }
        true
    }

    fn send(&mut self, transaction: &mut ServerTransaction) -> bool {
        let unsent = transaction.changes.get(transaction.sent..).unwrap_or_default();
        if !unsent.is_empty() {
            let (xid, is_first) = (transaction.xid, !transaction.is_streamed);
            self.output.push(Sent::Control(StreamControl::Start { xid, is_first }));
            for Change { subxid, lsn, message } in unsent {
                let message = [&message[..1], &subxid.to_be_bytes(), &message[1..]].concat();
                self.output.push(Sent::Message(message, *lsn));
                self.output.push(Sent::Message(b"Y\0\0\0\x01\0\0\0\x01\0".to_vec(), *lsn));
            }
            self.output.push(Sent::Control(StreamControl::Stop));
            (transaction.sent, transaction.is_streamed) = (transaction.changes.len(), true);
        }
        true
    }

    fn commit(&mut self, xid: u32, transaction: &mut ServerTransaction) -> bool {
        if transaction.is_streamed {
            self.send(transaction);
            let (commit_lsn, end_lsn) = (self.lsn, self.lsn + 1);
            let commit = StreamCommit { xid, commit_lsn, end_lsn, committed_micros: 7 };
            self.output.push(Sent::Commit(commit, std::mem::take(&mut transaction.changes)));
        }
        false
    }
}

async fn check(first_xid: u32, max_memory: usize, steps: Vec<(usize, Step)>) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("spool");
    let mut spool = Spool::open(path.clone(), max_memory, Arc::default()).unwrap();
    let mut server = Server { next_xid: first_xid, ..Server::default() };
    steps.into_iter().for_each(|(index, step)| server.run(index, step));
    for sent in std::mem::take(&mut server.output) {
        match sent {
            Sent::Control(control) => assert!(spool.on_control(control, 1).await.unwrap().is_none()),
            Sent::Message(message, lsn) => {
                assert!(spool.is_in_block());
                spool.push(&message.into(), Arrival { lsn, cut_from: None }).await.unwrap();
            }
            Sent::Commit(commit, expected) => {
                let ended = spool.on_control(StreamControl::Commit(commit), 1).await.unwrap();
                let (found, transaction) = ended.unwrap();
                assert_eq!(found, commit);
                assert_eq!(read(&spool, &transaction).await, expected);
                spool.remove(transaction).await.unwrap();
            }
        }
        if !spool.is_in_block() {
            assert!(spool.memory <= max_memory);
            let open: u64 = spool.open.values().map(SpooledTransaction::length).sum();
            assert_eq!(spool.size(), SpoolSize { transactions: spool.open.len() as u64, bytes: open });
            assert_eq!(spool.memory, spool.open.values().map(SpooledTransaction::memory).sum::<usize>());
        }
    }
    let is_streamed = |open: &&ServerTransaction| open.is_streamed;
    assert_eq!(spool.open.len(), server.transactions.values().filter(is_streamed).count());
    drop(spool);
    assert!(!path.exists());
}

async fn read(spool: &Spool, transaction: &SpooledTransaction) -> Vec<Change> {
    let (mut reader, mut found) = (SpoolReader::default(), Vec::new());
    while let Some(Record { header, message }) = spool.next(&mut reader, transaction).await.unwrap() {
        found.push(Change { subxid: header.subxid, lsn: header.lsn, message: message.to_vec() });
    }
    found
}

proptest! {
    #[test]
    fn streamed_transactions_are_read_as_if_they_had_not_been(
        first_xid in prop_oneof![Just(10), Just(u32::MAX - 5)],
        max_memory in prop_oneof![Just(0), Just(4096), Just(1 << 20)],
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(first_xid, max_memory, steps));
    }
}

fn start(xid: u32, is_first: bool) -> StreamControl {
    StreamControl::Start { xid, is_first }
}

#[tokio::test]
async fn messages_out_of_order_are_refused() {
    let commit = StreamCommit { xid: 7, commit_lsn: 1, end_lsn: 2, committed_micros: 0 };
    for (before, refused) in [
        (vec![], StreamControl::Stop),
        (vec![], start(7, false)),
        (vec![], StreamControl::Commit(commit)),
        (vec![start(7, true)], start(8, true)),
        (vec![start(7, true)], StreamControl::Abort { xid: 7, subxid: 7 }),
        (vec![start(7, true), StreamControl::Stop], start(7, true)),
    ] {
        let mut spool = Spool::open("/nonexistent".into(), 1000, Arc::default()).unwrap();
        for control in before {
            assert!(spool.on_control(control, 1).await.unwrap().is_none());
        }
        let error = spool.on_control(refused, 1).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), crate::CdcErrorKind::Source, "{error}");
    }
    let mut spool = Spool::open("/nonexistent".into(), 1000, Arc::default()).unwrap();
    let arrival = Arrival { lsn: 1, cut_from: None };
    let message = Bytes::from_static(b"I\0\0\0\x07x");
    assert!(spool.push(&message, arrival).await.is_err(), "outside of a block");
    // nothing was published of it
    assert!(spool.on_control(StreamControl::Abort { xid: 7, subxid: 8 }, 1).await.unwrap().is_none());
    spool.on_control(start(7, true), 1).await.unwrap();
    assert!(spool.push(&Bytes::from_static(b"B"), arrival).await.is_err());
    spool.push(&message, arrival).await.unwrap();
}

#[tokio::test]
async fn damaged_file_is_read_again_from_the_database() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("spool");
    let mut spool = Spool::open(path.clone(), 0, Arc::default()).unwrap();
    spool.on_control(start(7, true), 1).await.unwrap();
    let message = Bytes::from_static(b"I\0\0\0\x07x");
    spool.push(&message, Arrival { lsn: 1, cut_from: Some(13) }).await.unwrap();
    spool.on_control(StreamControl::Stop, 1).await.unwrap();
    let commit = StreamCommit { xid: 7, commit_lsn: 1, end_lsn: 2, committed_micros: 0 };
    let (_, transaction) = spool.on_control(StreamControl::Commit(commit), 1).await.unwrap().unwrap();
    let entries = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let file = entries.into_iter().find(|path| path.extension().is_some()).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    for damaged in [changed, bytes[..bytes.len() - 1].to_vec(), Vec::new()] {
        std::fs::write(&file, damaged).unwrap();
        let error = spool.next(&mut SpoolReader::default(), &transaction).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), crate::CdcErrorKind::Unreachable, "{error}");
    }
    std::fs::write(&file, bytes).unwrap();
    let mut reader = SpoolReader::default();
    let record = spool.next(&mut reader, &transaction).await.unwrap().unwrap();
    assert_eq!((record.header.cut_from, record.message), (Some(9), &b"Ix"[..]));
}
