//! Retention limits from flags.

use crate::args::RetentionArgs;
use crate::units::{parse_duration, parse_size};
use anyhow::Result;
use kulya_store::Retention;

/// The value that removes a limit.
const NO_LIMIT: &str = "none";

impl RetentionArgs {
    /// Returns `current` with the limits that the flags give; a limit without a flag is unchanged.
    ///
    /// # Errors
    /// A value that is no duration or size.
    pub(crate) fn apply_to(&self, current: Retention) -> Result<Retention> {
        let age = limit(self.keep_for.as_deref(), current.age, parse_duration)?;
        let bytes = limit(self.keep_bytes.as_deref(), current.bytes, parse_size)?;
        Ok(Retention { age, bytes })
    }

    /// Whether any flag is given.
    pub(crate) fn is_given(&self) -> bool {
        self.keep_for.is_some() || self.keep_bytes.is_some()
    }
}

fn limit<T>(flag: Option<&str>, current: Option<T>, parse: fn(&str) -> Result<T>) -> Result<Option<T>> {
    match flag.map(str::trim) {
        None => Ok(current),
        Some(NO_LIMIT) => Ok(None),
        Some(text) => parse(text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn limits_without_a_flag_are_unchanged() {
        let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3600));
        let current = Retention { age: Some(day), bytes: Some(7) };
        let apply = |keep_for: Option<&str>, keep_bytes: Option<&str>| {
            let args = RetentionArgs {
                keep_for: keep_for.map(str::to_owned),
                keep_bytes: keep_bytes.map(str::to_owned),
            };
            let retention = args.apply_to(current)?;
            anyhow::Ok((retention.age, retention.bytes))
        };
        assert_eq!(apply(None, None).unwrap(), (Some(day), Some(7)));
        assert_eq!(apply(Some("1h"), None).unwrap(), (Some(hour), Some(7)));
        assert_eq!(apply(None, Some("9B")).unwrap(), (Some(day), Some(9)));
        assert_eq!(apply(Some("none"), None).unwrap(), (None, Some(7)));
        assert_eq!(apply(None, Some("none")).unwrap(), (Some(day), None));
        assert!(apply(Some("nothing"), None).is_err());
    }
}
