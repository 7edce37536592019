//! Dates and times as the server stores them, in parts, because it stores dates that no calendar has: zero
//! dates, and with some settings a zero month or day. Values in the formats of MySQL 5.6 and before it.

use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::reader::Reader;
use std::fmt;

type Result<T> = std::result::Result<T, BinlogError>;

/// Microseconds of a second.
const SECOND: u64 = 1_000_000;

/// A date; month and day may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// The year, 0 to 9999.
    pub year: u16,
    /// The month, 0 to 12.
    pub month: u8,
    /// The day, 0 to 31.
    pub day: u8,
}

impl Date {
    /// Whether the date is `0000-00-00`.
    pub fn is_zero(self) -> bool {
        self.year == 0 && self.month == 0 && self.day == 0
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let bits = reader.uint(3, "a DATE")?;
        Self::new(bits >> 9, bits >> 5 & 0xf, bits & 0x1f).ok_or(BinlogError::malformed("a DATE"))
    }

    fn new(year: u64, month: u64, day: u64) -> Option<Self> {
        let is_valid = year <= 9999 && month <= 12 && day <= 31;
        is_valid.then_some(Self { year: year as u16, month: month as u8, day: day as u8 })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A date and a time of day; see [`Date`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// The hour, 0 to 23.
    pub hour: u8,
    /// The minute, 0 to 59.
    pub minute: u8,
    /// The second, 0 to 59.
    pub second: u8,
    /// The microseconds, 0 to 999,999.
    pub micros: u32,
}

impl DateTime {
    pub(super) fn read(digits: u8, reader: &mut Reader<'_>) -> Result<Self> {
        const PART: &str = "a DATETIME";
        let bits = reader.uint_be(5, PART)?.checked_sub(1 << 39).ok_or(BinlogError::malformed(PART))?;
        Self::from_bits(bits, fraction(digits, reader, PART)?).ok_or(BinlogError::malformed(PART))
    }

    /// Reads the decimal digits of year to second.
    pub(super) fn read_old(reader: &mut Reader<'_>) -> Result<Self> {
        const PART: &str = "a DATETIME";
        let number = reader.u64(PART)?;
        let (date, clock) = (number / 1_000_000, number % 1_000_000);
        let date = Date::new(date / 10_000, date / 100 % 100, date % 100);
        let clock = (clock / 10_000, clock / 100 % 100, clock % 100);
        date.and_then(|date| Self::new(date, clock, 0)).ok_or(BinlogError::malformed(PART))
    }

    /// Creates a value from bits: year * 13 + month, then 5 bits day, 5 hour, 6 minute, 6 second.
    pub(super) fn from_bits(bits: u64, micros: u32) -> Option<Self> {
        let (months, day) = (bits >> 22, bits >> 17 & 0x1f);
        let date = Date::new(months / 13, months % 13, day)?;
        Self::new(date, (bits >> 12 & 0x1f, bits >> 6 & 0x3f, bits & 0x3f), micros)
    }

    fn new(date: Date, (hour, minute, second): (u64, u64, u64), micros: u32) -> Option<Self> {
        let is_valid = hour <= 23 && minute <= 59 && second <= 59 && u64::from(micros) < SECOND;
        is_valid.then_some(Self {
            date,
            hour: hour as u8,
            minute: minute as u8,
            second: second as u8,
            micros,
        })
    }
}

/// Writes the text with six digits after the point.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, hour, minute, second, micros } = self;
        write!(f, "{date} {hour:02}:{minute:02}:{second:02}.{micros:06}")
    }
}

/// A time span of less than 839 hours in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The length in microseconds.
    pub micros: i64,
}

impl Time {
    pub(super) fn read(digits: u8, reader: &mut Reader<'_>) -> Result<Self> {
        const PART: &str = "a TIME";
        const MALFORMED: BinlogError = BinlogError::Malformed { part: PART };
        // the bytes count from the middle on, so that negative times sort first
        let bytes = fraction_bytes(digits);
        let middle = 1i64 << (8 * bytes + 23);
        let number = reader.uint_be(3 + bytes, PART)? as i64 - middle;
        let (bits, part) =
            (number.unsigned_abs() >> (8 * bytes), number.unsigned_abs() & ((1 << (8 * bytes)) - 1));
        let micros = part * FRACTION_UNITS[bytes];
        Self::from_bits(number < 0, bits, micros).ok_or(MALFORMED)
    }

