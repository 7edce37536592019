//! Namespaces and groups: lists, changes, labels.

use super::{FORMATS, kind, make, paged, properties};
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
            make(registry, &GroupId::new(namespace, name), any()).await;
        }
    }
    let pages = async |limit| {
        paged(limit, async |after| registry.namespaces(&PageRequest::after(after, limit)).await).await
    };
    let all = pages(100).await;
    let mut sorted = all.clone();
    sorted.sort();
    assert_eq!(sorted, ["", "a/b ü", "b", "ccc"], "each once, the default one too");
    for limit in [1, 2, 3, 4] {
        assert_eq!(pages(limit).await, all, "in the same order, whatever the page");
    }
    registry.delete_group(&GroupId::new("ccc", "x")).await.expect("deleted");
    assert!(!pages(2).await.contains(&"ccc".to_owned()), "a namespace without groups is none");
    let wrong = registry.namespaces(&PageRequest::after("b", 10)).await;
    assert_eq!(kind(wrong), RegistryErrorKind::InvalidInput, "a token that was not given");
}

pub(super) async fn groups_are_listed_page_by_page(registry: &impl RegistryAdministration) {
    let names = ["a", "a b", "a/b?c=d&e", "b", "c", "ü", "with%2Fpercent"];
    for name in names {
        make(registry, &GroupId::new("n/s", name), any()).await;
    }
    make(registry, &GroupId::new("", "of the default namespace"), any()).await;
    make(registry, &GroupId::new("n", "of another"), any()).await;
    let mut sorted: Vec<GroupId> = names.iter().map(|name| GroupId::new("n/s", *name)).collect();
    sorted.sort();
    for limit in [1, 3, 7, 8, 100] {
        let ask = async |after| registry.groups_page("n/s", &PageRequest::after(after, limit)).await;
        let found: Vec<(GroupId, GroupProperties)> = paged(limit, ask).await;
        let ids: Vec<GroupId> = found.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids, sorted, "in name order");
        assert!(found.iter().all(|(_, properties)| *properties == any()));
    }
    let last = registry.groups_page("n/s", &PageRequest::first(7)).await.expect("listed");
    assert_eq!(last.next, None, "a page with all has no next one");
    let none = registry.groups_page("nowhere", &PageRequest::first(7)).await.expect("listed");
    assert!(none.items.is_empty() && none.next.is_none());
    let default = registry.groups("").await.expect("listed");
    assert_eq!(default.len(), 1, "the default namespace is one of its own");
}

pub(super) async fn a_group_changes_only_while_it_is_as_it_was(registry: &impl RegistryAdministration) {
    let id = GroupId::new("shop", "orders");
    let before = properties(Format::Avro, Compatibility::Backward, Rules::Java);
    make(registry, &id, before.clone()).await;
    let full = GroupChange { compatibility: Some(Compatibility::Full), ..GroupChange::default() };
    let changed = registry.change_group(&id, full.clone()).await.expect("changed");
    let after = GroupProperties { compatibility: Compatibility::Full, ..before.clone() };
    assert_eq!(changed, Some(after.clone()), "what was not to change stays");
    let stale = GroupChange { previous: Some(before), ..full };
    assert_eq!(registry.change_group(&id, stale).await.expect("read"), None, "it is not so any more");
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let relabel = GroupChange {
        properties: Some(labels.clone()),
        previous: Some(after.clone()),
        ..GroupChange::default()
    };
    let after = GroupProperties { properties: labels, ..after };
    assert_eq!(registry.change_group(&id, relabel).await.expect("changed"), Some(after.clone()));
    assert_eq!(registry.group(&id).await.expect("there"), after);
    let nobody = registry.change_group(&GroupId::new("shop", "nobody"), GroupChange::default()).await;
    assert_eq!(kind(nobody), RegistryErrorKind::NotFound);
}

pub(super) async fn labels_choose_the_rules_and_misspelt_ones_are_refused(
    registry: &impl RegistryAdministration,
) {
    let id = GroupId::new("shop", "orders");
    let labelled = |key: &str, value: &str| {
        let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        GroupProperties { properties: labels, ..any() }
    };
    for (key, value) in [("kulya.rule", "strict"), ("kulya.rules", "Strict"), ("kulya.unknown", "allow")] {
        let refused = registry.create_group(&id, labelled(key, value)).await;
        assert_eq!(kind(refused), RegistryErrorKind::InvalidInput, "{key} = {value}");
    }
    for format in FORMATS {
        let id = GroupId::new("shop", format.full_name());
        let java = properties(format.clone(), Compatibility::Backward, Rules::Java);
        let made = registry.create_group(&id, java).await;
        if format == Format::Avro {
            assert!(made.expect("Java's rules judge Avro"));
        } else {
            assert_eq!(kind(made), RegistryErrorKind::InvalidInput, "Java's rules judge no {format}");
            make(registry, &id, properties(format, Compatibility::Backward, Rules::strict())).await;
        }
        let labels = GroupChange {
            properties: Some(BTreeMap::from([("kulya.rules".to_owned(), "lenient".to_owned())])),
            ..GroupChange::default()
        };
        assert_eq!(kind(registry.change_group(&id, labels).await), RegistryErrorKind::InvalidInput);
    }
}
