//! The JSON schemas of requests and responses in the OpenAPI document. Tests validate real responses with
//! them, which have exactly the members described here, so that the document stays up to date.

use super::error::KINDS;
use kulya_schema::references::{MAX_REFERENCE_NAME_BYTES, MAX_REFERENCES};
use serde_json::{Map, Value, json};

/// Refers to a schema by its name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object of exactly these members; those with a `?` are optional.
fn object(members: &[(&str, Value)]) -> Value {
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|name| !name.starts_with('?')).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| (name.trim_start_matches('?').to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// An object of these members and more.
fn object_with(members: &[(&str, Value)], more: &[(&str, Value)]) -> Value {
    object(&[members, more].concat())
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn page(items: Value) -> Value {
    object(&[
        ("items", list(items)),
        ("?next", described_text("the position of the next page; absent on the last page")),
    ])
}

fn described_text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn constant(value: &str) -> Value {
    json!({ "const": value })
}

fn one_of(values: &[&str]) -> Value {
    json!({ "enum": values })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// An id or a count.
fn id() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn nullable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn string_map() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

/// The registry counts UTF-16 code units and JSON Schema counts characters: for most text they are equal.
fn labels() -> Value {
    let text = json!({ "type": "string", "maxLength": 200 });
    json!({ "type": "object", "additionalProperties": text, "propertyNames": { "maxLength": 200 }, "maxProperties": 100 })
}

fn base64(description: &str) -> Value {
    json!({ "type": "string", "contentEncoding": "base64", "description": description })
}

/// The references of a schema.
fn references() -> Value {
    json!({ "type": "array", "items": reference("Reference"), "maxItems": MAX_REFERENCES })
}

/// Returns all schemas.
pub(super) fn all_schemas() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in registry_types()
        .into_iter()
        .chain(checks())
        .chain(administration())
        .chain(streams())
        .chain(captures())
    {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}

type NamedSchema = (&'static str, Value);

/// The types of the registry contract (§1.2) and of the requests that contain them.
fn registry_types() -> Vec<NamedSchema> {
    // the limit is in bytes, and JSON Schema counts characters
    let reference_name = json!({
        "type": "string", "minLength": 1, "maxLength": MAX_REFERENCE_NAME_BYTES,
        "description": "an Avro type, the URI of a $ref, or an imported Protobuf file"
    });
    let policy = |direction: &str| {
        let plain = json!({ "enum": [direction, format!("{direction}Transitive")] });
        json!({ "oneOf": [
            object(&[("name", plain), ("?versionInfo", nullable(reference("VersionInfo")))]),
            object(&[("name", json!({ "const": format!("{direction}Till") })), ("versionInfo", reference("VersionInfo"))]),
        ] })
    };
    let backward = object(&[("backwardPolicy", policy("Backward"))]);
    let forward = object(&[("forwardPolicy", policy("Forward"))]);
    // one policy or both
    let advanced = json!({ "anyOf": [
        object(&[("backwardPolicy", backward.clone()), ("?forwardPolicy", nullable(forward.clone()))]),
        object(&[("?backwardPolicy", nullable(backward)), ("forwardPolicy", forward)]),
    ] });
    let policies = one_of(&[
        "AllowAny",
        "DenyAll",
        "Backward",
        "Forward",
        "BackwardTransitive",
        "ForwardTransitive",
        "Full",
        "FullTransitive",
    ]);
    let compatibility = json!({ "oneOf": [
        // ignored here, as in the Java registry
        object(&[("policy", policies), ("?advanced", json!({ "type": ["object", "null"] }))]),
        object(&[("policy", constant("Advanced")), ("advanced", advanced)]),
    ] });
    let format = |names: &[&str]| {
        let description = "the name of a custom format; ignored for built-in formats";
        let full_type_name = json!({ "type": "string", "description": description });
        json!({ "oneOf": [
            object(&[("serializationFormat", one_of(names)), ("?fullTypeName", nullable(full_type_name.clone()))]),
            object(&[("serializationFormat", constant("Custom")), ("fullTypeName", full_type_name)]),
        ] })
    };
    let group = |optional: &str| {
        object(&[
            ("serializationFormat", reference("Format")),
            ("compatibility", reference("Compatibility")),
            (&format!("{optional}allowMultipleTypes"), flag()),
            (&format!("{optional}properties"), labels()),
        ])
    };
    vec![
        ("Format", format(&["Avro", "Protobuf", "Json", "Any"])),
        // a group may accept any format, a schema has a single one
        ("SchemaFormat", format(&["Avro", "Protobuf", "Json"])),
        ("Compatibility", compatibility),
        ("GroupProperties", group("")),
        ("NewGroup", group("?")),
        (
            "GroupChange",
            object(&[
                ("?compatibility", nullable(reference("Compatibility"))),
                ("?properties", nullable(labels())),
                ("?previous", nullable(reference("GroupProperties"))),
            ]),
        ),
        (
            "VersionInfo",
            object(&[
                ("type", text()),
                ("serializationFormat", described_text("the format's full name")),
                ("version", id()),
                ("id", id()),
            ]),
        ),
        (
            "SchemaInfo",
            object(&[
                ("type", text()),
                ("serializationFormat", reference("Format")),
                ("schemaData", base64("the schema's bytes, as they were registered")),
                ("properties", labels()),
            ]),
        ),
        (
            "NewSchema",
            object(&[
                ("?type", described_text("the type's full name; absent where the schema contains it")),
                ("serializationFormat", reference("SchemaFormat")),
                ("?schemaData", nullable(base64("the schema's bytes; for Protobuf a FileDescriptorSet"))),
                (
                    "?schema",
                    json!({ "description": "instead of schemaData: the schema as JSON, or its text in a string" }),
                ),
                ("?properties", nullable(labels())),
                ("?references", nullable(references())),
            ]),
        ),
        (
            "Reference",
            object(&[
                ("name", reference_name),
                ("?namespace", described_text("the other group's namespace; absent for the default one")),
                (
                    "group",
                    json!({ "type": "string", "minLength": 1, "description": "the other group's name" }),
                ),
                ("id", id()),
            ]),
        ),
        ("CodecType", object(&[("name", text()), ("properties", string_map())])),
        ("NewCodec", object(&[("name", text()), ("?properties", string_map())])),
        ("Codecs", object(&[("codecs", list(reference("CodecType")))])),
        ("EncodingId", object(&[("encodingId", id())])),
        (
            "NewEncoding",
            object(&[
                ("versionInfo", reference("VersionInfo")),
                ("?codec", described_text("the codec's name; absent for none")),
            ]),
        ),
        (
            "EncodingInfo",
            object(&[
                ("schemaInfo", reference("SchemaInfo")),
                ("versionInfo", reference("VersionInfo")),
                ("codecType", reference("CodecType")),
            ]),
        ),
    ]
}

/// Verdicts of compatibility checks and their reasons.
fn checks() -> Vec<NamedSchema> {
    let incompatibility = [
        ("rule", described_text("format and rule, such as avro/missing-default")),
        ("readerPath", text()),
        ("writerPath", text()),
        ("reader", described_text("the part of the reader's schema")),
        ("writer", described_text("the part of the writer's schema")),
        ("message", text()),
        ("fix", described_text("how to fix it; empty if unknown")),
        ("?witness", json!({ "description": "a value that the writer accepts and the reader rejects" })),
        ("certain", json!({ "type": "boolean", "description": "false: it could not be decided" })),
    ];
    let versions = ("versions", list(reference("VersionInfo")));
    let pair_reasons = one_of(&["cannot-read", "cannot-be-read", "uses-reserved"]);
    vec![
        ("Incompatibility", object(&incompatibility)),
        ("Warning", object_with(std::slice::from_ref(&versions), &incompatibility)),
        (
            "Reason",
            json!({ "oneOf": [
                object(&[("kind", one_of(&["other-type", "denied"])), versions.clone()]),
                object_with(&[("kind", pair_reasons), versions], &incompatibility),
            ] }),
        ),
        (
            "ApiError",
            object(&[
                ("type", text()),
                ("policy", text()),
                ("rules", one_of(&["java", "strict"])),
                ("reasons", json!({ "type": "array", "items": reference("Reason"), "minItems": 1 })),
            ]),
        ),
        (
            "Verdict",
            object(&[
                ("compatible", flag()),
                ("?registered", reference("VersionInfo")),
                ("?refusal", reference("ApiError")),
                ("?warnings", json!({ "type": "array", "items": reference("Warning"), "minItems": 1 })),
            ]),
        ),
        (
            "Check",
            object(&[
                ("schemaInfo", reference("NewSchema")),
                ("?compatibility", nullable(reference("Compatibility"))),
                (
                    "?rules",
                    json!({
                        "description": "labels as a group's, {\"kulya.rules\":\"strict\"}; absent for the group's own",
                        "anyOf": [labels(), { "type": "null" }],
                    }),
                ),
            ]),
        ),
        ("CanRead", object(&[("compatible", flag())])),
        (
            "Error",
            object(&[("error", text()), ("kind", one_of(&KINDS)), ("?refusal", reference("ApiError"))]),
        ),
        ("Field", object(&[("path", text()), ("type", text())])),
        (
            "Difference",
            object(&[
                ("added", list(reference("Field"))),
                ("removed", list(reference("Field"))),
                ("changed", list(object(&[("path", text()), ("from", text()), ("to", text())]))),
            ]),
        ),
        (
            "Comparison",
            object(&[
                ("from", reference("SchemaInfo")),
                ("to", reference("SchemaInfo")),
                ("fields", reference("Difference")),
                ("backward", list(reference("Incompatibility"))),
                ("forward", list(reference("Incompatibility"))),
            ]),
        ),
    ]
}

/// Pages, searches, exports and changes.
fn administration() -> Vec<NamedSchema> {
    let group = [("namespace", text()), ("group", text())];
    let version = ("versionInfo", reference("VersionInfo"));
    let properties = ("properties", reference("GroupProperties"));
    let line = |kind: &str, members: &[(&str, Value)]| object_with(&[("line", constant(kind))], members);
    let lines = [
        line("begin", &[("kulyaRegistryExport", id())]),
        line(
            "group",
            &[
                ("namespace", text()),
                ("group", text()),
                properties.clone(),
                ("codecs", list(reference("CodecType"))),
                ("schemas", id()),
                ("encodings", id()),
            ],
        ),
        line(
            "schema",
            &[
                ("schemaInfo", reference("SchemaInfo")),
                version.clone(),
                ("compatibility", reference("Compatibility")),
                ("timestamp", number()),
                ("?deleted", flag()),
                (
                    "?unresolved",
                    object(&[
                        ("schemaData", base64("the schema's bytes as they were sent")),
                        ("references", references()),
                    ]),
                ),
            ],
        ),
        line("encoding", &[("encodingId", id()), ("schemaId", id()), ("codecType", reference("CodecType"))]),
        line("end", &[("groups", number())]),
    ];
    let change = |kind: &str, members: &[(&str, Value)]| {
        object_with(&group, &[&[("timestamp", number()), ("change", constant(kind))], members].concat())
    };
    let changes = [
        change("group-created", std::slice::from_ref(&properties)),
        change("group-imported", &[properties.clone(), ("schemas", id())]),
        change("group-changed", std::slice::from_ref(&properties)),
        change("group-deleted", &[]),
        change("schema-added", std::slice::from_ref(&version)),
        change("schema-deleted", std::slice::from_ref(&version)),
        change("codec-added", &[("codecType", reference("CodecType"))]),
        change(
            "encoding-added",
            &[("encodingId", reference("EncodingId")), ("schemaId", id()), ("codec", text())],
        ),
    ];
    vec![
        ("Namespaces", page(text())),
        ("Groups", page(object_with(&group, std::slice::from_ref(&properties)))),
        ("Versions", page(object(&[version.clone(), ("deleted", flag())]))),
        ("VersionId", object(&[("id", id())])),
        (
            "Schema",
            object(&[
                ("schemaInfo", reference("SchemaInfo")),
                version.clone(),
                ("deleted", flag()),
                ("?references", references()),
                ("?text", described_text("the schema's text; absent for binary formats")),
            ]),
        ),
        (
            "Search",
            object(&[
                ("?namespace", nullable(text())),
                ("?group", nullable(text())),
                ("?type", nullable(text())),
                ("?format", nullable(text())),
                ("?field", nullable(text())),
                ("?allVersions", flag()),
            ]),
        ),
        ("Referrers", page(object_with(&group, std::slice::from_ref(&version)))),
        ("FoundPage", page(object_with(&group, &[version, ("fields", list(reference("Field")))]))),
        (
            "AddedTo",
            object(&[(
                "groups",
                json!({ "type": "object", "additionalProperties": reference("VersionInfo") }),
            )]),
        ),
        (
            "Imported",
            object(&[("groups", number()), ("skipped", number()), ("schemas", id()), ("encodings", id())]),
        ),
        ("ExportLine", json!({ "oneOf": lines })),
        ("Change", json!({ "oneOf": changes })),
        ("Document", json!({ "type": "object", "required": ["openapi", "info", "paths"] })),
    ]
}

fn streams() -> Vec<NamedSchema> {
    let segment = object(&[
        ("segment", text()),
        ("keys", json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 })),
        ("head", number()),
        ("tail", number()),
    ]);
    let position =
        [("pointer", described_text("in hexadecimal digits")), ("segment", text()), ("offset", number())];
    let event = |body: (&str, Value)| object_with(&position, &[body]);
    vec![
        ("Streams", object(&[("streams", list(text()))])),
        (
            "Stream",
            object(&[
                ("stream", text()),
                ("sealed", flag()),
                ("head", described_text("a cut")),
                ("tail", described_text("a cut")),
                ("segments", list(segment)),
            ]),
        ),
        ("Appended", object(&position)),
        ("Duplicate", object(&[("duplicate", constant_true())])),
        (
            "Event",
            json!({ "oneOf": [event(("text", text())), event(("base64", base64("an event that is not UTF-8")))] }),
        ),
    ]
}

/// The status of captures.
fn captures() -> Vec<NamedSchema> {
    let states = ["starting", "snapshot", "streaming", "waiting", "retrying", "paused", "stopped"];
    let counted = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let time = || counted("in milliseconds since 1970-01-01 00:00 UTC");
    let snapshot = object(&[
        ("tables", number()),
        ("tablesRead", counted("the tables whose rows are all read")),
        ("rows", counted("the rows read so far")),
        ("estimatedRows", counted("the database's estimate of all rows")),
        ("rowsPerSecond", number()),
        ("?secondsLeft", number()),
    ]);
    let incremental = object(&[
        ("?table", described_text("the table that is being read")),
        ("tablesLeft", number()),
        ("rows", counted("the rows written so far")),
        ("chunks", number()),
        ("?isPaused", flag()),
    ]);
    let signals = ["execute-snapshot", "stop-snapshot", "pause-snapshot", "resume-snapshot", "log"];
    let signal = [
        ("?id", described_text("by which a signal that is sent twice is recognized")),
        ("type", one_of(&signals)),
        (
            "?data",
            json!({ "type": ["object", "string"], "description": "as Debezium documents it, or its text" }),
        ),
    ];
    let members = [
        ("name", text()),
        ("?connector", described_text("postgresql, mysql or mariadb")),
        ("state", one_of(&states)),
        ("?waitingFor", described_text("waiting: for what, and which sessions block it")),
        ("?since", time()),
        ("?error", described_text("retrying and stopped: the error with its causes")),
        ("?attempt", counted("retrying: the number of failures in a row")),
        ("?next", time()),
        ("?position", described_text("the stored position, as the database's tools write it")),
        ("?lagBytes", counted("the database's log after the stored position, in bytes")),
        (
            "?lagSeconds",
            counted("the time since the last stored transaction was committed; 0 if nothing is missing"),
        ),
        ("?retainedBytes", counted("the log that PostgreSQL retains for the capture, in bytes")),
        ("?filesBehind", counted("MySQL: the log files after that of the position")),
        (
            "?spooledTransactions",
            counted("the large transactions that have arrived in part and are not stored"),
        ),
        ("?spooledBytes", counted("their size in memory and on disk, in bytes")),
        ("records", counted("the records stored since the program started")),
        ("recordsPerSecond", counted("over the last minute")),
        ("?snapshot", snapshot),
        ("?incrementalSnapshot", incremental),
        ("?lastStored", time()),
        ("?lastCommitted", time()),
        ("?lastError", object(&[("error", text()), ("time", time())])),
        ("?signalError", object(&[("error", text()), ("time", time())])),
        ("restarts", counted("how often it was started again after an error")),
        ("deadLetters", counted("the events of which the dead-letter stream has a record instead")),
    ];
    let dropped = [
        ("name", text()),
        ("?slot", text()),
        ("?publication", text()),
        ("?position", text()),
        ("?streams", list(text())),
    ];
    vec![
        ("Capture", object(&members)),
        ("Captures", object(&[("captures", list(reference("Capture")))])),
        ("DroppedCapture", object(&dropped)),
        ("Signal", object(&signal)),
    ]
}

fn constant_true() -> Value {
    json!({ "const": true })
}
