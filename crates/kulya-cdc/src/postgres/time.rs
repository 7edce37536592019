//! Conversion of PostgreSQL's dates and times in ISO format to Debezium's numbers. The arithmetic is on
//! integers in the proleptic Gregorian calendar and covers PostgreSQL's range, which is wider than that of
//! date libraries.

/// Debezium's replacement for the timestamp `infinity`, in microseconds.
const INFINITY: i64 = 9_223_372_036_825_200_000;
/// Debezium's replacement for the timestamp `-infinity`, in microseconds.
const MINUS_INFINITY: i64 = -9_223_372_036_832_400_000;
/// PostgreSQL's epoch, 2000-01-01, in days since 1970-01-01.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;

/// Converts a date to days since 1970-01-01.
pub(crate) fn date(text: &str) -> Option<i32> {
    match text {
        // PostgreSQL's largest and smallest day numbers, with the overflow that Debezium has
        "infinity" => Some(i32::MAX.wrapping_add(POSTGRES_EPOCH_DAYS)),
        "-infinity" => Some(i32::MIN.wrapping_add(POSTGRES_EPOCH_DAYS)),
        _ => {
            let (date, is_bc) = split_era(text);
            let (year, month, day) = parse_date(date, is_bc)?;
            i32::try_from(days_since_epoch(year, month, day)).ok()
        }
    }
}

/// Converts a time of day to microseconds; 24:00 is valid.
pub(crate) fn time(text: &str) -> Option<i64> {
    i64::try_from(clock(text)?).ok()
}

/// Converts hours, minutes and seconds to microseconds.
fn clock(text: &str) -> Option<i128> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let mut part = |max: i64| -> Option<i64> {
        let text = parts.next()?;
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())??;
        (number <= max).then_some(number)
    };
    let (hours, minutes, seconds) = (part(i64::MAX)?, part(59)?, part(60)?);
    if parts.next().is_some() || fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds = (i128::from(hours) * 60 + i128::from(minutes)) * 60 + i128::from(seconds);
    Some(seconds * 1_000_000 + i128::from(micros))
}

/// Converts a timestamp without time zone to microseconds since 1970-01-01 00:00; saturates, because
/// PostgreSQL's last year has more.
pub(crate) fn timestamp(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(INFINITY),
        "-infinity" => Some(MINUS_INFINITY),
        _ => Some(timestamp_micros(text)?.clamp(i64::MIN.into(), i64::MAX.into()) as i64),
    }
}

/// Converts a timestamp without time zone to milliseconds since 1970-01-01 00:00.
pub(crate) fn timestamp_millis(text: &str) -> Option<i64> {
    match text {
        "infinity" | "-infinity" => Some(timestamp(text)?.div_euclid(1000)),
        _ => i64::try_from(timestamp_micros(text)?.div_euclid(1000)).ok(),
    }
}

fn timestamp_micros(text: &str) -> Option<i128> {
    let (text, is_bc) = split_era(text);
    let (date, time_of_day) = text.split_once(' ')?;
    let (year, month, day) = parse_date(date, is_bc)?;
    let days: i128 = days_since_epoch(year, month, day).into();
    Some(days * i128::from(DAY_MICROS) + clock(time_of_day)?)
}