    /// Reads the decimal digits of hour to second.
    pub(super) fn read_old(reader: &mut Reader<'_>) -> Result<Self> {
        const PART: &str = "a TIME";
        let bits = reader.uint(3, PART)?;
        let number = (bits << 40) as i64 >> 40;
        let (absolute, is_negative) = (number.unsigned_abs(), number < 0);
        let clock = (absolute / 10_000, absolute / 100 % 100, absolute % 100);
        Self::new(is_negative, clock, 0).ok_or(BinlogError::malformed(PART))
    }

    /// Creates a value from bits: hour, 6 bits minute, 6 second.
    pub(super) fn from_bits(is_negative: bool, bits: u64, micros: u64) -> Option<Self> {
        Self::new(is_negative, (bits >> 12, bits >> 6 & 0x3f, bits & 0x3f), micros)
    }

    fn new(is_negative: bool, (hour, minute, second): (u64, u64, u64), micros: u64) -> Option<Self> {
        let is_valid = hour <= 838 && minute <= 59 && second <= 59 && micros < SECOND;
        let micros = (((hour * 60 + minute) * 60 + second) * SECOND + micros) as i64;
        is_valid.then_some(Self { micros: if is_negative { -micros } else { micros } })
    }
}

/// Writes the text with six digits after the point.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let (seconds, micros) = (self.micros.unsigned_abs() / SECOND, self.micros.unsigned_abs() % SECOND);
        write!(f, "{sign}{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// An instant. Second 0 stands for the zero value `0000-00-00 00:00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    pub seconds: u32,
    /// The microseconds, 0 to 999,999.
    pub micros: u32,
}

impl Timestamp {
    /// Whether the value is the zero value.
    pub fn is_zero(self) -> bool {
        self.seconds == 0 && self.micros == 0
    }

    pub(super) fn read(digits: u8, reader: &mut Reader<'_>) -> Result<Self> {
        const PART: &str = "a TIMESTAMP";
        let seconds = u32::from_be_bytes(reader.array(PART)?);
        Ok(Self { seconds, micros: fraction(digits, reader, PART)? })
    }

    pub(super) fn read_old(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { seconds: reader.u32("a TIMESTAMP")?, micros: 0 })
    }
}

/// Microseconds of the last digit of a fraction of 0 to 3 bytes.
const FRACTION_UNITS: [u64; 4] = [1, 10_000, 100, 1];

/// Bytes of a fraction of 0 to 6 digits.
fn fraction_bytes(digits: u8) -> usize {
    usize::from(digits.min(6)).div_ceil(2)
}

/// Reads a fraction, in microseconds.
fn fraction(digits: u8, reader: &mut Reader<'_>, part: &'static str) -> Result<u32> {
    let bytes = fraction_bytes(digits);
    if bytes == 0 {
        return Ok(0);
    }
    let micros = reader.uint_be(bytes, part)? * FRACTION_UNITS[bytes];
    (micros < SECOND).then_some(micros as u32).ok_or(BinlogError::malformed(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_formats() {
        let datetime = 20_240_229_123_456u64.to_le_bytes();
        assert_eq!(
            DateTime::read_old(&mut Reader::new(&datetime)).unwrap().to_string(),
            "2024-02-29 12:34:56.000000"
        );
        for (number, text) in [(8_385_959i32, "838:59:59.000000"), (-123, "-00:01:23.000000")] {
            let bytes = number.to_le_bytes();
            assert_eq!(Time::read_old(&mut Reader::new(&bytes[..3])).unwrap().to_string(), text);
        }
        assert!(Time::read_old(&mut Reader::new(&99i32.to_le_bytes()[..3])).is_err(), "99 seconds");
        assert!(DateTime::read_old(&mut Reader::new(&u64::MAX.to_le_bytes())).is_err());
    }

    #[test]
    fn values_that_no_server_writes() {
        for bytes in [&[0xff; 3][..], &[0x01; 2]] {
            assert!(Date::read(&mut Reader::new(bytes)).is_err(), "{bytes:x?}");
        }
        for (digits, bytes) in
            [(0, &[0xff; 5][..]), (0, &[0; 5]), (6, &[0x99, 0xb2, 0xba, 0xc8, 0xb8, 0xff, 0xff, 0xff])]
        {
            assert!(DateTime::read(digits, &mut Reader::new(bytes)).is_err(), "{bytes:x?}");
        }
        for (digits, bytes) in [(0, &[0xff; 3][..]), (0, &[0; 3]), (1, &[0x80, 0, 0, 100]), (6, &[0xff; 6])] {
            assert!(Time::read(digits, &mut Reader::new(bytes)).is_err(), "{bytes:x?}");
        }
    }
}
