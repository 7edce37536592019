//! The extents of a segment that are not in the index yet. The last ones are as they are; those before are
//! packed into the blocks that the next checkpoint writes to the index, since the commit of a large
//! transaction adds an extent for each 16 KiB of its events.

use crate::extent::Extent;
use crate::index::{self, BLOCK_EXTENTS};

/// Extents in order of `start` and without gaps; while compacted files are read, out of order and with gaps.
#[derive(Debug, Default)]
pub(crate) struct RecentExtents {
    blocks: Vec<Block>,
    /// Those after the blocks: adjacent, of one log file, and no more than a block has.
    last: Vec<Extent>,
}

/// A block of adjacent extents of one log file.
#[derive(Debug)]
struct Block {
    start: u64,
    end: u64,
    /// The time of the last extent.
    time: u64,
    packed: Box<[u8]>,
}

impl Block {
    fn new(extents: &[Extent]) -> Option<Self> {
        let (first, last) = (extents.first()?, extents.last()?);
        let packed = index::pack(extents).into_boxed_slice();
        Some(Self { start: first.start, end: last.end(), time: last.time, packed })
    }

    fn extents(&self) -> Vec<Extent> {
        index::unpack(self.start, &self.packed).expect("the block was packed here")
    }
}

impl RecentExtents {
    /// Adds an extent, whose end must not overflow.
    pub(super) fn push(&mut self, extent: Extent) {
        let is_next = |last: &Extent| last.file == extent.file && last.end() == extent.start;
        if self.last.len() == BLOCK_EXTENTS || !self.last.last().is_none_or(is_next) {
            self.blocks.extend(Block::new(&self.last));
            self.last.clear();
        }
        self.last.push(extent);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.last.is_empty()
    }

    /// Returns the first offset.
    pub(super) fn start(&self) -> Option<u64> {
        let first = self.blocks.first().map(|block| block.start);
        first.or_else(|| self.last.first().map(|extent| extent.start))
    }

    /// Returns the offset after all extents; 0 if there are none.
    pub(crate) fn end(&self) -> u64 {
        let ends = self.blocks.iter().map(|block| block.end).chain(self.last.last().map(Extent::end));
        ends.max().unwrap_or_default()
    }

