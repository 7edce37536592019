//! The options of formats, as Flink's.

use super::spec::{OptionKind, OptionSpec, Options};
use crate::dialect::Position;
use crate::{SqlError, SqlErrorKind, SqlResult};

const OF_CATALOG: &str = "no effect: the catalog's options say how its registry is reached";

/// A format and its validated options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatOptions {
    pub(crate) name: FormatName,
    pub(crate) options: Options,
}

/// The name of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FormatName {
    /// One of [`FORMATS`].
    Known(&'static str),
    /// One that a program may have added, with its options, which are not validated.
    Other { name: String, given: Vec<(String, String)> },
}

impl FormatName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name,
            Self::Other { name, .. } => name,
        }
    }
}

/// A format's options.
pub(crate) struct FormatSpec {
    pub(crate) name: &'static str,
    pub(crate) options: &'static [&'static OptionSpec],
}

/// Formats of Flink that are not here, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "debezium-avro-confluent",
        "its events have the header of Confluent's registry: use 'debezium-avro', whose events have the header of this one",
    ),
    (
        "avro-confluent",
        "its events have the header of Confluent's registry: use 'pravega-registry', whose events have the header of this one",
    ),
    ("ogg-json", "changes are read from debezium-json, debezium-avro, canal-json and maxwell-json"),
    ("parquet", "it is of files and not of events"),
    ("orc", "it is of files and not of events"),
];

/// Returns the names of the formats.
pub(crate) fn known_formats() -> Vec<&'static str> {
    FORMATS.iter().map(|spec| spec.name).collect()
}

/// Validates the options of a format.
///
/// # Errors
/// `InvalidOption` for an option of it, `NotSupported` for a format of Flink that is not here.
pub(crate) fn format_options<'a>(
    format: &str,
    given: impl IntoIterator<Item = (&'a str, &'a str, Position)>,
) -> SqlResult<FormatOptions> {
    if let Some((name, reason)) = REFUSED.iter().find(|(name, _)| *name == format) {
        let what = format!("format {name} is not supported: {reason}");
        return Err(SqlError::new(SqlErrorKind::NotSupported, what));
    }
    let Some(spec) = FORMATS.iter().find(|spec| spec.name == format) else {
        let given = given.into_iter().map(|(key, value, _)| (key.to_owned(), value.to_owned())).collect();
        let name = FormatName::Other { name: format.to_owned(), given };
        return Ok(FormatOptions { name, options: Options::default() });
    };
    let options = Options::parse_at(spec.options, &format!("{}.", spec.name), given)?;
    check_errors(&options, format)?;
    Ok(FormatOptions { name: FormatName::Known(spec.name), options })
}

/// Returns whether there is a format of this name.
pub(crate) fn is_format(name: &str) -> bool {
    FORMATS.iter().any(|spec| spec.name == name)
}

/// Validates the options `json.…` of a catalog, which are the defaults of its tables.
///
/// # Errors
/// `InvalidOption`, as [`format_options`].
pub(crate) fn json_options(given: &[(String, String)]) -> SqlResult<Options> {
    let options = Options::parse(JSON_OF_REGISTRY, "json.", given)?;
    check_errors(&options, "json")?;
    Ok(options)
}

fn check_errors(options: &Options, format: &str) -> SqlResult<()> {
    if options.is_true("ignore-parse-errors") && options.is_true("fail-on-missing-field") {
        let what = format!(
            "'{format}.fail-on-missing-field' and '{format}.ignore-parse-errors' cannot both be true"
        );
        return Err(SqlError::new(SqlErrorKind::InvalidOption, what));
    }
    Ok(())
}

/// The options of JSON that the format of the registry has.
static JSON_OF_REGISTRY: &[&OptionSpec] =
    &[&MISSING, &IGNORE, &TIMESTAMPS, &NULL_KEY_MODE, &NULL_KEY_LITERAL, &PLAIN_DECIMALS];

static MISSING: OptionSpec = OptionSpec::new(
    "fail-on-missing-field",
    OptionKind::Boolean,
    "false",
    "a missing member is an error, and not null",
);
static IGNORE: OptionSpec = OptionSpec::new(
    "ignore-parse-errors",
    OptionKind::Boolean,
    "false",
    "a value that cannot be parsed is null, and an event that cannot be parsed is skipped",
);
static TIMESTAMPS: OptionSpec = OptionSpec::new(
    "timestamp-format.standard",
    OptionKind::Choice(&["SQL", "ISO-8601"]),
    "SQL",
    "timestamps as `2024-02-29 12:34:56.789` or `2024-02-29T12:34:56.789`",
);
static NULL_KEY_MODE: OptionSpec = OptionSpec::new(
    "map-null-key.mode",
    OptionKind::Choice(&["FAIL", "DROP", "LITERAL"]),
    "FAIL",
    "no effect: keys of maps are never null",
);
static NULL_KEY_LITERAL: OptionSpec = OptionSpec::new(
    "map-null-key.literal",
    OptionKind::Text,
    "null",
    "no effect: keys of maps are never null",
);
static PLAIN_DECIMALS: OptionSpec = OptionSpec::new(
    "encode.decimal-as-plain-number",
    OptionKind::Boolean,
    "false",
    "writing: decimals without an exponent",
);
static IGNORE_NULLS: OptionSpec = OptionSpec::new(
    "encode.ignore-null-fields",
    OptionKind::Boolean,
    "false",
    "writing: members that are null are left out",
);
static JSON_PARSER: OptionSpec = OptionSpec::new(
    "decode.json-parser.enabled",
    OptionKind::WithoutEffect,
    "",
    "no effect: events are always decoded without a tree of values",
);
static AVRO_ENCODING: OptionSpec =
    OptionSpec::new("encoding", OptionKind::Choice(&["binary"]), "binary", "the encoding of Avro values");
