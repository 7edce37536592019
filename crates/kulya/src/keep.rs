//! How long things are kept, as people type and read it: `90s`, `15m`, `36h`, `7d`; `500MB`, `2GiB`.

use crate::args::Keep;
use anyhow::{Context, Result};
use kulya_store::Retention;
use std::time::Duration;

/// The word for no limit.
const NONE: &str = "none";

impl Keep {
    /// What the flags make of a retention: what is not named stays.
    pub(crate) fn over(&self, before: Retention) -> Result<Retention> {
        let age = limit(self.keep_for.as_deref(), before.age, duration)?;
        let bytes = limit(self.keep_bytes.as_deref(), before.bytes, bytes)?;
        Ok(Retention { age, bytes })
    }

    /// Whether a flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.keep_for.is_some() || self.keep_bytes.is_some()
    }
}

fn limit<T>(given: Option<&str>, before: Option<T>, read: fn(&str) -> Result<T>) -> Result<Option<T>> {
    match given.map(str::trim) {
        None => Ok(before),
        Some(NONE) => Ok(None),
        Some(text) => read(text).map(Some),
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

/// A size in bytes.
pub(crate) fn bytes(text: &str) -> Result<u64> {
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
    fn what_is_not_named_stays() {
        let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3600));
        let before = Retention { age: Some(day), bytes: Some(7) };
        let over = |keep_for: Option<&str>, keep_bytes: Option<&str>| {
            let keep =
                Keep { keep_for: keep_for.map(str::to_owned), keep_bytes: keep_bytes.map(str::to_owned) };
            let kept = keep.over(before)?;
            anyhow::Ok((kept.age, kept.bytes))
        };
        assert_eq!(over(None, None).unwrap(), (Some(day), Some(7)));
        assert_eq!(over(Some("1h"), None).unwrap(), (Some(hour), Some(7)));
        assert_eq!(over(None, Some("9B")).unwrap(), (Some(day), Some(9)));
        assert_eq!(over(Some("none"), None).unwrap(), (None, Some(7)));
        assert_eq!(over(None, Some("none")).unwrap(), (Some(day), None));
        assert!(over(Some("nothing"), None).is_err());
    }

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
