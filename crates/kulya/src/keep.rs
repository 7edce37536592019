//! How long things are kept, as people type and read it: `90s`, `15m`, `36h`, `7d`; `500MB`, `2GiB`.

use crate::args::Keep;
use anyhow::{Context, Result};
use kulya_store::Retention;
use std::time::Duration;

impl Keep {
    /// What the flags say; without any, everything is kept.
    pub(crate) fn retention(&self) -> Result<Retention> {
        let age = self.keep_for.as_deref().map(duration).transpose()?;
        let bytes = self.keep_bytes.as_deref().map(bytes).transpose()?;
        Ok(Retention { age, bytes })
    }
}

/// A number and the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.trim().find(|c: char| !c.is_ascii_digit()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

/// A time span.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let span = split(text).and_then(|(number, unit)| {
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
    span.with_context(|| format!("{text:?} is no time span: write 90s, 15m, 36h or 7d"))
}

fn bytes(text: &str) -> Result<u64> {
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
    size.with_context(|| format!("{text:?} is no size: write 500MB or 2GiB"))
}

/// A time span in the largest unit that shows it whole.
pub(crate) fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let whole = units
        .iter()
        .find(|(unit, _)| age.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{}ms", age.as_millis()), |(unit, name)| format!("{}{name}", seconds / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_read_and_refused() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("36 h", 129_600), (" 7d ", 604_800), ("0s", 0)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(bytes("500MB").unwrap(), 500_000_000);
        assert_eq!((bytes("2 GiB").unwrap(), bytes("17").unwrap()), (2 << 30, 17));
        for bad in ["", "d", "7", "7w", "-1s", "1.5h", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(bad).unwrap_err().to_string().contains("90s"), "{bad}");
        }
        for bad in ["", "MB", "7Q", "99999999999999TB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        for text in ["7d", "36h", "90s", "1500ms"] {
            assert_eq!(age_text(duration(text).unwrap()), text);
        }
    }
}
