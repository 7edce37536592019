//! The keeper: a thread beside the committer that does the [upkeep](crate::upkeep), now and then or when the bell rings.

use crate::bell::Rung;
use crate::index::Index;
use crate::store::{EmbeddedStore, Inner};
use kulya_store::{Error, ErrorKind, Result, StreamId, retain};
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// Time between two looks at the streams' retention.
const PAUSE: Duration = Duration::from_secs(30);
/// An end leaves no more of the log to be read at the next opening.
const UNREAD_BYTES: u64 = 4 << 20;

/// Starts the thread, which ends with the store.
pub(crate) fn start(inner: &Arc<Inner>) -> Result<()> {
    let bell = Arc::clone(&inner.bell);
    let store = Arc::downgrade(inner);
    let keep = move || {
        loop {
            let rung = bell.wait(PAUSE);
            let Some(inner) = Weak::upgrade(&store) else { return };
            // what fails is tried again the next time; nothing is lost meanwhile, only not given back
            let checkpoint = rung == Rung::Closed && is_worth_it(&inner);
            if let Err(error) = futures::executor::block_on(maintain(&inner, checkpoint)) {
                tracing::warn!("the store's upkeep failed and will be tried again: {error}");
                // each commit may ring, and what has failed will not be better a moment later
                bell.rest(PAUSE);
            }
            if rung == Rung::Closed {
                if let Err(error) = index(&inner).settle() {
                    tracing::warn!("the next opening takes longer: {error}");
                }
                return;
            }
        }
    };
    let keeper = std::thread::Builder::new().name("kulya-keep".into()).spawn(keep);
    let keeper =
        keeper.map_err(|e| Error::new(ErrorKind::Failed, "cannot start the keeper's thread").because(e))?;
    *inner.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    Ok(())
}

fn index(inner: &Inner) -> Arc<dyn Index> {
    Arc::clone(&inner.state.read().unwrap_or_else(PoisonError::into_inner).index)
}

/// Whether the next opening would have much to read.
fn is_worth_it(inner: &Inner) -> bool {
    let Ok(upkeep) = inner.upkeep.try_lock() else { return false };
    upkeep.unread() > UNREAD_BYTES
}

/// Applies retention, takes a checkpoint if it is due or asked for, and gives room back.
pub(crate) async fn maintain(inner: &Arc<Inner>, checkpoint: bool) -> Result<()> {
    let store = EmbeddedStore { _open: None, inner: Arc::clone(inner) };
    for stream in limited(inner) {
        match retain(&store, &stream, inner.clock.since_epoch()).await {
            // it was deleted meanwhile
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            done => drop(done?),
        }
    }
    let mut upkeep = inner.upkeep.lock().await;
    if upkeep.is_due() && (checkpoint || upkeep.is_crowded()) {
        let taken = upkeep.take();
        // the index must not know what the log could still lose
        store.sync().await?;
        upkeep.keep(taken)?;
    }
    upkeep.sweep()?;
    while let Some(gone) = upkeep.compact()? {
        let mut files = inner.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|number, _| !gone.contains(number));
    }
    Ok(())
}

/// The streams of which not everything is kept.
fn limited(inner: &Inner) -> Vec<StreamId> {
    let state = inner.state.read().unwrap_or_else(PoisonError::into_inner);
    let is_limited = |(_, stream): &(&StreamId, &crate::state::Stream)| {
        stream.retention.age.is_some() || stream.retention.bytes.is_some()
    };
    state.streams.iter().filter(is_limited).map(|(name, _)| name.clone()).collect()
}
