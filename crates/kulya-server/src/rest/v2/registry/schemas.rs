//! The endpoints of a group's schemas and versions.

use super::super::error::ApiError;
use super::super::extract::{Json, Path, Query};
use super::super::state::CallerServices;
use super::query::{InNamespace, page};
use super::schema_body::{SchemaBody, parse_rules};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kulya_registry_api::administration::{Comparison, Page, PageRequest, Question, Verdict, VersionEntry};
use kulya_schema::{Compatibility, GroupId, SchemaInfo, VersionInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type JsonResult<T> = Result<axum::Json<T>, ApiError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    #[serde(default)]
    namespace: String,
    r#type: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(crate) async fn versions(
    services: CallerServices,
    Path(group): Path<String>,
    Query(ListParameters { namespace, r#type, limit, after }): Query<ListParameters>,
) -> JsonResult<Page<VersionEntry>> {
    let group = GroupId::new(namespace, group);
    let page = services.registry.versions_page(&group, r#type.as_deref(), &page(limit, after)).await?;
    Ok(axum::Json(page))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionParameters {
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
    services: CallerServices,
    Path(group): Path<String>,
    Query(VersionParameters { namespace, format, r#type, version }): Query<VersionParameters>,
) -> JsonResult<VersionId> {
    let group = GroupId::new(namespace, group);
    let id = services.registry.version_id(&group, &format, &r#type, version).await?;
    Ok(axum::Json(VersionId { id }))
}

pub(crate) async fn add(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> Result<Response, ApiError> {
    let version = services.registry.add_schema(&namespace.group(group), schema.into_schema()?).await?;
    Ok((StatusCode::CREATED, axum::Json(version)).into_response())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    schema_info: SchemaInfo,
    version_info: VersionInfo,
    deleted: bool,
    /// The schema's text, if its format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(crate) async fn get(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> JsonResult<Schema> {
    let group = namespace.group(group);
    let schema_info = services.registry.schema(&group, id).await?;
    // a page of versions starts after an id
    let after = id.checked_sub(1).map_or_else(String::new, |before| before.to_string());
    let page = services.registry.versions_page(&group, None, &PageRequest::after(after, 1)).await?;
    let entry = page.items.into_iter().next().ok_or_else(|| deleted(&group, id))?;
    let VersionEntry { version_info, deleted } = entry;
    let text = services.registry.readable(&schema_info).await?.unwrap_or_default();
    Ok(axum::Json(Schema { schema_info, version_info, deleted, text }))
}

fn deleted(group: &GroupId, id: u32) -> ApiError {
    let what = format!("schema {id} of group {group} was deleted");
    ApiError::new(StatusCode::NOT_FOUND, "not-found", what)
}

pub(crate) async fn text(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Result<Response, ApiError> {
    let group = namespace.group(group);
    let schema = services.registry.schema(&group, id).await?;
    let no_text = |reason: String| {
        let what = format!(
            "schema {id} of group {group} has no text: {reason}; get the schema itself for its bytes"
        );
        ApiError::new(StatusCode::NOT_FOUND, "not-found", what)
    };
    let text = services.registry.readable(&schema).await?.map_err(|error| no_text(error.to_string()))?;
    let text = text.ok_or_else(|| no_text(format!("{} schemas are binary", schema.format)))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

pub(crate) async fn delete(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Result<StatusCode, ApiError> {
    services.registry.delete_schema(&namespace.group(group), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Check {
    schema_info: SchemaBody,
    /// Replaces the group's policy.
    compatibility: Option<Compatibility>,
    /// Replaces the group's rules, by their labels.
    rules: Option<BTreeMap<String, String>>,
}

pub(crate) async fn check(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(Check { schema_info, compatibility, rules }): Json<Check>,
) -> JsonResult<Verdict> {
    let rules = rules.as_ref().map(parse_rules).transpose()?;
    let question = Question { compatibility, rules };
    let group = namespace.group(group);
    Ok(axum::Json(services.registry.check(&group, schema_info.into_schema()?, question).await?))
}

pub(crate) async fn find(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> JsonResult<VersionInfo> {
    Ok(axum::Json(services.registry.find_schema(&namespace.group(group), schema.into_schema()?).await?))
}

#[derive(Serialize)]
pub(crate) struct CanRead {
    compatible: bool,
}

pub(crate) async fn can_read(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> JsonResult<CanRead> {
    let compatible = services.registry.can_read(&namespace.group(group), schema.into_schema()?).await?;
    Ok(axum::Json(CanRead { compatible }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareParameters {
    #[serde(default)]
    namespace: String,
    from: u32,
    to: u32,
}

pub(crate) async fn compare(
    services: CallerServices,
    Path(group): Path<String>,
    Query(CompareParameters { namespace, from, to }): Query<CompareParameters>,
) -> JsonResult<Comparison> {
    let group = GroupId::new(namespace, group);
    Ok(axum::Json(services.registry.compare(&group, from, to).await?))
}
