//! From a raw path to a route. Segments are split on the raw `/` and decoded after.

use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// The places of REST v1. A group is its decoded name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Ping,
    Groups,
    Group(String),
    History(String),
    Compatibility(String),
    Schemas(String),
    Versions(String),
    Find(String),
    Validate(String),
    CanRead(String),
    SchemaById(String, u32),
    SchemaByVersion { group: String, format: String, type_name: String, version: u32 },
    Encodings(String),
    EncodingById(String, u32),
    CodecTypes(String),
    AddedTo,
}

/// The route of a raw path, and the namespace if the path names one. `None`: there is no such place.
pub(crate) fn route(raw: &str) -> Option<(Route, Option<String>)> {
    let trimmed = raw.strip_suffix('/').unwrap_or(raw);
    let mut segments = Vec::new();
    for segment in trimmed.strip_prefix('/')?.split('/') {
        segments.push(percent_decode_str(segment).decode_utf8().ok()?.into_owned());
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["ping"] => Some((Route::Ping, None)),
        ["v1", "schemas", "addedTo"] => Some((Route::AddedTo, None)),
        ["v1", "groups", rest @ ..] => Some((groups(rest)?, None)),
        ["v1", "namespace", namespace, "groups", rest @ ..] => {
            Some((groups(rest)?, Some((*namespace).to_owned())))
        }
        _ => None,
    }
}

fn groups(rest: &[&str]) -> Option<Route> {
    let Some((group, rest)) = rest.split_first() else { return Some(Route::Groups) };
    let group = (*group).to_owned();
    Some(match rest {
        [] => Route::Group(group),
        ["history"] => Route::History(group),
        ["compatibility"] => Route::Compatibility(group),
        ["schemas"] => Route::Schemas(group),
        ["schemas", "versions"] => Route::Versions(group),
        ["schemas", "versions", "find"] => Route::Find(group),
        ["schemas", "versions", "validate"] => Route::Validate(group),
        ["schemas", "versions", "canRead"] => Route::CanRead(group),
        ["schemas", "schema", id] => Route::SchemaById(group, id.parse().ok()?),
        ["schemas", "format", format, "type", type_name, "versions", version] => Route::SchemaByVersion {
            group,
            format: (*format).to_owned(),
            type_name: (*type_name).to_owned(),
            version: version.parse().ok()?,
        },
        ["encodings"] => Route::Encodings(group),
        ["encodings", id] => Route::EncodingById(group, id.parse().ok()?),
        ["codecTypes"] => Route::CodecTypes(group),
        _ => return None,
    })
}

/// The parameters of a query, where `+` is a space. The first of a name counts.
pub(crate) fn query(raw: &str) -> HashMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = HashMap::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_insert_with(|| decode(value));
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        let found = |raw: &str| route(raw).map(|(route, namespace)| (route, namespace.unwrap_or_default()));
        assert_eq!(found("/v1/groups/a%2Fb/schemas"), Some((Route::Schemas("a/b".into()), String::new())));
        assert_eq!(found("/v1/namespace/n%20s/groups/g/"), Some((Route::Group("g".into()), "n s".into())));
        assert_eq!(found("/v1/groups/a+b"), Some((Route::Group("a+b".into()), String::new())));
        assert_eq!(found("/v1/groups"), Some((Route::Groups, String::new())));
        assert_eq!(found("/ping"), Some((Route::Ping, String::new())));
        for nowhere in
            ["/", "", "/v2/groups", "/v1/groups/g/schemas/schema/x", "/v1/groups/a/b", "/v1/groups/%ff"]
        {
            assert_eq!(found(nowhere), None, "{nowhere}");
        }
        assert_eq!(query("type=a%2Bb+c&limit=3&type=x").get("type").map(String::as_str), Some("a+b c"));
    }
}
