//! Splitting of events into parts that are staged in the journal one by one.

use crate::block::SegmentBatch;
use crate::layout::{BatchLayout, LayoutCache, StreamLayouts};
use kulya_store::{Append, framing};

/// The maximum size of a part in bytes, unless one event is larger.
const PART_BYTES: usize = 2 << 20;

/// Events split into parts, each of which is one request.
pub(crate) struct StagedParts {
    pub(crate) parts: Vec<Vec<SegmentBatch>>,
    /// All batches in one list, in the order in which they are appended to their segments.
    pub(crate) layout: BatchLayout,
}

/// Splits events into parts that fit into a block.
pub(crate) fn split(appends: &[Append], layouts: &StreamLayouts, cache: &LayoutCache) -> StagedParts {
    let mut staged = StagedParts { parts: Vec::new(), layout: BatchLayout::default() };
    let mut rest = appends;
    while !rest.is_empty() {
        let mut size = 0;
        let fitting = rest.iter().take_while(|append| {
            size += framing::HEADER_BYTES + append.event.len();
            size <= PART_BYTES
        });
        let (part, later) = rest.split_at(fitting.count().max(1));
        let layout = cache.assign(part, layouts);
        let first = staged.layout.batches.len();
        let positions = layout.positions.into_iter().map(|(batch, offset)| (first + batch, offset));
        staged.layout.positions.extend(positions);
        staged.layout.segments.extend(layout.segments);
        staged.layout.batches.extend(layout.batches.iter().cloned());
        staged.parts.push(layout.batches);
        rest = later;
    }
    staged
}
