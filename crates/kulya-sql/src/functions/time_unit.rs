//! Units of time: rounding, addition and difference of moments, which are nanoseconds since 1970-01-01 00:00.
//!
//! Months, quarters and years have different lengths: a day that the resulting month lacks becomes its last
//! one. Weeks begin on Sunday, as in Flink.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta};

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnitName {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

pub(super) const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// How long a unit is.
enum Length {
    Nanos(i128),
    Months(i64),
}

impl TimeUnitName {
    /// Returns the unit of a name in upper case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "MICROSECOND" => Self::Microsecond,
            "MILLISECOND" => Self::Millisecond,
            "SECOND" => Self::Second,
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" => Self::Day,
            "WEEK" => Self::Week,
            "MONTH" => Self::Month,
            "QUARTER" => Self::Quarter,
            "YEAR" => Self::Year,
            _ => return None,
        })
    }

    fn length(self) -> Length {
        match self {
            Self::Microsecond => Length::Nanos(1_000),
            Self::Millisecond => Length::Nanos(1_000_000),
            Self::Second => Length::Nanos(1_000_000_000),
            Self::Minute => Length::Nanos(60_000_000_000),
            Self::Hour => Length::Nanos(3_600_000_000_000),
            Self::Day => Length::Nanos(NANOS_PER_DAY),
            Self::Week => Length::Nanos(7 * NANOS_PER_DAY),
            Self::Month => Length::Months(1),
            Self::Quarter => Length::Months(3),
            Self::Year => Length::Months(12),
        }
    }

    /// Returns whether the unit is shorter than a day.
    pub(super) fn is_of_time(self) -> bool {
        matches!(self.length(), Length::Nanos(nanos) if nanos < NANOS_PER_DAY)
    }

    /// Returns the moment at which the unit that contains this one begins; `None` beyond the calendar.
    pub(super) fn floor(self, moment: i128) -> Option<i128> {
        match self.length() {
            // 1970-01-01 was a Thursday
            Length::Nanos(nanos) if self == Self::Week => {
                let since_sunday = 4 * NANOS_PER_DAY;
                Some((moment + since_sunday).div_euclid(nanos) * nanos - since_sunday)
            }
            Length::Nanos(nanos) => Some(moment.div_euclid(nanos) * nanos),
            Length::Months(months) => {
                let date = calendar(moment)?.date();
                let month0 = i64::from(date.month0()).div_euclid(months) * months;
                let first = NaiveDate::from_ymd_opt(date.year(), u32::try_from(month0).ok()? + 1, 1)?;
                Some(nanos(first.and_hms_opt(0, 0, 0)?))
            }
        }
    }

    /// Returns the first moment at or after this one at which a unit begins; `None` beyond the calendar.
    pub(super) fn ceil(self, moment: i128) -> Option<i128> {
        let floor = self.floor(moment)?;
        if floor == moment { Some(moment) } else { self.add(1, floor) }
    }

    /// Returns the moment that is so many units later; `None` beyond the calendar.
    pub(super) fn add(self, count: i64, moment: i128) -> Option<i128> {
        match self.length() {
            Length::Nanos(nanos) => moment.checked_add(i128::from(count).checked_mul(nanos)?),
            Length::Months(months) => {
                let (months, moment) = (count.checked_mul(months)?, calendar(moment)?);
                let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
                let moved = if months < 0 {
                    moment.checked_sub_months(distance)
                } else {
                    moment.checked_add_months(distance)
                };
                Some(nanos(moved?))
            }
        }
    }

    /// Returns how many whole units lie between two moments, below zero if the second one is earlier; `None`
    /// beyond the calendar.
    pub(super) fn between(self, from: i128, to: i128) -> Option<i64> {
        match self.length() {
            Length::Nanos(nanos) => i64::try_from((to - from) / nanos).ok(),
            Length::Months(months) => {
                let (first, second) = (calendar(from)?, calendar(to)?);
                let number = |of: &NaiveDateTime| i64::from(of.year()) * 12 + i64::from(of.month0());
                let mut count = number(&second) - number(&first);
                // the last month is not whole
                let reached = Self::Month.add(count, from)?;
                if count > 0 && reached > to {
                    count -= 1;
                } else if count < 0 && reached < to {
                    count += 1;
                }
                Some(count / months)
            }
        }
    }
}