    /// Iterates over the extents from the one that contains `offset` on.
    pub(super) fn at(&self, offset: u64) -> impl Iterator<Item = Extent> + '_ {
        let first = self.blocks.partition_point(|block| block.end <= offset);
        self.extents_of(first).skip_while(move |extent| extent.end() <= offset)
    }

    /// Returns the first extent that was committed at or after a time.
    pub(super) fn first_since(&self, time: u64) -> Option<Extent> {
        let first = self.blocks.partition_point(|block| block.time < time);
        self.extents_of(first).find(|extent| extent.time >= time)
    }

    /// Iterates over the extents from block `first` on.
    fn extents_of(&self, first: usize) -> impl Iterator<Item = Extent> + '_ {
        let blocks = self.blocks.get(first..).unwrap_or_default();
        blocks.iter().flat_map(Block::extents).chain(self.last.iter().copied())
    }

    /// Iterates over the extents as blocks of the index, each with its start.
    pub(crate) fn index_blocks(&self) -> impl Iterator<Item = (u64, Vec<u8>)> + '_ {
        let last = self.last.first().map(|first| (first.start, index::pack(&self.last)));
        self.blocks.iter().map(|block| (block.start, block.packed.to_vec())).chain(last)
    }

    /// Iterates over the extents and removes them, one block in memory at a time.
    pub(super) fn into_extents(self) -> impl Iterator<Item = Extent> {
        self.blocks.into_iter().flat_map(|block| block.extents()).chain(self.last)
    }

    /// Drops the extents that end at or before `offset`.
    pub(super) fn drop_before(&mut self, offset: u64) {
        self.blocks.retain(|block| block.end > offset);
        self.remove_before(offset, |_| {});
    }

    /// Removes the extents that end at or before `offset`, and passes each to `removed`.
    pub(super) fn remove_before(&mut self, offset: u64, mut removed: impl FnMut(&Extent)) {
        self.blocks.retain_mut(|block| {
            if block.start >= offset {
                return true;
            }
            let mut extents = block.extents();
            extents.extract_if(.., |extent| extent.end() <= offset).for_each(|extent| removed(&extent));
            let rest = Block::new(&extents);
            rest.map(|rest| *block = rest).is_some()
        });
        self.last.extract_if(.., |extent| extent.end() <= offset).for_each(|extent| removed(&extent));
        self.blocks.shrink_to(2 * self.blocks.len());
        self.last.shrink_to(4 * self.last.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// Adds extents of these lengths, at some time later and perhaps in the next log file.
        Add { lengths: Vec<u32>, later: u64, is_next_file: bool },
        /// Removes the extents before a part of all offsets.
        Remove(f64),
        /// Drops them.
        Drop(f64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let lengths = prop::collection::vec(1u32..20_000, 1..400);
        prop_oneof![
            3 => (lengths, 0u64..3, any::<bool>())
                .prop_map(|(lengths, later, is_next_file)| Step::Add { lengths, later, is_next_file }),
            1 => (0.0..1.0f64).prop_map(Step::Remove),
            1 => (0.0..1.0f64).prop_map(Step::Drop),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn extents_are_those_of_a_list(steps in prop::collection::vec(any_step(), 1..8)) {
            let (mut recent, mut list) = (RecentExtents::default(), Vec::<Extent>::new());
            let (mut tail, mut time, mut file, mut position) = (1000, 10, 0, 64);
            for step in steps {
                match step {
                    Step::Add { lengths, later, is_next_file } => {
                        time += later;
                        file += u32::from(is_next_file);
                        for length in lengths {
                            let checksum = length.wrapping_mul(0x9e37_79b9);
                            let extent = Extent { start: tail, time, file, position, length, checksum };
                            (tail, position) = (extent.end(), position + u64::from(length) + 33);
                            recent.push(extent);
                            list.push(extent);
                        }
                    }
                    Step::Remove(part) => {
                        let offset = (tail as f64 * part) as u64;
                        let mut removed = Vec::new();
                        recent.remove_before(offset, |extent| removed.push(*extent));
                        let expected: Vec<Extent> =
                            list.extract_if(.., |extent| extent.end() <= offset).collect();
                        prop_assert_eq!(removed, expected);
                    }
                    Step::Drop(part) => {
                        let offset = (tail as f64 * part) as u64;
                        recent.drop_before(offset);
                        list.retain(|extent| extent.end() > offset);
                    }
                }
                prop_assert_eq!(recent.is_empty(), list.is_empty());
                prop_assert_eq!(recent.start(), list.first().map(|extent| extent.start));
                prop_assert_eq!(recent.end(), list.last().map_or(0, Extent::end));
                for offset in [0, 1000, tail / 3, tail / 2, tail - 1, tail] {
                    let expected = list.iter().copied().filter(|extent| extent.end() > offset);
                    prop_assert!(recent.at(offset).eq(expected));
                }
                for since in 0..=time + 1 {
                    let expected = list.iter().find(|extent| extent.time >= since).copied();
                    prop_assert_eq!(recent.first_since(since), expected);
                }
                let unpack = |(start, packed): (u64, Vec<u8>)| {
                    let block = index::unpack(start, &packed).unwrap();
                    assert!(block.windows(2).all(|two| two[0].file == two[1].file));
                    assert!(block.len() <= BLOCK_EXTENTS);
                    block
                };
                let blocks: Vec<Extent> = recent.index_blocks().flat_map(unpack).collect();
                prop_assert_eq!(&blocks, &list);
            }
            prop_assert_eq!(recent.into_extents().collect::<Vec<_>>(), list);
        }
    }

    #[test]
    fn extents_out_of_order_are_blocks_without_gaps() {
        let mut recent = RecentExtents::default();
        for start in [100, 110, 0, 10, 30] {
            recent.push(Extent { start, length: 10, ..Extent::default() });
        }
        let starts: Vec<u64> = recent.index_blocks().map(|(start, _)| start).collect();
        assert_eq!(starts, [100, 0, 30]);
        assert_eq!(recent.end(), 120);
        let mut removed = Vec::new();
        recent.remove_before(20, |extent| removed.push(extent.start));
        assert_eq!(removed, [0, 10]);
        assert!(recent.into_extents().map(|extent| extent.start).eq([100, 110, 30]));
    }

    #[test]
    fn extents_of_a_large_transaction_take_13_bytes() {
        let mut recent = RecentExtents::default();
        for number in 0..90_000u64 {
            let (length, checksum) = (16_300, (number as u32).wrapping_mul(0x9e37_79b9));
            let (start, position) = (number * 16_300, 64 + number * 16_333);
            recent.push(Extent { start, time: 1_700_000_000_000, file: 0, position, length, checksum });
        }
        let bytes: usize = recent.blocks.iter().map(|block| size_of::<Block>() + block.packed.len()).sum();
        assert!(bytes <= 13 * 90_000, "{bytes} bytes");
    }
}
