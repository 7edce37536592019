//! Validation of the options of CREATE CATALOG … WITH. They are those of the Flink connector's catalog:
//! those of `json.` are the defaults of its tables, and values that are not supported are refused with a
//! reason.

use crate::nearest::nearest;
use crate::options::json_options;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::Format;
use std::collections::BTreeSet;
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
    /// The options `json.…`, without the prefix: the defaults of the catalog's tables.
    pub json: Vec<(String, String)>,
}

/// The session's own store, and Avro.
impl Default for CatalogOptions {
    fn default() -> Self {
        Self {
            store: None,
            registry: None,
            default_database: None,
            format: Format::Avro,
            security: Security::default(),
            json: Vec::new(),
        }
    }
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
pub(crate) const CATALOG_OPTIONS: &str = "type, default-database, controller-uri, schema-registry-uri, serialization.format, json.…, \
                     security.auth-type, security.auth-token, security.trust-store, security.validate-hostname";

/// Validates the options of CREATE CATALOG. Spaces around values are trimmed, because the examples of the
/// Flink connector's documentation have them.
pub(crate) fn parse_catalog_options(name: &str, options: &[(String, String)]) -> SqlResult<CatalogOptions> {
    let mut parsed = CatalogOptions::default();
    let mut seen = BTreeSet::new();
    let (mut kind, mut method, mut token) = (None, None, None);
    let invalid =
        |what: String| SqlError::new(SqlErrorKind::InvalidOption, format!("catalog {name}: {what}"));
    for (key, value) in options {
        let value = value.trim().to_owned();
        if !seen.insert(key) {
            return Err(invalid(format!("option {key} is given twice")));
        }
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
                Some(option) => parsed.json.push((option.to_owned(), value)),
                None => {
                    let known = CATALOG_OPTIONS.split(", ").filter(|key| !key.ends_with('…'));
                    let what = match nearest(other, known) {
                        Some(nearest) => format!("unknown option {other}: did you mean {nearest}?"),
                        None => format!("unknown option {other}; options are {CATALOG_OPTIONS}"),
                    };
                    return Err(invalid(what));
                }
            },
        }
    }
    json_options(&parsed.json).map_err(|error| invalid(error.to_string()))?;
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
        "Protobuf" => Ok(Format::Protobuf),
        other => Err(format!("serialization.format {other:?} is not supported: Avro, Json or Protobuf")),
    }
}

/// The option with a token.
const TOKEN: &str = "security.auth-token";

/// Returns whether an option's value is a secret itself, and not the name of an environment variable that has
/// it.
pub(crate) fn has_secret(key: &str, value: &str) -> bool {
    shown(key, value) != value
}

/// Returns the value of an option as it is shown: without secrets.
pub(crate) fn shown(key: &str, value: &str) -> String {
    let is_variable = value.trim().starts_with("${") && value.trim().ends_with('}');
    if key.ends_with(TOKEN) && !is_variable {
        return HIDDEN.to_owned();
    }
    // http://user:password@host
    let password = value.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split(['/', '?', '#']).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:{HIDDEN}{}", rest.get(user.len()..)?))
    });
    password.unwrap_or_else(|| value.to_owned())
}

const HIDDEN: &str = "******";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> SqlResult<CatalogOptions> {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        parse_catalog_options("c", &pairs)
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
        assert_eq!(found.json.get(2), Some(&("timestamp-format.standard".into(), "ISO-8601".into())));
        for (key, value, expected) in [
            ("serialization.format", "Custom", "Avro, Json or Protobuf"),
            ("json.ignore-parse-errors", "perhaps", "use true or false"),
            ("json.timestamp-format.standard", "unix", "use SQL, ISO-8601"),
            ("json.map-null-key.mode", "KEEP", "use FAIL, DROP, LITERAL"),
            (
                "json.colour",
                "red",
                "options are json.encode.decimal-as-plain-number, json.fail-on-missing-field",
            ),
            ("json.ignore-parse-error", "true", "did you mean 'json.ignore-parse-errors'?"),
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
    fn secrets_are_not_shown() {
        for (key, value, expected) in [
            ("security.auth-token", "hidden", "******"),
            ("pravega-registry.security.auth-token", "hidden", "******"),
            ("security.auth-token", " ${SHOP_TOKEN} ", " ${SHOP_TOKEN} "),
            ("controller-uri", "http://me:x@h:1/p@q", "http://me:******@h:1/p@q"),
            ("controller-uri", "http://me@h:1", "http://me@h:1"),
            ("controller-uri", "tcp://h:1", "tcp://h:1"),
            ("controller-uri", "/data", "/data"),
        ] {
            assert_eq!(shown(key, value), expected);
            assert_eq!(has_secret(key, value), expected.contains("******"));
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
            (&[("type", "pravega"), ("type", "kulya")], "option type is given twice"),
            (&[("type", "pravega"), ("controller-uri", "ftp://x")], "neither"),
            (&[("type", "pravega"), ("security.auth-type", "Basic")], "both or none"),
            (&[("type", "pravega"), ("security.validate-hostname", "false")], "always verified"),
        ] {
            let error = options(pairs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