/// Returns date and time of a moment; `None` beyond the calendar.
pub(super) fn calendar(moment: i128) -> Option<NaiveDateTime> {
    let days = i64::try_from(moment.div_euclid(NANOS_PER_DAY)).ok()?;
    let of_day = i64::try_from(moment.rem_euclid(NANOS_PER_DAY)).ok()?;
    let epoch = DateTime::UNIX_EPOCH.naive_utc();
    let distance = Days::new(days.unsigned_abs());
    let date = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    date?.checked_add_signed(TimeDelta::nanoseconds(of_day))
}

fn nanos(of: NaiveDateTime) -> i128 {
    let moment = of.and_utc();
    i128::from(moment.timestamp()) * 1_000_000_000 + i128::from(moment.timestamp_subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> i128 {
        nanos(NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap())
    }

    #[test]
    fn moments_are_rounded() {
        let moment = at("2024-02-29 12:34:56.789");
        for (unit, floor, ceil) in [
            ("SECOND", "2024-02-29 12:34:56", "2024-02-29 12:34:57"),
            ("MINUTE", "2024-02-29 12:34:00", "2024-02-29 12:35:00"),
            ("HOUR", "2024-02-29 12:00:00", "2024-02-29 13:00:00"),
            ("DAY", "2024-02-29 00:00:00", "2024-03-01 00:00:00"),
            ("WEEK", "2024-02-25 00:00:00", "2024-03-03 00:00:00"),
            ("MONTH", "2024-02-01 00:00:00", "2024-03-01 00:00:00"),
            ("QUARTER", "2024-01-01 00:00:00", "2024-04-01 00:00:00"),
            ("YEAR", "2024-01-01 00:00:00", "2025-01-01 00:00:00"),
        ] {
            let unit = TimeUnitName::parse(unit).unwrap();
            assert_eq!(
                (unit.floor(moment), unit.ceil(moment)),
                (Some(at(floor)), Some(at(ceil))),
                "{unit:?}"
            );
        }
        assert_eq!(TimeUnitName::Day.floor(-1), Some(-NANOS_PER_DAY));
        assert_eq!(TimeUnitName::Year.floor(i128::MAX), None);
    }

    #[test]
    fn months_are_of_different_lengths() {
        let january = at("2024-01-31 01:00:00");
        assert_eq!(TimeUnitName::Month.add(1, january), Some(at("2024-02-29 01:00:00")));
        assert_eq!(TimeUnitName::Year.add(-1, at("2024-02-29 00:00:00")), Some(at("2023-02-28 00:00:00")));
        assert_eq!(TimeUnitName::Month.between(january, at("2024-02-29 00:59:59")), Some(0));
        assert_eq!(TimeUnitName::Month.between(january, at("2024-02-29 01:00:00")), Some(1));
        assert_eq!(TimeUnitName::Quarter.between(january, at("2025-01-31 01:00:00")), Some(4));
        assert_eq!(TimeUnitName::Day.between(january, at("2024-01-01 00:00:00")), Some(-30));
        assert_eq!(TimeUnitName::Month.add(i64::MAX, january), None);
    }

    proptest! {
        #[test]
        fn rounding_is_next_to_the_moment(seconds in -60_000_000_000i64..200_000_000_000, unit in 0usize..7) {
            let units = ["SECOND", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
            let unit = TimeUnitName::parse(units[unit]).unwrap();
            let moment = i128::from(seconds) * 1_000_000_000 + 1;
            let (floor, ceil) = (unit.floor(moment).unwrap(), unit.ceil(moment).unwrap());
            prop_assert!(floor <= moment && moment < ceil);
            prop_assert_eq!(unit.add(1, floor), Some(ceil));
            prop_assert_eq!(unit.floor(floor), Some(floor));
            prop_assert_eq!(unit.between(floor, ceil), Some(1));
        }
    }
}
