//! The process's memory, watched while a query runs.
//!
//! The query engine's memory pool counts what operators hold. Batches between operators, the results of
//! functions and planning are not counted, so that a query is cancelled by the memory of the whole process.

use std::time::Duration;

/// Time between two measurements; a query allocates some tens of megabytes in it.
const INTERVAL: Duration = Duration::from_millis(10);

/// Measurements until a freed query counts as not freed: 2 seconds.
const MAX_MEASUREMENTS: usize = 200;

/// Returns the resident memory in bytes once it exceeds `limit`. Never returns where the system does not
/// report it.
pub(super) async fn exceeded(limit: u64) -> u64 {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        match resident_bytes() {
            Some(bytes) if bytes > limit => return bytes,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Waits until the resident memory is at most `limit` bytes; `false` if it still exceeds it after 2 seconds.
pub(super) async fn falls_below(limit: u64) -> bool {
    let mut interval = tokio::time::interval(INTERVAL);
    for _ in 0..MAX_MEASUREMENTS {
        interval.tick().await;
        if resident_bytes().is_none_or(|bytes| bytes <= limit) {
            return true;
        }
    }
    false
}

/// Returns the bytes of physical memory that the process holds.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn resident_memory_is_measured() {
        assert!(resident_bytes().unwrap() > 100_000);
        assert!(exceeded(1).await > 1);
        assert!(falls_below(u64::MAX).await);
    }
}
