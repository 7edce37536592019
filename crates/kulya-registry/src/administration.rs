//! What those who look after the registry ask.

use crate::feed;
use crate::group::{kind, not_found};
use crate::keys;
use crate::records::{self, Head};
use crate::registry::{Registry, check_format, refused};
use crate::table::{TRIES, contended};
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use kulya_registry_api::administration::{
    AddedTo, Change, ChangeEvent, Comparison, Existing, ExportLine, Found, GroupChange, Imported, Page,
    PageRequest, Question, RegistryAdministration, Search, Verdict, VersionEntry,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    GroupId, GroupProperties, Rules, SchemaInfo, Strict, VersionInfo, decide, difference_within, limits,
    readable,
};
use kulya_store::{Condition, TableChange};
use std::sync::Arc;

/// The most items of a page, whatever is asked.
const MOST_ITEMS: usize = 10_000;

pub(crate) fn limit(page: &PageRequest) -> usize {
    page.limit.clamp(1, MOST_ITEMS)
}

/// The refusal of a page's beginning.
pub(crate) fn no_page(of: &str, token: &str) -> RegistryError {
    let what = format!("{token:.80?} is no page of {of}: give `next` back as it was given");
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// A page of `limit + 1` found items: whether one is left over tells whether there is another page.
fn page_of<T>(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(name) } else { None };
    Page { items, next }
}

