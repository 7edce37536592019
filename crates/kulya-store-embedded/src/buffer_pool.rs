//! A pool of buffers for events on their way to the log. Allocating for each request costs more than the
//! work done in the buffer.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of pooled buffers.
const MAX_BUFFERS: usize = 8;
/// The maximum capacity of all pooled buffers together, in bytes.
const MAX_BYTES: usize = 2 << 20;

/// A pool of byte buffers.
#[derive(Default)]
pub(crate) struct BufferPool(Mutex<Pooled>);

#[derive(Default)]
struct Pooled {
    buffers: Vec<Vec<u8>>,
    /// Their capacity in bytes.
    bytes: usize,
}

impl BufferPool {
    /// Returns a buffer, whose content is arbitrary.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut pooled = self.lock();
        let buffer = pooled.buffers.pop().unwrap_or_default();
        pooled.bytes -= buffer.capacity();
        buffer
    }

    /// Returns a buffer to the pool.
    pub(crate) fn put_back(&self, buffer: Vec<u8>) {
        let mut pooled = self.lock();
        let bytes = pooled.bytes + buffer.capacity();
        if pooled.buffers.len() < MAX_BUFFERS && buffer.capacity() > 0 && bytes <= MAX_BYTES {
            pooled.buffers.push(buffer);
            pooled.bytes = bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pooled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_in_bounded_memory() {
        let pool = BufferPool::default();
        assert_eq!(pool.take().capacity(), 0);
        for bytes in [MAX_BYTES / 2, 0, MAX_BYTES, MAX_BYTES / 4] {
            pool.put_back(Vec::with_capacity(bytes));
        }
        assert_eq!(
            [pool.take(), pool.take(), pool.take()].map(|it| it.capacity()),
            [MAX_BYTES / 4, MAX_BYTES / 2, 0]
        );
        pool.put_back(Vec::with_capacity(MAX_BYTES));
        assert_eq!(pool.take().capacity(), MAX_BYTES);
        for _ in 0..2 * MAX_BUFFERS {
            pool.put_back(Vec::with_capacity(1));
        }
        assert_eq!(pool.lock().buffers.len(), MAX_BUFFERS);
    }
}
