//! The process's memory, watched while a query runs.
//!
//! The query engine's pool counts what operators keep. What passes between them, what a function makes and what planning
//! takes is counted by nobody, so that a query's end is in the hands of what the system says of the whole process.

use std::time::Duration;

/// Between two looks: a query fills some tens of megabytes in that time.
const INTERVAL: Duration = Duration::from_millis(10);

/// Ends when the process holds more than so many bytes; gives how many it is then. Never ends where the system does not tell.
pub(crate) async fn exceeded(limit: u64) -> u64 {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        match resident() {
            Some(bytes) if bytes > limit => return bytes,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Waits until the process holds no more than so many bytes; `false` when it still does after a while.
pub(crate) async fn falls_below(limit: u64) -> bool {
    let mut interval = tokio::time::interval(INTERVAL);
    for _ in 0..200 {
        interval.tick().await;
        if resident().is_none_or(|bytes| bytes <= limit) {
            return true;
        }
    }
    false
}

/// Bytes of physical memory that the process holds.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_tells() {
        assert!(resident().unwrap() > 100_000);
        assert!(exceeded(1).await > 1);
        assert!(falls_below(u64::MAX).await);
    }
}
