//! The endpoints of namespaces, groups, codecs and encodings.

use super::super::error::ApiError;
use super::super::extract::{Json, Path, Query};
use super::super::state::CallerServices;
use super::query::{Deletion, InNamespace, Paging, page};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kulya_registry_api::RegistryErrorKind;
use kulya_registry_api::administration::{GroupChange, Page};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, EncodingInfo, Format, GroupId, GroupProperties, VersionInfo,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type JsonResult<T> = Result<axum::Json<T>, ApiError>;

pub(crate) async fn namespaces(
    services: CallerServices,
    Query(Paging { limit, after }): Query<Paging>,
) -> JsonResult<Page<String>> {
    Ok(axum::Json(services.registry.namespaces(&page(limit, after)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    #[serde(default)]
    namespace: String,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct GroupItem {
    namespace: String,
    group: String,
    properties: GroupProperties,
}

pub(crate) async fn list(
    services: CallerServices,
    Query(ListParameters { namespace, limit, after }): Query<ListParameters>,
) -> JsonResult<Page<GroupItem>> {
    let Page { items, next } = services.registry.groups_page(&namespace, &page(limit, after)).await?;
    let groups = items.into_iter().map(|(id, properties)| GroupItem {
        namespace: id.namespace,
        group: id.name,
        properties,
    });
    Ok(axum::Json(Page { items: groups.collect(), next }))
}

pub(crate) async fn get(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
) -> JsonResult<GroupProperties> {
    Ok(axum::Json(services.registry.group(&namespace.group(group)).await?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewGroup {
    serialization_format: Format,
    compatibility: Compatibility,
    #[serde(default)]
    allow_multiple_types: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

/// Attempts to create a group that is deleted concurrently.
const MAX_ATTEMPTS: u32 = 16;

/// Idempotent: creates the group, or finds it with the same properties.
pub(crate) async fn create(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewGroup { serialization_format, compatibility, allow_multiple_types, properties }): Json<NewGroup>,
) -> Result<Response, ApiError> {
    let group = namespace.group(group);
    let requested = GroupProperties {
        properties,
        ..GroupProperties::new(serialization_format, compatibility, allow_multiple_types)
    };
    let mut attempts = 0;
    let existing = loop {
        if services.registry.create_group(&group, requested.clone()).await? {
            return Ok((StatusCode::CREATED, axum::Json(requested)).into_response());
        }
        attempts += 1;
        match services.registry.group(&group).await {
            // deleted meanwhile: create it
            Err(error) if error.kind() == RegistryErrorKind::NotFound && attempts < MAX_ATTEMPTS => {}
            result => break result?,
        }
    };
    if existing == requested {
        return Ok(axum::Json(requested).into_response());
    }
    let what =
        format!("group {group} exists with other properties: change it with PATCH, or use another name");
    Err(ApiError::new(StatusCode::CONFLICT, "conflict", what))
}

pub(crate) async fn change(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(change): Json<GroupChange>,
) -> JsonResult<GroupProperties> {
    let group = namespace.group(group);
    match services.registry.change_group(&group, change).await? {
        Some(properties) => Ok(axum::Json(properties)),
        None => {
            let what = format!("group {group} differs from `previous`: read it again");
            Err(ApiError::new(StatusCode::CONFLICT, "conflict", what))
        }
    }
}

pub(crate) async fn delete(
    services: CallerServices,
    Path(group): Path<String>,
    Query(Deletion { namespace, force }): Query<Deletion>,
) -> Result<StatusCode, ApiError> {
    let group = GroupId::new(namespace, group);
    match force {
        true => services.registry.force_delete_group(&group).await?,
        false => services.registry.delete_group(&group).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub(crate) struct Codecs {
    codecs: Vec<CodecType>,
}

pub(crate) async fn codecs(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
) -> JsonResult<Codecs> {
    let codecs = services.registry.codec_types(&namespace.group(group)).await?;
    Ok(axum::Json(Codecs { codecs }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCodec {
    name: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

pub(crate) async fn add_codec(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewCodec { name, properties }): Json<NewCodec>,
) -> Result<StatusCode, ApiError> {
    services.registry.add_codec_type(&namespace.group(group), CodecType { name, properties }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEncoding {
    version_info: VersionInfo,
    /// The codec's name; empty for none.
    #[serde(default)]
    codec: String,
}

pub(crate) async fn encoding_id(
    services: CallerServices,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewEncoding { version_info, codec }): Json<NewEncoding>,
) -> JsonResult<EncodingId> {
    let group = namespace.group(group);
    Ok(axum::Json(services.registry.encoding_id(&group, &version_info, &codec).await?))
}

pub(crate) async fn encoding(
    services: CallerServices,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> JsonResult<EncodingInfo> {
    Ok(axum::Json(services.registry.encoding(&namespace.group(group), EncodingId(id)).await?))
}
