//! `kulya registry group`: creates, lists, describes, changes and deletes groups.

use super::connection::{RegistryConnection, RegistryTarget, for_each_item};
use super::display::{self, Table};
use super::versions::versions_by_id;
use crate::args::registry::{GroupCommand, to_map};
use crate::output::{print_json, print_line};
use anyhow::{Context, Result, bail};
use kulya_registry_api::RegistryErrorKind;
use kulya_registry_api::administration::{GroupChange, RegistryAdministration};
use kulya_schema::{GroupId, GroupProperties, Rules};
use serde::Serialize;
use std::collections::BTreeMap;

/// A group in JSON output.
#[derive(Serialize)]
struct GroupDescription<'a> {
    namespace: &'a str,
    group: &'a str,
    properties: &'a GroupProperties,
}

impl<'a> GroupDescription<'a> {
    fn new(id: &'a GroupId, properties: &'a GroupProperties) -> Self {
        Self { namespace: &id.namespace, group: &id.name, properties }
    }
}

pub(super) async fn run(target: RegistryTarget, command: GroupCommand, as_json: bool) -> Result<()> {
    match command {
        GroupCommand::Create { group, format, policy, rules, multiple_types, labels } => {
            let id = group.id();
            let compatibility = policy.compatibility(|_| None)?;
            let compatibility = compatibility
                .context("no compatibility policy: give --policy, such as BackwardTransitive")?;
            let mut properties = GroupProperties::new(format, compatibility, multiple_types);
            properties.properties = to_map(labels);
            properties.properties.extend(rules.rules()?.unwrap_or_default().to_labels());
            let connection = target.open(true).await?;
            if !connection.registry.create_group(&id, properties.clone()).await? {
                bail!("group {id} already exists");
            }
            print_group(&id, &properties, as_json)?;
            connection.close().await
        }
        GroupCommand::List { namespace } => list(target, namespace, as_json).await,
        GroupCommand::Describe { group } => {
            let id = group.id();
            let connection = target.open(false).await?;
            print_group(&id, &find_group(&connection, &id).await?, as_json)?;
            connection.close().await
        }
        GroupCommand::Change { group, policy, rules, labels, no_labels } => {
            let id = group.id();
            let rules = rules.rules()?;
            let connection = target.open(false).await?;
            find_group(&connection, &id).await?;
            let versions = versions_by_id(&*connection.registry, &id, &policy.ids()).await?;
            let compatibility = policy.compatibility(|id| versions.get(&id).cloned())?;
            if compatibility.is_none() && rules.is_none() && labels.is_empty() && no_labels.is_empty() {
                bail!("nothing to change: give --policy, --rules, --label or --no-label");
            }
            // retried after a concurrent change, which is kept
            let changed = loop {
                let previous = connection.registry.group(&id).await?;
                let mut properties = previous.properties.clone();
                if let Some(rules) = rules {
                    properties.retain(|key, _| !RULE_LABELS.contains(&key.as_str()));
                    properties.extend(rules.to_labels());
                }
                properties.retain(|key, _| !no_labels.contains(key));
                properties.extend(labels.iter().cloned());
                let change = GroupChange {
                    compatibility: compatibility.clone(),
                    properties: Some(properties),
                    previous: Some(previous),
                };
                if let Some(changed) = connection.registry.change_group(&id, change).await? {
                    break changed;
                }
            };
            print_group(&id, &changed, as_json)?;
            connection.close().await
        }
        GroupCommand::Delete { group, force } => {
            let id = group.id();
            let connection = target.open(false).await?;
            // the registry does not report a missing group, whose name may be mistyped
            find_group(&connection, &id).await?;
            match force {
                true => connection.registry.force_delete_group(&id).await?,
                false => connection.registry.delete_group(&id).await?,
            }
            connection.close().await
        }
    }
}

/// Returns a group's properties, with an error for readers: the registry's own advises to create it.
async fn find_group(connection: &RegistryConnection, id: &GroupId) -> Result<GroupProperties> {
    match connection.registry.group(id).await {
        Err(error) if error.kind() == RegistryErrorKind::NotFound => {
            bail!("group {id} does not exist: kulya registry group list shows all")
        }
        found => Ok(found?),
    }
}

/// The labels that hold a group's rules.
const RULE_LABELS: [&str; 3] = ["kulya.rules", "kulya.protobuf", "kulya.unknown"];

async fn list(target: RegistryTarget, namespace: Option<String>, as_json: bool) -> Result<()> {
    let connection = target.open(false).await?;
    let registry: &dyn RegistryAdministration = &*connection.registry;
    let mut table = Table::new(["NAMESPACE", "GROUP", "FORMAT", "POLICY", "RULES", "TYPES"]);
    let mut print = |(id, properties): (GroupId, GroupProperties)| {
        if as_json {
            return print_json(&GroupDescription::new(&id, &properties));
        }
        let types = if properties.allow_multiple_types { "many" } else { "one" };
        let (policy, rules) = (display::policy(&properties.compatibility), rules_name(&properties));
        table.row([id.namespace, id.name, properties.format.to_string(), policy, rules, types.to_owned()]);
        Ok(())
    };
    let mut namespaces = Vec::new();
    match namespace {
        Some(namespace) => namespaces.push(namespace),
        None => {
            for_each_item(
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
        for_each_item(async |page| registry.groups_page(&namespace, &page).await, &mut print).await?;
    }
    table.finish();
    connection.close().await
}

fn rules_name(properties: &GroupProperties) -> String {
    Rules::from_labels(&properties.properties)
        .map_or_else(|_| "unknown".to_owned(), |rules| rules.name().to_owned())
}

fn print_group(id: &GroupId, properties: &GroupProperties, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(&GroupDescription::new(id, properties));
    }
    let namespace = if id.namespace.is_empty() { "(default)".into() } else { display::escape(&id.namespace) };
    print_line!("group      {}", display::escape(&id.name));
    print_line!("namespace  {namespace}");
    print_line!("format     {}", display::escape(properties.format.full_name()));
    print_line!("policy     {}", display::policy(&properties.compatibility));
    print_line!("rules      {}", rules_name(properties));
    print_line!("types      {}", if properties.allow_multiple_types { "many side by side" } else { "one" });
    let labels: BTreeMap<_, _> = properties
        .properties
        .iter()
        .map(|(key, value)| (display::escape(key), display::escape(value)))
        .collect();
    for (key, value) in labels {
        print_line!("label      {key}={value}");
    }
    Ok(())
}
