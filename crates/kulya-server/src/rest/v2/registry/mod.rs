//! The registry over REST v2: every operation of
//! [`RegistryAdministration`](kulya_registry_api::administration::RegistryAdministration), and of writers and readers what a person
//! asks for.
//!
//! | call | what |
//! |---|---|
//! | `GET /v2/namespaces` | namespaces that hold groups, a page |
//! | `GET /v2/groups?namespace=N` | a namespace's groups, a page |
//! | `PUT /v2/groups/{group}` | makes a group: 201, or 200 when it was there and is so |
//! | `GET` `PATCH` `DELETE /v2/groups/{group}` | its properties; changes policy or labels, while it is as `previous` says; removes it |
//! | `POST /v2/groups/{group}/schemas` | adds a schema: 201, or 409 with every reason |
//! | `POST /v2/groups/{group}/check` | the same without adding it, by any policy and rules |
//! | `POST /v2/groups/{group}/find` `…/can-read` | a schema's version; whether it may read the group |
//! | `GET /v2/groups/{group}/versions?type=T` | versions, deleted ones too, a page |
//! | `GET /v2/groups/{group}/versions/id?format=F&type=T&version=N` | a version's id |
//! | `GET` `DELETE /v2/groups/{group}/schemas/{id}` | a schema with its text; deletes it softly |
//! | `GET /v2/groups/{group}/schemas/{id}/text` | the text alone |
//! | `GET /v2/groups/{group}/compare?from=ID&to=ID` | what changed, and who reads whom |
//! | `GET` `POST /v2/groups/{group}/codecs`, `POST …/encodings`, `GET …/encodings/{id}` | codecs and encodings |
//! | `GET` `POST /v2/search` | live versions by group, type, format, field, a page |
//! | `POST /v2/added-to?namespace=N` | the groups that hold a schema |
//! | `GET /v2/export?namespace=N` `POST /v2/import?existing=skip` | all as JSON lines, and back |
//! | `GET /v2/changes?from=PLACE` | changes as they come (server-sent events; `Last-Event-ID` goes on) |
//!
//! A group's namespace is the query's `namespace`, as in v1; without it the default one is meant, so that no name is
//! reserved. (Export and search without it mean all namespaces, and with an empty one the default.) Bodies are the nouns'
//! own shapes (contract §1.2); a schema may also be given as JSON or text (`schema`) instead of base64 (`schemaData`).

mod body;
mod changes;
mod export_line;
mod groups;
mod lines;
mod schemas;
mod search;
mod transfer;

use super::place::{AFTER, Content, LIMIT, NAMESPACE, Parameter, Place, U32};
use axum::http::Method;
use kulya_registry_api::administration::PageRequest;
use kulya_schema::GroupId;
use serde::Deserialize;

/// Items of a page when nothing else is asked for. The registry says how many are the most.
const DEFAULT_LIMIT: usize = 100;

const TYPE: Parameter = Parameter::text("type", "the type's full name");

