//! The join with a table as it was at the event time of each row.

use super::{joined_batch, joined_schema};
use crate::entry::{Reader, put_bytes, put_signed, read_weight, signed};
use crate::error::{Problem, Result};
use crate::event_time::{self, milliseconds, time_prefix};
use crate::expression::{ExpressionRef, data_type, data_types, evaluate, evaluate_all};
use crate::operator::{EntrySink, Operator, State};
use crate::ordered_rows::{DirtyEntries, OrderedRows};
use crate::row_codec::{RowCodec, any_null};
use crate::tick::{Tick, lowest_watermark};
use arrow_array::{ArrayRef, BooleanArray, Int64Array};
use arrow_schema::{DataType, SchemaRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Joins each left row with the version of its key that was valid at the row's time, when the watermark of
/// both inputs is at that time.
///
/// The right input is the change log of a table with a unique key: a row with a positive weight is the
/// version of its key from its time on, one with a negative weight says that the key is deleted at its time.
/// (An update is one row: leave the old rows of updates out.) A version is kept as long as a left row may
/// still need it. Left rows are held until they are joined, and can be retracted until then; late ones are
/// counted, and joined with the versions that are left.
pub struct VersionedJoin {
    inputs: [SchemaRef; 2],
    schema: SchemaRef,
    keys: [Vec<ExpressionRef>; 2],
    times: [ExpressionRef; 2],
    keeps_unmatched: bool,
    key_codec: RowCodec,
    /// The time, whether there is a key, the key, and the row.
    left_codec: RowCodec,
    right_codec: RowCodec,
    waiting: OrderedRows,
    /// By key and then time, a version, or None where the key is deleted.
    versions: BTreeMap<Vec<u8>, Option<Box<[u8]>>>,
    /// Versions by time, until the one before each is of no use.
    recent: BTreeSet<(i64, Vec<u8>)>,
    version_bytes: usize,
    dirty: DirtyEntries,
    watermark: Option<i64>,
    late_rows: u64,
}

const WAITING: u8 = 1;
const VERSION: u8 = 2;
const TIME_LENGTH: usize = 9;

impl VersionedJoin {
    /// A join of rows whose keys are equal; the times are those of a left row and of a version.
    ///
    /// # Errors
    /// [`Problem::Input`] if the keys' types differ or a time is no timestamp, [`Problem::Unsupported`] if a
    /// column cannot be held.
    pub fn new(
        left: SchemaRef,
        right: SchemaRef,
        on: Vec<(ExpressionRef, ExpressionRef)>,
        times: [ExpressionRef; 2],
        keeps_unmatched: bool,
    ) -> Result<Self> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = on.into_iter().unzip();
        let key_types = data_types(&left_keys, &left)?;
        if key_types != data_types(&right_keys, &right)? {
            return Err(Problem::input("the keys of a join have the same types on both sides"));
        }
        event_time::check_type(&data_type(&times[0], &left)?)?;
        event_time::check_type(&data_type(&times[1], &right)?)?;
        let types = |schema: &SchemaRef| -> Vec<DataType> {
            schema.fields().iter().map(|field| field.data_type().clone()).collect()
        };
        let mut left_types = vec![DataType::Int64, DataType::Boolean];
        left_types.extend(key_types.iter().cloned());
        left_types.extend(types(&left));
        Ok(Self {
            schema: joined_schema(&left, &right),
            key_codec: RowCodec::new(key_types)?,
            left_codec: RowCodec::new(left_types)?,
            right_codec: RowCodec::new(types(&right))?,
            inputs: [left, right],
            keys: [left_keys, right_keys],
            times,
            keeps_unmatched,
            waiting: OrderedRows::new(false),
            versions: BTreeMap::new(),
            recent: BTreeSet::new(),
            version_bytes: 0,
            dirty: DirtyEntries::default(),
            watermark: None,
            late_rows: 0,
        })
    }

    fn apply_left(&mut self, tick: &Tick) -> Result<()> {
        let Some(batch) = tick.concat(&self.inputs[0])? else { return Ok(()) };
        let times = milliseconds(&evaluate(&self.times[0], batch.rows())?)?;
        self.late_rows += times.iter().filter(|time| Some(**time) <= self.watermark).count() as u64;
        let keys = evaluate_all(&self.keys[0], batch.rows())?;
        let has_key = (0..times.len()).map(|row| Some(!any_null(&keys, row)));
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(times.clone())), Arc::new(has_key.collect::<BooleanArray>())];
        columns.extend(keys);
        columns.extend(batch.rows().columns().iter().map(Arc::clone));
        let rows = self.left_codec.encode(&columns, times.len())?;
        let mut negative = Vec::new();
        for (row, weight) in rows.iter().zip(batch.weights()) {
            let dirty = &mut self.dirty;
            self.waiting.add(row, *weight, &mut |entry, new| {
                dirty.set([&[WAITING], entry].concat(), (new != 0).then(|| signed(new)));
                if new < 0 {
                    negative.push(entry.to_vec());
                }
            })?;
        }
        match negative.iter().any(|entry| self.waiting.weight(entry) < 0) {
            true => Err(Problem::NegativeWeight),
            false => Ok(()),
        }
    }

    fn apply_right(&mut self, tick: &Tick) -> Result<()> {
        let Some(batch) = tick.concat(&self.inputs[1])? else { return Ok(()) };
        let times = milliseconds(&evaluate(&self.times[1], batch.rows())?)?;
        let key_columns = evaluate_all(&self.keys[1], batch.rows())?;
        let keys = self.key_codec.encode(&key_columns, times.len())?;
        let rows = self.right_codec.encode(batch.rows().columns(), times.len())?;
        for (index, (time, weight)) in times.iter().zip(batch.weights()).enumerate() {
            if *weight != 0 && !any_null(&key_columns, index) {
                let row = (*weight > 0).then(|| rows.row(index));
                self.set_version(keys.row(index), *time, Some(row));
            }
        }
        Ok(())
    }

    /// Sets a version (a deletion is Some(None)), or forgets it.
    fn set_version(&mut self, key: &[u8], time: i64, version: Option<Option<&[u8]>>) {
        let version_key = [key, &time_prefix(time)].concat();
        let mut entry = vec![VERSION];
        put_signed(&mut entry, time);
        entry.extend_from_slice(key);
        self.dirty.set(entry, version.map(version_value));
        let size =
            |row: Option<&Option<Box<[u8]>>>| row.map_or(0, |row| row.as_ref().map_or(0, |row| row.len()));
        match version {
            Some(row) => {
                self.version_bytes += version_key.len() + row.map_or(0, <[u8]>::len);
                let old = self.versions.insert(version_key.clone(), row.map(Into::into));
                if old.is_some() {
                    self.version_bytes =
                        self.version_bytes.saturating_sub(version_key.len() + size(old.as_ref()));
                }
                self.recent.insert((time, key.to_vec()));
            }
            None => {
                let old = self.versions.remove(&version_key);
                self.version_bytes =
                    self.version_bytes.saturating_sub(version_key.len() + size(old.as_ref()));
            }
        }
    }

    /// The version of a key at a time.
    fn version(&self, key: &[u8], time: i64) -> Option<&[u8]> {
        let (version_key, row) = self.versions.range(..=[key, &time_prefix(time)].concat()).next_back()?;
        let is_of_key = version_key.len() == key.len() + TIME_LENGTH && version_key.starts_with(key);
        row.as_deref().filter(|_| is_of_key)
    }

    /// Forgets versions that no row at or behind the watermark needs.
    fn forget(&mut self, watermark: i64) {
        while let Some((time, _)) = self.recent.first()
            && *time <= watermark
            && let Some((time, key)) = self.recent.pop_first()
        {
            let version_key = [&key[..], &time_prefix(time)].concat();
            let is_before = |other: &Vec<u8>| other.len() == version_key.len() && other.starts_with(&key);
            while let Some((before, _)) = self.versions.range(..version_key.clone()).next_back()
                && is_before(before)
                && let Some(time) = event_time::first_time(&before[key.len()..])
            {
                self.set_version(&key, time, None);
            }
            // a deletion without a version before it says nothing
            if self.versions.get(&version_key).is_some_and(Option::is_none) {
                self.set_version(&key, time, None);
            }
        }
    }

    /// Joins the waiting rows up to the watermark.
    fn emit(&mut self, watermark: i64) -> Result<Tick> {
        let due = self
            .waiting
            .iter()
            .take_while(|(row, _)| event_time::first_time(row).is_some_and(|time| time <= watermark));
        let due: Vec<(Vec<u8>, i64)> = due.map(|(row, weight)| (row.to_vec(), weight)).collect();
        let (mut rows, mut found, mut indices, mut weights) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, weight) in &due {
            let time = event_time::first_time(row).unwrap_or_default();
            // behind the time: a byte that says it is there, and whether there is a key
            let has_key = row.get(TIME_LENGTH + 1) == Some(&1);
            let rest = row.get(TIME_LENGTH + 2..).unwrap_or_default();
            let key = &rest[..rest.len() - self.key_codec.check_prefix(rest)?.len()];
            let version = self.version(key, time).filter(|_| has_key);
            if version.is_none() && !self.keeps_unmatched {
                continue;
            }
            indices.push(version.map(|_| found.len() as u32));
            found.extend(version);
            rows.push(row.as_slice());
            weights.push(*weight);
        }
        let skipped = 2 + self.keys[0].len();
        let columns = self.left_codec.decode(rows)?.split_off(skipped);
        let right = self.right_codec.decode(found)?;
        let output = joined_batch(&self.schema, columns, &right, indices, weights)?;
        for (row, _) in due {
            self.waiting.set(&row, 0);
            self.dirty.set([&[WAITING], &row[..]].concat(), None);
        }
        self.forget(watermark);
        Ok(Tick::of_rows(Some(output), Some(watermark)))
    }
}

