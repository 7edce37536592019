//! What a chunk contains of the log.

/// The transactions that a chunk contains.
pub(crate) trait Cut: Send + 'static {
    /// A transaction of the log.
    type Transaction: Clone + PartialEq + Send;
    /// A place in the log.
    type Place;
    /// What was streamed before the chunk was requested.
    type Streamed: Send;

    /// Returns whether the chunk has the changes of a transaction for certain.
    fn contains(&self, transaction: &Self::Transaction) -> bool;

    /// Returns whether the log before a place has everything that the chunk contains.
    fn is_passed(&self, place: &Self::Place) -> bool;

    /// Returns whether the chunk has everything that was streamed before. A server may send a transaction
    /// before others see its changes; then the chunk must be read again.
    fn includes(&self, streamed: &Self::Streamed) -> bool;
}
