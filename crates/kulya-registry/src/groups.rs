//! Groups as wholes: one appears, and one goes with all that hangs on it.

use crate::feed;
use crate::keys;
use crate::records::{self, Head};
use crate::registry::Registry;
use crate::table::{TRIES, contended};
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::ChangeEvent;
use kulya_schema::GroupId;
use kulya_store::{Condition, TableChange};

/// Whose turn is everybody's who makes a group: they all count up the incarnations.
fn every() -> GroupId {
    GroupId::new("", "")
}

/// Records removed in one commit.
const SWEPT: usize = 500;

impl Registry {
    /// An incarnation that nobody else has.
    pub(crate) async fn new_incarnation(&self) -> RegistryResult<u64> {
        let _turn = self.memory.turn(&every()).await;
        for _ in 0..TRIES {
            let (incarnation, change) = self.next_incarnation().await?;
            if self.table.change(vec![change], Vec::new()).await? {
                return Ok(incarnation);
            }
        }
        Err(contended("the list of groups"))
    }

    async fn next_incarnation(&self) -> RegistryResult<(u64, TableChange)> {
        let last = self.table.record::<u64>("the incarnations", &keys::incarnations()).await?;
        let (incarnation, condition) = match last {
            Some((last, version)) => (last + 1, Condition::At(version)),
            None => (0, Condition::Absent),
        };
        let record = records::write(&incarnation);
        Ok((incarnation, TableChange::put(&self.table.id, keys::incarnations(), condition, record)))
    }

    /// Makes a group with a head of a new incarnation; `false` when there was one of that name.
    pub(crate) async fn make_group(
        &self,
        group: &GroupId,
        event: ChangeEvent,
        head: impl Fn(u64) -> Head,
    ) -> RegistryResult<bool> {
        let _turn = self.memory.turn(&every()).await;
        for _ in 0..TRIES {
            if self.table.entry(&keys::group(group)).await?.is_some() {
                return Ok(false);
            }
            let (incarnation, next) = self.next_incarnation().await?;
            if self.put_group(group, event.clone(), &head(incarnation), vec![next]).await? {
                return Ok(true);
            }
        }
        Err(contended("the list of groups"))
    }

    /// One try to let a group appear; `false` when there is one of that name, or `more` does not hold.
    pub(crate) async fn put_group(
        &self,
        group: &GroupId,
        event: ChangeEvent,
        head: &Head,
        mut more: Vec<TableChange>,
    ) -> RegistryResult<bool> {
        let (key, record) = (keys::group(group), records::write(head));
        more.push(TableChange::put(&self.table.id, key, Condition::Absent, record));
        self.table.change(more, vec![feed::line(group, event, self.now_ms())]).await
    }

    /// Removes a group; also fine when there is none.
    pub(crate) async fn remove_group(&self, group: &GroupId) -> RegistryResult<()> {
        for _ in 0..TRIES {
            let Some(entry) = self.table.entry(&keys::group(group)).await? else { return Ok(()) };
            let head: Head = records::read(&format!("group {group}"), &entry.value)?;
            let remove = TableChange::remove(&self.table.id, entry.key, Condition::At(entry.version));
            let line = feed::line(group, ChangeEvent::GroupDeleted, self.now_ms());
            if self.table.change(vec![remove], vec![line]).await? {
                return self.sweep(head.incarnation).await;
            }
        }
        Err(contended(format!("group {group}")))
    }

    /// Removes what hung on an incarnation. Nobody reads it any more, so it does no harm that a process which ends here
    /// leaves a part of it behind.
    pub(crate) async fn sweep(&self, incarnation: u64) -> RegistryResult<()> {
        for prefix in keys::of_incarnation(incarnation) {
            loop {
                let entries = self.table.page(&prefix, None, SWEPT).await?;
                let is_last = entries.len() < SWEPT;
                let remove = |entry: kulya_store::Entry| {
                    TableChange::remove(&self.table.id, entry.key, Condition::Any)
                };
                let changes: Vec<TableChange> = entries.into_iter().map(remove).collect();
                if !changes.is_empty() {
                    self.table.change(changes, Vec::new()).await?;
                }
                if is_last {
                    break;
                }
            }
        }
        self.memory.versions.remove(&incarnation);
        Ok(())
    }
}
