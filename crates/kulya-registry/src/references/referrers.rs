//! The index of references: which live versions refer to a version, so that it is not deleted under them.
//!
//! An entry is written and removed by the commits that add and delete the referring version. A deletion of a
//! whole group removes its entries after the group: an entry counts only if its group has the incarnation in
//! the entry's key.

use crate::error::{invalid_page_token, missing_record, not_found, unless_deleted};
use crate::keys;
use crate::paging::{MAX_ITEMS, page_limit};
use crate::records::{self, ReferrerRecord};
use crate::registry::Registry;
use bytes::{BufMut, Bytes, BytesMut};
use kulya_registry_api::administration::{Page, PageRequest, Referrer};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::GroupId;
use kulya_store::{Entry, hex};
use std::collections::HashMap;

/// Entries read at a time.
const READ_BATCH: usize = 200;

/// An entry of the index.
struct IndexEntry {
    /// The id of the version that is referred to.
    id: u32,
    incarnation: u64,
    referrer: ReferrerRecord,
}

/// The incarnations of groups, each read once.
#[derive(Default)]
struct Incarnations(HashMap<GroupId, Option<u64>>);

impl Incarnations {
    /// Returns whether the group of an entry still exists.
    async fn is_live(&mut self, registry: &Registry, entry: &IndexEntry) -> RegistryResult<bool> {
        let group = &entry.referrer.group;
        let incarnation = match self.0.get(group) {
            Some(known) => *known,
            None => {
                let snapshot = unless_deleted(registry.snapshot(group).await)?;
                let incarnation = snapshot.map(|snapshot| snapshot.record.incarnation);
                self.0.insert(group.clone(), incarnation);
                incarnation
            }
        };
        Ok(incarnation == Some(entry.incarnation))
    }
}

fn decode(entry: &Entry) -> RegistryResult<IndexEntry> {
    const WHAT: &str = "a reference between schemas";
    let (id, incarnation) = keys::parse_referrer(&entry.key).ok_or_else(|| missing_record(WHAT))?;
    Ok(IndexEntry { id, incarnation, referrer: records::decode(WHAT, &entry.value)? })
}

impl Registry {
    /// Checks that no live version refers to a version.
    ///
    /// # Errors
    /// `Referenced`, with the name of one that does.
    pub(crate) async fn check_schema_unreferenced(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.check_unreferenced(group, keys::referrers(group, id), None).await
    }

    /// Checks that no live version of another group refers to a version of a group, whose
    /// incarnation is given.
    ///
    /// # Errors
    /// `Referenced`, with the name of one that does.
    pub(crate) async fn check_group_unreferenced(
        &self,
        group: &GroupId,
        incarnation: u64,
    ) -> RegistryResult<()> {
        self.check_unreferenced(group, keys::group_referrers(group), Some(incarnation)).await
    }

    async fn check_unreferenced(
        &self,
        group: &GroupId,
        prefix: Bytes,
        own_incarnation: Option<u64>,
    ) -> RegistryResult<()> {
        let (mut after, mut incarnations) = (None, Incarnations::default());
        loop {
            let entries = self.table.page(&prefix, after.take(), READ_BATCH).await?;
            for entry in &entries {
                let entry = decode(entry)?;
                if Some(entry.incarnation) == own_incarnation || !incarnations.is_live(self, &entry).await? {
                    continue;
                }
                let IndexEntry { id, referrer: ReferrerRecord { group: other, version }, .. } = entry;
                let by = match self.is_visible(&other) {
                    true => format!("schema {} of group {other} refers to it", version.id),
                    false => "a schema of a group that you may not read refers to it".to_owned(),
                };
                let what = format!(
                    "schema {id} of group {group} is in use: {by}; delete that first, or force the deletion"
                );
                return Err(RegistryError::new(RegistryErrorKind::Referenced, what));
            }
            match entries.last() {
                Some(last) if entries.len() == READ_BATCH => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// Returns a page of the live versions that refer to a version and that the caller may see.
    pub(crate) async fn referrers_page(
        &self,
        group: &GroupId,
        id: u32,
        page: &PageRequest,
    ) -> RegistryResult<Page<Referrer>> {
        if id >= self.snapshot(group).await?.record.schemas {
            return Err(not_found(format!("schema {id} of group {group} does not exist")));
        }
        const LIST: &str = "referring schemas";
        let (limit, number, prefix) = (page_limit(page), id.to_string(), keys::referrers(group, id));
        let query = [LIST, group.namespace.as_str(), group.name.as_str(), number.as_str()];
        let token = self.open_token(&query, &page.after).await?;
        let mut after = match token.as_str() {
            "" => None,
            token => {
                let rest = hex::decode(token.as_bytes()).ok_or_else(|| invalid_page_token(LIST, token))?;
                let mut key = BytesMut::from(prefix.as_ref());
                key.put_slice(&rest);
                Some(key.freeze())
            }
        };
        let (mut items, mut examined, mut incarnations) = (Vec::new(), 0, Incarnations::default());
        loop {
            let entries = self.table.page(&prefix, after.clone(), READ_BATCH).await?;
            let is_last = entries.len() < READ_BATCH;
            for entry in entries {
                if items.len() == limit || examined >= MAX_ITEMS {
                    let position = after.as_deref().and_then(|key| key.get(prefix.len()..)).map(hex::encode);
                    return Ok(Page { items, next: self.seal_token(&query, position).await? });
                }
                examined += 1;
                let decoded = decode(&entry)?;
                if self.is_visible(&decoded.referrer.group) && incarnations.is_live(self, &decoded).await? {
                    let ReferrerRecord { group: GroupId { namespace, name }, version } = decoded.referrer;
                    items.push(Referrer { namespace, group: name, version_info: version });
                }
                after = Some(entry.key);
            }
            if is_last {
                return Ok(Page { items, next: None });
            }
        }
    }
}
