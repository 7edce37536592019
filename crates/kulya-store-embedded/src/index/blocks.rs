//! Blocks of extents: adjacent extents of one segment in one log file, packed compactly.
//!
//! A block is a log file u32 and, for each extent, as varints: the distance from the end of the previous
//! one, the length, the position and the time (both as signed differences from the previous one), and the
//! checksum.

use crate::extent::Extent;
use crate::varint::{put_varint, take_varint, unzigzag, zigzag};

/// The maximum number of extents in a block, which a lookup unpacks.
pub(crate) const BLOCK_EXTENTS: usize = 128;

/// Packs extents of one log file; the start in the key is that of the first extent.
pub(crate) fn pack(extents: &[Extent]) -> Vec<u8> {
    let file = extents.first().map_or(0, |extent| extent.file);
    let mut out = Vec::with_capacity(4 + extents.len() * 14);
    out.extend(file.to_be_bytes());
    let mut previous =
        Extent { start: extents.first().map_or(0, |extent| extent.start), ..Extent::default() };
    for extent in extents {
        put_varint(&mut out, extent.start.wrapping_sub(previous.end()));
        put_varint(&mut out, extent.length.into());
        put_varint(&mut out, zigzag(extent.position.wrapping_sub(previous.position)));
        put_varint(&mut out, zigzag(extent.time.wrapping_sub(previous.time)));
        put_varint(&mut out, extent.checksum.into());
        previous = *extent;
    }
    out
}

/// Unpacks the block that starts at `start`; `None` if it is invalid.
pub(crate) fn unpack(start: u64, bytes: &[u8]) -> Option<Vec<Extent>> {
    let (file, mut rest) = bytes.split_first_chunk::<4>()?;
    let file = u32::from_be_bytes(*file);
    let mut previous = Extent { start, ..Extent::default() };
    let mut extents = Vec::with_capacity(BLOCK_EXTENTS.min(rest.len()));
    while !rest.is_empty() {
        let extent = Extent {
            start: previous.start.checked_add(previous.length.into())?.wrapping_add(take_varint(&mut rest)?),
            length: u32::try_from(take_varint(&mut rest)?).ok()?,
            position: previous.position.wrapping_add(unzigzag(take_varint(&mut rest)?)),
            time: previous.time.wrapping_add(unzigzag(take_varint(&mut rest)?)),
            checksum: u32::try_from(take_varint(&mut rest)?).ok()?,
            file,
        };
        extent.start.checked_add(extent.length.into())?;
        if extents.is_empty() && extent.start != start {
            // the key has the start of the first extent
            return None;
        }
        extents.push(extent);
        previous = extent;
    }
    Some(extents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn block_round_trips(
            file: u32,
            start in 0u64..1 << 62,
            runs in prop::collection::vec((0u64..1000, 0u32..1 << 24, 0u64..1 << 40, 0u64..1 << 45, any::<u32>()), 1..BLOCK_EXTENTS),
        ) {
            let mut at = start;
            let mut extents = Vec::new();
            for (gap, length, position, time, checksum) in runs {
                let start = if extents.is_empty() { at } else { at + gap };
                extents.push(Extent { start, time, file, position, length, checksum });
                at = start + u64::from(length);
            }
            prop_assert_eq!(unpack(start, &pack(&extents)), Some(extents));
        }

        #[test]
        fn any_bytes_unpack_or_are_rejected(start: u64, bytes: Vec<u8>) {
            let _ = unpack(start, &bytes);
        }
    }
}
