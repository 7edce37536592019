//! The endpoints of the registry: every operation of
//! [`RegistryAdministration`](kulya_registry_api::administration::RegistryAdministration),
//! and those of serializers
//! that are useful to people.
//!
//! | request | description |
//! |---|---|
//! | `GET /v2/namespaces` | lists the namespaces with groups, paged |
//! | `GET /v2/groups?namespace=N` | lists a namespace's groups, paged |
//! | `PUT /v2/groups/{group}` | creates a group: 201, or 200 if it exists with these properties |
//! | `GET` `PATCH` `DELETE /v2/groups/{group}` | reads, changes or deletes it |
//! | `POST /v2/groups/{group}/schemas` | adds a schema: 201, or 409 with every reason |
//! | `POST /v2/groups/{group}/check` | checks a schema without adding it, by any policy and rules |
//! | `POST /v2/groups/{group}/find` `…/can-read` | finds a version; checks a reader |
//! | `GET /v2/groups/{group}/versions?type=T` | lists versions, including deleted ones, paged |
//! | `GET /v2/groups/{group}/versions/id?format=F&type=T&version=N` | returns a version's id |
//! | `GET` `DELETE /v2/groups/{group}/schemas/{id}` | returns a schema with its text; soft-deletes it |
//! | `GET /v2/groups/{group}/schemas/{id}/text` | returns the text alone |
//! | `GET /v2/groups/{group}/schemas/{id}/referenced-by` | lists the schemas that refer to it, paged |
//! | `POST /v2/resolve` | returns a schema that refers to others in its self-contained form |
//! | `GET /v2/groups/{group}/compare?from=ID&to=ID` | compares two schemas |
//! | `GET` `POST /v2/groups/{group}/codecs` | lists and adds codecs |
//! | `POST /v2/groups/{group}/encodings` `GET …/encodings/{id}` | encoding ids |
//! | `GET` `POST /v2/search` | searches live versions by group, type, format and field, paged |
//! | `POST /v2/added-to?namespace=N` | lists the groups that contain a schema |
//! | `GET /v2/export?namespace=N` `POST /v2/import?existing=skip` | exports and imports JSON lines |
//! | `GET /v2/changes?from=POSITION` | follows changes (server-sent events; `Last-Event-ID` resumes) |
//!
//! A group's namespace is in the query's `namespace`, as in REST v1; without it the default namespace is
//! used, so that no name is reserved. (Export and search without it use all namespaces, and with an empty one
//! the default.) Bodies are the JSON of the contract's types (§1.2); a schema may be JSON or text (`schema`)
//! instead of base64 (`schemaData`).

mod changes;
mod export_import;
mod export_line;
mod groups;
mod json_lines;
mod query;
mod schema_body;
mod schemas;
mod search;

use super::endpoint::{AFTER, Content, Endpoint, LIMIT, NAMESPACE, Parameter, U32};
use crate::endpoint::Access;
use axum::http::Method;
use kulya_auth::operation::RegistryCall;
use kulya_auth::permission::Permission::{Read, ReadUpdate};

const FORCE: Parameter = Parameter::flag("force", "delete it even if other schemas refer to it");
const RESOLVED: Parameter =
    Parameter::flag("resolved", "return a schema with references in its self-contained form");
const TYPE: Parameter = Parameter::text("type", "the type's full name");

