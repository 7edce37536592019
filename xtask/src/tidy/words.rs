//! Words: figures of speech that standard terms have replaced, so that they do not come back.
//!
//! Identifiers are matched as whole words in code, and between backticks in comments and Markdown pages;
//! phrases in comments, strings and pages. Generated files and fixtures do not count.

use anyhow::Result;
use std::path::Path;

/// Former identifiers, and the term in place of each.
const IDENTIFIERS: &[(&str, &str)] = &[
    ("Alike", "EquivalentVersions"),
    ("Asked", "RequestInfo or the request's name"),
    ("AnswerLost", "ResponseLost"),
    ("SeededRng", "SeededRng"),
    ("Door", "AccessControl, CommitQueue or AccessArgs"),
    ("DoorArgs", "AccessArgs"),
    ("Faces", "Router"),
    ("GaveBack", "Reclaimed"),
    ("Gone", "Tombstone, or the error's name"),
    ("Hall", "ConnectionHandler"),
    ("House", "Services"),
    ("Judge", "CompatibilityContext"),
    ("Judged", "PreparedSchema"),
    ("Laid", "Layout"),
    ("Landed", "publish"),
    ("Lane", "session slot"),
    ("NotLetIn", "AuthError"),
    ("Patience", "RetryPolicy"),
    ("Rung", "Woken"),
    ("Said", "AuditState, or the message's name"),
    ("Shown", "CredentialKind"),
    ("Surroundings", "RunContext"),
    ("Teller", "ReasonCollector"),
    ("Told", "Response"),
    ("TwoLimits", "CombinedRetention"),
    ("Visit", "RequestContext"),
    ("Weighed", "MeteredBody"),
    ("into_house", "run_capture"),
    ("consulted", "versions_to_check"),
    ("converse", "serve_connection"),
    ("kulya_testkit", "kulya_testkit"),
    ("kulya_auth", "kulya_auth"),
    ("left_behind", "abandoned"),
    ("open_to_all", "permissive"),
    ("serve_behind", "serve_with"),
    ("wait_beyond", "wait_for_data"),
    ("uncompared", "unchecked"),
    ("unmoved", "retry_if_compacted"),
    ("upkeep", "maintenance"),
    ("weigh", "memory_limit, or what is measured"),
    ("why_not", "incompatibilities"),
];

/// Former beginnings of identifiers, and the term in place of each.
const PREFIXES: &[(&str, &str)] = &[("MOST_", "MAX_"), ("FEWEST_", "MIN_"), ("LEAST_", "MIN_")];

/// Figures of speech in prose, in lower case, and the term in place of each.
const PHRASES: &[(&str, &str)] = &[
    ("let in", "authenticated"),
    ("lets in", "authenticates"),
    ("let us in", "authentication failed"),
    ("is told", "is notified"),
    ("are told", "are notified"),
    ("nobody is", "no one is: name the client, caller or operator"),
    ("the house", "the workspace"),
    ("of the house", "of the project"),
    ("at the rim", "at the boundary"),
    ("throw-away", "temporary"),
    ("upkeep", "maintenance"),
    ("make room", "free disk space"),
    ("give back the room", "free disk space"),
    ("gives back the room", "frees disk space"),
    ("no room", "no space"),
    ("as a person reads", "readable"),
    ("whoever asks", "clients"),
    ("anew", "again"),
    ("ring 0", "layer 0"),
    ("ring 1", "layer 1"),
    ("ring 2", "layer 2"),
    ("ring 3", "layer 3"),
    ("ring 4", "layer 4"),
];

/// Crates and folders that still have such words: reported by `cargo xtask tidy words`, not refused by `cargo
/// xtask tidy`.
const EXEMPT: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "bench",
    "crates/kulya",
    "crates/kulya-cdc",
    "crates/kulya-client",
    "crates/kulya-codec",
    "crates/kulya-auth",
    "crates/kulya-registry",
    "crates/kulya-schema",
    "crates/kulya-server",
    "crates/kulya-sim",
    "crates/kulya-sql",
    "crates/kulya-store",
    "crates/kulya-store-embedded",
    "crates/kulya-store-object",
    "crates/kulya-store-pravega",
    "crates/kulya-wire",
    "docs",
];

/// Files that need such a word: this list, and a trait of another project's.
const EXCEPTIONS: &[&str] = &["xtask/src/tidy/words.rs", "xtask/src/tidy/circles.rs"];

/// What is checked.
const ROOTS: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "bench",
    "crates",
    "docs",
    "examples",
    "fuzz/fuzz_targets",
    "xtask",
];

