//! The table of pairs: each verdict must be as in the table, and be confirmed by messages.

use super::oracle::{random_message, reads_json, reads_wire};
use super::source::{Compiled, message};
use kulya_testkit::SeededRng;
use kulya_schema::protobuf::{Incompatibility, Rule, Safety, can_read, reuses_reserved};

const PAIRS: &str = include_str!("../../data/protobuf/pairs.txt");
const MESSAGES: u64 = 200;

pub(super) struct Pair {
    pub(super) title: String,
    /// The message's body and its syntax.
    pub(super) old: (String, &'static str),
    pub(super) new: (String, &'static str),
    wire: String,
    json: String,
    reserved: String,
    unseen: bool,
}

pub(super) fn pairs() -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    for line in PAIRS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("=== ") {
            let body = || (String::new(), "proto3");
            pairs.push(Pair {
                title: title.to_owned(),
                old: body(),
                new: body(),
                wire: String::new(),
                json: String::new(),
                reserved: "ok / ok".to_owned(),
                unseen: false,
            });
            continue;
        }
        let pair = pairs.last_mut().expect("a pair begins with its title");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let add = |side: &mut (String, &'static str), syntax| {
            side.0.push_str(rest);
            side.0.push('\n');
            side.1 = syntax;
        };
        match word {
            "old" => add(&mut pair.old, "proto3"),
            "old2" => add(&mut pair.old, "proto2"),
            "new" => add(&mut pair.new, "proto3"),
            "new2" => add(&mut pair.new, "proto2"),
            "wire" => rest.clone_into(&mut pair.wire),
            "json" => rest.clone_into(&mut pair.json),
            "unseen" => pair.unseen = true,
            "reserved" => rest.clone_into(&mut pair.reserved),
            other => panic!("{}: no such line: {other}", pair.title),
        }
    }
    pairs
}

fn compiled(pair: &Pair) -> (Compiled, Compiled) {
    let compile = |side: &(String, &str)| {
        message(side.1, &side.0).unwrap_or_else(|e| panic!("{}: {e}\n{}", pair.title, side.0))
    };
    (compile(&pair.old), compile(&pair.new))
}

fn names(reasons: &[Incompatibility]) -> String {
    if reasons.is_empty() {
        return "ok".to_owned();
    }
    reasons.iter().map(|reason| reason.rule.name()).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_pair_has_its_verdict() {
    let pairs = pairs();
    assert!(pairs.len() >= 80, "{} pairs", pairs.len());
    let mut wrong = Vec::new();
    for pair in &pairs {
        let (old, new) = compiled(pair);
        let verdict = |safety| {
            let backward = can_read(&new.schema, &old.schema, safety);
            let forward = can_read(&old.schema, &new.schema, safety);
            format!("{} / {}", names(&backward), names(&forward))
        };
        let reserved =
            [Safety::Wire, Safety::Json].map(|s| names(&reuses_reserved(&new.schema, &old.schema, s)));
        for (what, is, expected) in [
            ("wire", verdict(Safety::Wire), &pair.wire),
            ("json", verdict(Safety::Json), &pair.json),
            ("reserved", reserved.join(" / "), &pair.reserved),
        ] {
            if is != *expected {
                wrong.push(format!("{}: {what} is {is}\n    and not {expected}", pair.title));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_schema_reads_itself_and_every_reason_is_complete() {
    for pair in &pairs() {
        let (old, new) = compiled(pair);
        for one in [&old, &new] {
            assert_eq!(can_read(&one.schema, &one.schema, Safety::Json), Vec::new(), "{}", pair.title);
        }
        let reasons = can_read(&new.schema, &old.schema, Safety::Json)
            .into_iter()
            .chain(can_read(&old.schema, &new.schema, Safety::Json))
            .chain(reuses_reserved(&new.schema, &old.schema, Safety::Json));
        for reason in reasons {
            let whole = reason.reader_path.starts_with("t.M") && reason.writer_path.starts_with("t.M");
            assert!(
                whole && !reason.message.is_empty() && !reason.fix.is_empty(),
                "{}: {reason:?}",
                pair.title
            );
            assert!(!(reason.reader.is_empty() && reason.writer.is_empty()), "{}: {reason:?}", pair.title);
        }
    }
}

/// Rules that reject what would still decode: the value is under another name or number, or the oracle's
/// enums are open.
const BY_CONVENTION: &[Rule] =
    &[Rule::FieldRenumbered, Rule::MessageChanged, Rule::EnumValueRemoved, Rule::EnumValueRenumbered];

#[test]
fn messages_confirm_every_verdict() {
    let mut needless = Vec::new();
    for pair in &pairs() {
        let (old, new) = compiled(pair);
        for (direction, reader, writer) in [("new reads old", &new, &old), ("old reads new", &old, &new)] {
            for safety in [Safety::Wire, Safety::Json] {
                let reasons = can_read(&reader.schema, &writer.schema, safety);
                let mut rng = SeededRng::new(7);
                let failure = (0..MESSAGES).find_map(|_| {
                    let written = random_message(&writer.oracle, &mut rng, 0);
                    let wire = reads_wire(&reader.oracle, &written);
                    let both = wire.and_then(|()| match safety {
                        Safety::Wire => Ok(()),
                        Safety::Json => reads_json(&reader.oracle, &written),
                    });
                    both.err()
                });
                let case = format!("{}, {direction}, {safety:?}", pair.title);
                match failure {
                    Some(reason) => assert!(!reasons.is_empty(), "{case}: {reason}"),
                    None if pair.unseen
                        || reasons.iter().all(|reason| BY_CONVENTION.contains(&reason.rule)) => {}
                    None => needless.push(format!("{case}: {}", names(&reasons))),
                }
            }
        }
    }
    assert!(needless.is_empty(), "incompatible, but no message demonstrates it:\n{}", needless.join("\n"));
}
