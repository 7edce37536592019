//! The operations of administrators ([`RegistryAdministration`]).

use crate::changelog;
use crate::error::{contended, invalid_input, invalid_page_token, not_found, unless_deleted};
use crate::export_import;
use crate::keys;
use crate::lifecycle::IfReferenced;
use crate::paging::{MAX_ITEMS, page_limit};
use crate::records::{self, GroupRecord};
use crate::registry::Registry;
use crate::schemas::check_format;
use crate::table::MAX_ATTEMPTS;
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use kulya_registry_api::administration::{
    Change, ChangeEvent, CheckOptions, Comparison, ExportLine, GroupChange, ImportSummary, OnConflict, Page,
    PageRequest, Referrer, RegisteredSchema, RegistryAdministration, SchemaReferences, Search, SearchHit,
    Verdict, VersionEntry,
};
use kulya_registry_api::{RegistryResult, SchemaRegistry};
use kulya_schema::{
    GroupId, GroupProperties, Reference, Rules, SchemaInfo, StrictRules, VersionInfo, compatibility,
    difference_with_budget, pretty_print, validation,
};
use std::sync::Arc;

/// Makes a page of up to `limit + 1` items: the extra item shows that there is a next page.
fn page_of<T>(mut items: Vec<T>, limit: usize, token: impl Fn(&T) -> String) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(token) } else { None };
    Page { items, next }
}

