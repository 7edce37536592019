use super::*;

fn matches(pattern: &str, text: &str) -> Option<bool> {
    Pattern::parse(pattern).ok()?.matcher()?.matches(text)
}

#[test]
fn patterns_match_as_in_ecma_262() {
    for (pattern, accepts, rejects) in [
        ("", "anything", ""),
        ("b", "abc", "ac"),
        ("^a$", "a", "a\n"),
        ("^[a-c]{2,3}$", "abc", "abcd"),
        (r"^\x41\u0042\cA$", "AB\u{1}", "AB"),
        (r"^[-\x41-\u0043\d]+$", "A-B1", "D"),
        (r"^[\b\]]$", "]", "b"),
        (r"^[^\s]$", "x", "\u{feff}"),
        (r"^[\s\S]$", "\n", "ab"),
        (r"^[\w-.]+$", "a-.", "a/"),
        (r"^[\d-z]+$", "1-z", "a"),
        (r"^\w$", "_", "é"),
        ("^.$", "\u{85}", "\u{2028}"),
        ("^(?:a|bc)+?$", "abca", "ab"),
        ("^[]$|^a", "ab", "]"),
        ("^[^]$", "\n", ""),
        (r"^\d{4}-\d\d$", "2020-01", "202-01"),
        (r"\bab\b", "x ab.", "xab"),
        ("^a{2$", "a{2", "aa"),
        ("^(?<year>[0-9]+)$", "20", "a"),
        ("^(?!x-)[a-z-]+$", "y-a", "x-a"),
        (r"^(?=.*\d)(?=.*[a-z]).{3,}$", "a1b", "abc"),
        (r"^\p{L}+$", "é中a", "é1"),
        (r"^[\p{Letter}\p{Number}_.-]+$", "Ⅷ½é_-.", "a/b"),
        (r"^\P{Lu}$", "a", "É"),
        (r"^\p{Script=Greek}\p{gc=Nd}$", "Ω٣", "O3"),
        (r"^\p{Alphabetic}$", "ª", "1"),
    ] {
        assert_eq!(matches(pattern, accepts), Some(true), "{pattern} {accepts:?}");
        assert!(matches(pattern, rejects) == Some(false) || pattern.is_empty(), "{pattern} {rejects:?}");
    }
    for unknown in [
        "(?=a)",
        "^a(?!b)",
        r"(a)\1",
        r"\pL",
        r"\p{letter}",
        r"\p{Greek}",
        r"\p{L",
        r"\ud800",
        r"\01",
        "\u{1d49c}",
        "(?<=a)b",
        "a{9999}",
    ] {
        assert!(matches!(Pattern::parse(unknown), Err(PatternError::Unsupported(_))), "{unknown}");
    }
    for invalid in ["(", ")", "[", "[z-a]", "*a", "a**", "a{3,2}", "^*", "\\", "(?<n", "a|*"] {
        assert!(matches!(Pattern::parse(invalid), Err(PatternError::Invalid(_))), "{invalid}");
    }
}

/// Patterns that take exponential time in a backtracking matcher.
#[test]
fn no_pattern_takes_long() {
    let long = "a".repeat(300);
    for pattern in ["^(a+)+b$", "^(a|a)*b$", "^((a*)*)*b$", "(a?){300}a{300}b", "^(.*)(.*)(.*)(.*)(.*)x$"] {
        assert_eq!(matches(pattern, &long), Some(false), "{pattern}");
    }
    let large = "((a{300}){300}){300}";
    assert!(Pattern::parse(large).unwrap().matcher().is_none(), "an automaton is bounded");
    assert!(Pattern::parse("^.*a.{60}b.*$").unwrap().automata().is_none(), "a deterministic one, too");
}

fn texts(patterns: &[&str], wanted: u64, count: usize, skipped: &[&str]) -> Option<Vec<String>> {
    let universe = universe().unwrap();
    let parts: Vec<_> =
        patterns.iter().map(|p| std::rc::Rc::new(Pattern::parse(p).unwrap().automata().unwrap())).collect();
    let language = Language::explore(&universe, &parts, 0, &|_| true)?;
    let is_skipped = |text: &str| skipped.contains(&text);
    language.texts(&|matched, _| matched == wanted, count, &is_skipped, !skipped.is_empty(), &|_| true)
}

#[test]
fn languages_have_examples_or_none() {
    assert_eq!(texts(&["^[a-z]{3,5}$", "^[a-z]{3}$"], 1, 1, &[]), Some(vec!["aaaa".to_owned()]));
    assert_eq!(texts(&["^[a-z]{3,5}$", "^[a-z]{3}$"], 2, 1, &[]), Some(Vec::new()));
    assert_eq!(texts(&["^(red|green|blue)$", "^(red|green)$"], 1, 9, &[]), Some(vec!["blue".to_owned()]));
    assert_eq!(texts(&["^s_", "^i_"], 3, 1, &[]), Some(Vec::new()), "prefixes that exclude each other");
    assert_eq!(texts(&["^(a|b|c)$"], 1, 9, &["b"]), Some(vec!["a".to_owned(), "c".to_owned()]));
    assert_eq!(texts(&[r"^\x2d$", "^-$"], 3, 1, &[]), Some(vec!["-".to_owned()]));
    assert_eq!(texts(&[r"^\x2d$", "^-$"], 1, 1, &[]), Some(Vec::new()));
    assert_eq!(texts(&["^(?!a)[ab]$"], 1, 9, &["z"]), Some(vec!["b".to_owned()]));
}
