//! The known name that a misspelt one probably stands for.

/// The largest edit distance of a name that is suggested.
const MAX_DISTANCE: usize = 4;
/// The longest name for which a near one is looked for, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// Returns the known name that is nearest to a misspelt one, if any is near: a third of its letters may
/// differ.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME_BYTES {
        return None;
    }
    let letters = name.chars().count();
    let max_distance = (letters / 3).clamp(1, MAX_DISTANCE).min(letters.saturating_sub(1));
    let distances = known.map(|known| (strsim::osa_distance(known, name), known));
    distances.min().filter(|(distance, _)| *distance <= max_distance).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["orders", "customers", "t", "ab"];
        let found = |name| nearest(name, known.into_iter());
        for (name, expected) in [
            ("ordrs", Some("orders")),
            ("custmers", Some("customers")),
            ("order", Some("orders")),
            ("x", None),
            ("ac", Some("ab")),
            ("nothing_like_it", None),
        ] {
            assert_eq!(found(name), expected, "{name}");
        }
        assert_eq!(found("o".repeat(1000).as_str()), None);
    }
}
