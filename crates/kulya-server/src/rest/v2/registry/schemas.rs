//! Schemas and versions of a group.

use super::super::Seen;
use super::super::ask::{Json, Path, Query};
use super::super::refusal::Refusal;
use super::body::{self, SchemaBody};
use super::{InNamespace, page};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kulya_registry_api::administration::{Comparison, Page, PageRequest, Question, Verdict, VersionEntry};
use kulya_schema::{Compatibility, GroupId, SchemaInfo, VersionInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type Answer<T> = Result<axum::Json<T>, Refusal>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    #[serde(default)]
    namespace: String,
    r#type: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(crate) async fn versions(
    served: Seen,
    Path(group): Path<String>,
    Query(Listing { namespace, r#type, limit, after }): Query<Listing>,
) -> Answer<Page<VersionEntry>> {
    let group = GroupId::new(namespace, group);
    let page = served.registry.versions_page(&group, r#type.as_deref(), &page(limit, after)).await?;
    Ok(axum::Json(page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbered {
    #[serde(default)]
    namespace: String,
    format: String,
    r#type: String,
    version: u32,
}

#[derive(Serialize)]
pub(crate) struct VersionId {
    id: u32,
}

pub(crate) async fn version_id(
    served: Seen,
    Path(group): Path<String>,
    Query(Numbered { namespace, format, r#type, version }): Query<Numbered>,
) -> Answer<VersionId> {
    let group = GroupId::new(namespace, group);
    let id = served.registry.version_id(&group, &format, &r#type, version).await?;
    Ok(axum::Json(VersionId { id }))
}

pub(crate) async fn add(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> Result<Response, Refusal> {
    let version = served.registry.add_schema(&namespace.group(group), schema.into_schema()?).await?;
    Ok((StatusCode::CREATED, axum::Json(version)).into_response())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    schema_info: SchemaInfo,
    version_info: VersionInfo,
    deleted: bool,
    /// As a person reads it; nothing for what is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(crate) async fn get(
    served: Seen,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Answer<Schema> {
    let group = namespace.group(group);
    let schema_info = served.registry.schema(&group, id).await?;
    // a page of versions begins behind an id
    let behind = id.checked_sub(1).map_or_else(String::new, |before| before.to_string());
    let page = served.registry.versions_page(&group, None, &PageRequest::after(behind, 1)).await?;
    let entry = page.items.into_iter().next().ok_or_else(|| missing(&group, id))?;
    let VersionEntry { version_info, deleted } = entry;
    let text = served.registry.readable(&schema_info).await?.unwrap_or_default();
    Ok(axum::Json(Schema { schema_info, version_info, deleted, text }))
}

fn missing(group: &GroupId, id: u32) -> Refusal {
    let what = format!("schema {id} of group {group} does not exist any more");
    Refusal::new(StatusCode::NOT_FOUND, "not-found", what)
}

pub(crate) async fn text(
    served: Seen,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Result<Response, Refusal> {
    let group = namespace.group(group);
    let schema = served.registry.schema(&group, id).await?;
    let no_text = |why: String| {
        let what =
            format!("schema {id} of group {group} has no text: {why}; its bytes are at the schema itself");
        Refusal::new(StatusCode::NOT_FOUND, "not-found", what)
    };
    let text = served.registry.readable(&schema).await?.map_err(|error| no_text(error.to_string()))?;
    let text = text.ok_or_else(|| no_text(format!("{} schemas are bytes", schema.format)))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

pub(crate) async fn delete(
    served: Seen,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Result<StatusCode, Refusal> {
    served.registry.delete_schema(&namespace.group(group), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Check {
    schema_info: SchemaBody,
    /// Another policy than the group's.
    compatibility: Option<Compatibility>,
    /// Other rules than the group's, by their labels.
    rules: Option<BTreeMap<String, String>>,
}

pub(crate) async fn check(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(Check { schema_info, compatibility, rules }): Json<Check>,
) -> Answer<Verdict> {
    let rules = rules.as_ref().map(body::rules).transpose()?;
    let question = Question { compatibility, rules };
    let group = namespace.group(group);
    Ok(axum::Json(served.registry.check(&group, schema_info.into_schema()?, question).await?))
}

pub(crate) async fn find(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> Answer<VersionInfo> {
    Ok(axum::Json(served.registry.find_schema(&namespace.group(group), schema.into_schema()?).await?))
}

#[derive(Serialize)]
pub(crate) struct CanRead {
    compatible: bool,
}

pub(crate) async fn can_read(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> Answer<CanRead> {
    let compatible = served.registry.can_read(&namespace.group(group), schema.into_schema()?).await?;
    Ok(axum::Json(CanRead { compatible }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Comparing {
    #[serde(default)]
    namespace: String,
    from: u32,
    to: u32,
}

pub(crate) async fn compare(
    served: Seen,
    Path(group): Path<String>,
    Query(Comparing { namespace, from, to }): Query<Comparing>,
) -> Answer<Comparison> {
    let group = GroupId::new(namespace, group);
    Ok(axum::Json(served.registry.compare(&group, from, to).await?))
}
