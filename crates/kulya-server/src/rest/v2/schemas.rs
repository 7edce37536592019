//! What answers and requests look like: the document's schemas. Tests hold real answers against them, which have every member
//! that is named here and no other, so that the document cannot fall behind.

use super::refusal::KINDS;
use serde_json::{Map, Value, json};

pub(super) fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object of these members and no others; those after a `?` may be left out.
fn object(members: &[(&str, Value)]) -> Value {
    let required: Vec<&str> =
        members.iter().map(|(name, _)| *name).filter(|name| !name.starts_with('?')).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| (name.trim_start_matches('?').to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The same with more members.
fn with(members: &[(&str, Value)], more: &[(&str, Value)]) -> Value {
    object(&[members, more].concat())
}

fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn page(of: Value) -> Value {
    object(&[
        ("items", list(of)),
        ("?next", told("where the next page begins; left out when this is the last")),
    ])
}

fn told(what: &str) -> Value {
    json!({ "type": "string", "description": what })
}

fn word(one: &str) -> Value {
    json!({ "const": one })
}

fn any_of(words: &[&str]) -> Value {
    json!({ "enum": words })
}

fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// An id, or a number of things.
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

fn texts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

/// Lengths count UTF-16 units in the registry, and characters here: of the usual ones both are the same.
fn labels() -> Value {
    let text = json!({ "type": "string", "maxLength": 200 });
    json!({ "type": "object", "additionalProperties": text, "propertyNames": { "maxLength": 200 }, "maxProperties": 100 })
}

fn base64(what: &str) -> Value {
    json!({ "type": "string", "contentEncoding": "base64", "description": what })
}

pub(super) fn all() -> Value {
    let mut schemas = Map::new();
    for (name, schema) in nouns().into_iter().chain(judged()).chain(administered()).chain(streams()) {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}

type Named = (&'static str, Value);

/// The nouns of the registry contract (§1.2), and how they are sent.
fn nouns() -> Vec<Named> {
    let side = |word: &str| {
        let plain = json!({ "enum": [word, format!("{word}Transitive")] });
        json!({ "oneOf": [
            object(&[("name", plain), ("?versionInfo", nullable(refer("VersionInfo")))]),
            object(&[("name", json!({ "const": format!("{word}Till") })), ("versionInfo", refer("VersionInfo"))]),
        ] })
    };
    let backward = object(&[("backwardPolicy", side("Backward"))]);
    let forward = object(&[("forwardPolicy", side("Forward"))]);
    // one side or both
    let advanced = json!({ "anyOf": [
        object(&[("backwardPolicy", backward.clone()), ("?forwardPolicy", nullable(forward.clone()))]),
        object(&[("?backwardPolicy", nullable(backward)), ("forwardPolicy", forward)]),
    ] });
    let policies = any_of(&[
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
        // passed over here, as the Java registry does
        object(&[("policy", policies), ("?advanced", json!({ "type": ["object", "null"] }))]),
        object(&[("policy", word("Advanced")), ("advanced", advanced)]),
    ] });
    let format = |known: &[&str]| {
        let name = "a custom format's own name; the built-in ones know theirs";
        let told = json!({ "type": "string", "description": name });
        json!({ "oneOf": [
            object(&[("serializationFormat", any_of(known)), ("?fullTypeName", nullable(told.clone()))]),
            object(&[("serializationFormat", word("Custom")), ("fullTypeName", told)]),
        ] })
    };
    let group = |optional: &str| {
        object(&[
            ("serializationFormat", refer("Format")),
            ("compatibility", refer("Compatibility")),
            (&format!("{optional}allowMultipleTypes"), flag()),
            (&format!("{optional}properties"), labels()),
        ])
    };
    vec![
        ("Format", format(&["Avro", "Protobuf", "Json", "Any"])),
        // a group may take any format, and a schema has one
        ("SchemaFormat", format(&["Avro", "Protobuf", "Json"])),
        ("Compatibility", compatibility),
        ("GroupProperties", group("")),
        ("NewGroup", group("?")),
        (
            "GroupChange",
            object(&[
                ("?compatibility", nullable(refer("Compatibility"))),
                ("?properties", nullable(labels())),
                ("?previous", nullable(refer("GroupProperties"))),
            ]),
        ),
        (
            "VersionInfo",
            object(&[
                ("type", text()),
                ("serializationFormat", told("the format's full name")),
                ("version", id()),
                ("id", id()),
            ]),
        ),
        (
            "SchemaInfo",
            object(&[
                ("type", text()),
                ("serializationFormat", refer("Format")),
                ("schemaData", base64("the schema's bytes, as they were sent")),
                ("properties", labels()),
            ]),
        ),
        (
            "NewSchema",
            object(&[
                ("?type", told("the type's full name; left out where the schema says it")),
                ("serializationFormat", refer("SchemaFormat")),
                ("?schemaData", nullable(base64("the schema's bytes; for Protobuf a FileDescriptorSet"))),
                (
                    "?schema",
                    json!({ "description": "instead of schemaData: the schema as JSON, or as a string that holds its text" }),
                ),
                ("?properties", nullable(labels())),
            ]),
        ),
        ("CodecType", object(&[("name", text()), ("properties", texts())])),
        ("NewCodec", object(&[("name", text()), ("?properties", texts())])),
        ("Codecs", object(&[("codecs", list(refer("CodecType")))])),
        ("EncodingId", object(&[("encodingId", id())])),
        (
            "NewEncoding",
            object(&[
                ("versionInfo", refer("VersionInfo")),
                ("?codec", told("the codec's name; left out for none")),
            ]),
        ),
        (
            "EncodingInfo",
            object(&[
                ("schemaInfo", refer("SchemaInfo")),
                ("versionInfo", refer("VersionInfo")),
                ("codecType", refer("CodecType")),
            ]),
        ),
    ]
}

/// Verdicts and their reasons.
fn judged() -> Vec<Named> {
    let why = [
        ("rule", told("the format's word and the rule's, as avro/missing-default")),
        ("readerPath", text()),
        ("writerPath", text()),
        ("reader", told("what stands there in the reader's schema")),
        ("writer", told("what stands there in the writer's schema")),
        ("message", text()),
        ("fix", told("what would mend it; empty when nobody can say")),
        ("?witness", json!({ "description": "a value that the writer allows and the reader does not" })),
        ("certain", json!({ "type": "boolean", "description": "false: it could not be told" })),
    ];
    let versions = ("versions", list(refer("VersionInfo")));
    let of_pair = any_of(&["cannot-read", "cannot-be-read", "uses-reserved"]);
    vec![
        ("Incompatibility", object(&why)),
        (
            "Reason",
            json!({ "oneOf": [
                object(&[("kind", any_of(&["other-type", "denied"])), versions.clone()]),
                with(&[("kind", of_pair), versions], &why),
            ] }),
        ),
        (
            "Refusal",
            object(&[
                ("type", text()),
                ("policy", text()),
                ("rules", any_of(&["java", "strict"])),
                ("reasons", json!({ "type": "array", "items": refer("Reason"), "minItems": 1 })),
            ]),
        ),
        (
            "Verdict",
            object(&[
                ("compatible", flag()),
                ("?registered", refer("VersionInfo")),
                ("?refusal", refer("Refusal")),
            ]),
        ),
        (
            "Check",
            object(&[
                ("schemaInfo", refer("NewSchema")),
                ("?compatibility", nullable(refer("Compatibility"))),
                (
                    "?rules",
                    json!({
                        "description": "labels as a group's, {\"kulya.rules\":\"strict\"}; left out for the group's own",
                        "anyOf": [labels(), { "type": "null" }],
                    }),
                ),
            ]),
        ),
        ("CanRead", object(&[("compatible", flag())])),
        ("Error", object(&[("error", text()), ("kind", any_of(&KINDS)), ("?refusal", refer("Refusal"))])),
        ("Field", object(&[("path", text()), ("type", text())])),
        (
            "Difference",
            object(&[
                ("added", list(refer("Field"))),
                ("removed", list(refer("Field"))),
                ("changed", list(object(&[("path", text()), ("from", text()), ("to", text())]))),
            ]),
        ),
        (
            "Comparison",
            object(&[
                ("from", refer("SchemaInfo")),
                ("to", refer("SchemaInfo")),
                ("fields", refer("Difference")),
                ("backward", list(refer("Incompatibility"))),
                ("forward", list(refer("Incompatibility"))),
            ]),
        ),
    ]
}

/// Lists, searches, exports, changes.
fn administered() -> Vec<Named> {
    let group = [("namespace", text()), ("group", text())];
    let version = ("versionInfo", refer("VersionInfo"));
    let properties = ("properties", refer("GroupProperties"));
    let line = |word_of_it: &str, members: &[(&str, Value)]| with(&[("line", word(word_of_it))], members);
    let lines = [
        line("begin", &[("kulyaRegistryExport", id())]),
        line(
            "group",
            &[
                ("namespace", text()),
                ("group", text()),
                properties.clone(),
                ("codecs", list(refer("CodecType"))),
                ("schemas", id()),
                ("encodings", id()),
            ],
        ),
        line(
            "schema",
            &[
                ("schemaInfo", refer("SchemaInfo")),
                version.clone(),
                ("compatibility", refer("Compatibility")),
                ("timestamp", number()),
                ("?deleted", flag()),
            ],
        ),
        line("encoding", &[("encodingId", id()), ("schemaId", id()), ("codecType", refer("CodecType"))]),
        line("end", &[("groups", number())]),
    ];
    let change = |word_of_it: &str, members: &[(&str, Value)]| {
        with(&group, &[&[("timestamp", number()), ("change", word(word_of_it))], members].concat())
    };
    let changes = [
        change("group-created", std::slice::from_ref(&properties)),
        change("group-imported", &[properties.clone(), ("schemas", id())]),
        change("group-changed", std::slice::from_ref(&properties)),
        change("group-deleted", &[]),
        change("schema-added", std::slice::from_ref(&version)),
        change("schema-deleted", std::slice::from_ref(&version)),
        change("codec-added", &[("codecType", refer("CodecType"))]),
        change(
            "encoding-added",
            &[("encodingId", refer("EncodingId")), ("schemaId", id()), ("codec", text())],
        ),
    ];
    vec![
        ("Namespaces", page(text())),
        ("Groups", page(with(&group, std::slice::from_ref(&properties)))),
        ("Versions", page(object(&[version.clone(), ("deleted", flag())]))),
        ("VersionId", object(&[("id", id())])),
        (
            "Schema",
            object(&[
                ("schemaInfo", refer("SchemaInfo")),
                version.clone(),
                ("deleted", flag()),
                ("?text", told("as a person reads it; left out for what is no text")),
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
        ("FoundPage", page(with(&group, &[version, ("fields", list(refer("Field")))]))),
        (
            "AddedTo",
            object(&[("groups", json!({ "type": "object", "additionalProperties": refer("VersionInfo") }))]),
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

fn streams() -> Vec<Named> {
    let segment = object(&[
        ("segment", text()),
        ("keys", json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 })),
        ("head", number()),
        ("tail", number()),
    ]);
    let place = [("pointer", told("in hexadecimal digits")), ("segment", text()), ("offset", number())];
    let event = |body: (&str, Value)| with(&place, &[body]);
    vec![
        ("Streams", object(&[("streams", list(text()))])),
        (
            "Stream",
            object(&[
                ("stream", text()),
                ("sealed", flag()),
                ("head", told("a cut")),
                ("tail", told("a cut")),
                ("segments", list(segment)),
            ]),
        ),
        ("Appended", object(&place)),
        ("Duplicate", object(&[("duplicate", word_true())])),
        (
            "Event",
            json!({ "oneOf": [event(("text", text())), event(("base64", base64("what is no text")))] }),
        ),
    ]
}

fn word_true() -> Value {
    json!({ "const": true })
}
