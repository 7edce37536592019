//! `kulya registry group`.

use super::args::{self, GroupCommand};
use super::shown::{self, Table};
use super::{At, Opened, each, json, judge};
use crate::say;
use anyhow::{Context, Result, bail};
use kulya_registry_api::RegistryErrorKind;
use kulya_registry_api::administration::{GroupChange, RegistryAdministration};
use kulya_schema::{GroupId, GroupProperties, Rules};
use serde::Serialize;
use std::collections::BTreeMap;

/// A group as programs read it.
#[derive(Serialize)]
struct Described<'a> {
    namespace: &'a str,
    group: &'a str,
    properties: &'a GroupProperties,
}

impl<'a> Described<'a> {
    fn of(id: &'a GroupId, properties: &'a GroupProperties) -> Self {
        Self { namespace: &id.namespace, group: &id.name, properties }
    }
}

pub(super) async fn run(at: At, command: GroupCommand, as_json: bool) -> Result<()> {
    match command {
        GroupCommand::Create { group, format, policy, rules, multiple_types, labels } => {
            let id = group.id();
            let compatibility = policy.compatibility(|_| None)?;
            let compatibility = compatibility
                .context("say by --policy when a schema may follow others, as BackwardTransitive")?;
            let mut properties = GroupProperties::new(format, compatibility, multiple_types);
            properties.properties = args::map(labels);
            properties.properties.extend(rules.rules()?.unwrap_or_default().labels());
            let opened = at.open(true).await?;
            if !opened.registry.create_group(&id, properties.clone()).await? {
                bail!("there is a group {id} already");
            }
            show(&id, &properties, as_json)?;
            opened.close().await
        }
        GroupCommand::List { namespace } => list(at, namespace, as_json).await,
        GroupCommand::Describe { group } => {
            let id = group.id();
            let opened = at.open(false).await?;
            show(&id, &existing(&opened, &id).await?, as_json)?;
            opened.close().await
        }
        GroupCommand::Change { group, policy, rules, labels, no_labels } => {
            let id = group.id();
            let rules = rules.rules()?;
            let opened = at.open(false).await?;
            existing(&opened, &id).await?;
            let known = judge::versions(&*opened.registry, &id, &policy.ids()).await?;
            let compatibility = policy.compatibility(|id| known.get(&id).cloned())?;
            if compatibility.is_none() && rules.is_none() && labels.is_empty() && no_labels.is_empty() {
                bail!("name what shall change: --policy, --rules, --label or --no-label");
            }
            // others may change it meanwhile; what they did is not undone
            let changed = loop {
                let previous = opened.registry.group(&id).await?;
                let mut properties = previous.properties.clone();
                if let Some(rules) = rules {
                    properties.retain(|key, _| !RULE_LABELS.contains(&key.as_str()));
                    properties.extend(rules.labels());
                }
                properties.retain(|key, _| !no_labels.contains(key));
                properties.extend(labels.iter().cloned());
                let change = GroupChange {
                    compatibility: compatibility.clone(),
                    properties: Some(properties),
                    previous: Some(previous),
                };
                if let Some(changed) = opened.registry.change_group(&id, change).await? {
                    break changed;
                }
            };
            show(&id, &changed, as_json)?;
            opened.close().await
        }
        GroupCommand::Delete { group } => {
            let id = group.id();
            let opened = at.open(false).await?;
            // the registry takes it as done when there is none; whoever types it may have mistyped it
            existing(&opened, &id).await?;
            opened.registry.delete_group(&id).await?;
            opened.close().await
        }
    }
}

/// A group that is there. A registry's own words are for writers, who would create it.
async fn existing(opened: &Opened, id: &GroupId) -> Result<GroupProperties> {
    match opened.registry.group(id).await {
        Err(error) if error.kind() == RegistryErrorKind::NotFound => {
            bail!("there is no group {id}: kulya registry group list shows those that are")
        }
        found => Ok(found?),
    }
}

/// The labels by which a group says its rules.
const RULE_LABELS: [&str; 3] = ["kulya.rules", "kulya.protobuf", "kulya.unknown"];

async fn list(at: At, namespace: Option<String>, as_json: bool) -> Result<()> {
    let opened = at.open(false).await?;
    let registry: &dyn RegistryAdministration = &*opened.registry;
    let mut table = Table::new(["NAMESPACE", "GROUP", "FORMAT", "POLICY", "RULES", "TYPES"]);
    let mut show = |(id, properties): (GroupId, GroupProperties)| {
        if as_json {
            return json(&Described::of(&id, &properties));
        }
        let types = if properties.allow_multiple_types { "many" } else { "one" };
        let (policy, rules) = (shown::policy(&properties.compatibility), rules(&properties));
        table.row([id.namespace, id.name, properties.format.to_string(), policy, rules, types.to_owned()]);
        Ok(())
    };
    let mut namespaces = Vec::new();
    match namespace {
        Some(namespace) => namespaces.push(namespace),
        None => {
            each(
                async |page| registry.namespaces(&page).await,
                |name| {
                    namespaces.push(name);
                    Ok(())
                },
            )
            .await?;
        }
    }
    for namespace in namespaces {
        each(async |page| registry.groups_page(&namespace, &page).await, &mut show).await?;
    }
    table.end();
    opened.close().await
}

fn rules(properties: &GroupProperties) -> String {
    Rules::of(&properties.properties).map_or_else(|_| "unknown".to_owned(), |rules| rules.name().to_owned())
}

fn show(id: &GroupId, properties: &GroupProperties, as_json: bool) -> Result<()> {
    if as_json {
        return json(&Described::of(id, properties));
    }
    let namespace = if id.namespace.is_empty() { "(default)".into() } else { shown::plain(&id.namespace) };
    say!("group      {}", shown::plain(&id.name));
    say!("namespace  {namespace}");
    say!("format     {}", shown::plain(properties.format.full_name()));
    say!("policy     {}", shown::policy(&properties.compatibility));
    say!("rules      {}", rules(properties));
    say!("types      {}", if properties.allow_multiple_types { "many side by side" } else { "one" });
    let labels: BTreeMap<_, _> =
        properties.properties.iter().map(|(key, value)| (shown::plain(key), shown::plain(value))).collect();
    for (key, value) in labels {
        say!("label      {key}={value}");
    }
    Ok(())
}