pub(super) fn places() -> Vec<Place> {
    use Content::{Events, Json, Lines, Nothing, Text};
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    vec![
        Place::new(get.clone(), "/v2/namespaces", groups::namespaces)
            .named("listNamespaces", "the namespaces that hold groups")
            .query(&[LIMIT, AFTER])
            .answers(200, "a page", Json("Namespaces")),
        Place::new(get.clone(), "/v2/groups", groups::list)
            .named("listGroups", "the groups of a namespace, in name order")
            .query(&[NAMESPACE, LIMIT, AFTER])
            .answers(200, "a page", Json("Groups")),
        Place::new(get.clone(), "/v2/groups/{group}", groups::get)
            .named("getGroup", "a group's properties")
            .query(&[NAMESPACE])
            .answers(200, "its properties", Json("GroupProperties"))
            .refuses(&[404]),
        Place::new(put, "/v2/groups/{group}", groups::create)
            .named("createGroup", "makes a group")
            .query(&[NAMESPACE])
            .takes(Json("NewGroup"))
            .answers(201, "made", Json("GroupProperties"))
            .answers(200, "there was one that is so", Json("GroupProperties"))
            .refuses(&[409]),
        Place::new(patch, "/v2/groups/{group}", groups::change)
            .named("changeGroup", "changes a group's policy or labels")
            .query(&[NAMESPACE])
            .takes(Json("GroupChange"))
            .answers(200, "its properties now", Json("GroupProperties"))
            .refuses(&[404, 409]),
        Place::new(delete.clone(), "/v2/groups/{group}", groups::delete)
            .named("deleteGroup", "removes a group with all it has")
            .query(&[NAMESPACE])
            .answers(204, "there is none of that name", Nothing),
        Place::new(get.clone(), "/v2/groups/{group}/versions", schemas::versions)
            .named("listVersions", "a group's versions in id order, deleted ones too")
            .query(&[NAMESPACE, TYPE, LIMIT, AFTER])
            .answers(200, "a page", Json("Versions"))
            .refuses(&[404]),
        Place::new(get.clone(), "/v2/groups/{group}/versions/id", schemas::version_id)
            .named("getVersionId", "the id of a version by its number")
            .query(&[
                NAMESPACE,
                Parameter::text("format", "the format's full name").needed(),
                Parameter::text("type", "the type's full name").needed(),
                Parameter::number("version", "the number among those of the type").needed().bounded(U32),
            ])
            .answers(200, "its id", Json("VersionId"))
            .refuses(&[404]),
        Place::new(post.clone(), "/v2/groups/{group}/schemas", schemas::add)
            .named("addSchema", "registers a schema, or finds it again")
            .query(&[NAMESPACE])
            .takes(Json("NewSchema"))
            .answers(201, "its version", Json("VersionInfo"))
            .refuses(&[404, 409, 417]),
        Place::new(get.clone(), "/v2/groups/{group}/schemas/{id}", schemas::get)
            .named("getSchema", "a schema by its id, deleted ones too, with its text")
            .query(&[NAMESPACE])
            .answers(200, "the schema", Json("Schema"))
            .refuses(&[404]),
        Place::new(get.clone(), "/v2/groups/{group}/schemas/{id}/text", schemas::text)
            .named("getSchemaText", "a schema as a person reads it")
            .query(&[NAMESPACE])
            .answers(200, "its text", Text)
            .refuses(&[404]),
        Place::new(delete, "/v2/groups/{group}/schemas/{id}", schemas::delete)
            .named("deleteSchema", "deletes a schema: it stays readable, and counts no more")
            .query(&[NAMESPACE])
            .answers(204, "it is deleted", Nothing)
            .refuses(&[404]),
        Place::new(post.clone(), "/v2/groups/{group}/check", schemas::check)
            .named("checkSchema", "whether a schema could be added, and every reason why not")
            .query(&[NAMESPACE])
            .takes(Json("Check"))
            .answers(200, "the verdict", Json("Verdict"))
            .refuses(&[404, 417]),
        Place::new(post.clone(), "/v2/groups/{group}/find", schemas::find)
            .named("findSchema", "the version of a registered schema")
            .query(&[NAMESPACE])
            .takes(Json("NewSchema"))
            .answers(200, "its version", Json("VersionInfo"))
            .refuses(&[404]),
        Place::new(post.clone(), "/v2/groups/{group}/can-read", schemas::can_read)
            .named("canRead", "whether a schema may read the group, by the group's rule")
            .query(&[NAMESPACE])
            .takes(Json("NewSchema"))
            .answers(200, "whether it may", Json("CanRead"))
            .refuses(&[404]),
        Place::new(get.clone(), "/v2/groups/{group}/compare", schemas::compare)
            .named("compareSchemas", "what changed from one schema to another, and who reads whom")
            .query(&[
                NAMESPACE,
                Parameter::number("from", "the earlier schema's id").needed().bounded(U32),
                Parameter::number("to", "the later schema's id").needed().bounded(U32),
            ])
            .answers(200, "the comparison", Json("Comparison"))
            .refuses(&[404]),
        Place::new(get.clone(), "/v2/groups/{group}/codecs", groups::codecs)
            .named("listCodecs", "the codecs a group's readers must know")
            .query(&[NAMESPACE])
            .answers(200, "all of them", Json("Codecs"))
            .refuses(&[404]),
        Place::new(post.clone(), "/v2/groups/{group}/codecs", groups::add_codec)
            .named("addCodec", "adds a codec; one of the same name stays as it was")
            .query(&[NAMESPACE])
            .takes(Json("NewCodec"))
            .answers(204, "it is there", Nothing)
            .refuses(&[404]),
        Place::new(post.clone(), "/v2/groups/{group}/encodings", groups::encoding_id)
            .named("getEncodingId", "the encoding id of a version and a codec, made on first use")
            .query(&[NAMESPACE])
            .takes(Json("NewEncoding"))
            .answers(200, "the id", Json("EncodingId"))
            .refuses(&[404, 412]),
        Place::new(get.clone(), "/v2/groups/{group}/encodings/{id}", groups::encoding)
            .named("getEncoding", "what an encoding id stands for")
            .query(&[NAMESPACE])
            .answers(200, "schema, version and codec", Json("EncodingInfo"))
            .refuses(&[404]),
        Place::new(get.clone(), "/v2/search", search::by_query)
            .named("searchByQuery", "live versions that a search names, group by group")
            .query(&[
                Parameter::text("namespace", "only in this namespace; left out for all"),
                Parameter::text("group", "a part of the group's name"),
                Parameter::text("type", "a part of the type's name"),
                Parameter::text("format", "the format"),
                Parameter::text("field", "a field's name, or the last names of its path"),
                Parameter::flag("allVersions", "every live version instead of the latest of each type"),
                LIMIT,
                AFTER,
            ])
            .answers(200, "a page", Json("FoundPage")),
        Place::new(post.clone(), "/v2/search", search::by_body)
            .named("search", "the same")
            .query(&[LIMIT, AFTER])
            .takes(Json("Search"))
            .answers(200, "a page", Json("FoundPage")),
        Place::new(post.clone(), "/v2/added-to", search::added_to)
            .named("addedTo", "the groups of a namespace that hold a schema")
            .query(&[NAMESPACE])
            .takes(Json("NewSchema"))
            .answers(200, "its version in each", Json("AddedTo")),
        Place::new(get.clone(), "/v2/export", transfer::export)
            .named("exportRegistry", "everything of a namespace, or of all")
            .query(&[Parameter::text("namespace", "only this namespace; left out for all")])
            .answers(
                200,
                "its lines; without the last one, `end`, the export is cut short",
                Lines("ExportLine"),
            ),
        Place::new(post, "/v2/import", transfer::import)
            .named("importRegistry", "takes in what an export gave; each group appears as a whole")
            .query(&[Parameter::text(
                "existing",
                "what is done with a group that is there: `refuse` (taken when it is left out) or `skip`",
            )])
            .takes(Lines("ExportLine"))
            .answers(200, "what was done", Json("Imported"))
            .refuses(&[409]),
        Place::new(get, "/v2/changes", changes::follow)
            .named("followChanges", "changes as they come; an event's id is the place behind it")
            .query(&[Parameter::text("from", "the place of a change: go on behind it; left out for now")])
            .headers(&[Parameter::text("Last-Event-ID", "the same, as browsers send it")])
            .answers(200, "the feed", Events("Change"))
            .refuses(&[410]),
    ]
}

/// The query of a place that asks for nothing but a namespace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InNamespace {
    #[serde(default)]
    namespace: String,
}

impl InNamespace {
    fn group(self, name: String) -> GroupId {
        GroupId::new(self.namespace, name)
    }
}

fn page(limit: Option<u32>, after: Option<String>) -> PageRequest {
    PageRequest::after(after.unwrap_or_default(), limit.map_or(DEFAULT_LIMIT, |limit| limit as usize))
}