pub(super) fn endpoints() -> Vec<Endpoint> {
    use Content::{Events, Json, Lines, Nothing, Text};
    use RegistryCall::{
        AddCodec, AddSchema, AddedTo, CreateGroup, DeleteGroup, DeleteSchema, EncodingId, ListGroups,
        ReadGroup, UpdateCompatibility,
    };
    let registry = Access::Registry;
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    vec![
        Endpoint::new(get.clone(), "/v2/namespaces", Access::Authenticated, groups::namespaces)
            .audited_as("listNamespaces")
            .documented("listNamespaces", "lists the namespaces that have groups")
            .query(&[LIMIT, AFTER])
            .response(200, "a page", Json("Namespaces")),
        Endpoint::new(get.clone(), "/v2/groups", registry(ListGroups), groups::list)
            .documented("listGroups", "lists the groups of a namespace, ordered by name")
            .query(&[NAMESPACE, LIMIT, AFTER])
            .response(200, "a page", Json("Groups")),
        Endpoint::new(get.clone(), "/v2/groups/{group}", registry(ReadGroup), groups::get)
            .documented("getGroup", "returns a group's properties")
            .query(&[NAMESPACE])
            .response(200, "its properties", Json("GroupProperties"))
            .errors(&[404]),
        Endpoint::new(put, "/v2/groups/{group}", registry(CreateGroup), groups::create)
            .documented("createGroup", "creates a group")
            .query(&[NAMESPACE])
            .request(Json("NewGroup"))
            .response(201, "created", Json("GroupProperties"))
            .response(200, "exists already, with these properties", Json("GroupProperties"))
            .errors(&[409]),
        Endpoint::new(patch, "/v2/groups/{group}", registry(UpdateCompatibility), groups::change)
            .audited_as("changeGroup")
            .documented("changeGroup", "changes a group's policy or labels")
            .query(&[NAMESPACE])
            .request(Json("GroupChange"))
            .response(200, "its new properties", Json("GroupProperties"))
            .errors(&[404, 409]),
        Endpoint::new(delete.clone(), "/v2/groups/{group}", registry(DeleteGroup), groups::delete)
            .documented("deleteGroup", "deletes a group with its contents")
            .query(&[NAMESPACE, FORCE])
            .response(204, "deleted, or did not exist", Nothing)
            .errors(&[409]),
        Endpoint::new(get.clone(), "/v2/groups/{group}/versions", registry(ReadGroup), schemas::versions)
            .documented("listVersions", "lists a group's versions ordered by id, including deleted ones")
            .query(&[NAMESPACE, TYPE, LIMIT, AFTER])
            .response(200, "a page", Json("Versions"))
            .errors(&[404]),
        Endpoint::new(
            get.clone(),
            "/v2/groups/{group}/versions/id",
            registry(ReadGroup),
            schemas::version_id,
        )
        .documented("getVersionId", "returns the id of a version by its number")
        .query(&[
            NAMESPACE,
            Parameter::text("format", "the format's full name").required(),
            Parameter::text("type", "the type's full name").required(),
            Parameter::number("version", "the version's number within its type").required().constrained(U32),
        ])
        .response(200, "its id", Json("VersionId"))
        .errors(&[404]),
        Endpoint::new(post.clone(), "/v2/groups/{group}/schemas", registry(AddSchema), schemas::add)
            .documented("addSchema", "registers a schema, or returns the registered one")
            .query(&[NAMESPACE])
            .request(Json("NewSchema"))
            .response(201, "its version", Json("VersionInfo"))
            .errors(&[404, 409, 417]),
        Endpoint::new(get.clone(), "/v2/groups/{group}/schemas/{id}", registry(ReadGroup), schemas::get)
            .documented("getSchema", "returns a schema by its id with its text, even if deleted")
            .query(&[NAMESPACE, RESOLVED])
            .response(200, "the schema", Json("Schema"))
            .errors(&[404]),
        Endpoint::new(
            get.clone(),
            "/v2/groups/{group}/schemas/{id}/text",
            registry(ReadGroup),
            schemas::text,
        )
        .documented("getSchemaText", "returns a schema's text")
        .query(&[NAMESPACE, RESOLVED])
        .response(200, "its text", Text)
        .errors(&[404]),
        Endpoint::new(
            get.clone(),
            "/v2/groups/{group}/schemas/{id}/referenced-by",
            registry(ReadGroup),
            schemas::referenced_by,
        )
        .documented("listReferrers", "lists the live schemas that refer to a schema")
        .query(&[NAMESPACE, LIMIT, AFTER])
        .response(200, "a page", Json("Referrers"))
        .errors(&[404]),
        // the registry checks the permission to read each group that the schema refers to
        Endpoint::new(post.clone(), "/v2/resolve", Access::Authenticated, schemas::resolve)
            .audited_as("resolveReferences")
            .documented("resolveReferences", "returns a schema with the schemas that it refers to in it")
            .request(Json("NewSchema"))
            .response(200, "the self-contained schema", Json("SchemaInfo")),
        Endpoint::new(delete, "/v2/groups/{group}/schemas/{id}", registry(DeleteSchema), schemas::delete)
            .documented("deleteSchema", "soft-deletes a schema: it stays readable but is ignored in checks")
            .query(&[NAMESPACE, FORCE])
            .response(204, "deleted", Nothing)
            .errors(&[404, 409]),
        Endpoint::new(post.clone(), "/v2/groups/{group}/check", registry(ReadGroup), schemas::check)
            .documented("checkSchema", "checks whether a schema could be added, with all reasons against it")
            .query(&[NAMESPACE])
            .request(Json("Check"))
            .response(200, "the verdict", Json("Verdict"))
            .errors(&[404, 417]),
        Endpoint::new(post.clone(), "/v2/groups/{group}/find", registry(ReadGroup), schemas::find)
            .documented("findSchema", "returns the version of a registered schema")
            .query(&[NAMESPACE])
            .request(Json("NewSchema"))
            .response(200, "its version", Json("VersionInfo"))
            .errors(&[404]),
        Endpoint::new(post.clone(), "/v2/groups/{group}/can-read", registry(ReadGroup), schemas::can_read)
            .documented(
                "canRead",
                "checks whether a schema can read the group's schemas, by the group's policy",
            )
            .query(&[NAMESPACE])
            .request(Json("NewSchema"))
            .response(200, "whether it can", Json("CanRead"))
            .errors(&[404]),
        Endpoint::new(get.clone(), "/v2/groups/{group}/compare", registry(ReadGroup), schemas::compare)
            .documented("compareSchemas", "compares two schemas: changes, and which one can read the other")
            .query(&[
                NAMESPACE,
                Parameter::number("from", "the earlier schema's id").required().constrained(U32),
                Parameter::number("to", "the later schema's id").required().constrained(U32),
            ])
            .response(200, "the comparison", Json("Comparison"))
            .errors(&[404]),
        Endpoint::new(get.clone(), "/v2/groups/{group}/codecs", registry(ReadGroup), groups::codecs)
            .documented("listCodecs", "lists the codecs that a group's readers need")
            .query(&[NAMESPACE])
            .response(200, "all of them", Json("Codecs"))
            .errors(&[404]),
        Endpoint::new(post.clone(), "/v2/groups/{group}/codecs", registry(AddCodec), groups::add_codec)
            .documented("addCodec", "adds a codec; an existing one of the same name is unchanged")
            .query(&[NAMESPACE])
            .request(Json("NewCodec"))
            .response(204, "added, or existed already", Nothing)
            .errors(&[404]),
        Endpoint::new(
            post.clone(),
            "/v2/groups/{group}/encodings",
            registry(EncodingId),
            groups::encoding_id,
        )
        .documented("getEncodingId", "returns the encoding id of a version and a codec, created on first use")
        .query(&[NAMESPACE])
        .request(Json("NewEncoding"))
        .response(200, "the id", Json("EncodingId"))
        .errors(&[404, 412]),
        Endpoint::new(
            get.clone(),
            "/v2/groups/{group}/encodings/{id}",
            registry(ReadGroup),
            groups::encoding,
        )
        .documented("getEncoding", "returns the schema, version and codec of an encoding id")
        .query(&[NAMESPACE])
        .response(200, "schema, version and codec", Json("EncodingInfo"))
        .errors(&[404]),
        Endpoint::new(get.clone(), "/v2/search", Access::Namespace(Read), search::by_query)
            .audited_as("search")
            .documented("searchByQuery", "searches live versions, group by group")
            .query(&[
                Parameter::text("namespace", "the namespace; absent for all"),
                Parameter::text("group", "a part of the group's name"),
                Parameter::text("type", "a part of the type's name"),
                Parameter::text("format", "the format"),
                Parameter::text("field", "a field's name, or the last names of its path"),
                Parameter::flag("allVersions", "every live version instead of the latest of each type"),
                LIMIT,
                AFTER,
            ])
            .response(200, "a page", Json("FoundPage")),
        Endpoint::new(post.clone(), "/v2/search", Access::Authenticated, search::by_body)
            .audited_as("search")
            .documented("search", "searches live versions, group by group")
            .query(&[LIMIT, AFTER])
            .request(Json("Search"))
            .response(200, "a page", Json("FoundPage")),
        Endpoint::new(post.clone(), "/v2/added-to", registry(AddedTo), search::added_to)
            .documented("addedTo", "lists the groups of a namespace that contain a schema")
            .query(&[NAMESPACE])
            .request(Json("NewSchema"))
            .response(200, "its version in each", Json("AddedTo")),
        Endpoint::new(get.clone(), "/v2/export", Access::Namespace(Read), export_import::export)
            .audited_as("export")
            .long()
            .documented("exportRegistry", "exports a namespace, or all")
            .query(&[Parameter::text("namespace", "the namespace; absent for all")])
            .response(
                200,
                "its lines; without the last line, `end`, the export is incomplete",
                Lines("ExportLine"),
            ),
        Endpoint::new(post, "/v2/import", Access::Everything(ReadUpdate), export_import::import)
            .audited_as("import")
            .long()
            .documented("importRegistry", "imports an export; each group is imported atomically")
            .query(&[Parameter::text(
                "existing",
                "what to do with an existing group: `refuse` (the default) or `skip`",
            )])
            .request(Lines("ExportLine"))
            .response(200, "the imported counts", Json("Imported"))
            .errors(&[409]),
        Endpoint::new(get, "/v2/changes", Access::Everything(Read), changes::follow)
            .audited_as("changes")
            .long()
            .documented("followChanges", "follows changes; an event's id is the position after it")
            .query(&[Parameter::text("from", "the position after which to start; absent for the end")])
            .headers(&[Parameter::text("Last-Event-ID", "the same, as browsers send it")])
            .response(200, "the changes", Events("Change"))
            .errors(&[410]),
    ]
}
