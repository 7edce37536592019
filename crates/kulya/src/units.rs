//! Durations and sizes in flags and settings: `90s`, `15m`, `36h`, `7d`; `500MB`, `2GiB`.
//!
//! Not a library's parser: those accept more than is documented here (`1month`, `1.5GB`), and a size that
//! overflows.

use anyhow::{Context, Result};
use std::time::Duration;

/// Splits a number from the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// Parses a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// Other text, and a duration that overflows.
pub(crate) fn parse_duration(text: &str) -> Result<Duration> {
    let duration = split(text).and_then(|(number, unit)| {
        let seconds = match unit {
            "ms" => return Some(Duration::from_millis(number)),
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        number.checked_mul(seconds).map(Duration::from_secs)
    });
    duration.with_context(|| format!("invalid duration {text:?}: write 90s, 15m, 36h or 7d"))
}

/// Parses a size in bytes: a whole number and a decimal (`MB`) or binary (`MiB`) unit, or none.
///
/// # Errors
/// Other text, and a size that overflows.
pub(crate) fn parse_size(text: &str) -> Result<u64> {
    let size = split(text).and_then(|(number, unit)| {
        let unit = match unit {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.checked_mul(unit)
    });
    size.with_context(|| format!("invalid size {text:?}: write 500MB or 2GiB"))
}

/// Formats a duration in the largest unit that has no remainder.
pub(crate) fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let exact = units
        .iter()
        .find(|(unit, _)| duration.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(*unit));
    exact.map_or_else(
        || format!("{}ms", duration.as_millis()),
        |(unit, name)| format!("{}{name}", seconds / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_parsed_or_rejected() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("36 h", 129_600), (" 7d ", 604_800), ("0s", 0)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(parse_size("500MB").unwrap(), 500_000_000);
        assert_eq!((parse_size("2 GiB").unwrap(), parse_size("17").unwrap()), (2 << 30, 17));
        for bad in ["", "d", "7", "7w", "-1s", "1.5h", "99999999999999999999s", "999999999999999999d"] {
            assert!(parse_duration(bad).unwrap_err().to_string().contains("90s"), "{bad}");
        }
        for bad in ["", "MB", "7Q", "99999999999999TB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        for text in ["7d", "36h", "90s", "1500ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
