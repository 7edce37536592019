//! The operations of REST v1, a few lines each (contract §1.3).

use super::Call;
use super::answer::Answer;
use super::path::Route;
use crate::reads::no_room;
use crate::rest::records::{self, Around, Unanswered};
use crate::strict::{self, Unknown};
use axum::http::{Method, StatusCode};
use futures::stream::{BoxStream, StreamExt};
use kulya_registry::{Listing, Registry};
use kulya_registry_api::administration::{AddedTo, PageRequest, Question, RegistryAdministration};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const DEFAULT_LIMIT: usize = 100;
/// Of how many groups a page may be made, whatever is asked.
const MOST_LIMIT: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateGroup {
    group_name: String,
    group_properties: GroupProperties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListGroups {
    groups: BTreeMap<String, GroupProperties>,
    continuation_token: String,
}

/// Around the records of a history, and around schemas with their versions.
const HISTORY: Around = Around { before: "{\"history\":[", between: ",", behind: "", after: "]}" };
const SCHEMAS: Around = Around { before: "{\"schemas\":[", between: ",", behind: "", after: "]}" };

#[derive(Serialize)]
struct Groups {
    groups: AddedTo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodecTypes {
    codec_types: Vec<CodecType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validate {
    schema_info: SchemaInfo,
    compatibility: Option<Compatibility>,
}

#[derive(Serialize)]
struct Valid {
    valid: bool,
}

#[derive(Serialize)]
struct CanRead {
    compatible: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetEncodingId {
    version_info: VersionInfo,
    codec_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateCompatibility {
    compatibility: Compatibility,
    previous_compatibility: Option<Compatibility>,
}

/// Runs the operation that method and route name.
pub(crate) async fn dispatch(registry: &Registry, route: Route, call: &Call) -> Answer {
    operate(registry, route, call).await.unwrap_or_else(|answer| answer)
}

fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    if call.body.is_empty() {
        return Err(Answer::bad("the request has no body: send a JSON object"));
    }
    // members that it does not know are passed over, as the Java registry does (contract §1.1)
    strict::json(&call.body, Unknown::Ignored)
        .map_err(|e| Answer::bad(format!("the request's body is wrong: {e}")))
}

/// An answer of many records.
async fn made<T: Serialize + Send + 'static>(
    call: &Call,
    around: Around,
    records: BoxStream<'static, RegistryResult<T>>,
    bytes_of: fn(&T) -> usize,
) -> Result<Answer, Answer> {
    let body = records::body(call.visit.bytes().clone(), around, records, bytes_of).await;
    body.map(Answer::made).map_err(|why| match why {
        Unanswered::NoRoom => {
            RegistryError::new(RegistryErrorKind::Unavailable, no_room().to_string()).into()
        }
        Unanswered::Unread(error) => error.into(),
    })
}

async fn schemas(
    call: &Call,
    registry: &Registry,
    group: &GroupId,
    listing: Listing<'_>,
) -> Result<Answer, Answer> {
    let records = registry.live_schemas(group, listing).await?;
    let with_version = |record: HistoryRecord| {
        let HistoryRecord { schema, version, .. } = record;
        SchemaWithVersion { schema, version }
    };
    let records = records.map(move |record| record.map(with_version)).boxed();
    made(call, SCHEMAS, records, |schema| schema.schema.data.len()).await
}

async fn operate(registry: &Registry, route: Route, call: &Call) -> Result<Answer, Answer> {
    let group = |name: String| GroupId::new(&call.namespace, name);
    let type_name = call.query.get("type").map(String::as_str);
    let (get, post) = (call.method == Method::GET, call.method == Method::POST);
    let (put, delete) = (call.method == Method::PUT, call.method == Method::DELETE);
    Ok(match route {
        Route::Ping if get => Answer::empty(StatusCode::OK),
        Route::Groups if get => list_groups(registry, call).await?,
        Route::Groups if post => {
            let CreateGroup { group_name, group_properties } = body(call)?;
            let group = group(group_name);
            if registry.create_group(&group, group_properties).await? {
                Answer::empty(StatusCode::CREATED)
            } else {
                Answer::conflict(format!("group {:?} is there already, and stays as it is", group.name))
            }
        }
        Route::Group(name) if get => Answer::ok(&registry.group(&group(name)).await?),
        Route::Group(name) if delete => {
            registry.delete_group(&group(name)).await?;
            Answer::empty(StatusCode::NO_CONTENT)
        }
        Route::History(name) if get => {
            let records = registry.live_schemas(&group(name), Listing::Versions(None)).await?;
            made(call, HISTORY, records, |record: &HistoryRecord| record.schema.data.len()).await?
        }
        Route::Compatibility(name) if put => {
            let UpdateCompatibility { compatibility, previous_compatibility } = body(call)?;
            let group = group(name);
            if registry.update_compatibility(&group, compatibility, previous_compatibility).await? {
                Answer::empty(StatusCode::OK)
            } else {
                Answer::conflict(format!(
                    "the policy of group {:?} is not previousCompatibility any more: read it again",
                    group.name
                ))
            }
        }
        Route::Schemas(name) if get => {
            schemas(call, registry, &group(name), Listing::Latest(type_name)).await?
        }
        Route::Schemas(name) if post => {
            Answer::json(StatusCode::CREATED, &registry.add_schema(&group(name), body(call)?).await?)
        }
        Route::Versions(name) if get => {
            schemas(call, registry, &group(name), Listing::Versions(type_name)).await?
        }
        Route::Find(name) if post => Answer::ok(&registry.find_schema(&group(name), body(call)?).await?),
        Route::Validate(name) if post => {
            let Validate { schema_info, compatibility } = body(call)?;
            let question = Question { compatibility, ..Question::default() };
            let verdict = registry.check(&group(name), schema_info, question).await?;
            Answer::ok(&Valid { valid: verdict.refusal.is_none() })
        }
        Route::CanRead(name) if post => {
            Answer::ok(&CanRead { compatible: registry.can_read(&group(name), body(call)?).await? })
        }
        Route::SchemaById(name, id) if get => Answer::ok(&registry.schema(&group(name), id).await?),
        Route::SchemaById(name, id) if delete => {
            registry.delete_schema(&group(name), id).await?;
            Answer::empty(StatusCode::NO_CONTENT)
        }
        Route::SchemaByVersion { group: name, format, type_name, version } if get || delete => {
            let group = group(name);
            let id = registry.version_id(&group, &format, &type_name, version).await?;
            if get {
                Answer::ok(&registry.schema(&group, id).await?)
            } else {
                registry.delete_schema(&group, id).await?;
                Answer::empty(StatusCode::NO_CONTENT)
            }
        }
        Route::Encodings(name) if put => {
            let GetEncodingId { version_info, codec_type } = body(call)?;
            Answer::ok(&registry.encoding_id(&group(name), &version_info, &codec_type).await?)
        }
        Route::EncodingById(name, id) if get => {
            Answer::ok(&registry.encoding(&group(name), EncodingId(id)).await?)
        }
        Route::CodecTypes(name) if get => {
            Answer::ok(&CodecTypes { codec_types: registry.codec_types(&group(name)).await? })
        }
        Route::CodecTypes(name) if post => {
            registry.add_codec_type(&group(name), body(call)?).await?;
            Answer::empty(StatusCode::CREATED)
        }
        Route::AddedTo if post => {
            Answer::ok(&Groups { groups: registry.added_to(&call.namespace, body(call)?).await? })
        }
        other => Answer::not_allowed(call.method.as_str(), allowed(&other)),
    })
}

async fn list_groups(registry: &Registry, call: &Call) -> Result<Answer, Answer> {
    let limit = match call.query.get("limit") {
        // a number that is none is an unknown place, as on the Java server
        Some(limit) => {
            let wrong = |_| Answer::not_found(format!("limit {limit:.40?} is no whole number"));
            limit.parse::<usize>().map_err(wrong)?.clamp(1, MOST_LIMIT)
        }
        None => DEFAULT_LIMIT,
    };
    let mut token = call.query.get("continuationToken").cloned().unwrap_or_default();
    let mut groups = BTreeMap::new();
    // an empty page says that there are no more: where the registry gives one, it is asked on
    while groups.is_empty() {
        let page = registry.groups_page(&call.namespace, &PageRequest::after(&token, limit)).await?;
        let is_last = page.next.is_none();
        match (page.next, page.items.last()) {
            (Some(next), _) => token = next,
            // a client goes on until a page is empty, so the last page has a token too (contract §1.3)
            (None, Some((last, _))) => token = registry.token_behind(last).await?,
            (None, None) => {}
        }
        groups.extend(page.items.into_iter().map(|(id, properties)| (id.name, properties)));
        if is_last {
            break;
        }
    }
    Ok(Answer::ok(&ListGroups { groups, continuation_token: token }))
}

/// The methods of a place.
pub(super) fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Groups | Route::Schemas(_) | Route::CodecTypes(_) => "GET,HEAD,POST",
        Route::Group(_) | Route::SchemaById(..) | Route::SchemaByVersion { .. } => "GET,HEAD,DELETE",
        Route::Compatibility(_) | Route::Encodings(_) => "PUT",
        Route::Find(_) | Route::Validate(_) | Route::CanRead(_) | Route::AddedTo => "POST",
        Route::Ping | Route::History(_) | Route::Versions(_) | Route::EncodingById(..) => "GET,HEAD",
    }
}
