//! Dates and timestamps of years that Arrow cannot print, such as PostgreSQL's `infinity` and its last year:
//! a column of a batch that has one becomes a column of texts, in the form that the other values have.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{
    DataType, Date32Type, Field, Schema, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};
use std::sync::Arc;

/// Days from 1970 on, in either direction, that Arrow prints.
const MAX_DAYS: u64 = 95_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// What Debezium writes for the date `infinity` and its opposite, in days.
const INFINITE_DAYS: [i64; 2] = [-2_147_472_692, -2_147_472_691];
/// And for timestamps without time zone, in microseconds.
const INFINITE_MICROS: [i64; 2] = [9_223_372_036_825_200_000, -9_223_372_036_832_400_000];
/// What the decoder of texts makes of them, for timestamps with time zone.
const INFINITE_INSTANTS: [i64; 2] = [i64::MAX, i64::MIN];
const INFINITIES: [&str; 2] = ["infinity", "-infinity"];

/// Returns the batch with texts in place of columns that cannot be printed; `None` if there are none.
pub(crate) fn printable(batch: &RecordBatch) -> Option<RecordBatch> {
    let texts: Vec<Option<ArrayRef>> = batch.columns().iter().map(|column| texts(column)).collect();
    if texts.iter().all(Option::is_none) {
        return None;
    }
    let mut fields = Vec::with_capacity(texts.len());
    let mut columns = Vec::with_capacity(texts.len());
    for ((field, column), text) in batch.schema().fields().iter().zip(batch.columns()).zip(texts) {
        let is_text = text.is_some();
        let kind = if is_text { DataType::Utf8 } else { field.data_type().clone() };
        fields.push(Field::new(field.name(), kind, field.is_nullable()));
        columns.push(text.unwrap_or_else(|| Arc::clone(column)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok()
}

/// Returns the texts of a column that cannot be printed.
fn texts(column: &ArrayRef) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().iter().map(|value| value.map(i64::from));
            of(days, |days| days, |days| infinity(days, &INFINITE_DAYS).unwrap_or_else(|| date(days)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().iter();
            let zone = zone.as_ref().map_or("", |_| "Z");
            of(micros, |micros| micros.div_euclid(MICROS_PER_DAY), |micros| timestamp(micros.into(), zone))
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let millis = column.as_primitive::<TimestampMillisecondType>().iter();
            let zone = zone.as_ref().map_or("", |_| "Z");
            let days = |millis: i64| millis.div_euclid(MICROS_PER_DAY / 1000);
            of(millis, days, |millis| timestamp(i128::from(millis) * 1000, zone))
        }
        _ => None,
    }
}

fn of(
    values: impl Iterator<Item = Option<i64>> + Clone,
    days: impl Fn(i64) -> i64,
    text: impl Fn(i64) -> String,
) -> Option<ArrayRef> {
    let is_extreme = |value: i64| days(value).unsigned_abs() > MAX_DAYS;
    values.clone().flatten().any(is_extreme).then_some(())?;
    let texts: StringArray = values.map(|value| value.map(&text)).collect();
    Some(Arc::new(texts))
}

fn infinity(value: i64, infinite: &[i64; 2]) -> Option<String> {
    let index = infinite.iter().position(|found| *found == value)?;
    INFINITIES.get(index).map(|text| (*text).to_owned())
}

fn timestamp(micros: i128, zone: &str) -> String {
    let per_day = i128::from(MICROS_PER_DAY);
    let infinite = if zone.is_empty() { &INFINITE_MICROS } else { &INFINITE_INSTANTS };
    if let Some(text) = i64::try_from(micros).ok().and_then(|micros| infinity(micros, infinite)) {
        return text;
    }
    let (days, rest) = (micros.div_euclid(per_day), micros.rem_euclid(per_day));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let fraction = match fraction {
        0 => String::new(),
        _ if fraction % 1000 == 0 => format!(".{:03}", fraction / 1000),
        _ => format!(".{fraction:06}"),
    };
    let date = date(i64::try_from(days).unwrap_or_default());
    format!("{date} {:02}:{:02}:{:02}{fraction}{zone}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns a date of the Gregorian calendar, extended in both directions; there is a year 0.
fn date(days: i64) -> String {
    // years begin in March, so that the leap day is the last one; eras have 400 years
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match (0..=9999).contains(&year) {
        true => format!("{year:04}-{month:02}-{day:02}"),
        false => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutputFormat, RowWriter};
    use arrow::array::{Date32Array, TimestampMicrosecondArray, TimestampMillisecondArray};
    use arrow::util::display::array_value_to_string;

    fn csv(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = RowWriter::new(&batch.schema(), OutputFormat::Csv).unwrap();
        let mut text = writer.write(&batch).unwrap();
        text.extend(writer.finish().unwrap());
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn extreme_times_are_printed_beside_others() {
        let days = Date32Array::from(vec![Some(-2_147_472_692), Some(2_145_042_905), Some(19_756), None]);
        let micros =
            vec![Some(9_223_372_036_825_200_000), Some(9_223_371_244_799_999_999), Some(500_000), None];
        let instants = TimestampMicrosecondArray::from(vec![Some(i64::MAX), Some(i64::MIN), Some(0), None]);
        let millis = TimestampMillisecondArray::from(vec![Some(i64::MAX), Some(1), Some(0), None]);
        assert_eq!(
            csv(vec![
                ("d", Arc::new(days)),
                ("t", Arc::new(TimestampMicrosecondArray::from(micros))),
                ("i", Arc::new(instants.with_timezone("+00:00"))),
                ("m", Arc::new(millis)),
            ]),
            "d,t,i,m\n\
             infinity,infinity,infinity,+292278994-08-17 07:12:55.807\n\
             +5874897-12-31,+294246-12-31 23:59:59.999999,-infinity,1970-01-01 00:00:00.001\n\
             2024-02-03,1970-01-01 00:00:00.500,1970-01-01 00:00:00Z,1970-01-01 00:00:00\n\
             ,,,\n"
        );
    }

    #[test]
    fn dates_are_those_of_arrow() {
        for value in
            [-95_000_000, -1_000_000, -719_529, -719_468, -1, 0, 59, 60, 11_016, 2_932_897, 95_000_000]
        {
            let array = Date32Array::from(vec![value]);
            assert_eq!(date(value.into()), array_value_to_string(&array, 0).unwrap());
        }
        assert!(printable(&RecordBatch::new_empty(Arc::new(Schema::empty()))).is_none());
    }
}
