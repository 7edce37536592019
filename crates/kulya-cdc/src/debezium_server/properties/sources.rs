//! Where values come from: the pairs of the file and the environment, in the order of precedence of Quarkus.
//!
//! A key's value is that of an active profile, unless the environment has the key without a profile and the
//! profile's value is from the file. For each name the environment overrides the file.

use super::names;
use super::text::Pair;
use std::collections::{BTreeMap, BTreeSet};

/// A value as it was written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) value: &'a str,
    /// The line of the file; none for a value of the environment.
    pub(super) line: Option<usize>,
}

pub(super) struct Sources<'a> {
    file: BTreeMap<String, (String, usize)>,
    environment: &'a BTreeMap<String, String>,
    /// The environment by the form that names are converted to.
    variables: BTreeMap<String, &'a str>,
    /// The keys that Debezium Server derives from variables, if the file does not have them.
    derived: BTreeMap<String, &'a str>,
    profiles: Vec<String>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(pairs: Vec<Pair>, environment: &'a BTreeMap<String, String>) -> Self {
        let variables: BTreeMap<_, _> = environment
            .iter()
            .map(|(name, value)| (names::environment_variable(name), value.as_str()))
            .collect();
        let profile = ["QUARKUS_PROFILE", "SMALLRYE_CONFIG_PROFILE"];
        let profile = profile.iter().find_map(|name| variables.get(*name).copied());
        let mut file = BTreeMap::new();
        for Pair { key, value, line } in pairs {
            // `%dev,test.key` is the same as `%dev.key` and `%test.key`
            match names::split_profile(&key) {
                (profiles, name) if profiles.len() > 1 => {
                    let keys = profiles.iter().map(|profile| format!("%{profile}.{name}"));
                    file.extend(keys.map(|key| (key, (value.clone(), line))));
                }
                _ => drop(file.insert(key, (value, line))),
            }
        }
        let profiles = names::profiles(profile);
        let mut sources = Self { file, environment, variables, derived: BTreeMap::new(), profiles };
        sources.derived = sources.derive();
        sources
    }

    /// Returns the keys of the file that are not of an inactive profile.
    fn active_keys(&self) -> impl Iterator<Item = &str> {
        self.file.keys().filter_map(|key| match names::split_profile(key) {
            (profiles, name) if profiles.is_empty() => Some(name),
            (profiles, name) => self.profiles.iter().any(|p| *p == profiles.concat()).then_some(name),
        })
    }

    fn derive(&self) -> BTreeMap<String, &'a str> {
        let in_file: BTreeSet<String> = self.active_keys().map(names::environment_variable).collect();
        let derived = self.environment.iter().filter_map(|(variable, value)| {
            let variable = self.without_profile(variable);
            // otherwise it overrides a key of the file, whose spelling counts
            let is_new = !in_file.contains(&names::environment_variable(variable));
            let key = is_new.then(|| names::debezium_key(variable)).flatten()?;
            Some((key, value.as_str()))
        });
        derived.collect()
    }

    /// Returns the keys that have a value: those of the file that are not of an inactive profile, and those
    /// that Debezium Server derives from the environment.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.active_keys().map(str::to_owned).chain(self.derived.keys().cloned()).collect()
    }

    /// Removes the form that an active profile has in the name of an environment variable.
    fn without_profile<'n>(&self, variable: &'n str) -> &'n str {
        let prefixes = self.profiles.iter().map(|p| names::environment_variable(&format!("%{p}.")));
        prefixes.into_iter().find_map(|prefix| variable.strip_prefix(&prefix)).unwrap_or(variable)
    }

    /// Looks a name up.
    pub(super) fn get(&self, name: &str) -> Option<Found<'_>> {
        let plain = self.exact(name);
        let of_profile = self.profiles.iter().find_map(|profile| self.exact(&format!("%{profile}.{name}")));
        match (of_profile, plain) {
            (Some(profile), Some(plain)) if plain.line.is_none() && profile.line.is_some() => Some(plain),
            (Some(profile), _) => Some(profile),
            (None, plain) => plain,
        }
    }

    fn exact(&self, name: &str) -> Option<Found<'_>> {
        let of_environment = self.environment.get(name).map(String::as_str);
        let of_environment = of_environment
            .or_else(|| self.variables.get(&names::environment_variable(name)).copied())
            .or_else(|| self.derived.get(name).copied());
        match of_environment {
            Some(value) => Some(Found { value, line: None }),
            None => {
                self.file.get(name).map(|(value, line)| Found { value: value.as_str(), line: Some(*line) })
            }
        }
    }
}
