//! How every object begins, and whether it is whole. Bytes in, values out: nothing here waits.
//!
//! | at | bytes | |
//! |---|---|---|
//! | 0 | 4 | `KULO` |
//! | 4 | 2 | format, 1 |
//! | 6 | 2 | kind: 1 a log object, 2 a checkpoint, 3 one that was given back |
//! | 8 | 8 | number, the one in the object's name |
//! | 16 | 4 | length of the head |
//! | 20 | 8 | length of the events behind the head |
//! | 28 | 4 | CRC-32C of the 28 bytes before and of the head |
//! | 32 | | the head, a message of [`record`](crate::record); then the events |
//!
//! Numbers are big-endian. Events have checksums of their own, in the head: they are read in parts.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

pub(crate) const HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 4] = b"KULO";
const FORMAT: u16 = 1;
const UNSUMMED: usize = 28;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Log = 1,
    Checkpoint = 2,
    GivenBack = 3,
}

/// The first bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) head: u32,
    pub(crate) events: u64,
    checksum: u32,
}

/// Header and head of an object, behind which so many bytes of events will stand.
pub(crate) fn begin(kind: Kind, number: u64, head: &impl Message, events: u64) -> Result<Bytes, String> {
    let length = u32::try_from(head.encoded_len()).map_err(|_| "more than an object can hold".to_owned())?;
    let mut out = BytesMut::with_capacity(HEADER_BYTES + length as usize);
    out.put_slice(MAGIC);
    out.put_u16(FORMAT);
    out.put_u16(kind as u16);
    out.put_u64(number);
    out.put_u32(length);
    out.put_u64(events);
    out.put_u32(0);
    head.encode(&mut out).map_err(|error| error.to_string())?;
    let checksum = sum(&out);
    if let Some(place) = out.get_mut(UNSUMMED..HEADER_BYTES) {
        place.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(out.freeze())
}

/// Of bytes that begin an object and hold all of its head.
fn sum(bytes: &[u8]) -> u32 {
    let before = crc32c::crc32c(bytes.get(..UNSUMMED).unwrap_or_default());
    crc32c::crc32c_append(before, bytes.get(HEADER_BYTES..).unwrap_or_default())
}

impl Header {
    /// Reads the header at the front of `bytes`. The error says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(format!("it has only {} bytes", bytes.len()));
        };
        let [
            m0,
            m1,
            m2,
            m3,
            f0,
            f1,
            k0,
            k1,
            n @ ..,
            h0,
            h1,
            h2,
            h3,
            e0,
            e1,
            e2,
            e3,
            e4,
            e5,
            e6,
            e7,
            c0,
            c1,
            c2,
            c3,
        ] = *header;
        if [m0, m1, m2, m3] != *MAGIC {
            return Err("it does not begin as an object of a store".into());
        }
        let format = u16::from_be_bytes([f0, f1]);
        if format != FORMAT {
            return Err(format!("it has format {format}, and this kulya reads {FORMAT}: use a newer kulya"));
        }
        let kind = match u16::from_be_bytes([k0, k1]) {
            1 => Kind::Log,
            2 => Kind::Checkpoint,
            3 => Kind::GivenBack,
            other => return Err(format!("its kind {other} is none")),
        };
        Ok(Self {
            kind,
            number: u64::from_be_bytes(n),
            head: u32::from_be_bytes([h0, h1, h2, h3]),
            events: u64::from_be_bytes([e0, e1, e2, e3, e4, e5, e6, e7]),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// Where the events begin.
    pub(crate) fn events_from(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.head)
    }

    /// Refuses an object of another kind, number or size than it must have.
    pub(crate) fn check(&self, kind: Kind, number: u64, size: u64) -> Result<(), String> {
        if self.kind != kind {
            return Err(format!("it is of kind {:?}, not {kind:?}", self.kind));
        }
        if self.number != number {
            return Err(format!("it is number {}", self.number));
        }
        if self.events_from().checked_add(self.events) != Some(size) {
            return Err(format!("it has {size} bytes, not those that it begins with"));
        }
        Ok(())
    }

    /// The head, from bytes that begin the object and hold all of it.
    pub(crate) fn head<M: Message + Default>(&self, bytes: &Bytes) -> Result<M, String> {
        let whole = HEADER_BYTES + self.head as usize;
        if bytes.len() < whole {
            return Err("its head is cut off".into());
        }
        let head = bytes.slice(HEADER_BYTES..whole);
        if sum(bytes.get(..whole).unwrap_or_default()) != self.checksum {
            return Err("its checksum is another one".into());
        }
        M::decode(head).map_err(|error| format!("its head cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Log, Snapshot};
    use proptest::prelude::*;

    #[test]
    fn an_object_reads_back_and_every_flipped_bit_is_seen() {
        let log = Log { time: 77, sequence: 3, instance_high: 1, ..Log::default() };
        let bytes = begin(Kind::Log, 12, &log, 5).unwrap();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.check(Kind::Log, 12, bytes.len() as u64 + 5), Ok(()));
        assert_eq!(header.head::<Log>(&bytes).unwrap(), log);
        assert!(header.check(Kind::Checkpoint, 12, bytes.len() as u64 + 5).is_err());
        assert!(header.check(Kind::Log, 13, bytes.len() as u64 + 5).is_err());
        assert!(header.check(Kind::Log, 12, bytes.len() as u64 + 4).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let damaged = Bytes::from(damaged);
            let read = Header::parse(&damaged).and_then(|header| header.head::<Log>(&damaged));
            assert!(read.is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, number: u64, events: u64) {
            let bytes = Bytes::from(bytes);
            let _ = Header::parse(&bytes);
            // as if somebody had taken the trouble of a right header
            let mut framed = begin(Kind::Log, number, &Log::default(), events).unwrap().to_vec();
            framed.truncate(HEADER_BYTES);
            framed[16..20].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
            framed.extend_from_slice(&bytes);
            let checksum = sum(&framed);
            framed[UNSUMMED..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
            let framed = Bytes::from(framed);
            let header = Header::parse(&framed).unwrap();
            let _ = header.check(Kind::Log, number, bytes.len() as u64);
            if let Ok(log) = header.head::<Log>(&framed) {
                let _ = crate::state::State::default().apply(0, header.events_from(), &log);
            }
            if let Ok(snapshot) = header.head::<Snapshot>(&framed) {
                let _ = crate::state::State::restore(number, &snapshot);
            }
        }
    }
}
