//! What a function keeps of all groups.

use crate::entry::Reader;
use crate::error::Result;
use crate::key_table::Slot;
use arrow_array::ArrayRef;

/// Changes of groups: parallel slices, one item per row.
pub(super) struct Update<'a> {
    /// The group of each row.
    pub(super) groups: &'a [Slot],
    /// The weight of each row, 0 for one that FILTER leaves out.
    pub(super) weights: &'a [i64],
    /// The argument.
    pub(super) argument: Option<&'a ArrayRef>,
    /// The columns to order by.
    pub(super) order: &'a [ArrayRef],
}

/// An entry of a group that changed: the group, the entry's bytes, and its new weight.
pub(super) type EntryChange<'a> = dyn FnMut(Slot, &[u8], i64) + 'a;

/// The values of a function for groups, which are numbers.
pub(super) trait Accumulator: Send {
    /// Makes room for this many groups, the new ones empty.
    fn grow(&mut self, slots: usize);

    /// Applies changes. Those of single entries are reported, to be stored one by one.
    fn update(&mut self, update: &Update<'_>, changed: &mut EntryChange<'_>) -> Result<()>;

    /// Checks, after all changes of a tick, what may not be before its end.
    fn end_tick(&mut self) -> Result<()> {
        Ok(())
    }

    /// The result for each of the groups.
    fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef>;

    /// Makes a group empty.
    fn clear(&mut self, group: Slot);

    /// Writes what a group has besides entries.
    fn write(&self, _group: Slot, _out: &mut Vec<u8>) {}

    /// Reads what [`Self::write`] wrote.
    fn read(&mut self, _group: Slot, _input: &mut Reader<'_>) -> Result<()> {
        Ok(())
    }

    /// Passes on the entries of a group with their weights.
    fn entries(&self, _group: Slot, _sink: &mut dyn FnMut(&[u8], i64)) {}

    /// Takes an entry back; weight 0 removes it.
    fn restore_entry(&mut self, _group: Slot, _entry: &[u8], _weight: i64) -> Result<()> {
        Err(crate::error::Problem::state("an entry belongs to a function that has none"))
    }

    /// The memory in bytes.
    fn size_bytes(&self) -> usize;
}
