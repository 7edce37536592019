//! Lanes: each is a writer of this client's own, whose calls follow one another: [`Lanes`]. A call that changes
//! something takes a free one, so that side by side there are as many lanes as calls, and numbers rise on each.

use super::Network;
use crate::random_id;
use kulya_store::{WriterId, WriterMark};
use kulya_wire::v1;
use std::sync::{Arc, Mutex, PoisonError};

/// The lanes that no call is on. The last one used is taken first, so that they stay few.
pub(super) struct Lanes {
    free: Mutex<Vec<(u128, u64)>>,
    network: Option<Arc<dyn Network>>,
}

/// A lane for one call; then it is free again.
pub(super) struct Lane<'a> {
    lanes: &'a Lanes,
    id: u128,
    number: u64,
}

impl Lanes {
    /// Of a client on this network, or the machine's.
    pub(super) fn new(network: Option<Arc<dyn Network>>) -> Self {
        Self { free: Mutex::default(), network }
    }

    pub(super) fn take(&self) -> Lane<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (id, last) = free
            .unwrap_or_else(|| (self.network.as_ref().map_or_else(random_id, |network| network.draw()), 0));
        Lane { lanes: self, id, number: last + 1 }
    }
}

impl Lane<'_> {
    /// What tells the server that a call is a repetition.
    pub(super) fn call(&self) -> Option<v1::Call> {
        let lane = self.id.to_be_bytes().to_vec().into();
        Some(v1::Call { lane, number: self.number })
    }

    /// What tells the store.
    pub(super) fn mark(&self) -> WriterMark {
        WriterMark { writer: WriterId(self.id), event_number: self.number }
    }
}

/// A caller that goes away leaves its call behind; that is no harm, the next one has a higher number.
impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.free.lock().unwrap_or_else(PoisonError::into_inner).push((self.id, self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_on_a_lane_and_calls_side_by_side_have_their_own() {
        let lanes = Lanes::new(None);
        let first = lanes.take().mark();
        let second = lanes.take();
        assert_eq!((second.id, second.number), (first.writer.0, first.event_number + 1));
        let third = lanes.take();
        assert_ne!(third.id, second.id);
    }
}
