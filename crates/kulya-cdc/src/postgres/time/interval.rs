//! PostgreSQL's intervals, as printed with `intervalstyle = postgres`: their number of microseconds, and
//! Debezium's ISO 8601.

use super::DAY_MICROS;
use std::io::Write;

/// 365.25 / 12 days.
const MONTH_MICROS: i128 = 2_629_800_000_000;

/// An interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    years: i64,
    months: i64,
    days: i64,
    micros: i128,
}

impl Interval {
    /// Parses `1 year 2 mons -3 days +04:05:06.789`; `None` for other texts.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut interval = Self::default();
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if word.contains(':') {
                interval.micros = interval.micros.checked_add(time(word)?)?;
                continue;
            }
            let number: i64 = word.parse().ok()?;
            let part = match words.next()? {
                "year" | "years" => &mut interval.years,
                "mon" | "mons" => &mut interval.months,
                "day" | "days" => &mut interval.days,
                _ => return None,
            };
            *part = part.checked_add(number)?;
        }
        Some(interval)
    }

    /// Returns the microseconds, with months of 365.25 / 12 days; saturates.
    pub(crate) fn saturated_micros(self) -> i64 {
        let months = i128::from(self.years) * 12 + i128::from(self.months);
        let micros = months * MONTH_MICROS + i128::from(self.days) * i128::from(DAY_MICROS) + self.micros;
        micros.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Returns the microseconds as Debezium computes them: with floating-point numbers, rounded towards zero.
    pub(crate) fn debezium_micros(self) -> i64 {
        let months = (self.years as i32).wrapping_mul(12).wrapping_add(self.months as i32);
        let days = f64::from(months) * (365.25 / 12.0) + self.days as f64;
        let [hours, minutes, seconds, micros] = self.clock().map(|part| part as f64);
        let seconds = ((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + (seconds + micros / 1e6);
        (seconds * 1e6) as i64
    }

    /// Writes all parts in ISO 8601, for example `P1Y2M3DT4H5M6.789S`.
    pub(crate) fn write_iso(self, out: &mut Vec<u8>) {
        let [hours, minutes, seconds, micros] = self.clock();
        let sign = if self.micros < 0 && seconds == 0 && micros != 0 { "-" } else { "" };
        let Self { years, months, days, .. } = self;
        // a buffer takes everything
        let _ = write!(out, "P{years}Y{months}M{days}DT{hours}H{minutes}M{sign}{seconds}");
        if micros != 0 {
            let _ = write!(out, ".{:06}", micros.unsigned_abs());
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        out.push(b'S');
    }

    /// Returns hours, minutes, seconds and microseconds, all of one sign.
    fn clock(self) -> [i128; 4] {
        let seconds = self.micros / 1_000_000;
        [seconds / 3600, seconds / 60 % 60, seconds % 60, self.micros % 1_000_000]
    }
}

/// Converts hours, minutes and seconds to microseconds; there may be any number of hours.
fn time(word: &str) -> Option<i128> {
    let (is_negative, clock) = match word.strip_prefix('-') {
        Some(clock) => (true, clock),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())?;
    let mut parts = clock.split(':').map(number);
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let padding = 10i128.pow(6u32.checked_sub(u32::try_from(fraction.len()).ok()?)?);
    let micros = if fraction.is_empty() { 0 } else { i128::from(number(fraction)?) * padding };
    let is_valid = parts.next().is_none() && minutes < 60 && seconds <= 60;
    let seconds = (i128::from(hours) * 60 + i128::from(minutes)) * 60 + i128::from(seconds);
    let micros = seconds * 1_000_000 + micros;
    is_valid.then_some(if is_negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_match_debeziums() {
        for (text, micros, iso) in [
            ("1 year 2 mons 3 days 04:05:06.789", 37_091_106_789_000, "P1Y2M3DT4H5M6.789S"),
            ("-1 days -00:00:00.000001", -86_400_000_001, "P0Y0M-1DT0H0M-0.000001S"),
            ("-1 years -2 mons +3 days -04:05:06.5", -36_572_706_500_000, "P-1Y-2M3DT-4H-5M-6.5S"),
            ("178000000 years", i64::MAX, "P178000000Y0M0DT0H0M0S"),
            ("-178000000 years", i64::MIN, "P-178000000Y0M0DT0H0M0S"),
            ("00:00:00", 0, "P0Y0M0DT0H0M0S"),
            ("00:00:10", 10_000_000, "P0Y0M0DT0H0M10S"),
        ] {
            let interval = Interval::parse(text.as_bytes()).unwrap();
            assert_eq!(interval.saturated_micros(), micros, "{text}");
            assert_eq!(interval.debezium_micros(), micros, "{text}");
            let mut out = Vec::new();
            interval.write_iso(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), iso);
        }
        let interval = Interval::parse(b"2147483648:00:00").unwrap();
        assert_eq!(interval.saturated_micros(), 7_730_941_132_800_000_000);
        // the product of floating-point numbers is a little less
        let interval = Interval::parse(b"00:00:01.001").unwrap();
        assert_eq!((interval.saturated_micros(), interval.debezium_micros()), (1_001_000, 1_000_999));
        for text in ["1", "1 week", "x days", "1:2", "00:61:00", "00:00:00.1234567"] {
            assert_eq!(Interval::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_rejected(text in "[-+0-9: .yeardmonsday]{0,40}") {
            if let Some(interval) = Interval::parse(text.as_bytes()) {
                let _ = (interval.saturated_micros(), interval.debezium_micros());
                interval.write_iso(&mut Vec::new());
            }
        }
    }
}
