//! Validation of the options of CREATE CATALOG … WITH. They are those of the Flink connector's catalog:
//! options for reading are used, options for writing are accepted and ignored, and unsupported values are
//! rejected with a reason.

use crate::options::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::Format;
use std::fmt;
use std::path::PathBuf;

/// The validated options of CREATE CATALOG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOptions {
    /// The location of the store; `None` for the session's own store.
    pub store: Option<StoreAddress>,
    /// The registry's URL; `None` for the store's own registry.
    pub registry: Option<String>,
    /// The database that USE CATALOG selects.
    pub default_database: Option<String>,
    /// The format that CREATE TABLE registers: `serialization.format`.
    pub format: Format,
    /// Credentials and TLS of the servers at these URLs.
    pub security: Security,
}

/// Credentials and TLS of the servers: the Flink connector's options `security.…`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// `auth-type` and `auth-token`: scheme and credentials of the authorization header.
    pub authorization: Option<(String, String)>,
    /// `trust-store`: a PEM file with the certificate of the trusted authority.
    pub authority: Option<PathBuf>,
}

/// Omits the token.
impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorization, authority } = self;
        let method = authorization.as_ref().map(|(method, _)| method);
        f.debug_struct("Security").field("method", &method).field("authority", authority).finish()
    }
}

/// The location of a catalog's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A local folder.
    Folder(PathBuf),
    /// A URL, as for `--data` and `--url`: `tcp://` or `tls://` for Pravega, `http://` or `https://` for a
    /// Kulya server, `file://` or `s3://` for object storage.
    Url(String),
}

/// The names of all options, for messages.
const OPTIONS: &str = "type, default-database, controller-uri, schema-registry-uri, serialization.format, json.…, \
                     security.auth-type, security.auth-token, security.trust-store, security.validate-hostname";

/// Validates the options of CREATE CATALOG. Spaces around values are trimmed, because the examples of the
/// Flink connector's documentation have them.
pub(crate) fn parse_catalog_options(name: &str, options: Vec<(String, String)>) -> SqlResult<CatalogOptions> {
    let security = Security::default();
    let mut parsed = CatalogOptions {
        store: None,
        registry: None,
        default_database: None,
        format: Format::Avro,
        security,
    };
    let (mut kind, mut method, mut token) = (None, None, None);
    let invalid =
        |what: String| SqlError::new(SqlErrorKind::InvalidOption, format!("catalog {name}: {what}"));
    for (key, value) in options {
        let value = value.trim().to_owned();
        match key.as_str() {
            "type" => kind = Some(value),
            "default-database" => parsed.default_database = Some(value),
            "schema-registry-uri" => parsed.registry = Some(value),
            "serialization.format" => parsed.format = format(&value).map_err(invalid)?,
            "security.auth-type" => method = Some(value),
            "security.auth-token" => token = Some(value),
            "security.trust-store" => parsed.security.authority = Some(value.into()),
            "security.validate-hostname" if value.eq_ignore_ascii_case("true") => {}
            "security.validate-hostname" => {
                return Err(invalid(format!(
                    "security.validate-hostname {value} is not supported: host names are always verified"
                )));
            }
            "controller-uri" => parsed.store = Some(store_address(value).map_err(invalid)?),
            other => match other.strip_prefix("json.") {
                Some(option) => check_json(option, &value).map_err(invalid)?,
                None => {
                    let known = OPTIONS.split(", ").filter(|key| !key.ends_with('…'));
                    let what = match nearest(other, known) {
                        Some(nearest) => format!("unknown option {other}: did you mean {nearest}?"),
                        None => format!("unknown option {other}; options are {OPTIONS}"),
                    };
                    return Err(invalid(what));
                }
            },
        }
    }
    parsed.security.authorization = match (method, token) {
        (None, None) => None,
        (Some(method), Some(token)) => Some((method, token)),
        _ => {
            let what = "security.auth-type and security.auth-token go together: give both or none";
            return Err(invalid(what.to_owned()));
        }
    };
    match kind.as_deref() {
        Some("pravega" | "kulya") => Ok(parsed),
        Some(other) => Err(invalid(format!("unknown type {other}; types are pravega and kulya"))),
        None => Err(SqlError::new(
            SqlErrorKind::InvalidOption,
            format!("catalog {name} needs 'type' = 'pravega'"),
        )),
    }
}

fn store_address(value: String) -> Result<StoreAddress, String> {
    match value.split_once("://") {
        Some(("tcp" | "tls" | "http" | "https" | "file" | "s3" | "memory", _)) => {
            Ok(StoreAddress::Url(value))
        }
        Some(_) => Err(format!(
            "controller-uri {value} is neither a folder nor tcp://, tls://, http://, https://, file:// or s3://"
        )),
        None => Ok(StoreAddress::Folder(value.into())),
    }
}

/// Validates `serialization.format`, the format that CREATE TABLE registers. Reading uses the format of the
/// group.
fn format(value: &str) -> Result<Format, String> {
    match value {
        "Avro" => Ok(Format::Avro),
        "Json" => Ok(Format::Json),
        other => Err(format!("serialization.format {other:?} is not supported: Avro or Json, as in Flink")),
    }
}

