//! Scans a file for a magic number.

use crate::disk::{ReadFile, read_exact_at};
use std::io;

/// The size of the window that is read at a time, in bytes.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;

/// Calls `each` with every position between `from` and `to` where the magic number is, and with up to
/// `length` bytes from there, until it returns `true`.
pub(crate) fn scan_for_magic(
    file: &dyn ReadFile,
    from: u64,
    to: u64,
    magic: [u8; 4],
    length: usize,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES + length];
    let mut start = from;
    while start < to {
        let filled = (to - start).min(window.len() as u64) as usize;
        let (bytes, _) = window.split_at_mut(filled);
        read_exact_at(file, bytes, start)?;
        let candidates = bytes.windows(magic.len()).take(WINDOW_BYTES).enumerate();
        for at in candidates.filter(|(_, found)| *found == magic).map(|(at, _)| at) {
            let rest = bytes.get(at..).unwrap_or_default();
            if each(start + at as u64, rest.get(..length).unwrap_or(rest))? {
                return Ok(());
            }
        }
        start += WINDOW_BYTES as u64;
    }
    Ok(())
}
