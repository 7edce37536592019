//! The maintenance lease: one process at a time maintains a store. A lease is a log record with a higher
//! epoch than the one before; records of maintenance under an older epoch are rejected.

use crate::log_client::LogClient;
use crate::plan::{Request, Response};
use crate::state::DATA_BIT;
use kulya_store::{Error, ErrorKind, Result};

/// The duration of a lease, in milliseconds; each step of maintenance renews it.
pub(crate) const LEASE_MS: u64 = 60_000;
/// The bits of the sequence number in the number of a data object: the maximum count per lease.
const SEQUENCE_BITS: u32 = 20;

/// The lease that this process holds or held last.
#[derive(Default)]
pub(crate) struct Lease {
    epoch: u64,
    /// Counts the data objects of this epoch.
    sequence: u64,
    /// Whether data objects may exist that no log record names.
    pub(crate) has_orphans: bool,
}

impl Lease {
    /// Acquires or keeps the lease; `false` when another process holds it.
    pub(crate) async fn acquire(&mut self, client: &LogClient) -> Result<bool> {
        let settings = &client.journal.bucket.settings;
        let now = client.journal.bucket.now().as_millis() as u64;
        let current = client.journal.with_state(|state| state.lease)?;
        let is_ours = current.instance() == settings.instance && current.epoch == self.epoch;
        if is_ours && current.until > now + LEASE_MS / 2 {
            return Ok(true);
        }
        let request = Request::Lease { instance: settings.instance, until: now + LEASE_MS };
        let Response::Id(epoch) = client.submit(request).await? else { return Ok(false) };
        // the last holder may have put objects that it did not record, and this process may not remember its
        // own
        self.has_orphans |= current.until != 0 || self.epoch == 0;
        (self.epoch, self.sequence) = (epoch, 0);
        Ok(true)
    }

    /// Returns the epoch of the lease.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the number for the next data object.
    ///
    /// # Errors
    /// `Failed` when the lease has no numbers left.
    pub(crate) fn next_data(&mut self) -> Result<u64> {
        self.sequence += 1;
        if self.sequence >> SEQUENCE_BITS != 0 {
            return Err(Error::new(
                ErrorKind::Failed,
                "maintenance lease has no data object numbers left: the next pass takes a new lease",
            ));
        }
        Ok(DATA_BIT | self.epoch << SEQUENCE_BITS | self.sequence)
    }

    /// Returns whether a data object was put under an older lease.
    pub(crate) fn is_older(&self, object: u64) -> bool {
        (object & !DATA_BIT) >> SEQUENCE_BITS < self.epoch
    }
}
