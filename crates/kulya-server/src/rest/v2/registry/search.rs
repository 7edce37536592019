//! The endpoints of search, and of the groups that contain a schema.

use super::super::error::ApiError;
use super::super::extract::{Json, Query};
use super::super::state::CallerServices;
use super::query::{InNamespace, Paging, page};
use super::schema_body::SchemaBody;
use crate::middleware::RequestContext;
use kulya_auth::operation;
use kulya_auth::permission::Permission;
use kulya_registry_api::administration::{self, Page, Search, SearchHit};
use serde::{Deserialize, Serialize};

type JsonResult<T> = Result<axum::Json<T>, ApiError>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SearchParameters {
    namespace: Option<String>,
    group: Option<String>,
    r#type: Option<String>,
    format: Option<String>,
    field: Option<String>,
    #[serde(default)]
    all_versions: bool,
    limit: Option<u32>,
    after: Option<String>,
}

pub(crate) async fn by_query(
    services: CallerServices,
    Query(parameters): Query<SearchParameters>,
) -> JsonResult<Page<SearchHit>> {
    let SearchParameters { namespace, group, r#type: type_name, format, field, all_versions, limit, after } =
        parameters;
    let search = Search { namespace, group, type_name, format, field, all_versions };
    Ok(axum::Json(services.registry.search(&search, &page(limit, after)).await?))
}

pub(crate) async fn by_body(
    services: CallerServices,
    context: RequestContext,
    Query(paging): Query<Paging>,
    Json(search): Json<Search>,
) -> JsonResult<Page<SearchHit>> {
    // the namespace is in the body, so the middleware cannot check it
    context.require(
        &operation::namespace(context.names(), search.namespace.as_deref(), Permission::Read),
        false,
    )?;
    let Paging { limit, after } = paging;
    Ok(axum::Json(services.registry.search(&search, &page(limit, after)).await?))
}

#[derive(Serialize)]
pub(crate) struct AddedTo {
    groups: administration::SchemaReferences,
}

pub(crate) async fn added_to(
    services: CallerServices,
    Query(InNamespace { namespace }): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> JsonResult<AddedTo> {
    let schema = schema.into_resolved(&*services.registry).await?;
    let groups = services.registry.schema_references(&namespace, schema).await?;
    Ok(axum::Json(AddedTo { groups }))
}
