//! Session slots, as in NFSv4.1: sequences of numbered calls by which the server recognizes a retry.
//!
//! A call that changes state takes a free slot and returns it when it ends. Calls of a slot are sequential
//! and their numbers increase, so a client has as many slots as it had concurrent calls. A slot's id is also
//! the writer id of commits that have none. On the wire a slot is called `lane`.

use super::network::Network;
use crate::random::random_id;
use kulya_store::{WriterId, WriterMark};
use kulya_wire::v1;
use std::sync::{Arc, Mutex, PoisonError};

/// The free session slots of a client. The one used last is taken first, which keeps their number low.
pub(super) struct SessionSlots {
    /// Slot ids with their last call numbers.
    free: Mutex<Vec<(u128, u64)>>,
    network: Option<Arc<dyn Network>>,
}

/// A session slot reserved for one call; dropping it returns the slot.
pub(super) struct SessionSlot<'a> {
    slots: &'a SessionSlots,
    id: u128,
    number: u64,
}

impl SessionSlots {
    /// Draws slot ids from the network, or from the operating system.
    pub(super) fn new(network: Option<Arc<dyn Network>>) -> Self {
        Self { free: Mutex::default(), network }
    }

    pub(super) fn take(&self) -> SessionSlot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (id, last) = free.unwrap_or_else(|| {
            (self.network.as_ref().map_or_else(random_id, |network| network.random_id()), 0)
        });
        SessionSlot { slots: self, id, number: last + 1 }
    }
}

impl SessionSlot<'_> {
    /// Returns the call's identity, by which the server recognizes a retry.
    pub(super) fn call(&self) -> Option<v1::Call> {
        let lane = self.id.to_be_bytes().to_vec().into();
        Some(v1::Call { lane, number: self.number })
    }

    /// Returns the call's identity as a writer mark, by which the store recognizes a retry.
    pub(super) fn writer_mark(&self) -> WriterMark {
        WriterMark { writer: WriterId(self.id), event_number: self.number }
    }
}

/// A cancelled call may still run at the server; that is harmless, because the slot's next call has a higher
/// number.
impl Drop for SessionSlot<'_> {
    fn drop(&mut self) {
        self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).push((self.id, self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_increase_in_a_slot_and_concurrent_calls_have_their_own() {
        let slots = SessionSlots::new(None);
        let first = slots.take().writer_mark();
        let second = slots.take();
        assert_eq!((second.id, second.number), (first.writer.0, first.event_number + 1));
        let third = slots.take();
        assert_ne!(third.id, second.id);
    }
}