/// Converts a timestamp with time zone to ISO 8601 in UTC, with the declared number of fractional digits. The
/// session's time zone is UTC.
pub(crate) fn timestamp_tz(text: &str, digits: usize) -> Option<String> {
    if let "infinity" | "-infinity" = text {
        return Some(text.to_owned());
    }
    let (text, is_bc) = split_era(text);
    let text = text.strip_suffix("+00")?;
    let (date, clock) = text.split_once(' ')?;
    let (year, month, day) = parse_date(date, is_bc)?;
    time(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let year = match year {
        0..=9999 => format!("{year:04}"),
        10_000.. => format!("+{year}"),
        _ => format!("-{:04}", -year),
    };
    let fraction = if digits == 0 { String::new() } else { format!(".{fraction:0<digits$}") };
    Some(format!("{year}-{month:02}-{day:02}T{clock}{fraction}Z"))
}

/// Converts a time with time zone to ISO 8601 in UTC.
pub(crate) fn time_tz(text: &str) -> Option<String> {
    let sign = text.rfind(['+', '-'])?;
    let (clock, zone) = text.split_at_checked(sign)?;
    let mut parts = zone.get(1..)?.split(':');
    let mut seconds: i64 = 0;
    for unit in [3600, 60, 1] {
        seconds += parts.next().map_or(Some(0), |part| part.parse::<i64>().ok())?.checked_mul(unit)?;
    }
    let offset = if zone.starts_with('-') { -seconds } else { seconds };
    let micros = time(clock)?.checked_sub(offset.checked_mul(1_000_000)?)?.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:06}").trim_end_matches('0').to_owned()
    };
    Some(format!("{:02}:{:02}:{:02}{fraction}Z", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// Converts an interval to microseconds, with months of 365.25 / 12 days; saturates.
pub(crate) fn interval(text: &str) -> Option<i64> {
    /// 365.25 / 12 days.
    const MONTH_MICROS: i128 = 2_629_800_000_000;
    let mut micros: i128 = 0;
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word.contains(':') {
            let (negative, text) = match word.strip_prefix('-') {
                Some(text) => (true, text),
                None => (false, word.strip_prefix('+').unwrap_or(word)),
            };
            let time = clock(text)?;
            micros += if negative { -time } else { time };
            continue;
        }
        let number: i128 = word.parse::<i64>().ok()?.into();
        micros += number
            * match words.next()? {
                "year" | "years" => 12 * MONTH_MICROS,
                "mon" | "mons" => MONTH_MICROS,
                "day" | "days" => i128::from(DAY_MICROS),
                _ => return None,
            };
    }
    Some(micros.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// Splits the suffix BC off; the flag tells whether it was present.
fn split_era(text: &str) -> (&str, bool) {
    text.strip_suffix(" BC").map_or((text, false), |text| (text, true))
}

/// Parses a date into year (0 is 1 BC), month and day.
fn parse_date(date: &str, is_bc: bool) -> Option<(i64, i64, i64)> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_valid =
        parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day) && year < 10_000_000;
    is_valid.then_some((if is_bc { 1 - year } else { year }, month, day))
}

/// Returns the days since 1970-01-01. Years start in March here, so that the leap day is the last day of a
/// year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_match_debeziums() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2024-02-29"), Some(19782));
        assert_eq!(date("1969-12-31"), Some(-1));
        assert_eq!(date("9999-12-31"), Some(2_932_896));
        assert_eq!(date("infinity"), Some(-2_147_472_692));
        assert_eq!(date("0001-01-01 BC"), Some(-719_528));
        assert_eq!(time("12:34:56.789012"), Some(45_296_789_012));
        assert_eq!(time("24:00:00"), Some(DAY_MICROS));
        assert_eq!(timestamp("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(timestamp("0001-01-01 00:00:00"), Some(-62_135_596_800_000_000));
        assert_eq!(timestamp("9999-12-31 23:59:59.999999"), Some(253_402_300_799_999_999));
        assert_eq!(
            timestamp_tz("2024-02-29 10:34:56.789+00", 3).as_deref(),
            Some("2024-02-29T10:34:56.789Z")
        );
        assert_eq!(timestamp_tz("1900-01-01 00:00:00+00", 6).as_deref(), Some("1900-01-01T00:00:00.000000Z"));
        assert_eq!(
            timestamp_tz("0099-01-01 00:00:00+00 BC", 3).as_deref(),
            Some("-0098-01-01T00:00:00.000Z")
        );
        assert_eq!(time_tz("12:34:56.789012+02").as_deref(), Some("10:34:56.789012Z"));
        assert_eq!(time_tz("23:59:59.999999-12").as_deref(), Some("11:59:59.999999Z"));
        assert_eq!(time_tz("24:00:00+00").as_deref(), Some("00:00:00Z"));
        assert_eq!(time_tz("00:00:00+05:30").as_deref(), Some("18:30:00Z"));
        assert_eq!(interval("1 year 2 mons 3 days 04:05:06.789"), Some(37_091_106_789_000));
        assert_eq!(interval("-1 days -00:00:00.000001"), Some(-86_400_000_001));
        assert_eq!(interval("178000000 years"), Some(i64::MAX));
        assert_eq!(interval("00:00:00"), Some(0));
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_rejected(text in "[-+0-9: .infinityBCmoday]{0,30}") {
            let _ = (date(&text), time(&text), timestamp(&text), timestamp_tz(&text, 6), time_tz(&text), interval(&text));
        }

        #[test]
        fn days_count_up(day in -3_000_000i64..3_000_000) {
            // February has a 29th day in leap years
            let year = 1970 + day / 365;
            prop_assert_eq!(days_since_epoch(year, 3, 1) - days_since_epoch(year, 2, 28) - 1, i64::from(year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)));
            prop_assert_eq!(days_since_epoch(year + 400, 1, 1) - days_since_epoch(year, 1, 1), 146_097);
        }
    }
}
