//! Namespaces, groups, codecs and encodings.

use super::super::Seen;
use super::super::ask::{Json, Path, Query};
use super::super::refusal::Refusal;
use super::{InNamespace, page};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kulya_registry_api::RegistryErrorKind;
use kulya_registry_api::administration::{GroupChange, Page};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, EncodingInfo, Format, GroupProperties, VersionInfo,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type Answer<T> = Result<axum::Json<T>, Refusal>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    pub(super) limit: Option<u32>,
    pub(super) after: Option<String>,
}

pub(crate) async fn namespaces(
    served: Seen,
    Query(Paging { limit, after }): Query<Paging>,
) -> Answer<Page<String>> {
    Ok(axum::Json(served.registry.namespaces(&page(limit, after)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    #[serde(default)]
    namespace: String,
    limit: Option<u32>,
    after: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Listed {
    namespace: String,
    group: String,
    properties: GroupProperties,
}

pub(crate) async fn list(
    served: Seen,
    Query(Listing { namespace, limit, after }): Query<Listing>,
) -> Answer<Page<Listed>> {
    let Page { items, next } = served.registry.groups_page(&namespace, &page(limit, after)).await?;
    let listed = items.into_iter().map(|(id, properties)| Listed {
        namespace: id.namespace,
        group: id.name,
        properties,
    });
    Ok(axum::Json(Page { items: listed.collect(), next }))
}

pub(crate) async fn get(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
) -> Answer<GroupProperties> {
    Ok(axum::Json(served.registry.group(&namespace.group(group)).await?))
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

/// How often a group that others remove meanwhile is made.
const MOST_TRIES: u32 = 16;

/// May be repeated: it makes the group, or finds that it is so.
pub(crate) async fn create(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewGroup { serialization_format, compatibility, allow_multiple_types, properties }): Json<NewGroup>,
) -> Result<Response, Refusal> {
    let group = namespace.group(group);
    let wanted = GroupProperties {
        properties,
        ..GroupProperties::new(serialization_format, compatibility, allow_multiple_types)
    };
    let mut tries = 0;
    let found = loop {
        if served.registry.create_group(&group, wanted.clone()).await? {
            return Ok((StatusCode::CREATED, axum::Json(wanted)).into_response());
        }
        tries += 1;
        match served.registry.group(&group).await {
            // removed meanwhile, so it can be made
            Err(error) if error.kind() == RegistryErrorKind::NotFound && tries < MOST_TRIES => {}
            found => break found?,
        }
    };
    if found == wanted {
        return Ok(axum::Json(wanted).into_response());
    }
    let what =
        format!("group {group} is there with other properties: change it with PATCH, or choose another name");
    Err(Refusal::new(StatusCode::CONFLICT, "conflict", what))
}

pub(crate) async fn change(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(change): Json<GroupChange>,
) -> Answer<GroupProperties> {
    let group = namespace.group(group);
    match served.registry.change_group(&group, change).await? {
        Some(properties) => Ok(axum::Json(properties)),
        None => {
            let what = format!("group {group} is not as `previous` says: read it again");
            Err(Refusal::new(StatusCode::CONFLICT, "conflict", what))
        }
    }
}

pub(crate) async fn delete(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
) -> Result<StatusCode, Refusal> {
    served.registry.delete_group(&namespace.group(group)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub(crate) struct Codecs {
    codecs: Vec<CodecType>,
}

pub(crate) async fn codecs(
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
) -> Answer<Codecs> {
    let codecs = served.registry.codec_types(&namespace.group(group)).await?;
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
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewCodec { name, properties }): Json<NewCodec>,
) -> Result<StatusCode, Refusal> {
    served.registry.add_codec_type(&namespace.group(group), CodecType { name, properties }).await?;
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
    served: Seen,
    Path(group): Path<String>,
    Query(namespace): Query<InNamespace>,
    Json(NewEncoding { version_info, codec }): Json<NewEncoding>,
) -> Answer<EncodingId> {
    let group = namespace.group(group);
    Ok(axum::Json(served.registry.encoding_id(&group, &version_info, &codec).await?))
}

pub(crate) async fn encoding(
    served: Seen,
    Path((group, id)): Path<(String, u32)>,
    Query(namespace): Query<InNamespace>,
) -> Answer<EncodingInfo> {
    Ok(axum::Json(served.registry.encoding(&namespace.group(group), EncodingId(id)).await?))
}