fn version_value(row: Option<&[u8]>) -> Vec<u8> {
    let mut value = vec![u8::from(row.is_some())];
    if let Some(row) = row {
        put_bytes(&mut value, row);
    }
    value
}

impl Operator for VersionedJoin {
    fn kind(&self) -> &'static str {
        "versioned join"
    }

    fn inputs(&self) -> &[SchemaRef] {
        &self.inputs
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        self.apply_left(&inputs[0])?;
        self.apply_right(&inputs[1])?;
        self.watermark = lowest_watermark(inputs);
        match self.watermark {
            Some(watermark) => self.emit(watermark),
            None => Ok(Tick::default()),
        }
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    fn restore_watermark(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.dirty.drain(&mut |_, _| {});
        Ok(())
    }
}

impl State for VersionedJoin {
    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes() + self.version_bytes + self.versions.len() * 80 + self.dirty.size_bytes()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        self.dirty.drain(sink);
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for (row, weight) in self.waiting.iter() {
            sink(&[&[WAITING], row].concat(), Some(&signed(weight)));
        }
        for (version_key, row) in &self.versions {
            let (key, time) = version_key.split_at(version_key.len() - TIME_LENGTH);
            let mut entry = vec![VERSION];
            put_signed(&mut entry, event_time::first_time(time).unwrap_or_default());
            entry.extend_from_slice(key);
            sink(&entry, Some(&version_value(row.as_deref())));
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let mut reader = Reader::new(key);
        match reader.byte()? {
            WAITING => {
                let row = reader.rest();
                self.left_codec.check(row)?;
                event_time::first_time(row).ok_or_else(|| Problem::state("a row has no time"))?;
                let weight = value.map_or(Ok(0), read_weight)?;
                self.waiting.set(row, weight);
                Ok(())
            }
            VERSION => {
                let (time, key) = (reader.signed()?, reader.rest());
                self.key_codec.check(key)?;
                let Some(value) = value else {
                    self.set_version(key, time, None);
                    return Ok(());
                };
                let mut value = Reader::new(value);
                let row = match value.byte()? {
                    0 => None,
                    _ => Some(value.bytes()?),
                };
                value.end()?;
                row.map_or(Ok(()), |row| self.right_codec.check(row))?;
                self.set_version(key, time, Some(row));
                Ok(())
            }
            other => Err(Problem::state(format!("there is no entry of kind {other}"))),
        }
    }
}