#[async_trait]
impl RegistryAdministration for Registry {
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>> {
        let limit = limit(page);
        let asked = ["namespaces"];
        let mut names: Vec<String> = Vec::new();
        // the default namespace is "", so a position begins with a sign of its own
        let position = |name: &str| format!("/{name}");
        let after = self.opened(&asked, &page.after).await?;
        let mut last = match (after.as_str(), after.strip_prefix('/')) {
            ("", _) => None,
            (_, Some(name)) => Some(name.to_owned()),
            (token, None) => return Err(no_page("namespaces", token)),
        };
        for _ in 0..MOST_ITEMS {
            let behind = last.as_deref().map(keys::behind_namespace);
            let found = self.table.page(&keys::groups(), behind, 1).await?;
            let Some(id) = found.first().and_then(|entry| keys::group_of(&entry.key)) else {
                return Ok(Page { items: names, next: None });
            };
            if self.shows_namespace(&id.namespace) {
                if names.len() == limit {
                    let next = self.sealed(&asked, names.last().map(|name| position(name))).await?;
                    return Ok(Page { items: names, next });
                }
                names.push(id.namespace.clone());
            }
            last = Some(id.namespace);
        }
        // very many are left out
        let next = self.sealed(&asked, last.map(|name| position(&name))).await?;
        Ok(Page { items: names, next })
    }

    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>> {
        let asked = ["groups", namespace];
        let after = self.opened(&asked, &page.after).await?;
        let after = (!after.is_empty()).then(|| keys::group(&GroupId::new(namespace, &after)));
        let listed = self.listed(&keys::namespace(namespace), after, limit(page)).await?;
        let next = listed.next.as_deref().and_then(keys::group_of).map(|id| id.name);
        let next = self.sealed(&asked, next).await?;
        let mut items = Vec::with_capacity(listed.groups.len());
        for (id, entry) in listed.groups {
            let head: Head = records::read(&format!("group {id}"), &entry.value)?;
            items.push((id, head.properties));
        }
        Ok(Page { items, next })
    }

    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>> {
        let _turn = self.memory.turn(group).await;
        for _ in 0..TRIES {
            let mut state = self.read(group).await?;
            let properties = &mut state.change().properties;
            if change.previous.as_ref().is_some_and(|previous| previous != properties) {
                return Ok(None);
            }
            if let Some(compatibility) = &change.compatibility {
                properties.compatibility = compatibility.clone();
            }
            if let Some(labels) = &change.properties {
                properties.properties = labels.clone();
            }
            limits::check_properties(properties, self.checkers()).map_err(refused)?;
            let changed = properties.clone();
            let event = ChangeEvent::GroupChanged { properties: changed.clone() };
            if state.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(Some(changed));
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        question: Question,
    ) -> RegistryResult<Verdict> {
        let work = self.compute.work();
        let normal = self.normal(&work, schema).await?;
        let state = self.read(group).await?;
        check_format(&state, &normal.schema)?;
        let mut judge = self.judge_of(&state)?;
        if let Some(compatibility) = question.compatibility {
            judge.compatibility = compatibility;
        }
        if let Some(rules) = question.rules {
            judge.rules = rules;
        }
        let registered = state.find(&normal).await?;
        let refusal = self.judge(&state, &work, &normal, &judge).await?.err();
        Ok(Verdict { compatible: registered.is_some() || refusal.is_none(), registered, refusal })
    }

    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>> {
        let limit = limit(page);
        let begin: u32 = match page.after.as_str() {
            "" => 0,
            after => {
                let next = after.parse::<u32>().ok().and_then(|id| id.checked_add(1));
                next.ok_or_else(|| no_page("versions", after))?
            }
        };
        let state = self.read(group).await?;
        let versions = state.versions().await?;
        let behind = versions.before(state.head.schemas).get(begin as usize..).unwrap_or_default();
        let wanted =
            behind.iter().filter(|record| type_name.is_none_or(|name| record.version.type_name == name));
        let entry = |record: &records::VersionRecord| VersionEntry {
            version_info: record.version.clone(),
            deleted: state.head.deleted.contains(record.version.id),
        };
        let entries = wanted.take(limit + 1).map(entry).collect();
        Ok(page_of(entries, limit, |entry: &VersionEntry| entry.version_info.id.to_string()))
    }

    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32> {
        let state = self.read(group).await?;
        let versions = state.versions().await?;
        let is_it = |v: &&VersionInfo| v.format == format && v.type_name == type_name && v.version == version;
        let mut all = versions.before(state.head.schemas).iter().map(|record| &record.version);
        all.find(is_it).map(|v| v.id).ok_or_else(|| {
            not_found(format!("group {group} has no version {version} of {format} type {type_name:?}"))
        })
    }

    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        let _turn = self.memory.turn(group).await;
        for _ in 0..TRIES {
            let mut state = self.read(group).await?;
            let record = state.schema(id).await?;
            if !state.change().deleted.insert(id) {
                return Ok(());
            }
            let schema = &record.schema;
            let fingerprint = keys::fingerprint(
                state.head.incarnation,
                &record.fingerprint,
                kind(&schema.format),
                &schema.type_name,
            );
            let forget = TableChange::remove(&self.table.id, fingerprint, Condition::Any);
            let event = ChangeEvent::SchemaDeleted { version_info: record.version.clone() };
            if state.commit(vec![forget], event, self.now_ms()).await? {
                return Ok(());
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn added_to(&self, namespace: &str, schema: SchemaInfo) -> RegistryResult<AddedTo> {
        let normal = self.normal(&self.compute.work(), schema).await?;
        let mut found = AddedTo::new();
        for (id, _) in self.groups(namespace).await? {
            let state = match self.read(&id).await {
                Ok(state) => state,
                // deleted meanwhile
                Err(error) if error.kind() == RegistryErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let Some(version) = state.find(&normal).await? {
                found.insert(id.name, version);
            }
        }
        Ok(found)
    }

    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison> {
        let state = self.read(group).await?;
        let (from, to) = (state.schema(from).await?, state.schema(to).await?);
        let strict = match self.judge_of(&state)?.rules {
            Rules::Java => Rules::Strict(Strict::default()),
            strict => strict,
        };
        let (old, new, checkers) = (Arc::clone(&from), Arc::clone(&to), self.checkers().clone());
        let work = self.compute.work();
        let compared = work.run(move |budget| {
            let fields = difference_within(&old.schema, &new.schema, budget)?;
            let both = decide::both_ways(&new.schema, &old.schema, strict, &checkers, budget);
            Ok((fields, both))
        });
        let (fields, (backward, forward)) = compared.await?.map_err(refused)?;
        Ok(Comparison { from: from.schema.clone(), to: to.schema.clone(), fields, backward, forward })
    }

    async fn readable(&self, schema: &SchemaInfo) -> RegistryResult<kulya_schema::Result<Option<String>>> {
        let schema = schema.clone();
        self.compute.work().linear(schema.data.len(), move |_| readable(&schema)).await
    }

    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<Found>> {
        crate::search::run(self, search, page).await
    }

    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>> {
        Ok(crate::transfer::export(self.clone(), namespace.map(str::to_owned)))
    }

    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        existing: Existing,
    ) -> RegistryResult<Imported> {
        crate::transfer::import(self, lines, existing).await
    }

    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
        let place = match from {
            Some(place) => Some(self.opened_place(place).await?),
            None => None,
        };
        let changes = feed::follow(&self.table, place.as_deref()).await?;
        if self.viewer.is_none() {
            return Ok(changes);
        }
        let registry = self.clone();
        let shown = changes.filter_map(move |change| {
            let registry = registry.clone();
            async move {
                match change {
                    Ok((_, change)) if !registry.shows(&change.group_id()) => None,
                    Ok((place, change)) => {
                        Some(registry.sealed_place(place).await.map(|place| (place, change)))
                    }
                    Err(error) => Some(Err(error)),
                }
            }
        });
        Ok(shown.boxed())
    }
}
