//! Memory for events on their way to the log, used again and again: fresh memory costs more than what is done in it.

use std::sync::{Mutex, PoisonError};

/// So many are kept, each no larger than this.
const MAX_BUFFERS: usize = 8;
const MAX_BUFFER_BYTES: usize = 256 << 10;

#[derive(Default)]
pub(crate) struct BufferPool(Mutex<Vec<Vec<u8>>>);

impl BufferPool {
    /// A buffer, with something in it or not.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// For whoever takes one next.
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_BUFFERS && (1..=MAX_BUFFER_BYTES).contains(&buffer.capacity()) {
            kept.push(buffer);
        }
    }
}
