//! What a caller sees of the registry: the one place where groups are left out. Whatever lists, searches, exports, follows
//! changes or imports goes through [`Registry::listed`], [`Registry::shows`] or [`Registry::may_make`]; a face has its
//! registry from [`Registry::seen_by`], and what it gives to its caller has passed here.
//!
//! A registry without a viewer is its owner's: a program in the same process, who sees everything and whose page tokens are
//! the positions themselves.

use crate::administration::no_page;
use crate::feed::no_place;
use crate::keys;
use crate::page_token::{Sealer, new_key};
use crate::records;
use crate::registry::Registry;
use bytes::Bytes;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{Condition, Entry, TableChange};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Groups looked at for one page, whether they are shown or not.
const MAX_LOOKED_AT: usize = 10_000;
/// Groups read at a time where some may be left out.
const READ_AT_A_TIME: usize = 200;

/// Somebody who asks, and what they may see.
pub trait Viewer: Send + Sync + 'static {
    /// Who it is. Page tokens are good for this one alone.
    fn name(&self) -> &str;
    /// Whether they may read a group, whether there is one or not.
    fn may_read(&self, group: &GroupId) -> bool;
    /// Whether they may see that a namespace has groups.
    fn may_see_namespace(&self, namespace: &str) -> bool;
    /// Whether they may make a group, and so learn whether there is one of that name.
    ///
    /// # Errors
    /// The right that is missing, in words.
    fn may_make(&self, group: &GroupId) -> Result<(), String>;
}

/// Groups of a list, with their entries, and where it goes on.
pub(crate) struct Listed {
    pub(crate) groups: Vec<(GroupId, Entry)>,
    /// The key behind which the list goes on; nothing when this is its end.
    pub(crate) next: Option<Bytes>,
}

impl Registry {
    /// The same registry as somebody sees it: lists, searches, exports and changes show what they may read, and page tokens
    /// tell nothing. Whether they may ask for a group that they name is asked before.
    #[must_use]
    pub fn seen_by(&self, viewer: Arc<dyn Viewer>) -> Self {
        let mut seen = self.clone();
        seen.viewer = Some(viewer);
        seen
    }

    /// Whether a group is shown.
    pub(crate) fn shows(&self, group: &GroupId) -> bool {
        self.viewer.as_ref().is_none_or(|viewer| viewer.may_read(group))
    }

    /// Whether it is shown that a namespace has groups.
    pub(crate) fn shows_namespace(&self, namespace: &str) -> bool {
        self.viewer.as_ref().is_none_or(|viewer| viewer.may_see_namespace(namespace))
    }

    /// Refuses to make a group whose maker may not know whether it is there.
    pub(crate) fn may_make(&self, group: &GroupId) -> RegistryResult<()> {
        let Some(viewer) = &self.viewer else { return Ok(()) };
        viewer.may_make(group).map_err(|missing| RegistryError::new(RegistryErrorKind::Denied, missing))
    }

    /// The groups that are shown, of those whose keys begin with a prefix, behind a key: `limit` of them, or fewer where
    /// very many are left out.
    pub(crate) async fn listed(
        &self,
        prefix: &[u8],
        after: Option<Bytes>,
        limit: usize,
    ) -> RegistryResult<Listed> {
        let (mut groups, mut looked_at, mut behind) = (Vec::new(), 0, after);
        loop {
            // one more tells whether there is a next page
            let wanted = (limit + 1).saturating_sub(groups.len()).max(1);
            let wanted = if self.viewer.is_some() { wanted.max(READ_AT_A_TIME) } else { wanted };
            let entries = self.table.page(prefix, behind.clone(), wanted).await?;
            let is_last = entries.len() < wanted;
            looked_at += entries.len();
            for entry in entries {
                behind = Some(entry.key.clone());
                let Some(id) = keys::group_of(&entry.key) else { continue };
                if self.shows(&id) {
                    groups.push((id, entry));
                }
            }
            if groups.len() > limit {
                groups.truncate(limit);
                let next = groups.last().map(|(_, last)| last.key.clone());
                return Ok(Listed { groups, next });
            }
            if is_last {
                return Ok(Listed { groups, next: None });
            }
            if looked_at >= MAX_LOOKED_AT {
                return Ok(Listed { groups, next: behind });
            }
        }
    }

