//! Starts of MySQL's transactions: GTID and ANONYMOUS_GTID.

use super::error::BinlogError;
use super::reader::Reader;
use crate::mysql::gtid::{Gtid, GtidSource, MAX_NUMBER, ServerUuid};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a transaction id";

/// The start of a MySQL transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionStart {
    /// The id; `None` in an anonymous transaction.
    pub gtid: Option<Gtid>,
    /// Whether the transaction may contain statements instead of rows.
    pub may_have_statements: bool,
    /// Number of the last transaction in the log that this one depends on.
    pub last_committed: i64,
    /// Number of the transaction in the log file.
    pub sequence_number: i64,
    /// When the transaction was committed on this server, in microseconds since 1970-01-01 UTC; servers
    /// before 8.0 do not write the fields from here on.
    pub immediate_commit_micros: Option<u64>,
    /// When the transaction was first committed, in microseconds since 1970-01-01 UTC.
    pub original_commit_micros: Option<u64>,
    /// Length of all events of the transaction in bytes, this one included.
    pub transaction_length: Option<u64>,
    /// This server's version, such as 80036.
    pub immediate_server_version: Option<u32>,
    /// The version of the server that first committed the transaction.
    pub original_server_version: Option<u32>,
}

impl TransactionStart {
    /// Decodes a GTID or ANONYMOUS_GTID event's bytes after the header.
    pub(super) fn decode(body: &[u8], is_anonymous: bool) -> Result<Self> {
        let mut reader = Reader::new(body);
        let flags = reader.u8(PART)?;
        let uuid = ServerUuid(reader.array(PART)?);
        let number = reader.u64(PART)?;
        let mut start = Self {
            gtid: gtid(is_anonymous, GtidSource { uuid, tag: None }, number)?,
            may_have_statements: flags & 1 != 0,
            last_committed: 0,
            sequence_number: 0,
            immediate_commit_micros: None,
            original_commit_micros: None,
            transaction_length: None,
            immediate_server_version: None,
            original_server_version: None,
        };
        // 2 marks the two numbers that all servers since 5.7 write
        if reader.is_empty() || reader.u8(PART)? != 2 {
            return Ok(start);
        }
        start.last_committed = reader.u64(PART)? as i64;
        start.sequence_number = reader.u64(PART)? as i64;
        start.read_commit_times(&mut reader)?;
        start.read_server_versions(&mut reader)?;
        Ok(start)
    }

    /// Reads seven bytes; the highest bit tells that the original time, which differs, follows.
    fn read_commit_times(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        const HAS_ORIGINAL: u64 = 1 << 55;
        if reader.is_empty() {
            return Ok(());
        }
        let immediate = reader.uint(7, PART)?;
        let has_original = immediate & HAS_ORIGINAL != 0;
        let original = if has_original { reader.uint(7, PART)? } else { immediate };
        self.immediate_commit_micros = Some(immediate & !HAS_ORIGINAL);
        self.original_commit_micros = Some(original);
        Ok(())
    }

    /// Reads the transaction's length and then a version, as the times are.
    fn read_server_versions(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        const HAS_ORIGINAL: u32 = 1 << 31;
        if reader.is_empty() {
            return Ok(());
        }
        self.transaction_length = Some(reader.lenenc(PART)?);
        if reader.is_empty() {
            return Ok(());
        }
        let immediate = reader.u32(PART)?;
        let has_original = immediate & HAS_ORIGINAL != 0;
        let original = if has_original { reader.u32(PART)? } else { immediate };
        self.immediate_server_version = Some(immediate & !HAS_ORIGINAL);
        self.original_server_version = Some(original);
        Ok(())
    }
}

/// Checks a transaction number, which is 0 in anonymous transactions.
pub(super) fn gtid(is_anonymous: bool, source: GtidSource, number: u64) -> Result<Option<Gtid>> {
    if is_anonymous {
        return Ok(None);
    }
    let is_valid = (1..=MAX_NUMBER).contains(&number);
    is_valid.then_some(Some(Gtid { source, number })).ok_or(BinlogError::malformed(PART))
}
