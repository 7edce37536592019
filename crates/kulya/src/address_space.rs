//! The address space that this process may have (`ulimit -v`, `RLIMIT_AS`). An allocation that finds none ends a process
//! without a word, so too little is said before anything is begun, and what is taken is measured by it.

use anyhow::{Result, bail};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// With less there is not enough for the program, its threads and one large request.
const LEAST: u64 = 384 << 20;
/// What the program takes of it without any request.
const BASE: u64 = 256 << 20;
/// The C library's allocator, which its own code uses, reserves 64 MiB for each thread unless the environment says otherwise
/// before the program begins.
const C_ALLOCATOR: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
/// Each thread takes about this for its stack.
const STACK_BYTES: u64 = 2 << 20;
/// As many threads for blocking work as tokio has where nothing is limited.
const MOST_THREADS: u64 = 512;
const FEWEST_THREADS: u64 = 8;

/// The limit in bytes, if there is one.
pub(crate) fn limit() -> Option<u64> {
    let (limit, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
    (limit != RLIM_INFINITY).then_some(limit)
}

/// Refuses to begin with too little; with a limit, begins the program anew with an allocator that reserves less. For the
/// beginning, when nothing has been done.
pub(crate) fn prepare() -> Result<()> {
    let Some(limit) = limit() else { return Ok(()) };
    if limit < LEAST {
        bail!(
            "the address space is limited to {} MiB, and {} MiB are needed: raise the limit (ulimit -v)",
            limit >> 20,
            LEAST >> 20
        );
    }
    if std::env::var_os(C_ALLOCATOR.0).is_none() {
        let mut arguments = std::env::args_os();
        let mut program = Command::new("/proc/self/exe");
        if let Some(name) = arguments.next() {
            program.arg0(name);
        }
        // it comes back only when it could not: then it goes on as it is
        let _ = program.args(arguments).env(C_ALLOCATOR.0, C_ALLOCATOR.1).exec();
    }
    Ok(())
}

/// Threads for blocking work at a time: their stacks take an eighth of what there is.
pub(crate) fn blocking_threads() -> usize {
    threads_within(limit()) as usize
}

fn threads_within(limit: Option<u64>) -> u64 {
    limit.map_or(MOST_THREADS, |limit| (limit / 8 / STACK_BYTES).clamp(FEWEST_THREADS, MOST_THREADS))
}

/// The bytes of bodies and answers at a time: half of what the program leaves, where that is less than usual.
pub(crate) fn request_bytes(usual: usize) -> usize {
    bytes_within(limit(), usual)
}

fn bytes_within(limit: Option<u64>, usual: usize) -> usize {
    let half = limit.and_then(|limit| usize::try_from(limit.saturating_sub(BASE) / 2).ok());
    half.map_or(usual, |half| half.min(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_measured_by_the_limit() {
        assert_eq!((threads_within(None), bytes_within(None, 1 << 30)), (512, 1 << 30));
        assert_eq!(
            (threads_within(Some(512 << 20)), bytes_within(Some(512 << 20), 1 << 30)),
            (32, 128 << 20)
        );
        assert_eq!((threads_within(Some(1 << 20)), bytes_within(Some(1 << 40), 1 << 30)), (8, 1 << 30));
    }
}