static AVRO_TIMESTAMPS: OptionSpec = OptionSpec::new(
    "timestamp_mapping.legacy",
    OptionKind::Boolean,
    "true",
    "TIMESTAMP is `timestamp-millis`, as before Flink 1.19; with false `local-timestamp-…`, and TIMESTAMP_LTZ `timestamp-…`",
);
static AVRO_CODEC: OptionSpec =
    OptionSpec::new("codec", OptionKind::WithoutEffect, "", "no effect: it is for files");
static MESSAGE: OptionSpec = OptionSpec::new(
    "message-class-name",
    OptionKind::Text,
    "",
    "the full name of the message type; without it and its descriptors the message follows from the columns",
);
static DESCRIPTORS: OptionSpec = OptionSpec::new(
    "descriptor-set",
    OptionKind::Text,
    "",
    "the descriptors of the message, in base64, as `protoc --include_imports --descriptor_set_out=/dev/stdout FILE.proto \\| base64 -w0` prints them",
);
static PROTOBUF_DEFAULTS: OptionSpec = OptionSpec::new(
    "read-default-values",
    OptionKind::Boolean,
    "false",
    "a field of proto2 that is not there has its default, and is not null",
);
static PROTOBUF_NULLS: OptionSpec = OptionSpec::new(
    "write-null-string-literal",
    OptionKind::Text,
    "",
    "writing: the text for null in arrays and maps",
);
static CSV_DELIMITER: OptionSpec =
    OptionSpec::new("field-delimiter", OptionKind::Character, ",", "the character between fields");
static CSV_NO_QUOTES: OptionSpec =
    OptionSpec::new("disable-quote-character", OptionKind::Boolean, "false", "values are not in quotes");
static CSV_QUOTE: OptionSpec =
    OptionSpec::new("quote-character", OptionKind::Character, "\"", "the character around values");
static CSV_COMMENTS: OptionSpec =
    OptionSpec::new("allow-comments", OptionKind::Boolean, "false", "lines that begin with # are skipped");
static CSV_ARRAYS: OptionSpec = OptionSpec::new(
    "array-element-delimiter",
    OptionKind::Text,
    ";",
    "the text between the items of an array",
);
static CSV_ESCAPE: OptionSpec =
    OptionSpec::new("escape-character", OptionKind::Character, "", "the character before an escaped one");
static CSV_NULL: OptionSpec = OptionSpec::new("null-literal", OptionKind::Text, "", "the text for null");
static CSV_DECIMALS: OptionSpec = OptionSpec::new(
    "write-bigdecimal-in-scientific-notation",
    OptionKind::Boolean,
    "true",
    "writing: decimals may have an exponent",
);
static RAW_CHARSET: OptionSpec =
    OptionSpec::new("charset", OptionKind::Text, "UTF-8", "the encoding of a text");
static RAW_ENDIANNESS: OptionSpec = OptionSpec::new(
    "endianness",
    OptionKind::Choice(&["big-endian", "little-endian"]),
    "big-endian",
    "the order of the bytes of a number",
);
static SCHEMA_INCLUDE: OptionSpec = OptionSpec::new(
    "schema-include",
    OptionKind::Boolean,
    "false",
    "reading: events have their schema beside the payload",
);
static DATABASE_INCLUDE: OptionSpec =
    OptionSpec::new("database.include", OptionKind::Text, "", "a pattern of the databases that are read");
static TABLE_INCLUDE: OptionSpec =
    OptionSpec::new("table.include", OptionKind::Text, "", "a pattern of the tables that are read");
static REGISTRY_URI: OptionSpec =
    OptionSpec::new("uri", OptionKind::Text, "", "no effect: the catalog's registry");
static REGISTRY_NAMESPACE: OptionSpec =
    OptionSpec::new("namespace", OptionKind::Text, "", "the namespace of the group; without it the scope");
static REGISTRY_GROUP: OptionSpec =
    OptionSpec::new("group-id", OptionKind::Text, "", "the group; without it the stream");
