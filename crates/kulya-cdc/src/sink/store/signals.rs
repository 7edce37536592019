//! The signals that wait for a capture, in the table of positions.

use super::positions::{create_table, signals_key, value};
use crate::signal::{SignalQueue, SignalRecord};
use crate::{CdcError, CdcErrorKind, CdcResult};
use kulya_store::{Commit, Condition, ErrorKind, StreamStore, TableChange, Version};

/// The number of attempts to change the signals while others change them.
const MAX_ATTEMPTS: usize = 10;

/// Returns the signals and their version. Creates nothing.
///
/// # Errors
/// `Store`, also when they cannot be parsed; `Unreachable`.
pub(crate) async fn read(store: &dyn StreamStore, name: &str) -> CdcResult<Option<(SignalQueue, Version)>> {
    let Some((value, version)) = value(store, &signals_key(name)).await? else { return Ok(None) };
    let queue = serde_json::from_slice(&value).map_err(|e| {
        let what = format!("the stored signals of {name} cannot be parsed");
        CdcError::new(CdcErrorKind::Store, what).because(e)
    })?;
    Ok(Some((queue, version)))
}

/// Adds a signal; the first one has a number behind `start`. Returns all that wait, and whether it was added:
/// one with its id may have been lately.
///
/// # Errors
/// `Configuration` when too many wait; `Store`, `Unreachable`; `Fenced` when others change them all the time.
pub(crate) async fn add(
    store: &dyn StreamStore,
    name: &str,
    signal: SignalRecord,
    start: u64,
) -> CdcResult<(SignalQueue, bool)> {
    let add = |queue: &mut SignalQueue| {
        queue.start_at(start);
        queue.add(signal.clone())
    };
    change(store, name, add).await
}

/// Removes the signals up to a number.
///
/// # Errors
/// As [`add`].
pub(crate) async fn remove_executed(store: &dyn StreamStore, name: &str, number: u64) -> CdcResult<()> {
    change(store, name, |queue| Ok(queue.remove_executed(number))).await.map(drop)
}

/// Changes the signals. Returns them, and whether they have changed.
async fn change(
    store: &dyn StreamStore,
    name: &str,
    change: impl Fn(&mut SignalQueue) -> Result<bool, crate::signal::SignalError>,
) -> CdcResult<(SignalQueue, bool)> {
    for _ in 0..MAX_ATTEMPTS {
        let found = read(store, name).await?;
        let condition = found.as_ref().map_or(Condition::Absent, |(_, version)| Condition::At(*version));
        let mut queue = found.map(|(queue, _)| queue).unwrap_or_default();
        let is_changed = change(&mut queue).map_err(|error| CdcError::configuration(error.to_string()))?;
        if !is_changed {
            return Ok((queue, false));
        }
        let value = serde_json::to_vec(&queue)
            .map_err(|e| CdcError::new(CdcErrorKind::Store, "the signals cannot be stored").because(e))?;
        let table = create_table(store).await?;
        let change = TableChange::put(&table, signals_key(name), condition, value);
        match store.commit(Commit::changes(vec![change])).await {
            Ok(_) => return Ok((queue, true)),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
        }
    }
    let what = format!("the signals of {name} are changed by others all the time: try again");
    Err(CdcError::new(CdcErrorKind::Fenced, what))
}
