//! Names of properties: the profile in front of a name, and the forms that a name has as an environment
//! variable.

/// The profile of a Quarkus application that runs outside of development and tests.
const DEFAULT_PROFILE: &str = "prod";
/// The beginnings of keys that Debezium Server also reads from environment variables of its own form. Others
/// are left out: Kubernetes sets `DEBEZIUM_PORT` and the like for a service of that name.
const ENVIRONMENT_SECTIONS: &[&str] = &["source", "sink", "format", "transforms", "predicates"];

/// Returns the active profiles from the value of `quarkus.profile`, the one with precedence first.
pub(super) fn profiles(setting: Option<&str>) -> Vec<String> {
    let names = setting.unwrap_or(DEFAULT_PROFILE).split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut profiles: Vec<String> = names.map(str::to_owned).collect();
    profiles.reverse();
    profiles
}

/// Splits `%profile.name` into the profiles and the name; a name without profile is returned as it is.
pub(super) fn split_profile(key: &str) -> (Vec<&str>, &str) {
    match key.strip_prefix('%').and_then(|key| key.split_once('.')) {
        Some((profiles, name)) => (profiles.split(',').collect(), name),
        None => (Vec::new(), key),
    }
}

/// Returns the environment variable of a property: other characters than letters and digits become `_`, and
/// letters uppercase.
pub(super) fn environment_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Returns the key that Debezium Server makes of an environment variable such as
/// `DEBEZIUM_SOURCE_TOPIC_PREFIX`: `_` is a dot, `__` is `_`, and letters are lowercase.
pub(super) fn debezium_key(variable: &str) -> Option<String> {
    if !variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let dotted = variable.to_ascii_lowercase().replace('_', ".").replace("..", "_");
    let section = dotted.strip_prefix("debezium.")?.split('.').next()?;
    ENVIRONMENT_SECTIONS.contains(&section).then_some(dotted)
}