    /// The position of a page token: nothing for the first page.
    pub(crate) async fn opened(&self, asked: &[&str], token: &str) -> RegistryResult<String> {
        let Some(viewer) = &self.viewer else { return Ok(token.to_owned()) };
        if token.is_empty() {
            return Ok(String::new());
        }
        let opened = self.sealer().await?.open(&[asked, &[viewer.name()]].concat(), token);
        opened.ok_or_else(|| no_page(asked.first().copied().unwrap_or_default(), token))
    }

    /// The page token of a position.
    pub(crate) async fn sealed(
        &self,
        asked: &[&str],
        next: Option<String>,
    ) -> RegistryResult<Option<String>> {
        let (Some(viewer), Some(position)) = (&self.viewer, &next) else { return Ok(next) };
        self.sealer().await?.seal(&[asked, &[viewer.name()]].concat(), position).map(Some)
    }

    /// The token behind a group in the list of its namespace: for a list that must go on behind its last page.
    ///
    /// # Errors
    /// The store fails.
    pub async fn token_behind(&self, group: &GroupId) -> RegistryResult<String> {
        let token = self.sealed(&["groups", &group.namespace], Some(group.name.clone())).await?;
        Ok(token.unwrap_or_default())
    }

    /// A place in the feed of changes, as a follower is told it: good for every caller, who may follow for years and sees
    /// what they may read, and telling nobody how much there is of what they may not.
    pub(crate) async fn sealed_place(&self, place: String) -> RegistryResult<String> {
        if self.viewer.is_none() {
            return Ok(place);
        }
        self.sealer().await?.seal(&["changes"], &place)
    }

    /// The place that was told.
    pub(crate) async fn opened_place(&self, place: &str) -> RegistryResult<String> {
        if self.viewer.is_none() {
            return Ok(place.to_owned());
        }
        self.sealer().await?.open(&["changes"], place).ok_or_else(|| no_place(place))
    }

    /// Seals by the key in the store; the first who needs it makes it. Where nothing can be written (a full disk) a key of
    /// this process's own does, until one can.
    async fn sealer(&self) -> RegistryResult<Arc<Sealer>> {
        if let Some(known) = self.sealers.stored.get() {
            return Ok(Arc::clone(known));
        }
        let key = loop {
            let stored = self.table.record::<String>("the key of page tokens", &keys::page_key()).await?;
            if let Some((key, _)) = stored {
                break key;
            }
            let record = records::write(&new_key()?);
            let put = TableChange::put(&self.table.id, keys::page_key(), Condition::Absent, record);
            // somebody else's may be there when ours is refused: it is read
            if self.table.change(vec![put], Vec::new()).await.is_err() {
                return self.sealers.own();
            }
        };
        let sealer = Arc::new(Sealer::new(&key)?);
        Ok(Arc::clone(self.sealers.stored.get_or_init(|| sealer)))
    }
}

/// What seals page tokens, once it is known.
#[derive(Default)]
pub(crate) struct Sealers {
    /// By the key in the store.
    stored: OnceLock<Arc<Sealer>>,
    /// By one of this process alone.
    own: Mutex<Option<Arc<Sealer>>>,
}

impl Sealers {
    fn own(&self) -> RegistryResult<Arc<Sealer>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = &*own {
            return Ok(Arc::clone(own));
        }
        let made = Arc::new(Sealer::new(&new_key()?)?);
        *own = Some(Arc::clone(&made));
        Ok(made)
    }
}
