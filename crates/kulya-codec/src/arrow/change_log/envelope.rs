//! The parts of Debezium's envelopes: what happened (`op`), and where the row before and after it is.

use crate::arrow::json::plan::Failure;
use crate::arrow::json::scanner::{Mark, Scanner, Token};
use crate::arrow::json::shape::MemberFinder;
use std::borrow::Cow;

/// Finds the parts of envelopes.
pub(in crate::arrow) type EnvelopeFinder = MemberFinder<5>;

/// An envelope: where its parts are.
#[derive(Debug)]
pub(in crate::arrow) struct Envelope<'a> {
    pub(in crate::arrow) op: Cow<'a, str>,
    pub(in crate::arrow) before: Option<Mark>,
    pub(in crate::arrow) after: Option<Mark>,
    pub(in crate::arrow) source: Option<Mark>,
    pub(super) ts_ms: Option<Mark>,
}

impl<'a> Envelope<'a> {
    /// Returns what finds the parts of a stream's envelopes.
    pub(in crate::arrow) fn finder() -> EnvelopeFinder {
        MemberFinder::new(["op", "before", "after", "source", "ts_ms"])
    }

    /// Reads an envelope after its first token.
    pub(in crate::arrow) fn read(
        finder: &mut EnvelopeFinder,
        token: Token<'_>,
        scanner: &mut Scanner<'a>,
    ) -> Result<Self, Failure> {
        let Token::Object = token else {
            return Err(Failure::Event("it is not an object with an op".into()));
        };
        let [op, before, after, source, ts_ms] = finder.find(scanner)?;
        let end = scanner.mark();
        let op = match scanner.value_at(op)? {
            Token::Text(op) => op.decode(),
            _ => return Err(Failure::Event("it has no op".into())),
        };
        let mut present = |mark: Option<Mark>| -> Result<Option<Mark>, Failure> {
            let is_null = scanner.value_at(mark)? == Token::Null;
            Ok(mark.filter(|_| !is_null))
        };
        let (before, after, source) = (present(before)?, present(after)?, present(source)?);
        scanner.rewind(end);
        Ok(Self { op, before, after, source, ts_ms })
    }

    /// Returns the failure of an event without the row that its operation needs.
    pub(in crate::arrow) fn missing(&self, side: &str) -> Failure {
        Failure::Event(missing_row(&self.op, side))
    }

    pub(in crate::arrow) fn unknown_op(&self) -> Failure {
        Failure::Event(format!("unknown op {:?}", self.op))
    }
}

/// Returns what an event without a row lacks.
pub(in crate::arrow) fn missing_row(op: &str, side: &str) -> String {
    match side {
        "before" => {
            format!("op {op} has no before: the source table needs a primary key or REPLICA IDENTITY FULL")
        }
        _ => format!("op {op} has no {side}"),
    }
}

/// Returns why a truncate cannot be applied.
pub(in crate::arrow) fn refused_truncate(is_keyed: bool) -> &'static str {
    if is_keyed {
        "op t truncates the table, and which changes in other segments came before it is not known: read a \
         stream with one segment, or the table of a capture"
    } else {
        "op t truncates the table, which rows cannot express: read the table with a primary key, as its \
         current rows"
    }
}
