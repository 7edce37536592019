//! A pool of buffers for events on their way to the log. Allocating for each request costs more than the
//! work done in the buffer.

use std::sync::{Mutex, PoisonError};

/// The maximum number of pooled buffers.
const MAX_BUFFERS: usize = 8;
/// The maximum capacity of a pooled buffer, in bytes.
const MAX_BUFFER_BYTES: usize = 256 << 10;

/// A pool of byte buffers.
#[derive(Default)]
pub(crate) struct BufferPool(Mutex<Vec<Vec<u8>>>);

impl BufferPool {
    /// Returns a buffer, whose content is arbitrary.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Returns a buffer to the pool.
    pub(crate) fn put_back(&self, buffer: Vec<u8>) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < MAX_BUFFERS && (1..=MAX_BUFFER_BYTES).contains(&buffer.capacity()) {
            pool.push(buffer);
        }
    }
}
