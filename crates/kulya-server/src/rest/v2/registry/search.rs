//! Search, by the query or by a body, and the groups that hold a schema.

use super::super::Seen;
use super::super::ask::{Json, Query};
use super::super::refusal::Refusal;
use super::body::SchemaBody;
use super::groups::Paging;
use super::{InNamespace, page};
use crate::door::Visit;
use kulya_auth::operation;
use kulya_auth::permission::Permission;
use kulya_codec::administration::{self, Found, Page, Search};
use serde::{Deserialize, Serialize};

type Answer<T> = Result<axum::Json<T>, Refusal>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Searching {
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

pub(crate) async fn by_query(served: Seen, Query(asked): Query<Searching>) -> Answer<Page<Found>> {
    let Searching { namespace, group, r#type: type_name, format, field, all_versions, limit, after } = asked;
    let search = Search { namespace, group, type_name, format, field, all_versions };
    Ok(axum::Json(served.registry.search(&search, &page(limit, after)).await?))
}

pub(crate) async fn by_body(
    served: Seen,
    visit: Visit,
    Query(paging): Query<Paging>,
    Json(search): Json<Search>,
) -> Answer<Page<Found>> {
    // the body says where, so the door could not ask
    visit
        .allow(&operation::namespace(visit.names(), search.namespace.as_deref(), Permission::Read), false)?;
    let Paging { limit, after } = paging;
    Ok(axum::Json(served.registry.search(&search, &page(limit, after)).await?))
}

#[derive(Serialize)]
pub(crate) struct AddedTo {
    groups: administration::AddedTo,
}

pub(crate) async fn added_to(
    served: Seen,
    Query(InNamespace { namespace }): Query<InNamespace>,
    Json(schema): Json<SchemaBody>,
) -> Answer<AddedTo> {
    let groups = served.registry.added_to(&namespace, schema.into_schema()?).await?;
    Ok(axum::Json(AddedTo { groups }))
}
