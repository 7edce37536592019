//! Scans a file for a magic number.

use crate::disk::{ReadFile, read_exact_at};
use std::io;

/// The size of the window that is read at a time, in bytes.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;

/// Shows each place between two others at which this magic stands, with as many bytes behind it as `length` or the file has,
/// until the answer is yes.
pub(crate) fn scan_for_magic(
    file: &dyn ReadFile,
    from: u64,
    to: u64,
    magic: [u8; 4],
    length: usize,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES + length];
    let mut begin = from;
    while begin < to {
        let filled = (to - begin).min(window.len() as u64) as usize;
        let (bytes, _) = window.split_at_mut(filled);
        read_exact_at(file, bytes, begin)?;
        let places = bytes.windows(magic.len()).take(WINDOW_BYTES).enumerate();
        for at in places.filter(|(_, found)| *found == magic).map(|(at, _)| at) {
            let behind = bytes.get(at..).unwrap_or_default();
            if each(begin + at as u64, behind.get(..length).unwrap_or(behind))? {
                return Ok(());
            }
        }
        begin += WINDOW_BYTES as u64;
    }
    Ok(())
}
