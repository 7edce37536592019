//! The limit of the process's address space (`ulimit -v`, `RLIMIT_AS`). A failed allocation aborts the
//! process without a message, so too low a limit is rejected at the start, and threads and buffers are sized
//! by it.

use anyhow::{Result, bail};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Smallest limit, in bytes, for the program, its threads and one large request.
const MIN_BYTES: u64 = 384 << 20;
/// Address space in bytes that the program needs without any request.
const BASE_BYTES: u64 = 256 << 20;
/// Limits the arenas of the C library's allocator, which its own code uses and which reserves 64 MiB for each
/// thread; read from the environment when the program starts.
const C_ALLOCATOR: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
/// Stack of a thread, in bytes.
const STACK_BYTES: u64 = 2 << 20;
/// Blocking threads of the runtime without a limit: tokio's default.
const MAX_THREADS: u64 = 512;
const MIN_THREADS: u64 = 8;

/// Returns the limit in bytes, if there is one.
pub(crate) fn limit() -> Option<u64> {
    let (limit, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
    (limit != RLIM_INFINITY).then_some(limit)
}

/// Checks the limit; if there is one, executes the program again with an allocator that reserves less. Call
/// it first.
///
/// # Errors
/// A limit below 384 MiB.
pub(crate) fn prepare() -> Result<()> {
    let Some(limit) = limit() else { return Ok(()) };
    if limit < MIN_BYTES {
        bail!(
            "the address space is limited to {} MiB, but {} MiB are needed: raise the limit (ulimit -v)",
            limit >> 20,
            MIN_BYTES >> 20
        );
    }
    if std::env::var_os(C_ALLOCATOR.0).is_none() {
        let mut arguments = std::env::args_os();
        let mut program = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            program.arg0(name);
        }
        // returns only if it fails: then the process continues as it is
        let _ = program.args(arguments).env(C_ALLOCATOR.0, C_ALLOCATOR.1).exec();
    }
    Ok(())
}

/// Returns the number of blocking threads: their stacks use an eighth of the limit.
pub(crate) fn blocking_threads() -> usize {
    threads_for(limit()) as usize
}

fn threads_for(limit: Option<u64>) -> u64 {
    limit.map_or(MAX_THREADS, |limit| (limit / 8 / STACK_BYTES).clamp(MIN_THREADS, MAX_THREADS))
}

/// Returns the bytes of request and response bodies in memory at a time: half of the limit without the
/// program's own, at most `default`.
pub(crate) fn request_bytes(default: usize) -> usize {
    bytes_for(limit(), default)
}

fn bytes_for(limit: Option<u64>, default: usize) -> usize {
    let half = limit.and_then(|limit| usize::try_from(limit.saturating_sub(BASE_BYTES) / 2).ok());
    half.map_or(default, |half| half.min(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_buffers_are_sized_by_the_limit() {
        assert_eq!((threads_for(None), bytes_for(None, 1 << 30)), (512, 1 << 30));
        assert_eq!((threads_for(Some(512 << 20)), bytes_for(Some(512 << 20), 1 << 30)), (32, 128 << 20));
        assert_eq!((threads_for(Some(1 << 20)), bytes_for(Some(1 << 40), 1 << 30)), (8, 1 << 30));
    }
}
