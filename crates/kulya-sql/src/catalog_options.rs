//! What CREATE CATALOG says in WITH, checked: the options of the Flink connector's catalog, each used where it means
//! something to a reader, taken where it concerns writing alone, and refused with its reason where it asks for what is not
//! done here.

use crate::{SqlError, SqlResult};
use std::fmt;
use std::path::PathBuf;

/// What CREATE CATALOG says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogOptions {
    /// Where the store is; `None` for the session's own store.
    pub store: Option<StoreAddress>,
    /// The registry's URL; `None` for the store's own registry.
    pub registry: Option<String>,
    /// The database that USE CATALOG chooses.
    pub default_database: Option<String>,
    /// How the servers at these URLs are spoken to.
    pub security: Security,
}

/// How servers are spoken to: the Flink connector's options `security.…`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Security {
    /// `auth-type` and `auth-token`: the two words of the authorization header.
    pub authorization: Option<(String, String)>,
    /// `trust-store`: a file, in PEM, with the certificate of the authority that signed the servers'.
    pub authority: Option<PathBuf>,
}

/// Without the token.
impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorization, authority } = self;
        let method = authorization.as_ref().map(|(method, _)| method);
        f.debug_struct("Security").field("method", &method).field("authority", authority).finish()
    }
}

/// Where a catalog's store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// In a folder, named by its path.
    Folder(PathBuf),
    /// At a URL, as `--data` and `--url` take it: `tcp://` or `tls://` for Pravega, `http://` or `https://` for a Kulya
    /// that serves, `file://` or `s3://` for object storage.
    Url(String),
}

/// The options of the connector's catalog.
const KNOWN: &str = "type, default-database, controller-uri, schema-registry-uri, serialization.format, json.…, \
                     security.auth-type, security.auth-token, security.trust-store, security.validate-hostname";

/// Checks what CREATE CATALOG says. Spaces around values are dropped, as in the quoted URIs of Flink's documentation.
pub(crate) fn catalog_options(name: &str, options: Vec<(String, String)>) -> SqlResult<CatalogOptions> {
    let security = Security::default();
    let mut checked = CatalogOptions { store: None, registry: None, default_database: None, security };
    let (mut kind, mut method, mut token) = (None, None, None);
    let wrong = |what: String| SqlError::new(format!("catalog {name}: {what}"));
    for (key, value) in options {
        let value = value.trim().to_owned();
        match key.as_str() {
            "type" => kind = Some(value),
            "default-database" => checked.default_database = Some(value),
            "schema-registry-uri" => checked.registry = Some(value),
            "serialization.format" => check_format(&value).map_err(wrong)?,
            "security.auth-type" => method = Some(value),
            "security.auth-token" => token = Some(value),
            "security.trust-store" => checked.security.authority = Some(value.into()),
            "security.validate-hostname" if value.eq_ignore_ascii_case("true") => {}
            "security.validate-hostname" => {
                return Err(wrong(format!(
                    "security.validate-hostname {value} is not supported: names are always checked"
                )));
            }
            "controller-uri" => checked.store = Some(store_address(value).map_err(wrong)?),
            other => match other.strip_prefix("json.") {
                Some(option) => check_json(option, &value).map_err(wrong)?,
                None => return Err(wrong(format!("option {other} is unknown; known are {KNOWN}"))),
            },
        }
    }
    checked.security.authorization = match (method, token) {
        (None, None) => None,
        (Some(method), Some(token)) => Some((method, token)),
        _ => {
            let what = "security.auth-type and security.auth-token go together: give both or none";
            return Err(wrong(what.to_owned()));
        }
    };
    match kind.as_deref() {
        Some("pravega" | "kulya") => Ok(checked),
        Some(other) => Err(wrong(format!("type {other} is unknown; known are pravega and kulya"))),
        None => Err(SqlError::new(format!("catalog {name} needs 'type' = 'pravega'"))),
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

/// `serialization.format`: what CREATE TABLE registers. Whatever it says, a stream is read by its group's format.
fn check_format(value: &str) -> Result<(), String> {
    match value {
        "Avro" | "Json" => Ok(()),
        other => Err(format!("serialization.format {other:?} is not supported: Avro or Json, as in Flink")),
    }
}

/// An option of Flink's JSON format.
fn check_json(option: &str, value: &str) -> Result<(), String> {
    let one_of = |known: &[&str]| match known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
        true => Ok(()),
        false => Err(format!("json.{option} {value:?} is not supported: {}", known.join(" or "))),
    };
    let not_true = |instead: &str| match value.to_ascii_lowercase().as_str() {
        "true" => Err(format!("json.{option} true is not supported yet: {instead}")),
        _ => one_of(&["false"]),
    };
    match option {
        "fail-on-missing-field" => not_true("a field that an event lacks is read as null, as with false"),
        "ignore-parse-errors" => not_true("an event that cannot be read ends the query and is named"),
        // both are read, in one table too
        "timestamp-format.standard" => one_of(&["SQL", "ISO-8601"]),
        // these concern writing alone
        "map-null-key.mode" => one_of(&["FAIL", "DROP", "LITERAL"]),
        "map-null-key.literal" => Ok(()),
        "encode.decimal-as-plain-number" => one_of(&["true", "false"]),
        other => Err(format!("option json.{other} is unknown; known are {JSON}")),
    }
}

const JSON: &str = "json.fail-on-missing-field, json.ignore-parse-errors, json.timestamp-format.standard, \
                    json.map-null-key.mode, json.map-null-key.literal, json.encode.decimal-as-plain-number";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> SqlResult<CatalogOptions> {
        catalog_options("c", pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// The catalog of the connector's own demonstration, every option of its documentation added.
    #[test]
    fn the_options_of_flinks_catalog_are_taken() {
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
        for (key, value, says) in [
            ("serialization.format", "Protobuf", "Avro or Json"),
            ("json.fail-on-missing-field", "true", "read as null"),
            ("json.ignore-parse-errors", "true", "ends the query"),
            ("json.ignore-parse-errors", "perhaps", "not supported: false"),
            ("json.timestamp-format.standard", "unix", "SQL or ISO-8601"),
            ("json.map-null-key.mode", "KEEP", "FAIL or DROP or LITERAL"),
            ("json.colour", "red", "known are json.fail-on-missing-field"),
        ] {
            let refused = options(&[("type", "pravega"), (key, value)]).unwrap_err().to_string();
            assert!(refused.contains(key) && refused.contains(says), "{refused}");
        }
    }

    /// `--data file://…` is object storage, and so it is here; a folder is named by its path.
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
        for (pairs, says) in [
            (&[("type", "hive")][..], "type hive is unknown"),
            (&[], "needs 'type'"),
            (&[("type", "pravega"), ("colour", "red")], "option colour is unknown; known are"),
            (&[("type", "pravega"), ("controller-uri", "ftp://x")], "neither"),
            (&[("type", "pravega"), ("security.auth-type", "Basic")], "both or none"),
            (&[("type", "pravega"), ("security.validate-hostname", "false")], "always checked"),
        ] {
            let refused = options(pairs).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
