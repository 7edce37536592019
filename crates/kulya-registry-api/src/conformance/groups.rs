//! Namespaces and groups: lists, changes, properties.

use super::fixture::{FORMATS, all_pages, create, error_kind, properties};
use crate::RegistryErrorKind;
use crate::administration::{GroupChange, PageRequest, RegistryAdministration};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, Rules};
use std::collections::BTreeMap;

fn any() -> GroupProperties {
    properties(Format::Any, Compatibility::AllowAny, Rules::Java)
}

pub(super) async fn namespaces_are_listed_page_by_page(registry: &impl RegistryAdministration) {
    let first = registry.namespaces(&PageRequest::first(10)).await.expect("listed");
    assert_eq!(
        (first.items, first.next),
        (Vec::<String>::new(), None),
        "an empty registry has no namespaces"
    );
    for (namespace, name) in [("", "a"), ("b", "a"), ("b", "b"), ("a/b ü", "a"), ("ccc", "x"), ("b", "")] {
        if !name.is_empty() {
            create(registry, &GroupId::new(namespace, name), any()).await;
        }
    }
    let pages = async |limit| {
        all_pages(limit, async |after| registry.namespaces(&PageRequest::after(after, limit)).await).await
    };
    let all = pages(100).await;
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["", "a/b ü", "b", "ccc"], "each once, including the default namespace");
    for limit in [1, 2, 3, 4] {
        assert_eq!(pages(limit).await, all, "the order does not depend on the page size");
    }
    registry.delete_group(&GroupId::new("ccc", "x")).await.expect("deleted");
    assert!(!pages(2).await.contains(&"ccc".to_owned()), "a namespace without groups is not listed");
    let invalid = registry.namespaces(&PageRequest::after("b", 10)).await;
    assert_eq!(error_kind(invalid), RegistryErrorKind::InvalidInput, "an invalid token");
}

pub(super) async fn groups_are_listed_page_by_page(registry: &impl RegistryAdministration) {
    let names = ["a", "a b", "a/b?c=d&e", "b", "c", "ü", "with%2Fpercent"];
    for name in names {
        create(registry, &GroupId::new("n/s", name), any()).await;
    }
    create(registry, &GroupId::new("", "of the default namespace"), any()).await;
    create(registry, &GroupId::new("n", "of another"), any()).await;
    let mut sorted: Vec<GroupId> = names.iter().map(|name| GroupId::new("n/s", *name)).collect();
    sorted.sort();
    for limit in [1, 3, 7, 8, 100] {
        let page = async |after| registry.groups_page("n/s", &PageRequest::after(after, limit)).await;
        let found: Vec<(GroupId, GroupProperties)> = all_pages(limit, page).await;
        let ids: Vec<GroupId> = found.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids, sorted, "in name order");
        assert!(found.iter().all(|(_, properties)| *properties == any()));
    }
    let last = registry.groups_page("n/s", &PageRequest::first(7)).await.expect("listed");
    assert_eq!(last.next, None, "a page with all groups is the last");
    let none = registry.groups_page("nowhere", &PageRequest::first(7)).await.expect("listed");
    assert!(none.items.is_empty() && none.next.is_none());
    let default = registry.groups("").await.expect("listed");
    assert_eq!(default.len(), 1, "the default namespace is a namespace");
}

pub(super) async fn a_conditional_change_needs_the_current_properties(
    registry: &impl RegistryAdministration,
) {
    let id = GroupId::new("shop", "orders");
    let before = properties(Format::Avro, Compatibility::Backward, Rules::Java);
    create(registry, &id, before.clone()).await;
    let full = GroupChange { compatibility: Some(Compatibility::Full), ..GroupChange::default() };
    let changed = registry.change_group(&id, full.clone()).await.expect("changed");
    let after = GroupProperties { compatibility: Compatibility::Full, ..before.clone() };
    assert_eq!(changed, Some(after.clone()), "the other properties are unchanged");
    let stale = GroupChange { previous: Some(before), ..full };
    assert_eq!(registry.change_group(&id, stale).await.expect("read"), None, "the properties have changed");
    let properties = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let change = GroupChange {
        properties: Some(properties.clone()),
        previous: Some(after.clone()),
        ..GroupChange::default()
    };
    let after = GroupProperties { properties, ..after };
    assert_eq!(registry.change_group(&id, change).await.expect("changed"), Some(after.clone()));
    assert_eq!(registry.group(&id).await.expect("the group"), after);
    let missing = registry.change_group(&GroupId::new("shop", "nobody"), GroupChange::default()).await;
    assert_eq!(error_kind(missing), RegistryErrorKind::NotFound);
}

pub(super) async fn properties_select_the_rules_and_unknown_values_are_rejected(
    registry: &impl RegistryAdministration,
) {
    let id = GroupId::new("shop", "orders");
    let with_property = |key: &str, value: &str| {
        let properties = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        GroupProperties { properties, ..any() }
    };
    for (key, value) in [("kulya.rule", "strict"), ("kulya.rules", "Strict"), ("kulya.unknown", "allow")] {
        let result = registry.create_group(&id, with_property(key, value)).await;
        assert_eq!(error_kind(result), RegistryErrorKind::InvalidInput, "{key} = {value}");
    }
    for format in FORMATS {
        let id = GroupId::new("shop", format.full_name());
        let java = properties(format.clone(), Compatibility::Backward, Rules::Java);
        let created = registry.create_group(&id, java).await;
        if format == Format::Avro {
            assert!(created.expect("Java's rules check Avro"));
        } else {
            assert_eq!(
                error_kind(created),
                RegistryErrorKind::InvalidInput,
                "Java's rules do not check {format}"
            );
            create(registry, &id, properties(format, Compatibility::Backward, Rules::strict())).await;
        }
        let properties = GroupChange {
            properties: Some(BTreeMap::from([("kulya.rules".to_owned(), "lenient".to_owned())])),
            ..GroupChange::default()
        };
        assert_eq!(error_kind(registry.change_group(&id, properties).await), RegistryErrorKind::InvalidInput);
    }
}
