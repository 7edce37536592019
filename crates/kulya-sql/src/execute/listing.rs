//! Results that list names, and the patterns of LIKE in SHOW.

use crate::SqlResult;
use crate::dialect::LikePattern;
use crate::output::StatementResult;

/// Returns a result of one column.
pub(super) fn list(column: &str, names: impl IntoIterator<Item = String>) -> SqlResult<StatementResult> {
    let rows: Vec<Vec<String>> = names.into_iter().map(|name| vec![name]).collect();
    StatementResult::text_rows(&[column], &rows)
}

/// Returns a result of the names that match.
pub(super) fn list_like(
    column: &str,
    names: impl IntoIterator<Item = String>,
    like: Option<&LikePattern>,
) -> SqlResult<StatementResult> {
    list(column, names.into_iter().filter(|name| is_like(name, like)))
}

/// Returns whether a name matches: `%` stands for any characters, `_` for one.
pub(super) fn is_like(name: &str, like: Option<&LikePattern>) -> bool {
    let Some(LikePattern { negated, ignores_case, pattern }) = like else { return true };
    let folded = |text: &str| if *ignores_case { text.to_lowercase() } else { text.to_owned() };
    let name: Vec<char> = folded(name).chars().collect();
    let pattern: Vec<char> = folded(pattern).chars().collect();
    matches(&name, &pattern) != *negated
}

/// Matches in time that is linear for each `%`: only the last one is tried again.
fn matches(name: &[char], pattern: &[char]) -> bool {
    let (mut at, mut of) = (0, 0);
    // where the last % is, and what it covers
    let mut retry: Option<(usize, usize)> = None;
    while at < name.len() {
        let next = pattern.get(of);
        if next == Some(&'%') {
            retry = Some((of + 1, at));
            of += 1;
        } else if next.is_some_and(|c| *c == '_' || Some(c) == name.get(at)) {
            (at, of) = (at + 1, of + 1);
        } else if let Some((after, covered)) = retry {
            retry = Some((after, covered + 1));
            (at, of) = (covered + 1, after);
        } else {
            return false;
        }
    }
    pattern.get(of..).unwrap_or_default().iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_patterns() {
        let like =
            |pattern: &str| LikePattern { negated: false, ignores_case: false, pattern: pattern.to_owned() };
        for (pattern, name, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("o%s", "orders", true),
            ("o%e_", "orders", false),
            ("%er%", "orders", true),
            ("_rders", "orders", true),
            ("%a%b%", "xaxxb", true),
            ("%a%b", "xabx", false),
            ("O%", "orders", false),
        ] {
            assert_eq!(is_like(name, Some(&like(pattern))), expected, "{pattern} {name}");
        }
        assert!(is_like("orders", Some(&LikePattern { ignores_case: true, ..like("O%") })));
        assert!(!is_like("orders", Some(&LikePattern { negated: true, ..like("o%") })));
        assert!(is_like("orders", None));
    }
}
