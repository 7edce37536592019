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
    ("Dice", "SeededRng"),
    ("Door", "AccessControl, CommitQueue or AccessArgs"),
    ("DoorArgs", "AccessArgs"),
    ("Faces", "Router"),
    ("GaveBack", "Reclaimed"),
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
    ("kulya_dice", "kulya_testkit"),
    ("kulya_guard", "kulya_auth"),
    ("left_behind", "abandoned"),
    ("open_to_all", "permissive"),
    ("serve_behind", "serve_with"),
    ("wait_beyond", "wait_for_data"),
    ("uncompared", "unchecked"),
    ("unmoved", "retry_if_compacted"),
    ("upkeep", "maintenance"),
    ("weigh", "memory_limit, or what is measured"),
    ("AppendedFile", "open_append's file"),
    ("befalls", "a fault's name"),
    ("begin_all", "start_all"),
    ("body_most_time", "body_timeout"),
    ("both_ways", "compare_both_directions"),
    ("carried", "the item's name"),
    ("compare_clocks_every", "clock_check_interval"),
    ("ComputeLimits", "WorkerPoolLimits"),
    ("CutOff", "Truncated"),
    ("due_cut", "retention_cut"),
    ("Examined", "IntegrityReport"),
    ("FreshToken", "AccessToken"),
    ("fresh_for", "end_check_interval"),
    ("give_back", "reclaim"),
    ("goes_by_shape", "can_group_by_fingerprint"),
    ("guarded_by", "protected_by"),
    ("house_router", "router"),
    ("is_whole", "is_intact"),
    ("LeftOut", "Skipped"),
    ("make_folder", "create_dir_all"),
    ("MayAdd", "AddCheck"),
    ("MayRead", "ReadCheck"),
    ("may_everything", "has_all_permissions"),
    ("may_make", "check_create"),
    ("NothingShown", "anonymous credentials"),
    ("NotYet", "the state's name"),
    ("once_in", "one_in"),
    ("read_whole", "read_file"),
    ("write_whole", "write_file"),
    ("reads_at_once", "max_concurrent_reads"),
    ("Salvaged", "SalvageReport"),
    ("seen_by", "visible_to"),
    ("takes_format", "accepts_format"),
    ("take_anyway", "force_acquire"),
    ("token_behind", "token_after"),
    ("made_ready", "prepare"),
    ("end_of_changes", "changelog_end"),
    ("unread_lines", "ignored_lines"),
    ("with_compute_limits", "with_worker_pool_limits"),
    ("Wired", "ConnectionLoss"),
    ("live_wired", "simulate_connection_loss"),
    ("live_maintained", "simulate_maintenance"),
    ("lawful", "sanitize_name"),
    ("VisibleAtOnce", "AtomicVisibility"),
    ("wait_beyond_all", "wait_for_data"),
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

/// Files that need such a word: this list, a trait of another project, and names of the gRPC interface, that
/// clients have compiled.
const EXCEPTIONS: &[&str] = &[
    "xtask/src/tidy/words.rs",
    "xtask/src/tidy/circles.rs",
    "crates/kulya-wire/src/error.rs",
    "crates/kulya-wire/src/stream.rs",
];

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

/// Adds every former word to `findings`.
pub(super) fn check(findings: &mut Vec<String>) -> Result<()> {
    for root in ROOTS {
        let root = Path::new(root);
        if root.exists() {
            visit(root, &mut |path, text| findings.extend(words_in(path, text)))?;
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