/// A former word in a file, as `path:line: "word": use "term"`.
fn finding(path: &Path, line: usize, word: &str, term: &str) -> String {
    format!("{}:{line}: {word:?}: use {term:?}", path.display())
}

/// Adds every former word outside exempt folders to `findings`.
pub(super) fn check(findings: &mut Vec<String>) -> Result<()> {
    each_file(&mut |path, text| {
        if !EXEMPT.iter().any(|exempt| path.starts_with(exempt)) {
            findings.extend(words_in(path, text));
        }
    })
}

/// Prints every former word, exempt folders included.
pub(super) fn print() -> Result<()> {
    let mut found = Vec::new();
    each_file(&mut |path, text| found.extend(words_in(path, text)))?;
    found.push(format!("{} former words", found.len()));
    super::report::print_lines(&found)
}

fn each_file(check: &mut impl FnMut(&Path, &str)) -> Result<()> {
    for root in ROOTS {
        let root = Path::new(root);
        if root.exists() {
            visit(root, check)?;
        }
    }
    Ok(())
}

fn visit(path: &Path, check: &mut impl FnMut(&Path, &str)) -> Result<()> {
    if path.is_dir() {
        let mut entries: Vec<_> =
            std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        entries.sort();
        // build output of the separate workspaces
        return entries
            .iter()
            .filter(|path| !path.ends_with("target"))
            .try_for_each(|path| visit(path, check));
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("rs" | "md"))
        && !EXCEPTIONS.iter().any(|exception| path == Path::new(exception))
    {
        let text = std::fs::read_to_string(path)?;
        if !text.starts_with("// This file is @generated") {
            check(path, &text);
        }
    }
    Ok(())
}

/// The former words in one file.
fn words_in(path: &Path, text: &str) -> Vec<String> {
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let (code, prose) = if is_page { (String::new(), line.to_owned()) } else { split(line) };
        for word in identifiers(&code).chain(prose.split('`').skip(1).step_by(2).flat_map(identifiers)) {
            let listed = IDENTIFIERS.iter().find(|(former, _)| *former == word);
            let prefixed = PREFIXES.iter().find(|(former, _)| word.starts_with(former));
            if let Some((_, term)) = listed.or(prefixed) {
                found.push(finding(path, number, word, term));
            }
        }
        let prose = format!("{} {prose}", strings_of(&code)).to_lowercase();
        for (phrase, term) in PHRASES {
            if contains_words(&prose, phrase) {
                found.push(finding(path, number, phrase, term));
            }
        }
    }
    found
}

/// The identifiers in a text.
fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|sign: char| !sign.is_alphanumeric() && sign != '_').filter(|word| !word.is_empty())
}

/// Splits a line of Rust into its code and its comment: an approximation that needs no parser.
fn split(line: &str) -> (String, String) {
    match line.split_once("//") {
        Some((code, comment)) if code.matches('"').count() % 2 == 0 => (code.to_owned(), comment.to_owned()),
        _ => (line.to_owned(), String::new()),
    }
}

/// The string literals of a line of code.
fn strings_of(code: &str) -> String {
    code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether a phrase occurs between word boundaries.
fn contains_words(text: &str, phrase: &str) -> bool {
    let is_letter = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        words_in(Path::new(file), text)
    }

    #[test]
    fn identifiers_are_whole_words() {
        assert_eq!(
            found("a.rs", "fn f(door: Door) {}"),
            ["a.rs:1: \"Door\": use \"AccessControl, CommitQueue or AccessArgs\""]
        );
        assert_eq!(found("a.rs", "\nconst MOST_BYTES: u8 = 1;"), ["a.rs:2: \"MOST_BYTES\": use \"MAX_\""]);
        assert_eq!(found("a.rs", "struct DoorBell; fn almost_() {} // Judge by the result"), [""; 0]);
        assert_eq!(found("a.rs", "/// Opens a `Door`.").len(), 1);
        assert_eq!(found("a.md", "The Door is a `Door`.").len(), 1);
    }

    #[test]
    fn phrases_are_found_in_prose_only() {
        assert_eq!(found("a.rs", "// nobody is let in").len(), 2);
        assert_eq!(found("a.rs", "let message = \"the caller is told\";").len(), 1);
        assert_eq!(found("a.rs", "let inside = outlet(in_); anew();"), [""; 0]);
        assert_eq!(found("a.md", "Ring 0 has no clock.").len(), 1);
        assert_eq!(found("a.rs", "let url = \"http://the-house\"; // bring 0").len(), 0);
    }
}