/// Validates an option of Flink's JSON format.
fn check_json(option: &str, value: &str) -> Result<(), String> {
    let one_of = |values: &[&str]| match values.iter().any(|it| it.eq_ignore_ascii_case(value)) {
        true => Ok(()),
        false => Err(format!("json.{option} {value:?} is not supported: {}", values.join(" or "))),
    };
    let not_true = |reason: &str| match value.to_ascii_lowercase().as_str() {
        "true" => Err(format!("json.{option} true is not supported yet: {reason}")),
        _ => one_of(&["false"]),
    };
    match option {
        "fail-on-missing-field" => not_true("a missing field is read as null, as with false"),
        "ignore-parse-errors" => not_true("an event that cannot be decoded fails the query"),
        // both formats are parsed, whatever the option
        "timestamp-format.standard" => one_of(&["SQL", "ISO-8601"]),
        // options for writing
        "map-null-key.mode" => one_of(&["FAIL", "DROP", "LITERAL"]),
        "map-null-key.literal" => Ok(()),
        "encode.decimal-as-plain-number" => one_of(&["true", "false"]),
        other => Err(format!("unknown option json.{other}; options are {JSON_OPTIONS}")),
    }
}

/// The names of the JSON options, for messages.
const JSON_OPTIONS: &str = "json.fail-on-missing-field, json.ignore-parse-errors, json.timestamp-format.standard, \
                    json.map-null-key.mode, json.map-null-key.literal, json.encode.decimal-as-plain-number";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> SqlResult<CatalogOptions> {
        parse_catalog_options("c", pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// The catalog of the connector's demo, with every option of its documentation.
    #[test]
    fn options_of_flinks_catalog_are_accepted() {
        let found = options(&[
            ("type", "pravega"),
            ("default-database", "examples"),
            ("controller-uri", " tcp://localhost:9090 "),
            ("schema-registry-uri", " tcp://localhost:9092 "),
            ("serialization.format", "Json"),
            ("json.fail-on-missing-field", "false"),
            ("json.ignore-parse-errors", "FALSE"),
            ("json.timestamp-format.standard", "ISO-8601"),
            ("json.map-null-key.mode", "LITERAL"),
            ("json.map-null-key.literal", "none"),
            ("json.encode.decimal-as-plain-number", "true"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.store, Some(StoreAddress::Url("tcp://localhost:9090".into())));
        assert_eq!(found.registry.as_deref(), Some("tcp://localhost:9092"));
        for (key, value, expected) in [
            ("serialization.format", "Protobuf", "Avro or Json"),
            ("json.fail-on-missing-field", "true", "read as null"),
            ("json.ignore-parse-errors", "true", "fails the query"),
            ("json.ignore-parse-errors", "perhaps", "not supported: false"),
            ("json.timestamp-format.standard", "unix", "SQL or ISO-8601"),
            ("json.map-null-key.mode", "KEEP", "FAIL or DROP or LITERAL"),
            ("json.colour", "red", "options are json.fail-on-missing-field"),
        ] {
            let error = options(&[("type", "pravega"), (key, value)]).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(expected), "{error}");
        }
    }

    /// `file://…` is object storage, as for `--data`; a folder is given by its path.
    #[test]
    fn a_url_means_the_same_as_on_the_command_line() {
        for url in ["file:///data", "s3://bucket/prefix?region=eu-west-1"] {
            let found = options(&[("type", "pravega"), ("controller-uri", url)]).unwrap();
            assert_eq!(found.store, Some(StoreAddress::Url(url.into())));
        }
    }

    #[test]
    fn catalog_options_are_checked() {
        let found = options(&[
            ("type", "pravega"),
            ("controller-uri", "/data"),
            ("schema-registry-uri", " http://h:1"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.store, Some(StoreAddress::Folder("/data".into())));
        assert_eq!(found.registry.as_deref(), Some("http://h:1"));
        let found = options(&[("type", "pravega"), ("controller-uri", " tcp://localhost:9090 ")]).unwrap();
        assert_eq!(found.store, Some(StoreAddress::Url("tcp://localhost:9090".into())));
        let secured = options(&[
            ("type", "pravega"),
            ("security.auth-type", "Basic"),
            ("security.auth-token", "hidden"),
            ("security.trust-store", "/ca.pem"),
            ("security.validate-hostname", "true"),
        ]);
        let security = secured.unwrap().security;
        assert_eq!(security.authorization, Some(("Basic".to_owned(), "hidden".to_owned())));
        assert!(security.authority == Some("/ca.pem".into()) && !format!("{security:?}").contains("hidden"));
        for (pairs, expected) in [
            (&[("type", "hive")][..], "unknown type hive"),
            (&[], "needs 'type'"),
            (&[("type", "pravega"), ("colour", "red")], "unknown option colour; options are"),
            (&[("type", "pravega"), ("controller-uri", "ftp://x")], "neither"),
            (&[("type", "pravega"), ("security.auth-type", "Basic")], "both or none"),
            (&[("type", "pravega"), ("security.validate-hostname", "false")], "always verified"),
        ] {
            let error = options(pairs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
