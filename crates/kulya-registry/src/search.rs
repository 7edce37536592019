//! Search: groups in key order, the versions of each by id. Only a search by field reads schemas; a page ends after so
//! many of them, or so many bytes, found or not, and the next goes on there.

use crate::administration::{limit, no_page};
use crate::compute::Work;
use crate::group::Group;
use crate::keys;
use crate::registry::{Registry, refused};
use kulya_registry_api::administration::{Found, Page, PageRequest, Search};
use kulya_registry_api::{RegistryErrorKind, RegistryResult};
use kulya_schema::{Budget, GroupId, VersionInfo, decide, fields_within};
use kulya_store::hex;

/// Groups and schemas looked into for one page.
const MOST_GROUPS: usize = 10_000;
const MOST_SCHEMAS: usize = 1_000;
/// Bytes of schemas looked into, and of fields found, for one page; the last may be larger than what is left of these.
const MOST_BYTES: usize = 16 << 20;
const MOST_FOUND_BYTES: usize = 8 << 20;
/// Groups read at a time.
const PAGE: usize = 200;

/// Where a page begins: in this group, behind this version, or behind all of it.
struct Place {
    group: GroupId,
    behind: Option<u32>,
}

impl Place {
    fn token(&self) -> String {
        let key = hex::encode(&keys::group(&self.group));
        let behind = self.behind.map_or_else(String::new, |id| id.to_string());
        format!("{key}.{behind}")
    }

    fn parse(token: &str) -> RegistryResult<Self> {
        let wrong = || no_page("found schemas", token);
        let (key, behind) = token.split_once('.').ok_or_else(wrong)?;
        let key = hex::decode(key.as_bytes()).ok_or_else(wrong)?;
        let group = keys::group_of(&key).ok_or_else(wrong)?;
        let behind = match behind {
            "" => None,
            id => Some(id.parse().map_err(|_| wrong())?),
        };
        Ok(Self { group, behind })
    }
}

pub(crate) async fn run(
    registry: &Registry,
    search: &Search,
    page: &PageRequest,
) -> RegistryResult<Page<Found>> {
    let limit = limit(page);
    let text = serde_json::to_string(search).unwrap_or_default();
    let asked = ["found schemas", text.as_str()];
    let token = registry.opened(&asked, &page.after).await?;
    let prefix = search.namespace.as_deref().map_or_else(keys::groups, keys::namespace);
    let mut items = Vec::new();
    let mut groups = 0;
    let mut effort = Effort { work: registry.compute.work(), schemas: 0, bytes: 0, found: 0, last: None };
    let mut after = None;
    if !token.is_empty() {
        let place = Place::parse(&token)?;
        let key = keys::group(&place.group);
        // a place of another namespace would show what this search was not asked for, or allowed
        if !key.starts_with(&prefix) {
            return Err(no_page("found schemas", &page.after));
        }
        // the group in whose midst the page before ended
        if place.behind.is_some()
            && registry.shows(&place.group)
            && let Some(next) = in_group(registry, search, place, limit, &mut items, &mut effort).await?
        {
            return Ok(Page { items, next: registry.sealed(&asked, Some(next.token())).await? });
        }
        after = Some(key);
    }
    loop {
        let listed = registry.listed(&prefix, after.take(), PAGE).await?;
        // where very many are left out the page ends here
        let ends = listed.groups.len() < PAGE;
        groups += listed.groups.len();
        for (group, _) in listed.groups {
            if search.names_group(&group.name) {
                let place = Place { group, behind: None };
                if let Some(next) = in_group(registry, search, place, limit, &mut items, &mut effort).await? {
                    return Ok(Page { items, next: registry.sealed(&asked, Some(next.token())).await? });
                }
            }
        }
        let Some(next) = listed.next else { return Ok(Page { items, next: None }) };
        if ends || groups >= MOST_GROUPS {
            let group = keys::group_of(&next).ok_or_else(|| no_page("found schemas", &page.after))?;
            let next = Place { group, behind: None }.token();
            return Ok(Page { items, next: registry.sealed(&asked, Some(next)).await? });
        }
        after = Some(next);
    }
}

/// What a page has taken so far.
struct Effort {
    work: Work,
    schemas: usize,
    bytes: usize,
    found: usize,
    /// The version that was looked at last: the next page goes on behind it when the work ends within another.
    last: Option<Place>,
}

impl Effort {
    fn is_enough(&self) -> bool {
        self.schemas >= MOST_SCHEMAS || self.bytes >= MOST_BYTES || self.found >= MOST_FOUND_BYTES
    }
}

/// Looks through a group. Gives where to go on when the page is full.
async fn in_group(
    registry: &Registry,
    search: &Search,
    place: Place,
    limit: usize,
    items: &mut Vec<Found>,
    effort: &mut Effort,
) -> RegistryResult<Option<Place>> {
    let state = match registry.read(&place.group).await {
        Ok(state) => state,
        // deleted meanwhile
        Err(error) if error.kind() == RegistryErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for version in candidates(&state, search).await? {
        if place.behind.is_some_and(|behind| version.id <= behind) {
            continue;
        }
        let mut found = Vec::new();
        if search.field.is_some() {
            let record = state.schema(version.id).await?;
            let bytes = record.schema.data.len();
            let listed =
                effort.work.linear(bytes, move |budget| fields_within(&record.schema, budget)).await?;
            if effort.work.budget().is_spent() {
                let what = format!("schema {} of group {}", version.id, place.group);
                return effort.last.take().map(Some).ok_or_else(|| refused(Budget::ended_at(&what)));
            }
            (effort.schemas, effort.bytes) = (effort.schemas + 1, effort.bytes + bytes);
            // a schema whose fields cannot be read has none
            found.extend(listed.unwrap_or_default().into_iter().filter(|field| search.names_field(field)));
            effort.found += found.iter().map(|field| field.path.len() + field.kind.len()).sum::<usize>();
        }
        effort.last = Some(Place { group: place.group.clone(), behind: Some(version.id) });
        let id = version.id;
        if search.field.is_none() || !found.is_empty() {
            let GroupId { namespace, name: group } = place.group.clone();
            items.push(Found { namespace, group, version_info: version, fields: found });
        }
        if items.len() >= limit || effort.is_enough() {
            return Ok(Some(Place { group: place.group, behind: Some(id) }));
        }
    }
    Ok(None)
}

async fn candidates(state: &Group<'_>, search: &Search) -> RegistryResult<Vec<VersionInfo>> {
    let versions = state.versions().await?;
    let live = state.live(&versions).map(|record| &record.version).filter(|version| search.names(version));
    Ok(if search.all_versions { live.cloned().collect() } else { decide::latest_of_each(live) })
}
