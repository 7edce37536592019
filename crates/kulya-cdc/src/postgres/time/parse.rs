//! Parsers of dates and times as PostgreSQL prints them with `datestyle = ISO` and time zone UTC. They accept
//! any bytes without panics.

use super::DAY_MICROS;

/// A date; year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

/// A time of day; 24:00 is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) hours: u32,
    pub(crate) minutes: u32,
    pub(crate) seconds: u32,
    pub(crate) micros: u32,
}

/// A value of a type that has infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounded<T> {
    MinusInfinity,
    Finite(T),
    Infinity,
}

impl Clock {
    /// Returns the time in microseconds since midnight.
    pub(crate) fn micros_of_day(self) -> i64 {
        let seconds = (i64::from(self.hours) * 60 + i64::from(self.minutes)) * 60 + i64::from(self.seconds);
        seconds * 1_000_000 + i64::from(self.micros)
    }

    /// Converts microseconds since midnight, of less than a day.
    pub(crate) fn from_micros(micros: i64) -> Self {
        let micros = micros.rem_euclid(DAY_MICROS);
        let (seconds, micros) = ((micros / 1_000_000) as u32, (micros % 1_000_000) as u32);
        Self { hours: seconds / 3600, minutes: seconds / 60 % 60, seconds: seconds % 60, micros }
    }
}

/// Parses `2024-02-29`, `infinity` or `-infinity`, with ` BC` after dates before the year 1.
pub(crate) fn date(text: &[u8]) -> Option<Bounded<Date>> {
    bounded(text, |cursor| {
        let date = cursor.date()?;
        Some(if cursor.take_era() { date.before_christ() } else { date })
    })
}

/// Parses `12:34:56.789012`.
pub(crate) fn time(text: &[u8]) -> Option<Clock> {
    let mut cursor = Cursor { rest: text };
    let clock = cursor.clock()?;
    cursor.rest.is_empty().then_some(clock)
}

/// Parses a time with time zone, such as `12:34:56.789012+05:30`, and converts it to UTC.
pub(crate) fn time_tz(text: &[u8]) -> Option<Clock> {
    let mut cursor = Cursor { rest: text };
    let clock = cursor.clock()?;
    let (sign, rest) = cursor.rest.split_first()?;
    cursor.rest = rest;
    let mut seconds = i64::from(cursor.two_digits()?) * 3600;
    for unit in [60, 1] {
        if cursor.take(b':').is_some() {
            seconds += i64::from(cursor.two_digits()?) * unit;
        }
    }
    let offset = match sign {
        b'+' => seconds,
        b'-' => -seconds,
        _ => return None,
    };
    cursor.rest.is_empty().then(|| Clock::from_micros(clock.micros_of_day() - offset * 1_000_000))
}

/// Parses a timestamp without time zone.
pub(crate) fn timestamp(text: &[u8]) -> Option<Bounded<(Date, Clock)>> {
    bounded(text, |cursor| cursor.date_and_clock(b""))
}

/// Parses a timestamp with time zone; the session's time zone is UTC.
pub(crate) fn timestamp_tz(text: &[u8]) -> Option<Bounded<(Date, Clock)>> {
    bounded(text, |cursor| cursor.date_and_clock(b"+00"))
}

fn bounded<T>(text: &[u8], parse: impl FnOnce(&mut Cursor<'_>) -> Option<T>) -> Option<Bounded<T>> {
    match text {
        b"infinity" => Some(Bounded::Infinity),
        b"-infinity" => Some(Bounded::MinusInfinity),
        _ => {
            let mut cursor = Cursor { rest: text };
            let value = parse(&mut cursor)?;
            cursor.rest.is_empty().then_some(Bounded::Finite(value))
        }
    }
}

impl Date {
    fn before_christ(self) -> Self {
        Self { year: 1 - self.year, ..self }
    }
}

/// The rest of a text.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn take(&mut self, expected: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == expected).then(|| self.rest = rest)
    }

    fn two_digits(&mut self) -> Option<u32> {
        let [tens @ b'0'..=b'9', units @ b'0'..=b'9', rest @ ..] = self.rest else { return None };
        self.rest = rest;
        Some(u32::from(tens - b'0') * 10 + u32::from(units - b'0'))
    }

    /// Takes all digits that follow, of which there may be `max` at most; returns their number too.
    fn digits(&mut self, max: usize) -> Option<(u32, usize)> {
        let mut number = 0;
        let mut count = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            if count == max {
                return None;
            }
            number = number * 10 + u32::from(digit - b'0');
            count += 1;
            self.rest = rest;
        }
        Some((number, count))
    }

    fn date(&mut self) -> Option<Date> {
        let (year, count) = self.digits(7)?;
        self.take(b'-')?;
        let month = self.two_digits()?;
        self.take(b'-')?;
        let day = self.two_digits()?;
        let is_valid = count >= 4 && (1..=12).contains(&month) && (1..=31).contains(&day);
        is_valid.then_some(Date { year: i64::from(year), month, day })
    }

    fn clock(&mut self) -> Option<Clock> {
        let hours = self.two_digits()?;
        self.take(b':')?;
        let minutes = self.two_digits()?;
        self.take(b':')?;
        let seconds = self.two_digits()?;
        let mut micros = 0;
        if self.take(b'.').is_some() {
            let (fraction, count) = self.digits(6)?;
            micros = fraction * 10u32.pow(6u32.checked_sub(count as u32)?);
        }
        let clock = Clock { hours, minutes, seconds, micros };
        let is_valid = minutes < 60 && seconds <= 60 && clock.micros_of_day() <= DAY_MICROS;
        is_valid.then_some(clock)
    }

    fn take_era(&mut self) -> bool {
        let rest = self.rest.strip_prefix(b" BC");
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn date_and_clock(&mut self, zone: &[u8]) -> Option<(Date, Clock)> {
        let date = self.date()?;
        self.take(b' ')?;
        let clock = self.clock()?;
        self.rest = self.rest.strip_prefix(zone)?;
        Some((if self.take_era() { date.before_christ() } else { date }, clock))
    }
}
