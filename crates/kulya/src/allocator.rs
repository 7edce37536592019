//! The allocator of the process, jemalloc, and when it gives memory back to the system.
//!
//! Memory that was freed can be used again at once, and stays resident until it is given back. The arenas of
//! small pieces keep theirs for a second (`.cargo/config.toml`). Large pieces have an arena of their own; that
//! of a process without jemalloc's background threads gives them back as soon as they are freed, that of a
//! process with them keeps them for a second too. Idle arenas need the threads.

use std::hint::black_box;
use tikv_jemalloc_ctl::background_thread;

/// A response is allocated by one thread and freed by another, which makes both wait in glibc's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A piece that is large by jemalloc's settings, in bytes.
const LARGE_PIECE_BYTES: usize = 4 << 20;

/// Creates the arena of large pieces as one of a process without background threads, then starts the threads.
/// Call it before anything large is allocated.
pub(crate) fn prepare() {
    // the arena is created with its first piece, and keeps what it was created with
    drop(black_box(Vec::<u8>::with_capacity(LARGE_PIECE_BYTES)));
    if let Err(error) = background_thread::write(true) {
        tracing::warn!(
            "idle parts of the process keep memory that they have freed: the allocator's threads do not start: {error}"
        );
    }
}
