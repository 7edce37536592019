//! Names of streams: the template, the characters that names may have, and variants for tables whose names
//! would be equal.

use crate::RowSchema;

/// The number of variants of a name.
const MAX_VARIANTS: u32 = 1000;

/// Returns the stream name of a table by the template.
pub(super) fn stream_name(template: &str, schema: &RowSchema) -> String {
    let name = template.replace("{prefix}", &schema.prefix);
    sanitize_name(&name.replace("{schema}", &schema.schema).replace("{table}", &schema.table))
}

/// Replaces characters that scope and stream names must not contain by `-`.
pub(crate) fn sanitize_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '-' }).collect()
}

/// Returns a name and its variants: `name`, `name.2`, `name.3`, …
pub(super) fn candidates(name: &str) -> impl Iterator<Item = String> {
    let numbered = (2..=MAX_VARIANTS).map(move |number| format!("{name}.{number}"));
    std::iter::once(name.to_owned()).chain(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_template() {
        let schema = RowSchema {
            prefix: "p".into(),
            schema: "s.a".into(),
            table: "user_events".into(),
            columns: Vec::new(),
            key: Vec::new(),
        };
        assert_eq!(stream_name("{prefix}.{schema}.{table}", &schema), "p.s.a.user-events");
        assert_eq!(stream_name("x/{table}", &schema), "x-user-events");
        let found: Vec<_> = candidates("a").take(3).collect();
        assert_eq!(found, ["a", "a.2", "a.3"]);
        assert_eq!(candidates("a").count(), 1000);
    }
}
