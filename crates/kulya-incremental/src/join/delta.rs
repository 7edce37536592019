//! The changes of one side of a join in a tick, and the rows of a side that a tick touches.

use super::side::Side;
use crate::consolidate::NetChanges;
use crate::error::Result;
use crate::event_time::milliseconds;
use crate::expression::{ExpressionRef, evaluate, evaluate_all};
use crate::key_table::Slot;
use crate::row_codec::{EncodedRows, RowCodec, any_null};
use crate::tick::{Batch, Tick};
use arrow_schema::SchemaRef;

/// The net changes of one side, with their keys.
pub(super) struct Delta {
    pub(super) batch: Batch,
    pub(super) net: NetChanges,
    pub(super) keys: EncodedRows,
    /// Rows with a key, and their net weights.
    pub(super) keyed: Vec<(u32, i64)>,
    /// Rows with null in their key, which match nothing.
    pub(super) unkeyed: Vec<(u32, i64)>,
    times: Option<Vec<i64>>,
}

/// How the rows of one side are read.
pub(super) struct Input<'a> {
    pub(super) schema: &'a SchemaRef,
    pub(super) keys: &'a [ExpressionRef],
    pub(super) key_codec: &'a RowCodec,
    /// None if only keys count.
    pub(super) row_codec: Option<&'a RowCodec>,
    pub(super) time: Option<&'a ExpressionRef>,
    pub(super) nulls_are_equal: bool,
}

impl Delta {
    /// None if nothing came.
    pub(super) fn read(input: &Input<'_>, tick: &Tick) -> Result<Option<Self>> {
        let Some(batch) = tick.concat(input.schema)? else { return Ok(None) };
        let count = batch.weights().len();
        let key_columns = evaluate_all(input.keys, batch.rows())?;
        let keys = input.key_codec.encode(&key_columns, count)?;
        let net = match input.row_codec {
            Some(codec) => NetChanges::of(&batch, codec)?,
            None => NetChanges::of_rows(input.key_codec.encode(&key_columns, count)?, batch.weights()),
        };
        let times = match input.time {
            None => None,
            Some(time) => Some(milliseconds(&evaluate(time, batch.rows())?)?),
        };
        let (unkeyed, keyed) = net
            .changes
            .iter()
            .partition(|(row, _)| !input.nulls_are_equal && any_null(&key_columns, *row as usize));
        Ok(Some(Self { batch, net, keys, keyed, unkeyed, times }))
    }

    pub(super) fn key(&self, row: u32) -> &[u8] {
        self.keys.row(row as usize)
    }

    /// Drops late rows: all up to the time, or retractions of rows that are forgotten. Returns the number of
    /// late rows.
    pub(super) fn drop_late(&mut self, until: i64, drops_all: bool, side: &Side) -> u64 {
        let is_late = |row: u32| self.time(row) <= until;
        let count = self.keyed.iter().chain(&self.unkeyed).filter(|(row, _)| is_late(*row)).count();
        let is_forgotten = |row: u32, weight: i64| weight < 0 && side.find(self.net.row(row)).is_none();
        let keyed = self.keyed.iter().copied();
        let keyed =
            keyed.filter(|(row, weight)| !is_late(*row) || !(drops_all || is_forgotten(*row, *weight)));
        let unkeyed = self.unkeyed.iter().copied().filter(|(row, _)| !drops_all || !is_late(*row));
        (self.keyed, self.unkeyed) = (keyed.collect(), unkeyed.collect());
        count as u64
    }

    /// The event time of a row, 0 for a side without.
    pub(super) fn time(&self, row: u32) -> i64 {
        self.times.as_ref().map_or(0, |times| times[row as usize])
    }
}

/// Rows that a tick touches, with what they had before, in the order of the first touch.
#[derive(Default)]
pub(super) struct Touched {
    seen: hashbrown::HashSet<Slot>,
    /// The row, its weight and its matches.
    pub(super) rows: Vec<(Slot, i64, i64)>,
}

impl Touched {
    pub(super) fn note(&mut self, row: Slot, weight: i64, matches: i64) {
        if self.seen.insert(row) {
            self.rows.push((row, weight, matches));
        }
    }
}
