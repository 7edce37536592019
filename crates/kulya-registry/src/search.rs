//! Search for versions: groups in key order, the versions of each by id. Only a search by field reads
//! schemas. A page ends when it is full, or after a bounded number of schemas or bytes was examined; the next
//! page continues there.

use crate::error::{invalid_input, invalid_page_token, unless_deleted};
use crate::keys;
use crate::paging::page_limit;
use crate::registry::Registry;
use crate::snapshot::GroupSnapshot;
use crate::worker_pool::JobRunner;
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::{Page, PageRequest, Search, SearchHit};
use kulya_schema::{Budget, GroupId, VersionInfo, compatibility, fields_with_budget};
use kulya_store::hex;

/// Groups and schemas examined for one page.
const MAX_GROUPS: usize = 10_000;
const MAX_SCHEMAS: usize = 1_000;
/// Bytes of schemas examined, and of fields found, for one page; the last schema may exceed them.
const MAX_BYTES: usize = 16 << 20;
const MAX_FOUND_BYTES: usize = 8 << 20;
/// Groups read at a time.
const GROUP_BATCH: usize = 200;

/// Where a page starts: in a group after a version, or after the whole group.
struct Position {
    group: GroupId,
    after: Option<u32>,
}

impl Position {
    fn token(&self) -> String {
        let key = hex::encode(&keys::group(&self.group));
        let after = self.after.map_or_else(String::new, |id| id.to_string());
        format!("{key}.{after}")
    }

    fn parse(token: &str) -> RegistryResult<Self> {
        let invalid = || invalid_page_token("found schemas", token);
        let (key, after) = token.split_once('.').ok_or_else(invalid)?;
        let key = hex::decode(key.as_bytes()).ok_or_else(invalid)?;
        let group = keys::parse_group(&key).ok_or_else(invalid)?;
        let after = match after {
            "" => None,
            id => Some(id.parse().map_err(|_| invalid())?),
        };
        Ok(Self { group, after })
    }
}

/// Returns a page of the versions that a search matches.
pub(crate) async fn search(
    registry: &Registry,
    search: &Search,
    page: &PageRequest,
) -> RegistryResult<Page<SearchHit>> {
    let limit = page_limit(page);
    let text = serde_json::to_string(search).unwrap_or_default();
    let query = ["found schemas", text.as_str()];
    let token = registry.open_token(&query, &page.after).await?;
    let prefix = search.namespace.as_deref().map_or_else(keys::groups, keys::namespace);
    let mut items = Vec::new();
    let mut groups = 0;
    let mut usage =
        PageUsage { runner: registry.workers.runner(), schemas: 0, bytes: 0, found_bytes: 0, last: None };
    let mut after = None;
    if !token.is_empty() {
        let position = Position::parse(&token)?;
        let key = keys::group(&position.group);
        // a position in another namespace would return groups that the search excludes
        if !key.starts_with(&prefix) {
            return Err(invalid_page_token("found schemas", &page.after));
        }
        // the group within which the previous page ended
        if position.after.is_some()
            && registry.is_visible(&position.group)
            && let Some(next) =
                search_group(registry, search, position, limit, &mut items, &mut usage).await?
        {
            return Ok(Page { items, next: registry.seal_token(&query, Some(next.token())).await? });
        }
        after = Some(key);
    }
    loop {
        let visible = registry.visible_groups(&prefix, after.take(), GROUP_BATCH).await?;
        // many groups are invisible: the page ends here
        let is_short = visible.groups.len() < GROUP_BATCH;
        groups += visible.groups.len();
        for (group, _) in visible.groups {
            if search.matches_group(&group.name) {
                let position = Position { group, after: None };
                if let Some(next) =
                    search_group(registry, search, position, limit, &mut items, &mut usage).await?
                {
                    return Ok(Page { items, next: registry.seal_token(&query, Some(next.token())).await? });
                }
            }
        }
        let Some(next) = visible.next else { return Ok(Page { items, next: None }) };
        if is_short || groups >= MAX_GROUPS {
            let group =
                keys::parse_group(&next).ok_or_else(|| invalid_page_token("found schemas", &page.after))?;
            let next = Position { group, after: None }.token();
            return Ok(Page { items, next: registry.seal_token(&query, Some(next)).await? });
        }
        after = Some(next);
    }
}

/// What a page has used of its limits.
struct PageUsage {
    runner: JobRunner,
    schemas: usize,
    bytes: usize,
    found_bytes: usize,
    /// The version examined last: the next page continues after it when the budget is exhausted within
    /// another.
    last: Option<Position>,
}

impl PageUsage {
    fn is_exhausted(&self) -> bool {
        self.schemas >= MAX_SCHEMAS || self.bytes >= MAX_BYTES || self.found_bytes >= MAX_FOUND_BYTES
    }
}

/// Searches one group; one that is deleted meanwhile has nothing. Returns the position after the last
/// examined version when the page is full.
async fn search_group(
    registry: &Registry,
    search: &Search,
    position: Position,
    limit: usize,
    items: &mut Vec<SearchHit>,
    usage: &mut PageUsage,
) -> RegistryResult<Option<Position>> {
    let found = search_existing_group(registry, search, position, limit, items, usage).await;
    unless_deleted(found).map(Option::flatten)
}

async fn search_existing_group(
    registry: &Registry,
    search: &Search,
    position: Position,
    limit: usize,
    items: &mut Vec<SearchHit>,
    usage: &mut PageUsage,
) -> RegistryResult<Option<Position>> {
    let snapshot = registry.snapshot(&position.group).await?;
    for version in candidates(&snapshot, search).await? {
        if position.after.is_some_and(|after| version.id <= after) {
            continue;
        }
        let mut found = Vec::new();
        if search.field.is_some() {
            let record = snapshot.schema(version.id).await?;
            let bytes = record.schema.data.len();
            let listed = usage
                .runner
                .run_linear(bytes, move |budget| fields_with_budget(&record.schema, budget))
                .await?;
            if usage.runner.budget().is_exhausted() {
                let what = format!("schema {} of group {}", version.id, position.group);
                return usage.last.take().map(Some).ok_or_else(|| invalid_input(Budget::exhausted_at(&what)));
            }
            (usage.schemas, usage.bytes) = (usage.schemas + 1, usage.bytes + bytes);
            // a schema without readable fields has none
            found.extend(listed.unwrap_or_default().into_iter().filter(|field| search.matches_field(field)));
            usage.found_bytes += found.iter().map(|field| field.path.len() + field.kind.len()).sum::<usize>();
        }
        usage.last = Some(Position { group: position.group.clone(), after: Some(version.id) });
        let id = version.id;
        if search.field.is_none() || !found.is_empty() {
            let GroupId { namespace, name: group } = position.group.clone();
            items.push(SearchHit { namespace, group, version_info: version, fields: found });
        }
        if items.len() >= limit || usage.is_exhausted() {
            return Ok(Some(Position { group: position.group, after: Some(id) }));
        }
    }
    Ok(None)
}

/// Returns the versions of a group that match by format and type.
async fn candidates(snapshot: &GroupSnapshot<'_>, search: &Search) -> RegistryResult<Vec<VersionInfo>> {
    let versions = snapshot.versions().await?;
    let live = snapshot
        .live_versions(&versions)
        .map(|record| &record.version)
        .filter(|version| search.matches_version(version));
    Ok(if search.all_versions { live.cloned().collect() } else { compatibility::latest_of_each_type(live) })
}
