//! Search by group, type, format and field, over pages.

use super::fixture::{add_schema, all_pages, avro, create, error_kind, properties, protobuf};
use crate::RegistryErrorKind;
use crate::administration::{PageRequest, RegistryAdministration, Search, SearchHit};
use kulya_schema::{Compatibility, Format, GroupId, Rules, SchemaInfo};
use prost_types::field_descriptor_proto::Type;

/// Formats hits as `namespace/group id fields`, sorted.
fn format_hits(hits: &[SearchHit]) -> Vec<String> {
    let mut lines: Vec<String> = hits
        .iter()
        .map(|it| {
            let fields: Vec<&str> = it.fields.iter().map(|field| field.path.as_str()).collect();
            format!("{}/{} {} {}", it.namespace, it.group, it.version_info.id, fields.join(","))
        })
        .map(|text| text.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

async fn search_all(registry: &impl RegistryAdministration, search: &Search, limit: usize) -> Vec<String> {
    let page = async |after| registry.search(search, &PageRequest::after(after, limit)).await;
    format_hits(&all_pages(limit, page).await)
}

async fn fill(registry: &impl RegistryAdministration) {
    let line = r#"{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"quantity","type":"int"}]}}}"#;
    let orders = GroupId::new("shop", "Orders");
    let mixed = GroupId::new("bank", "mixed");
    let default = GroupId::new("", "orders of nobody");
    for id in [&orders, &mixed, &default] {
        create(registry, id, properties(Format::Any, Compatibility::AllowAny, Rules::strict())).await;
    }
    add_schema(registry, &orders, &avro("Order", r#"{"name":"id","type":"long"}"#)).await;
    add_schema(registry, &orders, &avro("Order", line)).await;
    add_schema(registry, &orders, &avro("Customer", r#"{"name":"id","type":"long"}"#)).await;
    let json = r#"{"type":"object","properties":{"Quantity":{"type":"integer"}}}"#;
    add_schema(registry, &mixed, &SchemaInfo::new("Stock", Format::Json, json)).await;
    add_schema(registry, &mixed, &protobuf("Move", &[("id", Type::Int64), ("quantity", Type::Int32)])).await;
    add_schema(registry, &mixed, &SchemaInfo::new("raw", Format::Custom("thrift".to_owned()), "quantity"))
        .await;
    add_schema(registry, &default, &avro("Order", r#"{"name":"gone","type":"int"}"#)).await;
    add_schema(registry, &default, &avro("Order", r#"{"name":"id","type":"int"}"#)).await;
    registry.delete_schema(&default, 0).await.expect("deleted");
}

pub(super) async fn a_search_matches_all_conditions(registry: &impl RegistryAdministration) {
    fill(registry).await;
    let text = |text: &str| Some(text.to_owned());
    let any = Search::default;
    let cases: [(Search, &[&str]); 11] = [
        (
            any(),
            &[
                "/orders of nobody 1",
                "bank/mixed 0",
                "bank/mixed 1",
                "bank/mixed 2",
                "shop/Orders 1",
                "shop/Orders 2",
            ],
        ),
        (Search { namespace: text(""), ..any() }, &["/orders of nobody 1"]),
        (Search { namespace: text("nowhere"), ..any() }, &[]),
        (
            Search { group: text("ORDERS"), type_name: text("order"), ..any() },
            &["/orders of nobody 1", "shop/Orders 1"],
        ),
        (
            Search { type_name: text("er"), namespace: text("shop"), ..any() },
            &["shop/Orders 1", "shop/Orders 2"],
        ),
        (Search { format: text("protobuf"), ..any() }, &["bank/mixed 1"]),
        (Search { format: text("thrift"), ..any() }, &["bank/mixed 2"]),
        (
            Search { field: text("quantity"), ..any() },
            &["bank/mixed 0 Quantity", "bank/mixed 1 quantity", "shop/Orders 1 lines[].quantity"],
        ),
        (Search { field: text("lines.quantity"), ..any() }, &["shop/Orders 1 lines[].quantity"]),
        (
            Search { field: text("id"), all_versions: true, ..any() },
            &["/orders of nobody 1 id", "bank/mixed 1 id", "shop/Orders 0 id", "shop/Orders 2 id"],
        ),
        (Search { field: text("gone"), all_versions: true, ..any() }, &[]),
    ];
    for (search, expected) in cases {
        for limit in [1, 2, 100] {
            assert_eq!(search_all(registry, &search, limit).await, expected, "{search:?} by {limit}");
        }
    }
}

pub(super) async fn a_search_continues_over_pages(registry: &impl RegistryAdministration) {
    for group in 0..5 {
        let id = GroupId::new(["a", "b"][group % 2], format!("group {group}"));
        create(registry, &id, properties(Format::Avro, Compatibility::AllowAny, Rules::Java)).await;
        for number in 0..7 {
            add_schema(registry, &id, &avro("R", &format!(r#"{{"name":"f{number}","type":"int"}}"#))).await;
        }
    }
    let search = Search { all_versions: true, ..Search::default() };
    let all = search_all(registry, &search, 1000).await;
    assert_eq!(all.len(), 35, "each version once");
    for limit in [1, 3, 7, 34, 35] {
        assert_eq!(search_all(registry, &search, limit).await, all, "with pages of {limit}");
    }
    let first = registry.search(&search, &PageRequest::first(1)).await.expect("a page");
    let next = first.next.expect("there are more pages");
    let elsewhere = Search { namespace: Some("b".to_owned()), ..search.clone() };
    let invalid = registry.search(&elsewhere, &PageRequest::after(next, 1)).await;
    assert_eq!(error_kind(invalid), RegistryErrorKind::InvalidInput, "a token belongs to its search");
    let one = Search { field: Some("f3".to_owned()), ..search };
    assert_eq!(search_all(registry, &one, 2).await.len(), 5);
    for token in ["x", "67.", ".1", "zz.1", "not hex.x"] {
        let invalid = registry.search(&one, &PageRequest::after(token, 2)).await;
        assert_eq!(error_kind(invalid), RegistryErrorKind::InvalidInput, "{token:?} is not a token");
    }
}
