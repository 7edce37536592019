//! The table of positions, which all captures of a store share: the position of a capture under its name, its
//! history of schemas, the mark that it is paused, and the signals that wait for it.

use super::history;
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position};
use kulya_store::{Commit, Condition, ErrorKind, Scope, StreamStore, TableChange, TableId, Version};

/// The value of a mark.
const PAUSED: &[u8] = br#"{"paused":true}"#;
/// The number of attempts to change a mark that others change at the same time.
const MAX_ATTEMPTS: usize = 10;

/// What a store has of a capture.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCapture {
    /// The capture's name.
    pub name: String,
    /// The position; `None` before the first commit.
    pub position: Option<Position>,
    /// Whether the capture is paused.
    pub is_paused: bool,
}

/// Returns the table of positions.
pub(super) fn table() -> CdcResult<TableId> {
    Ok(TableId::system("_kulya", "cdc")?)
}

/// Creates the table of positions, if it does not exist.
pub(super) async fn create_table(store: &dyn StreamStore) -> CdcResult<TableId> {
    store.create_scope(&Scope::system("_kulya")).await?;
    let table = table()?;
    store.create_table(&table).await?;
    Ok(table)
}

/// Returns the key of the mark of a paused capture. Names of captures have no zero character.
fn paused_key(name: &str) -> String {
    format!("{name}\0paused")
}

/// Returns the key of the signals that wait for a capture.
pub(super) fn signals_key(name: &str) -> String {
    format!("{name}\0signals")
}

/// Returns the value of a key; `None` in a store without captures.
pub(super) async fn value(store: &dyn StreamStore, key: &str) -> CdcResult<Option<(Vec<u8>, Version)>> {
    match store.get(&table()?, key.as_bytes()).await {
        Ok(entry) => Ok(entry.map(|entry| (entry.value.to_vec(), entry.version))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the stored position of a capture, its history and the version of the position. Creates nothing.
///
/// # Errors
/// `Position` when it cannot be parsed; `Store`, `Unreachable`.
pub(crate) async fn read(
    store: &dyn StreamStore,
    name: &str,
) -> CdcResult<Option<(Checkpoint, Version, usize)>> {
    let Some((value, version)) = value(store, name).await? else { return Ok(None) };
    let position = parse(name, &value)?;
    let (history, entries) = history::read(store, &table()?, name).await?;
    Ok(Some((Checkpoint { position, history }, version, entries)))
}

fn parse(name: &str, value: &[u8]) -> CdcResult<Position> {
    serde_json::from_slice(value).map_err(|e| {
        let what = format!("the stored position of {name} cannot be parsed");
        CdcError::new(CdcErrorKind::Position, what).because(e)
    })
}

/// Removes the position of a capture and its history. Returns the position, if there was one.
///
/// # Errors
/// `Fenced` when the capture has stored another position meanwhile: it runs. `Position`, `Store`,
/// `Unreachable`.
pub(crate) async fn remove(store: &dyn StreamStore, name: &str) -> CdcResult<Option<Position>> {
    let Some((checkpoint, version, entries)) = read(store, name).await? else { return Ok(None) };
    let table = table()?;
    let mut changes = vec![TableChange::remove(&table, name.to_owned(), Condition::At(version))];
    changes.extend(history::changes(&table, name, "", entries));
    // they were for tables as they were
    let signals = signals_key(name);
    if let Some((_, version)) = value(store, &signals).await? {
        changes.push(TableChange::remove(&table, signals, Condition::At(version)));
    }
    store.commit(Commit::changes(changes)).await?;
    Ok(Some(checkpoint.position))
}

/// Returns whether a capture is paused. Creates nothing.
///
/// # Errors
/// `Store`, `Unreachable`.
pub(crate) async fn is_paused(store: &dyn StreamStore, name: &str) -> CdcResult<bool> {
    Ok(value(store, &paused_key(name)).await?.is_some())
}

/// Marks a capture as paused, or removes the mark. Returns whether it was not so before.
///
/// # Errors
/// `Store`, `Unreachable`; `Fenced` when others change it all the time.
pub(crate) async fn set_paused(store: &dyn StreamStore, name: &str, is_paused: bool) -> CdcResult<bool> {
    let key = paused_key(name);
    for attempt in 1.. {
        let found = value(store, &key).await?;
        let change = match (found, is_paused) {
            (Some((_, version)), false) => {
                TableChange::remove(&table()?, key.clone(), Condition::At(version))
            }
            (None, true) => {
                let table = create_table(store).await?;
                TableChange::put(&table, key.clone(), Condition::Absent, PAUSED.to_vec())
            }
            _ => return Ok(false),
        };
        match store.commit(Commit::changes(vec![change])).await {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict && attempt < MAX_ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Lists the captures of which a store has a position or a mark, in name order. Creates nothing.
///
/// # Errors
/// `Position` when a position cannot be parsed; `Store`, `Unreachable`.
pub async fn stored_captures(store: &dyn StreamStore) -> CdcResult<Vec<StoredCapture>> {
    let mut captures = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let entry = match store.scan(&table()?, b"", after.as_deref(), 1).await {
            Ok(entries) => entries.into_iter().next(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let Some(entry) = entry else { return Ok(captures) };
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        let name = key.split('\0').next().unwrap_or_default().to_owned();
        let position = match value(store, &name).await? {
            Some((value, _)) => Some(parse(&name, &value)?),
            None => None,
        };
        let is_paused = is_paused(store, &name).await?;
        // beyond the other keys of the name
        after = Some([name.as_bytes(), b"\0\xff"].concat());
        captures.push(StoredCapture { name, position, is_paused });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::memory::MemoryStore;

    const POSITION: &str = r#"{"system":"1","database":"d","slot":"s","lsn":1}"#;

    async fn put(store: &MemoryStore, name: &str, history: &str) {
        let table = create_table(store).await.unwrap();
        let mut changes = history::changes(&table, name, history, 0);
        changes.push(TableChange::put(&table, name.to_owned(), Condition::Any, POSITION.as_bytes()));
        store.commit(Commit::changes(changes)).await.unwrap();
    }

    #[tokio::test]
    async fn captures_are_listed_paused_and_removed() {
        let store = MemoryStore::new();
        assert_eq!(stored_captures(&store).await.unwrap(), []);
        assert!(!is_paused(&store, "shop").await.unwrap());
        assert!(remove(&store, "shop").await.unwrap().is_none());
        put(&store, "shop", "a history").await;
        put(&store, "market", "").await;
        for (is_paused, is_changed) in
            [(true, true), (true, false), (false, true), (false, false), (true, true)]
        {
            assert_eq!(set_paused(&store, "shop", is_paused).await.unwrap(), is_changed, "{is_paused}");
        }
        assert!(set_paused(&store, "shop2", true).await.unwrap());
        let list = async || {
            let found = stored_captures(&store).await.unwrap();
            let text = |c: StoredCapture| format!("{} {} {}", c.name, c.position.is_some(), c.is_paused);
            found.into_iter().map(text).collect::<Vec<_>>()
        };
        assert_eq!(list().await, ["market true false", "shop true true", "shop2 false true"]);
        assert!(remove(&store, "shop").await.unwrap().is_some());
        assert!(read(&store, "shop").await.unwrap().is_none());
        assert_eq!(history::read(&store, &table().unwrap(), "shop").await.unwrap(), (None, 0));
        // the mark stays, so that the capture does not start again by itself
        assert_eq!(list().await, ["market true false", "shop false true", "shop2 false true"]);
    }
}
