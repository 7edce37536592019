//! PostgreSQL's dates and times: parsers of their text in ISO format, and the numbers and texts that events
//! have for them. The arithmetic is on integers in the proleptic Gregorian calendar and covers PostgreSQL's
//! range, which is wider than that of date libraries.

pub(crate) mod epoch;
pub(crate) mod format;
pub(crate) mod interval;
pub(crate) mod parse;

/// The microseconds of a day.
pub(crate) const DAY_MICROS: i64 = 86_400_000_000;
