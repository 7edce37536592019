//! Conversion of transformations and their predicates. One that cannot be used is refused by its key: without
//! it the events would be others.

use super::settings::{DebeziumServerSettings, JavaPlugin, Secret};
use super::unsupported::Unsupported;
use crate::debezium::format::EventFormat;
use crate::transform::{PredicateSettings, TransformSettings, Transformations};
use std::collections::BTreeMap;

/// Converts the transformations, in their order.
pub(super) fn convert(
    settings: &DebeziumServerSettings,
    format: &EventFormat,
    refused: &mut Vec<Unsupported>,
) -> Vec<TransformSettings> {
    let mut transforms = Vec::new();
    for plugin in &settings.transforms {
        let checked = transform(plugin, &settings.predicates).and_then(|transform| {
            Transformations::check(&transform, format)?;
            Ok(transform)
        });
        match checked {
            Ok(transform) => transforms.push(transform),
            Err(why) => {
                let key = format!("debezium.transforms.{}.type", plugin.name);
                refused.push(Unsupported::new(&key, plugin.class.clone(), why));
            }
        }
    }
    transforms
}

fn transform(plugin: &JavaPlugin, predicates: &[JavaPlugin]) -> Result<TransformSettings, String> {
    let mut options = options(plugin);
    let predicate = options.remove("predicate").map(|name| name.trim().to_owned());
    let negate = options.remove("negate").is_some_and(|negate| negate.trim().eq_ignore_ascii_case("true"));
    let predicate = match predicate.filter(|name| !name.is_empty()) {
        Some(name) => {
            let found = predicates.iter().find(|predicate| predicate.name == name);
            let found = found.ok_or_else(|| format!("its predicate {name} is not in debezium.predicates"))?;
            Some(PredicateSettings { class: class(found), options: self::options(found) })
        }
        None => None,
    };
    Ok(TransformSettings { class: class(plugin), predicate, negate, options })
}

fn class(plugin: &JavaPlugin) -> String {
    plugin.class.clone().unwrap_or_default()
}

fn options(plugin: &JavaPlugin) -> BTreeMap<String, String> {
    let exposed = |(name, value): (&String, &Secret)| (name.clone(), value.expose().to_owned());
    plugin.options.iter().map(exposed).collect()
}