static REGISTRY_FORMAT: OptionSpec = OptionSpec::new(
    "format",
    OptionKind::Choice(&["Avro", "Json", "Protobuf"]),
    "Avro",
    "writing: the format of events; reading uses the group's",
);
static AUTH_TYPE: OptionSpec = OptionSpec::new("security.auth-type", OptionKind::Text, "", OF_CATALOG);
static AUTH_TOKEN: OptionSpec = OptionSpec::new("security.auth-token", OptionKind::Text, "", OF_CATALOG);
static HOSTNAME: OptionSpec = OptionSpec::new(
    "security.validate-hostname",
    OptionKind::Choice(&["true"]),
    "true",
    "host names are always verified",
);
static TRUST_STORE: OptionSpec = OptionSpec::new("security.trust-store", OptionKind::Text, "", OF_CATALOG);

/// The formats.
pub(crate) static FORMATS: &[FormatSpec] = &[
    FormatSpec {
        name: "pravega-registry",
        options: &[
            &REGISTRY_URI,
            &REGISTRY_NAMESPACE,
            &REGISTRY_GROUP,
            &REGISTRY_FORMAT,
            &MISSING,
            &IGNORE,
            &TIMESTAMPS,
            &NULL_KEY_MODE,
            &NULL_KEY_LITERAL,
            &PLAIN_DECIMALS,
            &AUTH_TYPE,
            &AUTH_TOKEN,
            &HOSTNAME,
            &TRUST_STORE,
        ],
    },
    FormatSpec { name: "avro", options: &[&AVRO_ENCODING, &AVRO_TIMESTAMPS, &AVRO_CODEC] },
    FormatSpec {
        name: "json",
        options: &[
            &MISSING,
            &IGNORE,
            &TIMESTAMPS,
            &NULL_KEY_MODE,
            &NULL_KEY_LITERAL,
            &PLAIN_DECIMALS,
            &IGNORE_NULLS,
            &JSON_PARSER,
        ],
    },
    FormatSpec {
        name: "protobuf",
        options: &[&MESSAGE, &DESCRIPTORS, &IGNORE, &PROTOBUF_DEFAULTS, &PROTOBUF_NULLS],
    },
    FormatSpec {
        name: "csv",
        options: &[
            &CSV_DELIMITER,
            &CSV_NO_QUOTES,
            &CSV_QUOTE,
            &CSV_COMMENTS,
            &IGNORE,
            &CSV_ARRAYS,
            &CSV_ESCAPE,
            &CSV_NULL,
            &CSV_DECIMALS,
        ],
    },
    FormatSpec { name: "raw", options: &[&RAW_CHARSET, &RAW_ENDIANNESS] },
    FormatSpec {
        name: "debezium-json",
        options: &[
            &SCHEMA_INCLUDE,
            &IGNORE,
            &TIMESTAMPS,
            &NULL_KEY_MODE,
            &NULL_KEY_LITERAL,
            &PLAIN_DECIMALS,
            &IGNORE_NULLS,
        ],
    },
    FormatSpec {
        name: "debezium-avro",
        options: &[
            &REGISTRY_URI,
            &REGISTRY_NAMESPACE,
            &REGISTRY_GROUP,
            &AVRO_TIMESTAMPS,
            &AUTH_TYPE,
            &AUTH_TOKEN,
            &HOSTNAME,
            &TRUST_STORE,
        ],
    },
    FormatSpec {
        name: "canal-json",
        options: &[
            &DATABASE_INCLUDE,
            &TABLE_INCLUDE,
            &IGNORE,
            &TIMESTAMPS,
            &NULL_KEY_MODE,
            &NULL_KEY_LITERAL,
            &PLAIN_DECIMALS,
            &IGNORE_NULLS,
        ],
    },
    FormatSpec {
        name: "maxwell-json",
        options: &[&IGNORE, &TIMESTAMPS, &NULL_KEY_MODE, &NULL_KEY_LITERAL, &PLAIN_DECIMALS, &IGNORE_NULLS],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_format_are_checked() {
        let checked = |format: &str, pairs: &[(&'static str, &'static str)]| {
            format_options(format, pairs.iter().map(|(k, v)| (*k, *v, Position::default())))
        };
        let json = checked("json", &[("timestamp-format.standard", "iso-8601")]).unwrap();
        assert_eq!(json.options.get("timestamp-format.standard"), Some("ISO-8601"));
        assert_eq!(json.options.get("map-null-key.literal"), Some("null"));
        for (format, pairs, expected) in [
            ("debezium-avro-confluent", &[][..], "use 'debezium-avro'"),
            ("json", &[("schema-include", "true")], "unknown option 'json.schema-include'"),
            (
                "json",
                &[("ignore-parse-errors", "true"), ("fail-on-missing-field", "true")],
                "cannot both be true",
            ),
            ("avro", &[("encoding", "json")], "use binary"),
        ] {
            let error = checked(format, pairs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn keys_of_a_format_are_unique() {
        for format in FORMATS {
            let mut keys: Vec<&str> = format.options.iter().map(|spec| spec.key).collect();
            keys.sort_unstable();
            assert!(keys.windows(2).all(|pair| pair.first() != pair.last()), "{}", format.name);
        }
    }
}
