//! Text of a GTID set, as in `gtid_executed`: `uuid:1-5:7:tag:1-3,uuid:1`. Parsing accepts what the server
//! does: spaces and line ends between the parts, upper case, empty parts between commas.

use super::error::GtidError;
use super::intervals::Interval;
use super::set::{Gtid, GtidSet};
use super::source::{GtidSource, ServerUuid, Tag};
use std::fmt;
use std::str::FromStr;

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut previous: Option<ServerUuid> = None;
        for (source, intervals) in self.sources() {
            if previous != Some(source.uuid) {
                let comma = if previous.is_some() { "," } else { "" };
                write!(f, "{comma}{}", source.uuid)?;
                previous = Some(source.uuid);
            }
            if let Some(tag) = &source.tag {
                write!(f, ":{tag}")?;
            }
            for interval in intervals {
                match interval.count() {
                    1 => write!(f, ":{}", interval.first())?,
                    _ => write!(f, ":{}-{}", interval.first(), interval.last())?,
                }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            add_server(&mut set, part)?;
        }
        Ok(set)
    }
}

/// Adds one server's part: its UUID, then intervals, and tags each followed by the intervals of that tag.
fn add_server(set: &mut GtidSet, part: &str) -> Result<(), GtidError> {
    let mut words = part.split(':').map(str::trim);
    let uuid: ServerUuid = words.next().unwrap_or_default().parse()?;
    let mut source = GtidSource { uuid, tag: None };
    let mut is_complete = false;
    for word in words {
        if word.starts_with(|first: char| first.is_ascii_digit()) {
            set.add_interval(source.clone(), parse_interval(word)?);
            is_complete = true;
        } else {
            source.tag = Some(word.parse::<Tag>()?);
            is_complete = false;
        }
    }
    is_complete.then_some(()).ok_or_else(|| GtidError::text("a server's intervals", part))
}

fn parse_interval(text: &str) -> Result<Interval, GtidError> {
    let (first, last) = match text.split_once('-') {
        None => (text, text),
        Some((first, last)) => (first.trim(), last.trim()),
    };
    let number = |digits: &str| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u64>().ok()).flatten()
    };
    number(first)
        .zip(number(last))
        .and_then(|(first, last)| Interval::new(first, last))
        .ok_or_else(|| GtidError::text("an interval", text))
}

impl FromStr for Gtid {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let set: GtidSet = text.parse()?;
        let mut intervals = set.intervals();
        match (intervals.next(), intervals.next()) {
            (Some((source, interval)), None) if interval.count() == 1 => {
                Ok(Self { source: source.clone(), number: interval.first() })
            }
            _ => Err(GtidError::text("one transaction id", text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> GtidSet {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn sets_are_normalized() {
        for (text, normal) in [
            (String::new(), String::new()),
            (" , ,".into(), String::new()),
            (format!("{A}:1"), format!("{A}:1")),
            (format!("{A}:1-5"), format!("{A}:1-5")),
            (format!("{A}:7:1-2:3-5"), format!("{A}:1-5:7")),
            (format!("{B}:1,\n{A}:4 , {A}:1-3"), format!("{A}:1-4,{B}:1")),
            (A.to_uppercase() + ":1", format!("{A}:1")),
            (format!("{A}:1-5:tag:1-3"), format!("{A}:1-5:tag:1-3")),
            (format!("{A}:b:2:A_1:9:7:B:1"), format!("{A}:a_1:7:9:b:1-2")),
            (format!("{A}:x:1,{A}:5"), format!("{A}:5:x:1")),
            (format!("{A}:1-9223372036854775806"), format!("{A}:1-9223372036854775806")),
        ] {
            assert_eq!(set(&text).to_string(), normal, "{text}");
            assert_eq!(set(&normal), set(&text), "{text}");
        }
    }

    #[test]
    fn invalid_texts_are_named() {
        for (text, expected) in [
            ("x".to_owned(), "a server uuid"),
            (A.replace('-', ""), "a server uuid"),
            (A.replace("3e", "3g") + ":1", "a server uuid"),
            (format!("{A}-1:1"), "a server uuid"),
            (A.to_owned(), "a server's intervals"),
            (format!("{A}:tag"), "a server's intervals"),
            (format!("{A}:1:tag,{B}:1"), "a server's intervals"),
            (format!("{A}:0"), "an interval"),
            (format!("{A}:5-4"), "an interval"),
            (format!("{A}:1-"), "an interval"),
            (format!("{A}:9223372036854775807"), "an interval"),
            (format!("{A}:1x"), "an interval"),
            (format!("{A}::1"), "a tag"),
            (format!("{A}:-1"), "a tag"),
            (format!("{A}:a-b:1"), "a tag"),
            (format!("{A}:{}:1", "a".repeat(33)), "a tag"),
        ] {
            match text.parse::<GtidSet>() {
                Err(GtidError::Text { expected: found, .. }) => assert_eq!(found, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn set_operations() {
        let executed = set(&format!("{A}:1-10:t:1-3,{B}:5"));
        for (text, is_inside) in [
            (format!("{A}:10"), true),
            (format!("{A}:11"), false),
            (format!("{A}:t:3"), true),
            (format!("{A}:u:3"), false),
            (format!("{B}:5"), true),
            (format!("{B}:t:5"), false),
        ] {
            assert_eq!(executed.contains(&text.parse().unwrap()), is_inside, "{text}");
            assert_eq!(set(&text).is_subset(&executed), is_inside, "{text}");
        }
        let mut rest = executed.clone();
        rest.subtract(&set(&format!("{A}:2-9:t:1-9")));
        assert_eq!(rest, set(&format!("{A}:1:10,{B}:5")));
        rest.union(&executed);
        assert_eq!(rest, executed);
        rest.add(&format!("{B}:6").parse().unwrap());
        assert_eq!(rest.to_string(), format!("{A}:1-10:t:1-3,{B}:5-6"));
        rest.subtract(&rest.clone());
        assert!(rest.is_empty() && rest == GtidSet::default());
        assert!(format!("{A}:1-2").parse::<Gtid>().is_err() && "".parse::<Gtid>().is_err());
        assert_eq!(format!("{A}:T:1").parse::<Gtid>().unwrap().to_string(), format!("{A}:t:1"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "[-:, a-fA-F_x0-9]{0,80}", any: String) {
            for text in [text.clone(), format!("{A}:{text}"), any] {
                if let Ok(set) = text.parse::<GtidSet>() {
                    prop_assert_eq!(set.to_string().parse::<GtidSet>(), Ok(set));
                }
            }
        }
    }
}
