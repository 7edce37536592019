//! Conversions of identifiers and positions: scopes, streams, tables, segments, stream cuts, event pointers,
//! and 16-byte ids.

use crate::field::required;
use crate::v1;
use bytes::Bytes;
use kulya_store::{Error, EventPointer, Result, SegmentId, StreamCut, StreamId, TableId};
use std::collections::BTreeSet;

impl From<&StreamId> for v1::Stream {
    fn from(id: &StreamId) -> Self {
        Self { scope: id.scope.to_string(), name: id.name.to_string() }
    }
}

/// Accepts the names of system streams too: access control is the server's.
impl TryFrom<v1::Stream> for StreamId {
    type Error = Error;

    fn try_from(message: v1::Stream) -> Result<Self> {
        Self::stored(&message.scope, &message.name)
    }
}

impl From<&TableId> for v1::Table {
    fn from(id: &TableId) -> Self {
        Self { scope: id.scope.to_string(), name: id.name.to_string() }
    }
}

impl TryFrom<v1::Table> for TableId {
    type Error = Error;

    fn try_from(message: v1::Table) -> Result<Self> {
        Self::stored(&message.scope, &message.name)
    }
}

impl From<&SegmentId> for v1::Segment {
    fn from(id: &SegmentId) -> Self {
        Self { stream: Some((&id.stream).into()), number: id.number, epoch: id.epoch }
    }
}

impl TryFrom<v1::Segment> for SegmentId {
    type Error = Error;

    fn try_from(message: v1::Segment) -> Result<Self> {
        let v1::Segment { stream, number, epoch } = message;
        Ok(Self { stream: required(stream, "stream")?.try_into()?, number, epoch })
    }
}

impl From<&StreamCut> for v1::Cut {
    fn from(cut: &StreamCut) -> Self {
        let position =
            |(id, offset): (SegmentId, u64)| v1::Place { number: id.number, epoch: id.epoch, offset };
        Self { stream: Some((&cut.stream).into()), places: cut.offsets().map(position).collect() }
    }
}

impl TryFrom<v1::Cut> for StreamCut {
    type Error = Error;

    fn try_from(message: v1::Cut) -> Result<Self> {
        let stream: StreamId = required(message.stream, "stream")?.try_into()?;
        let mut segments = BTreeSet::new();
        for v1::Place { number, epoch, .. } in &message.places {
            if !segments.insert((*number, *epoch)) {
                let segment = format!("{stream}/{number}.#epoch.{epoch}");
                return Err(Error::invalid(format!("stream cut contains segment {segment} twice")));
            }
        }
        let mut cut = Self::of(&stream, []);
        for v1::Place { number, epoch, offset } in message.places {
            cut.advance(&SegmentId { stream: stream.clone(), number, epoch }, offset);
        }
        Ok(cut)
    }
}

impl From<&EventPointer> for v1::Pointer {
    fn from(pointer: &EventPointer) -> Self {
        Self { segment: Some((&pointer.segment).into()), offset: pointer.offset, length: pointer.length }
    }
}

impl TryFrom<v1::Pointer> for EventPointer {
    type Error = Error;

    fn try_from(message: v1::Pointer) -> Result<Self> {
        let v1::Pointer { segment, offset, length } = message;
        Ok(Self { segment: required(segment, "segment")?.try_into()?, offset, length })
    }
}

/// Decodes an id of 16 bytes, big-endian; `what` names the id in the error.
///
/// # Errors
/// `InvalidInput` for another length.
pub fn id_from_bytes(what: &str, bytes: &Bytes) -> Result<u128> {
    let array = <[u8; 16]>::try_from(&bytes[..]);
    array
        .map(u128::from_be_bytes)
        .map_err(|_| Error::invalid(format!("a {what} id has 16 bytes, not {}", bytes.len())))
}

/// Encodes an id as 16 bytes, big-endian.
pub(crate) fn id_bytes(id: u128) -> Bytes {
    Bytes::copy_from_slice(&id.to_be_bytes())
}
