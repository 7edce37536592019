//! The responses of recent calls, so that a client that lost a response can retry the call and get it:
//! [`ReplayCache`].
//!
//! A client numbers the calls of a session slot upwards, with one call at a time (as NFSv4.1 does). A call
//! that arrives twice runs once; the second request waits for the same response. The cache is lost with the
//! process: what must survive it is the writer's mark in the commit itself, which the store keeps.

use futures::future::{BoxFuture, FutureExt, Shared};
use kulya_store::{Error, ErrorKind, Result, supervision};
use kulya_wire::{error, id_of, v1};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tonic::Status;

/// Slots in the cache, and bytes of their responses, not counting the newest one. The least recently used
/// slots are evicted.
const MAX_SLOTS: usize = 16_384;
const MAX_BYTES: usize = 64 << 20;

/// The response of a call that changes something.
#[derive(Clone)]
pub(super) enum CallResponse {
    /// Whether it was done now.
    Applied(bool),
    /// The result of a commit.
    Committed(Arc<v1::Committed>),
}

impl CallResponse {
    /// The approximate bytes in memory.
    fn bytes(&self) -> usize {
        match self {
            Self::Applied(_) => 0,
            Self::Committed(committed) => {
                let pointers = committed.pointers.as_ref().map_or(0, |pointers| pointers.offset.len());
                pointers * 16 + committed.versions.len() * 8
            }
        }
    }
}

type CallResult = std::result::Result<CallResponse, v1::ErrorDetail>;
/// The result of a call that runs or has run.
type SharedCall = Shared<BoxFuture<'static, CallResult>>;

/// The cache.
#[derive(Default)]
pub(super) struct ReplayCache(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    slots: HashMap<u128, Slot>,
    /// The slots in the order of their last call.
    order: BTreeMap<u64, u128>,
    calls: u64,
    bytes: usize,
}

struct Slot {
    /// The number of its last call.
    number: u64,
    /// Its key in the order.
    last_call: u64,
    bytes: usize,
    call: SharedCall,
}

impl ReplayCache {
    /// Runs a call once. It runs to its end even if its client disconnects.
    pub(super) async fn run_once(
        self: &Arc<Self>,
        call: Option<v1::Call>,
        run: impl Future<Output = Result<CallResponse>> + Send + 'static,
    ) -> std::result::Result<CallResponse, Status> {
        let Some(call) = call else {
            return run.await.map_err(|error| error::status(&error));
        };
        let id = id_of("session slot", &call.lane).map_err(|error| error::status(&error))?;
        self.join(id, call.number, run)?.await.map_err(error::detail_status)
    }

    /// Returns the call of this number, which is started unless it runs or has run.
    fn join(
        self: &Arc<Self>,
        id: u128,
        number: u64,
        run: impl Future<Output = Result<CallResponse>> + Send + 'static,
    ) -> std::result::Result<SharedCall, Status> {
        let mut slots = self.slots();
        match slots.slots.get(&id) {
            Some(slot) if slot.number == number => return Ok(slot.call.clone()),
            // the client has given up waiting for it
            Some(slot) if slot.number > number => {
                let what = format!(
                    "call {number} of a session slot is older than {}: nothing was done",
                    slot.number
                );
                return Err(error::status(&Error::invalid(what)));
            }
            _ => {}
        }
        let this = Arc::clone(self);
        let running = supervision::spawn_logged("gRPC call", async move {
            let result = run.await.map_err(|error| error::detail(&error));
            if let Ok(response) = &result {
                this.slots().set_bytes(id, number, response.bytes());
            }
            result
        });
        let panicked = || error::detail(&Error::new(ErrorKind::Failed, "the call panicked in the server"));
        let call = running
            .map(move |result| result.ok().flatten().unwrap_or_else(|| Err(panicked())))
            .boxed()
            .shared();
        slots.insert(id, number, call.clone());
        Ok(call)
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn insert(&mut self, id: u128, number: u64, call: SharedCall) {
        self.remove(id);
        self.calls += 1;
        self.order.insert(self.calls, id);
        self.slots.insert(id, Slot { number, last_call: self.calls, bytes: 0, call });
        self.evict();
    }

    fn set_bytes(&mut self, id: u128, number: u64, bytes: usize) {
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.number == number) {
            slot.bytes = bytes;
            self.bytes += bytes;
            self.evict();
        }
    }

    fn evict(&mut self) {
        while self.slots.len() > MAX_SLOTS || (self.bytes > MAX_BYTES && self.slots.len() > 1) {
            let Some((_, &oldest)) = self.order.first_key_value() else { return };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, id: u128) {
        if let Some(slot) = self.slots.remove(&id) {
            self.order.remove(&slot.last_call);
            self.bytes -= slot.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::oneshot;

    fn call(slot: u128, number: u64) -> Option<v1::Call> {
        Some(v1::Call { lane: slot.to_be_bytes().to_vec().into(), number })
    }

    #[tokio::test]
    async fn a_call_runs_once_and_all_retries_get_its_response() {
        let (cache, runs) = (Arc::new(ReplayCache::default()), Arc::new(AtomicU64::new(0)));
        let (release, released) = oneshot::channel::<()>();
        let released = released.shared();
        let send = |number| {
            let (runs, released) = (Arc::clone(&runs), released.clone());
            cache.run_once(call(1, number), async move {
                runs.fetch_add(1, Ordering::Relaxed);
                let _ = released.await;
                Ok(CallResponse::Applied(true))
            })
        };
        // the first client disconnects before there is a response
        assert!(send(5).now_or_never().is_none());
        let second = send(5);
        release.send(()).unwrap();
        assert!(matches!(second.await, Ok(CallResponse::Applied(true))));
        assert!(matches!(send(5).await, Ok(CallResponse::Applied(true))));
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert!(send(4).await.is_err(), "an older call is rejected");
        assert!(send(6).await.is_ok());
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn errors_are_cached_and_slots_are_bounded() {
        let cache = Arc::new(ReplayCache::default());
        let fail = async { Err(Error::sealed("s/t")) };
        let first = cache.run_once(call(0, 1), fail).await.err().unwrap();
        let retried =
            cache.run_once(call(0, 1), async { Ok(CallResponse::Applied(true)) }).await.err().unwrap();
        assert_eq!(error::carried(&first).unwrap().kind(), error::carried(&retried).unwrap().kind());
        for slot in 1..=MAX_SLOTS as u128 {
            assert!(cache.run_once(call(slot, 1), async { Ok(CallResponse::Applied(true)) }).await.is_ok());
        }
        let slots = cache.slots();
        assert_eq!((slots.slots.len(), slots.order.len()), (MAX_SLOTS, MAX_SLOTS));
        assert!(!slots.slots.contains_key(&0), "the least recently used slot is evicted");
    }

    #[tokio::test]
    async fn large_responses_are_bounded_together() {
        let cache = Arc::new(ReplayCache::default());
        for slot in 0..10u128 {
            let versions = vec![0; MAX_BYTES / 8 / 4];
            let committed = Arc::new(v1::Committed { versions, ..v1::Committed::default() });
            let result =
                cache.run_once(call(slot, 1), async move { Ok(CallResponse::Committed(committed)) }).await;
            assert!(result.is_ok());
        }
        let slots = cache.slots();
        assert!(slots.bytes <= MAX_BYTES && slots.slots.len() == 4, "{}", slots.slots.len());
    }
}
