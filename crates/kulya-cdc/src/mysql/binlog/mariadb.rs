//! MariaDB's transactions: GTID, their start, and GTID_LIST, the last ones of earlier files.

use super::error::BinlogError;
use super::reader::Reader;
use super::xa::XaId;
use crate::mysql::gtid::{MariadbGtid, MariadbPosition};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a transaction id";

/// The start of a MariaDB transaction. There is no BEGIN statement after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MariadbTransactionStart {
    /// The id.
    pub gtid: MariadbGtid,
    /// Flags.
    pub flags: u8,
    /// The group of transactions that were committed together.
    pub commit_group: Option<u64>,
    /// The XA transaction that is prepared or completed.
    pub xa: Option<XaId>,
    /// The phase of an ALTER statement that is logged twice (`binlog_alter_two_phase`).
    pub alter: Option<AlterPhase>,
}

/// A phase of an ALTER statement. The statement takes effect at its commit only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterPhase {
    /// The statement started; whether it succeeds is not known yet.
    Start,
    /// The statement succeeded.
    Commit {
        /// Sequence number of the start's transaction.
        start: u64,
    },
    /// The statement failed, and changes nothing.
    Rollback {
        /// Sequence number of the start's transaction.
        start: u64,
    },
}

impl AlterPhase {
    /// Reads the further flags of 10.8 and what follows them; in a shorter event there are none.
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>> {
        if reader.is_empty() {
            return Ok(None);
        }
        let flags = reader.u8(PART)?;
        if flags & 0x1 != 0 {
            reader.u8(PART)?; // number of storage engines
        }
        Ok(match flags & 0xe {
            0x2 => Some(Self::Start),
            0x4 => Some(Self::Commit { start: reader.u64(PART)? }),
            0x8 => Some(Self::Rollback { start: reader.u64(PART)? }),
            0 => None,
            _ => return Err(BinlogError::malformed(PART)),
        })
    }
}

impl MariadbTransactionStart {
    /// Whether one statement follows, which no COMMIT or XID ends, such as DDL.
    pub fn is_standalone(&self) -> bool {
        self.flags & 0x1 != 0
    }

    /// Whether the transaction is DDL.
    pub fn is_ddl(&self) -> bool {
        self.flags & 0x20 != 0
    }

    /// Whether the transaction ends with XA PREPARE, and its changes are not committed yet.
    pub fn is_xa_prepare(&self) -> bool {
        self.flags & 0x40 != 0
    }

    /// Whether the transaction is XA COMMIT or XA ROLLBACK of a prepared one.
    pub fn is_xa_completion(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Decodes an event's bytes after the header.
    pub(super) fn decode(body: &[u8], server: u32) -> Result<Self> {
        let mut reader = Reader::new(body);
        let sequence = reader.u64(PART)?;
        let domain = reader.u32(PART)?;
        let flags = reader.u8(PART)?;
        let mut start = Self {
            gtid: MariadbGtid { domain, server, sequence },
            flags,
            commit_group: None,
            xa: None,
            alter: None,
        };
        if flags & 0x2 != 0 {
            start.commit_group = Some(reader.u64(PART)?);
        }
        if start.is_xa_prepare() || start.is_xa_completion() {
            let format = reader.u32(PART)?;
            let lengths = [reader.u8(PART)?, reader.u8(PART)?].map(usize::from);
            start.xa = Some(XaId::read(&mut reader, format, lengths)?);
        }
        // the event is filled with zeros up to 19 bytes
        start.alter = AlterPhase::read(&mut reader)?;
        Ok(start)
    }
}

/// Decodes a GTID_LIST event's bytes after the header. Of several ids of a domain the last one counts.
pub(super) fn decode_gtid_list(body: &[u8]) -> Result<MariadbPosition> {
    const PART: &str = "a list of transaction ids";
    let mut reader = Reader::new(body);
    // the four highest bits are flags
    let count = reader.u32(PART)? & 0x0fff_ffff;
    let gtids = (0..count).map(|_| {
        let (domain, server) = (reader.u32(PART)?, reader.u32(PART)?);
        Ok(MariadbGtid { domain, server, sequence: reader.u64(PART)? })
    });
    gtids.collect()
}
