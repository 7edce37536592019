//! The handlers of REST v1 (contract §1.3).

use super::call::Call;
use super::response::ApiResponse;
use crate::reads::out_of_memory;
use crate::rest::record_stream::{self, Delimiters, RecordStreamError};
use axum::http::StatusCode;
use futures::stream::{BoxStream, StreamExt};
use kulya_registry::{Listing, Registry};
use kulya_registry_api::administration::{
    CheckOptions, PageRequest, RegistryAdministration, SchemaReferences,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type Result<T = ApiResponse> = std::result::Result<T, ApiResponse>;

/// Groups per page, unless the request has a limit.
const DEFAULT_LIMIT: usize = 100;
/// Groups per page at most, whatever the request's limit.
const MAX_LIMIT: usize = 10_000;

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

const HISTORY: Delimiters = Delimiters { start: "{\"history\":[", separator: ",", terminator: "", end: "]}" };
const SCHEMAS: Delimiters = Delimiters { start: "{\"schemas\":[", separator: ",", terminator: "", end: "]}" };

#[derive(Serialize)]
struct Groups {
    groups: SchemaReferences,
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

/// Rejects the text of a `.proto` file: this version of the API returns a schema's bytes as they were sent,
/// and its clients read descriptor sets.
fn schema(schema: SchemaInfo) -> std::result::Result<SchemaInfo, ApiResponse> {
    if schema.format == Format::Protobuf && kulya_schema::protobuf::is_source(&schema.data) {
        return Err(ApiResponse::bad_request(
            "Unable to parse schema. The schema is the text of a .proto file, and v1 takes descriptor sets: send the \
             output of `protoc --include_imports --descriptor_set_out=FILE`, or send the text to /v2",
        ));
    }
    Ok(schema)
}

pub(super) async fn ping(_: &Registry, _: &Call) -> Result {
    Ok(ApiResponse::empty(StatusCode::OK))
}

pub(super) async fn list_groups(registry: &Registry, call: &Call) -> Result {
    let limit = match call.query.get("limit") {
        // 404 for an invalid number, as on the Java server
        Some(limit) => {
            let invalid = |_| ApiResponse::not_found(format!("limit {limit:.40?} is not a whole number"));
            limit.parse::<usize>().map_err(invalid)?.clamp(1, MAX_LIMIT)
        }
        None => DEFAULT_LIMIT,
    };
    let mut token = call.query.get("continuationToken").cloned().unwrap_or_default();
    let mut groups = BTreeMap::new();
    // clients take an empty page for the end: where the registry returns one, the next page is read
    while groups.is_empty() {
        let page = registry.groups_page(&call.namespace, &PageRequest::after(&token, limit)).await?;
        let is_last = page.next.is_none();
        match (page.next, page.items.last()) {
            (Some(next), _) => token = next,
            // a client reads on until a page is empty, so the last page has a token too (contract §1.3)
            (None, Some((last, _))) => token = registry.page_token_after(last).await?,
            (None, None) => {}
        }
        groups.extend(page.items.into_iter().map(|(id, properties)| (id.name, properties)));
        if is_last {
            break;
        }
    }
    Ok(ApiResponse::ok(&ListGroups { groups, continuation_token: token }))
}

pub(super) async fn create_group(registry: &Registry, call: &Call) -> Result {
    let CreateGroup { group_name, group_properties } = call.body()?;
    let group = GroupId::new(&call.namespace, group_name);
    if registry.create_group(&group, group_properties).await? {
        Ok(ApiResponse::empty(StatusCode::CREATED))
    } else {
        Ok(ApiResponse::conflict(format!("group {:?} already exists and is unchanged", group.name)))
    }
}

pub(super) async fn get_group(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&registry.group(&call.group()).await?))
}

