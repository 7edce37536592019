//! Blocks of extents: neighbours in a segment and in one log file, packed so that a million of them take little room.
//!
//! A block is a log file u32, and for each extent, as varints: its distance from the end of the one before it, its length,
//! its position and its time (both as the signed distance from the one before it), and its checksum.
use crate::extent::Extent;


/// A block has no more extents: whoever looks for one unpacks its block.
pub(crate) const BLOCK_EXTENTS: usize = 128;

/// The key's start is that of the first extent; all of them lie in one file.
pub(crate) fn pack(extents: &[Extent]) -> Vec<u8> {
    let file = extents.first().map_or(0, |extent| extent.file);
    let mut out = Vec::with_capacity(4 + extents.len() * 14);
    out.extend(file.to_be_bytes());
    let mut before = Extent { start: extents.first().map_or(0, |extent| extent.start), ..Extent::default() };
    for extent in extents {
        put(&mut out, extent.start.wrapping_sub(before.end()));
        put(&mut out, extent.length.into());
        put(&mut out, zigzag(extent.position.wrapping_sub(before.position)));
        put(&mut out, zigzag(extent.time.wrapping_sub(before.time)));
        put(&mut out, extent.checksum.into());
        before = *extent;
    }
    out
}

/// The extents of the block that begins at `start`; `None` when the bytes are no block.
pub(crate) fn unpack(start: u64, bytes: &[u8]) -> Option<Vec<Extent>> {
    let (file, mut rest) = bytes.split_first_chunk::<4>()?;
    let file = u32::from_be_bytes(*file);
    let mut before = Extent { start, ..Extent::default() };
    let mut extents = Vec::with_capacity(BLOCK_EXTENTS.min(rest.len()));
    while !rest.is_empty() {
        let extent = Extent {
            start: before.start.checked_add(before.length.into())?.wrapping_add(take(&mut rest)?),
            length: u32::try_from(take(&mut rest)?).ok()?,
            position: before.position.wrapping_add(unzigzag(take(&mut rest)?)),
            time: before.time.wrapping_add(unzigzag(take(&mut rest)?)),
            checksum: u32::try_from(take(&mut rest)?).ok()?,
            file,
        };
        extent.start.checked_add(extent.length.into())?;
        if extents.is_empty() && extent.start != start {
            // the key says where it begins
            return None;
        }
        extents.push(extent);
        before = extent;
    }
    Some(extents)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A difference that may be negative, small numbers first.
fn zigzag(difference: u64) -> u64 {
    (difference << 1) ^ ((difference as i64 >> 63) as u64)
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_block_reads_back(
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
        fn any_bytes_are_a_block_or_none(start: u64, bytes: Vec<u8>) {
            let _ = unpack(start, &bytes);
        }
    }
}
