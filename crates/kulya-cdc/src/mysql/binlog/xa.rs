//! XA transactions: their ids, and XA_PREPARE, the end of the first phase.

use super::error::BinlogError;
use super::reader::Reader;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "an xa transaction id";

/// The id of an XA transaction, as the client gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaId {
    /// The format number.
    pub format: u32,
    /// The global part, at most 64 bytes.
    pub global: Box<[u8]>,
    /// The branch part, at most 64 bytes.
    pub branch: Box<[u8]>,
}

impl XaId {
    pub(super) fn read(reader: &mut Reader<'_>, format: u32, lengths: [usize; 2]) -> Result<Self> {
        let [global, branch] = lengths;
        if global > 64 || branch > 64 {
            return Err(BinlogError::malformed(PART));
        }
        Ok(Self {
            format,
            global: reader.take(global, PART)?.into(),
            branch: reader.take(branch, PART)?.into(),
        })
    }
}

/// The end of the first phase of an XA transaction: its changes are committed by `XA COMMIT`, if at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPrepare {
    /// Whether the transaction is committed at once (`XA COMMIT … ONE PHASE`).
    pub is_one_phase: bool,
    /// The transaction.
    pub id: XaId,
}

impl XaPrepare {
    pub(super) fn decode(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let is_one_phase = reader.u8(PART)? != 0;
        let format = reader.u32(PART)?;
        let lengths = [reader.u32(PART)? as usize, reader.u32(PART)? as usize];
        Ok(Self { is_one_phase, id: XaId::read(&mut reader, format, lengths)? })
    }
}