pub(super) async fn delete_group(registry: &Registry, call: &Call) -> Result {
    registry.delete_group(&call.group()).await?;
    Ok(ApiResponse::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn get_history(registry: &Registry, call: &Call) -> Result {
    let records = registry.live_schemas(&call.group(), Listing::Versions(None)).await?;
    stream(call, HISTORY, records, |record: &HistoryRecord| record.schema.data.len()).await
}

pub(super) async fn update_compatibility(registry: &Registry, call: &Call) -> Result {
    let UpdateCompatibility { compatibility, previous_compatibility } = call.body()?;
    let group = call.group();
    if registry.update_compatibility(&group, compatibility, previous_compatibility).await? {
        Ok(ApiResponse::empty(StatusCode::OK))
    } else {
        Ok(ApiResponse::conflict(format!(
            "the compatibility of group {:?} is no longer previousCompatibility: read it again",
            group.name
        )))
    }
}

pub(super) async fn latest_schemas(registry: &Registry, call: &Call) -> Result {
    schemas(registry, call, Listing::Latest(call.query.get("type").map(String::as_str))).await
}

pub(super) async fn schema_versions(registry: &Registry, call: &Call) -> Result {
    schemas(registry, call, Listing::Versions(call.query.get("type").map(String::as_str))).await
}

async fn schemas(registry: &Registry, call: &Call, listing: Listing<'_>) -> Result {
    let records = registry.live_schemas(&call.group(), listing).await?;
    let with_version = |record: HistoryRecord| {
        let HistoryRecord { schema, version, .. } = record;
        SchemaWithVersion { schema, version }
    };
    let records = records.map(move |record| record.map(with_version)).boxed();
    stream(call, SCHEMAS, records, |schema| schema.schema.data.len()).await
}

/// Responds with many records, generated as they are sent.
async fn stream<T: Serialize + Send + 'static>(
    call: &Call,
    delimiters: Delimiters,
    records: BoxStream<'static, RegistryResult<T>>,
    bytes_of: fn(&T) -> usize,
) -> Result {
    let body = record_stream::body(call.context.bytes().clone(), delimiters, records, bytes_of).await;
    body.map(ApiResponse::stream).map_err(|error| match error {
        RecordStreamError::OutOfMemory => {
            RegistryError::new(RegistryErrorKind::Unavailable, out_of_memory().to_string()).into()
        }
        RecordStreamError::Source(error) => error.into(),
    })
}

pub(super) async fn add_schema(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::json(
        StatusCode::CREATED,
        &registry.add_schema(&call.group(), schema(call.body()?)?).await?,
    ))
}

pub(super) async fn find_schema(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&registry.find_schema(&call.group(), schema(call.body()?)?).await?))
}

pub(super) async fn validate_schema(registry: &Registry, call: &Call) -> Result {
    let Validate { schema_info, compatibility } = call.body()?;
    let question = CheckOptions { compatibility, ..CheckOptions::default() };
    let verdict = registry.check(&call.group(), schema(schema_info)?, question).await?;
    Ok(ApiResponse::ok(&Valid { valid: verdict.refusal.is_none() }))
}

pub(super) async fn can_read(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&CanRead {
        compatible: registry.can_read(&call.group(), schema(call.body()?)?).await?,
    }))
}

pub(super) async fn get_schema(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&registry.schema(&call.group(), call.id()?).await?))
}

pub(super) async fn delete_schema(registry: &Registry, call: &Call) -> Result {
    registry.delete_schema(&call.group(), call.id()?).await?;
    Ok(ApiResponse::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn get_schema_version(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&registry.schema(&call.group(), version_id(registry, call).await?).await?))
}

pub(super) async fn delete_schema_version(registry: &Registry, call: &Call) -> Result {
    registry.delete_schema(&call.group(), version_id(registry, call).await?).await?;
    Ok(ApiResponse::empty(StatusCode::NO_CONTENT))
}

/// Returns the schema id of the version in the path.
async fn version_id(registry: &Registry, call: &Call) -> Result<u32> {
    let (format, type_name) = (call.parameter("format"), call.parameter("type"));
    Ok(registry.version_id(&call.group(), format, type_name, call.id()?).await?)
}

pub(super) async fn get_encoding_id(registry: &Registry, call: &Call) -> Result {
    let GetEncodingId { version_info, codec_type } = call.body()?;
    Ok(ApiResponse::ok(&registry.encoding_id(&call.group(), &version_info, &codec_type).await?))
}

pub(super) async fn get_encoding(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&registry.encoding(&call.group(), EncodingId(call.id()?)).await?))
}

pub(super) async fn list_codec_types(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&CodecTypes { codec_types: registry.codec_types(&call.group()).await? }))
}

pub(super) async fn add_codec_type(registry: &Registry, call: &Call) -> Result {
    registry.add_codec_type(&call.group(), call.body()?).await?;
    Ok(ApiResponse::empty(StatusCode::CREATED))
}

pub(super) async fn added_to(registry: &Registry, call: &Call) -> Result {
    Ok(ApiResponse::ok(&Groups {
        groups: registry.schema_references(&call.namespace, schema(call.body()?)?).await?,
    }))
}