#[async_trait]
impl RegistryAdministration for Registry {
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>> {
        let limit = page_limit(page);
        let query = ["namespaces"];
        let mut names: Vec<String> = Vec::new();
        // the default namespace is "", so a position begins with a slash
        let position = |name: &str| format!("/{name}");
        let after = self.open_token(&query, &page.after).await?;
        let mut last = match (after.as_str(), after.strip_prefix('/')) {
            ("", _) => None,
            (_, Some(name)) => Some(name.to_owned()),
            (token, None) => return Err(invalid_page_token("namespaces", token)),
        };
        for _ in 0..MAX_ITEMS {
            let after = last.as_deref().map(keys::end_of_namespace);
            let found = self.table.page(&keys::groups(), after, 1).await?;
            let Some(id) = found.first().and_then(|entry| keys::parse_group(&entry.key)) else {
                return Ok(Page { items: names, next: None });
            };
            if self.is_namespace_visible(&id.namespace) {
                if names.len() == limit {
                    let next = self.seal_token(&query, names.last().map(|name| position(name))).await?;
                    return Ok(Page { items: names, next });
                }
                names.push(id.namespace.clone());
            }
            last = Some(id.namespace);
        }
        // many namespaces are invisible
        let next = self.seal_token(&query, last.map(|name| position(&name))).await?;
        Ok(Page { items: names, next })
    }

    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>> {
        let query = ["groups", namespace];
        let after = self.open_token(&query, &page.after).await?;
        let after = (!after.is_empty()).then(|| keys::group(&GroupId::new(namespace, &after)));
        let visible = self.visible_groups(&keys::namespace(namespace), after, page_limit(page)).await?;
        let next = visible.next.as_deref().and_then(keys::parse_group).map(|id| id.name);
        let next = self.seal_token(&query, next).await?;
        let mut items = Vec::with_capacity(visible.groups.len());
        for (id, entry) in visible.groups {
            let record: GroupRecord = records::decode(&format!("group {id}"), &entry.value)?;
            items.push((id, record.properties));
        }
        Ok(Page { items, next })
    }

    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>> {
        let _lock = self.cache.lock_group(group).await;
        for _ in 0..MAX_ATTEMPTS {
            let mut snapshot = self.snapshot(group).await?;
            let properties = &mut snapshot.record_mut().properties;
            if change.previous.as_ref().is_some_and(|previous| previous != properties) {
                return Ok(None);
            }
            if let Some(compatibility) = &change.compatibility {
                properties.compatibility = compatibility.clone();
            }
            if let Some(new) = &change.properties {
                properties.properties = new.clone();
            }
            validation::check_properties(properties, self.checkers()).map_err(invalid_input)?;
            let changed = properties.clone();
            let event = ChangeEvent::GroupChanged { properties: changed.clone() };
            if snapshot.commit(Vec::new(), event, self.now_ms()).await? {
                return Ok(Some(changed));
            }
        }
        Err(contended(format!("group {group}")))
    }

    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        options: CheckOptions,
    ) -> RegistryResult<Verdict> {
        let runner = self.workers.runner();
        let schema = match options.references.as_slice() {
            [] => schema,
            _ => self.resolve(&runner, schema, options.references).await?.schema,
        };
        let canonical = self.canonicalize(&runner, schema).await?;
        let snapshot = self.snapshot(group).await?;
        check_format(&snapshot, &canonical.schema)?;
        let mut context = self.compatibility_context(&snapshot)?;
        if let Some(compatibility) = options.compatibility {
            context.compatibility = compatibility;
        }
        if let Some(rules) = options.rules {
            context.rules = rules;
        }
        let registered = self.find_registered(&snapshot, &runner, &canonical).await?;
        let (verdict, warnings) = self.check_with_warnings(&snapshot, &runner, &canonical, &context).await?;
        let refusal = verdict.err();
        let compatible = registered.is_some() || refusal.is_none();
        Ok(Verdict { compatible, registered, refusal, warnings })
    }

    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>> {
        let limit = page_limit(page);
        let start: u32 = match page.after.as_str() {
            "" => 0,
            after => {
                let next = after.parse::<u32>().ok().and_then(|id| id.checked_add(1));
                next.ok_or_else(|| invalid_page_token("versions", after))?
            }
        };
        let snapshot = self.snapshot(group).await?;
        let versions = snapshot.versions().await?;
        let rest = versions.up_to(snapshot.record.schemas).get(start as usize..).unwrap_or_default();
        let selected =
            rest.iter().filter(|record| type_name.is_none_or(|name| record.version.type_name == name));
        let entry = |record: &records::VersionRecord| VersionEntry {
            version_info: record.version.clone(),
            deleted: snapshot.record.deleted.contains(record.version.id),
        };
        let entries = selected.take(limit + 1).map(entry).collect();
        Ok(page_of(entries, limit, |entry: &VersionEntry| entry.version_info.id.to_string()))
    }

    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32> {
        let snapshot = self.snapshot(group).await?;
        let versions = snapshot.versions().await?;
        let matches =
            |v: &&VersionInfo| v.format == format && v.type_name == type_name && v.version == version;
        let mut all = versions.up_to(snapshot.record.schemas).iter().map(|record| &record.version);
        all.find(matches).map(|v| v.id).ok_or_else(|| {
            not_found(format!("group {group} has no version {version} of {format} type {type_name:?}"))
        })
    }

    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.delete_version(group, id, IfReferenced::Refuse).await
    }

    async fn force_delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.delete_version(group, id, IfReferenced::Delete).await
    }

    async fn force_delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.delete_group_records(group, IfReferenced::Delete).await
    }

    async fn add_schema_with_references(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<VersionInfo> {
        let added = self.find_or_add(group, schema, references).await;
        added.map_err(|error| self.redact_refusal(group, error))
    }

    async fn resolve_references(
        &self,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<SchemaInfo> {
        validation::check_schema(&schema).map_err(invalid_input)?;
        if references.is_empty() {
            return Ok(schema);
        }
        Ok(self.resolve(&self.workers.runner(), schema, references).await?.schema)
    }

    async fn registered_schema(&self, group: &GroupId, id: u32) -> RegistryResult<RegisteredSchema> {
        let snapshot = self.snapshot(group).await?;
        let record = snapshot.schema(id).await?;
        Ok(RegisteredSchema {
            schema_info: snapshot.unresolved(&record).await?,
            version_info: record.version.clone(),
            deleted: snapshot.record.deleted.contains(id),
            references: record.references.clone(),
        })
    }

    async fn referenced_by(
        &self,
        group: &GroupId,
        id: u32,
        page: &PageRequest,
    ) -> RegistryResult<Page<Referrer>> {
        self.referrers_page(group, id, page).await
    }

    async fn schema_references(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<SchemaReferences> {
        let runner = self.workers.runner();
        let canonical = self.canonicalize(&runner, schema).await?;
        let mut found = SchemaReferences::new();
        for (id, _) in self.groups(namespace).await? {
            let version =
                async { self.find_registered(&self.snapshot(&id).await?, &runner, &canonical).await };
            if let Some(version) = unless_deleted(version.await)?.flatten() {
                found.insert(id.name, version);
            }
        }
        Ok(found)
    }

    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison> {
        let snapshot = self.snapshot(group).await?;
        let (from, to) = (snapshot.schema(from).await?, snapshot.schema(to).await?);
        let strict = match self.compatibility_context(&snapshot)?.rules {
            Rules::Java => Rules::Strict(StrictRules::default()),
            strict => strict,
        };
        let (old, new, checkers) = (Arc::clone(&from), Arc::clone(&to), self.checkers().clone());
        let runner = self.workers.runner();
        let comparison = runner.run(move |budget| {
            let fields = difference_with_budget(&old.schema, &new.schema, budget)?;
            let directions =
                compatibility::compare_both_directions(&new.schema, &old.schema, strict, &checkers, budget);
            Ok((fields, directions))
        });
        let (fields, (backward, forward)) = comparison.await?.map_err(invalid_input)?;
        Ok(Comparison { from: from.schema.clone(), to: to.schema.clone(), fields, backward, forward })
    }

    async fn pretty_print(
        &self,
        schema: &SchemaInfo,
    ) -> RegistryResult<kulya_schema::Result<Option<String>>> {
        let schema = schema.clone();
        self.workers.runner().run_linear(schema.data.len(), move |_| pretty_print(&schema)).await
    }

    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<SearchHit>> {
        crate::search::search(self, search, page).await
    }

    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>> {
        Ok(export_import::export(self.clone(), namespace.map(str::to_owned)))
    }

    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        on_conflict: OnConflict,
    ) -> RegistryResult<ImportSummary> {
        export_import::import(self, lines, on_conflict).await
    }

    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
        let position = match from {
            Some(position) => Some(self.open_position(position).await?),
            None => None,
        };
        let changes = changelog::follow(&self.table, position.as_deref()).await?;
        if self.authorizer.is_none() {
            return Ok(changes);
        }
        let registry = self.clone();
        let visible = changes.filter_map(move |change| {
            let registry = registry.clone();
            async move {
                match change {
                    Ok((_, change)) if !registry.is_visible(&change.group_id()) => None,
                    Ok((position, change)) => {
                        Some(registry.seal_position(position).await.map(|position| (position, change)))
                    }
                    Err(error) => Some(Err(error)),
                }
            }
        });
        Ok(visible.boxed())
    }
}
