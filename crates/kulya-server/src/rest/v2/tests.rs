//! Consistency of the OpenAPI document.

use super::{document, endpoints};
use crate::health;
use serde_json::Value;
use std::collections::HashSet;

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(to) if name == "$ref" => found.push(to),
                    value => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn the_document_is_complete() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for to in &found {
        assert!(document.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
    }
    // no schema is unused
    let named: HashSet<&str> = found.iter().filter_map(|to| to.rsplit('/').next()).collect();
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(named.contains(name.as_str()), "{name}");
    }
    let mut names = HashSet::new();
    for endpoint in endpoints() {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["operationId"], endpoint.name, "{} {}", endpoint.method, endpoint.path);
        assert!(names.insert(endpoint.name) && !endpoint.summary.is_empty(), "{}", endpoint.name);
        assert!(!endpoint.responses.is_empty(), "{}", endpoint.name);
        let parameters = operation["parameters"].as_array().unwrap();
        for parameter in endpoint.path_parameters() {
            assert!(
                parameters.iter().any(|it| it["name"] == parameter && it["in"] == "path"),
                "{}",
                endpoint.path
            );
        }
    }
    let operations =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
    assert_eq!(operations.sum::<usize>(), names.len() + health::document().len());
}
