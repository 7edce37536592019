//! The endpoints of a group's schemas and versions.

use super::super::error::ApiError;
use super::super::extract::{Json, Path, Query};
use super::super::state::CallerServices;
use super::query::{Deletion, InNamespace, page};
use super::schema_body::{SchemaBody, parse_rules};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kulya_registry_api::administration::{
    CheckOptions, Comparison, Page, Referrer, RegisteredSchema, Verdict, VersionEntry,
};
use kulya_schema::{Compatibility, GroupId, Reference, SchemaInfo, VersionInfo};
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
    let group = namespace.group(group);
    let version = match schema.into_parts()? {
        (schema, references) if references.is_empty() => services.registry.add_schema(&group, schema).await?,
        (schema, references) => {
            services.registry.add_schema_with_references(&group, schema, references).await?
        }
    };
    Ok((StatusCode::CREATED, axum::Json(version)).into_response())
}

/// Returns the self-contained form of a schema.
pub(crate) async fn resolve(
    services: CallerServices,
    Json(schema): Json<SchemaBody>,
) -> JsonResult<SchemaInfo> {
    let (schema, references) = schema.into_parts()?;
    Ok(axum::Json(services.registry.resolve_references(schema, references).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormParameters {
    #[serde(default)]
    namespace: String,
    /// Whether a schema with references is returned in its self-contained form.
    #[serde(default)]
    resolved: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    schema_info: SchemaInfo,
    version_info: VersionInfo,
    deleted: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    /// The schema's text, if its format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Reads a schema in the requested form.
async fn read(
    services: &CallerServices,
    group: &GroupId,
    id: u32,
    resolved: bool,
) -> Result<RegisteredSchema, ApiError> {
    let registered = services.registry.registered_schema(group, id).await?;
    if !resolved || registered.references.is_empty() {
        return Ok(registered);
    }
    Ok(RegisteredSchema { schema_info: services.registry.schema(group, id).await?, ..registered })
}

pub(crate) async fn get(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(FormParameters { namespace, resolved }): Query<FormParameters>,
) -> JsonResult<Schema> {
    let registered = read(&services, &GroupId::new(namespace, group), id, resolved).await?;
    let RegisteredSchema { schema_info, version_info, deleted, references } = registered;
    let text = services.registry.pretty_print(&schema_info).await?.unwrap_or_default();
    Ok(axum::Json(Schema { schema_info, version_info, deleted, references, text }))
}

pub(crate) async fn text(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(FormParameters { namespace, resolved }): Query<FormParameters>,
) -> Result<Response, ApiError> {
    let group = GroupId::new(namespace, group);
    let schema = read(&services, &group, id, resolved).await?.schema_info;
    let no_text = |reason: String| {
        let what = format!(
            "schema {id} of group {group} has no text: {reason}; get the schema itself for its bytes"
        );
        ApiError::new(StatusCode::NOT_FOUND, "not-found", what)
    };
    let text = services.registry.pretty_print(&schema).await?.map_err(|error| no_text(error.to_string()))?;
    let text = text.ok_or_else(|| no_text(format!("{} schemas are binary", schema.format)))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageParameters {
    #[serde(default)]
    namespace: String,
    limit: Option<u32>,
    after: Option<String>,
}

pub(crate) async fn referenced_by(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(PageParameters { namespace, limit, after }): Query<PageParameters>,
) -> JsonResult<Page<Referrer>> {
    let group = GroupId::new(namespace, group);
    Ok(axum::Json(services.registry.referenced_by(&group, id, &page(limit, after)).await?))
}

pub(crate) async fn delete(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(Deletion { namespace, force }): Query<Deletion>,
) -> Result<StatusCode, ApiError> {
    let group = GroupId::new(namespace, group);
    match force {
        true => services.registry.force_delete_schema(&group, id).await?,
        false => services.registry.delete_schema(&group, id).await?,
    }
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
    let (schema, references) = schema_info.into_parts()?;
    let question = CheckOptions { compatibility, rules, references };
    let group = namespace.group(group);
    Ok(axum::Json(services.registry.check(&group, schema, question).await?))
}

pub(crate) async fn find(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> JsonResult<VersionInfo> {
    let schema = schema.into_resolved(&*services.registry).await?;
    Ok(axum::Json(services.registry.find_schema(&namespace.group(group), schema).await?))
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
    let schema = schema.into_resolved(&*services.registry).await?;
    let compatible = services.registry.can_read(&namespace.group(group), schema).await?;
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
