//! Restricts results to what a caller may read: the one place where groups are left out of results. Lists,
//! searches, exports, changes and imports go through [`Registry::visible_groups`], [`Registry::is_visible`]
//! or [`Registry::check_create`]; a server gets its registry for a request from [`Registry::authorized_by`].
//!
//! A registry without an [`Authorizer`] belongs to a program in the same process: it has all rights, and its
//! page tokens are the positions themselves.

use crate::authorizer::Authorizer;
use crate::error::{invalid_page_token, invalid_position};
use crate::keys;
use crate::page_token::{PageTokenCipher, new_key};
use crate::records;
use crate::registry::Registry;
use bytes::Bytes;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{Condition, Entry, TableChange};
use std::sync::Arc;

/// Groups examined for one page, visible or not.
const MAX_EXAMINED: usize = 10_000;
/// Groups read at a time where some may be invisible.
const READ_BATCH: usize = 200;

/// Groups of a list, with their entries.
pub(crate) struct VisibleGroups {
    pub(crate) groups: Vec<(GroupId, Entry)>,
    /// The key after which the list continues; `None` at its end.
    pub(crate) next: Option<Bytes>,
}

impl Registry {
    /// Returns this registry restricted to a caller's rights: lists, searches, exports and changes contain
    /// what the caller may read, and page tokens are encrypted. Access to a group that a request names is
    /// checked by the server before.
    #[must_use]
    pub fn authorized_by(&self, authorizer: Arc<dyn Authorizer>) -> Self {
        let mut restricted = self.clone();
        restricted.authorizer = Some(authorizer);
        restricted
    }

    /// Returns whether results may contain a group.
    pub(crate) fn is_visible(&self, group: &GroupId) -> bool {
        self.authorizer.as_ref().is_none_or(|authorizer| authorizer.can_read(group))
    }

    /// Returns whether results may contain a namespace.
    pub(crate) fn is_namespace_visible(&self, namespace: &str) -> bool {
        self.authorizer.as_ref().is_none_or(|authorizer| authorizer.can_list_namespace(namespace))
    }

    /// Checks the right to create a group.
    ///
    /// # Errors
    /// `Denied` when the caller may not create it, and so may not learn whether it exists.
    pub(crate) fn check_create(&self, group: &GroupId) -> RegistryResult<()> {
        let Some(authorizer) = &self.authorizer else { return Ok(()) };
        authorizer
            .check_create(group)
            .map_err(|missing| RegistryError::new(RegistryErrorKind::Denied, missing))
    }

    /// Returns the visible groups whose keys have a prefix and come after a key: `limit` of them, or fewer
    /// where
    /// [`MAX_EXAMINED`] groups were examined.
    pub(crate) async fn visible_groups(
        &self,
        prefix: &[u8],
        after: Option<Bytes>,
        limit: usize,
    ) -> RegistryResult<VisibleGroups> {
        let (mut groups, mut examined, mut last) = (Vec::new(), 0, after);
        loop {
            // one more shows whether there is a next page
            let wanted = (limit + 1).saturating_sub(groups.len()).max(1);
            let wanted = if self.authorizer.is_some() { wanted.max(READ_BATCH) } else { wanted };
            let entries = self.table.page(prefix, last.clone(), wanted).await?;
            let is_last = entries.len() < wanted;
            examined += entries.len();
            for entry in entries {
                last = Some(entry.key.clone());
                let Some(id) = keys::parse_group(&entry.key) else { continue };
                if self.is_visible(&id) {
                    groups.push((id, entry));
                }
            }
            if groups.len() > limit {
                groups.truncate(limit);
                let next = groups.last().map(|(_, last)| last.key.clone());
                return Ok(VisibleGroups { groups, next });
            }
            if is_last {
                return Ok(VisibleGroups { groups, next: None });
            }
            if examined >= MAX_EXAMINED {
                return Ok(VisibleGroups { groups, next: last });
            }
        }
    }

    /// Returns the position in a page token of `query`; empty for the first page.
    pub(crate) async fn open_token(&self, query: &[&str], token: &str) -> RegistryResult<String> {
        let Some(authorizer) = &self.authorizer else { return Ok(token.to_owned()) };
        if token.is_empty() {
            return Ok(String::new());
        }
        let position = self.token_cipher().await?.open(&[query, &[authorizer.principal()]].concat(), token);
        position.ok_or_else(|| invalid_page_token(query.first().copied().unwrap_or_default(), token))
    }

    /// Returns the page token of a position in `query`, valid for this caller only.
    pub(crate) async fn seal_token(
        &self,
        query: &[&str],
        next: Option<String>,
    ) -> RegistryResult<Option<String>> {
        let (Some(authorizer), Some(position)) = (&self.authorizer, &next) else { return Ok(next) };
        self.token_cipher().await?.seal(&[query, &[authorizer.principal()]].concat(), position).map(Some)
    }

    /// Returns the page token after a group in the list of its namespace, for a list that must have a token
    /// after its last page.
    ///
    /// # Errors
    /// `Unavailable` or `Failed` when the store fails.
    pub async fn page_token_after(&self, group: &GroupId) -> RegistryResult<String> {
        let token = self.seal_token(&["groups", &group.namespace], Some(group.name.clone())).await?;
        Ok(token.unwrap_or_default())
    }

    /// Encrypts a position in the changelog. Every caller may use it, for any time, and sees what it may read
    /// from there on; the number of changes that it may not read stays secret.
    pub(crate) async fn seal_position(&self, position: String) -> RegistryResult<String> {
        if self.authorizer.is_none() {
            return Ok(position);
        }
        self.token_cipher().await?.seal(&["changes"], &position)
    }

    /// Decrypts a position in the changelog.
    pub(crate) async fn open_position(&self, position: &str) -> RegistryResult<String> {
        if self.authorizer.is_none() {
            return Ok(position.to_owned());
        }
        self.token_cipher().await?.open(&["changes"], position).ok_or_else(|| invalid_position(position))
    }

    /// Returns the cipher with the key from the store; the first caller creates the key. Where nothing can be
    /// written (a full disk), returns a cipher with a key of this process until something can.
    async fn token_cipher(&self) -> RegistryResult<Arc<PageTokenCipher>> {
        if let Some(cipher) = self.token_ciphers.stored() {
            return Ok(cipher);
        }
        let key = loop {
            let stored =
                self.table.record::<String>("the key of page tokens", &keys::page_token_key()).await?;
            if let Some((key, _)) = stored {
                break key;
            }
            let record = records::encode(&new_key()?);
            let put = TableChange::put(&self.table.id, keys::page_token_key(), Condition::Absent, record);
            // when another process has created the key meanwhile, the next turn of the loop reads it
            if self.table.commit(vec![put], Vec::new()).await.is_err() {
                return self.token_ciphers.local();
            }
        };
        Ok(self.token_ciphers.set_stored(PageTokenCipher::new(&key)?))
    }
}
