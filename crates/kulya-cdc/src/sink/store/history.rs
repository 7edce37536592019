//! The history of a source's schemas in the table of positions: a text, split into entries of a bounded size
//! that are replaced together.

use crate::{CdcError, CdcErrorKind, CdcResult};
use kulya_store::{Condition, StreamStore, TableChange, TableId};
use std::sync::Arc;

/// The maximum size of an entry, in bytes.
const ENTRY_BYTES: usize = 256 << 10;

/// Returns the key of an entry. Names of captures have no zero character.
fn key(name: &str, index: usize) -> String {
    format!("{name}\0history\0{index}")
}

/// Returns the number of entries of a history.
pub(super) fn entries(history: &str) -> usize {
    history.len().div_ceil(ENTRY_BYTES)
}

/// Returns the changes that replace a history of `stored` entries. The position, which is changed with them,
/// has the condition.
pub(super) fn changes(table: &TableId, name: &str, history: &str, stored: usize) -> Vec<TableChange> {
    let chunks = history.as_bytes().chunks(ENTRY_BYTES).enumerate();
    let put = chunks
        .map(|(index, chunk)| TableChange::put(table, key(name, index), Condition::Any, chunk.to_vec()));
    let obsolete = entries(history)..stored;
    let remove = obsolete.map(|index| TableChange::remove(table, key(name, index), Condition::Any));
    put.chain(remove).collect()
}

/// Reads the history, and the number of its entries.
pub(super) async fn read(
    store: &dyn StreamStore,
    table: &TableId,
    name: &str,
) -> CdcResult<(Option<Arc<str>>, usize)> {
    let mut bytes = Vec::new();
    let mut count = 0;
    while let Some(entry) = store.get(table, key(name, count).as_bytes()).await? {
        bytes.extend_from_slice(&entry.value);
        count += 1;
    }
    if count == 0 {
        return Ok((None, 0));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let what = format!("the stored schema history of {name} is no text");
        CdcError::new(CdcErrorKind::Position, what).because(e)
    })?;
    Ok((Some(text.into()), count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::memory::MemoryStore;
    use kulya_store::{Commit, Scope};

    #[tokio::test]
    async fn histories_of_any_size_are_replaced() {
        let store = MemoryStore::new();
        let table = TableId::system("_kulya", "cdc").unwrap();
        store.create_scope(&Scope::system("_kulya")).await.unwrap();
        store.create_table(&table).await.unwrap();
        let mut stored = 0;
        for length in [3, 2 * ENTRY_BYTES + 1, ENTRY_BYTES, 1, 0] {
            let history = "ä".repeat(length / 2) + &"b".repeat(length % 2);
            store.commit(Commit::changes(changes(&table, "shop", &history, stored))).await.unwrap();
            let (found, entries) = read(&store, &table, "shop").await.unwrap();
            assert_eq!(found.as_deref().unwrap_or_default(), history, "{length}");
            assert_eq!(entries, length.div_ceil(ENTRY_BYTES));
            stored = entries;
        }
        assert_eq!(read(&store, &table, "sho").await.unwrap(), (None, 0));
    }
}
