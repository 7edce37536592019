//! Debezium's envelopes: what happened (`op`), and the row before and after it.

use super::metadata::Places;
use super::{ChangeLogRows, EventContext, Failure, Mark, RowKind, Scanner, Token};
use std::borrow::Cow;

/// An envelope: where its parts are.
#[derive(Debug)]
pub(in crate::arrow) struct Envelope<'a> {
    pub(in crate::arrow) op: Cow<'a, str>,
    pub(in crate::arrow) before: Option<Mark>,
    pub(in crate::arrow) after: Option<Mark>,
    pub(in crate::arrow) source: Option<Mark>,
    ts_ms: Option<Mark>,
}

impl<'a> Envelope<'a> {
    /// Reads an envelope after its first token.
    pub(in crate::arrow) fn read(token: Token<'_>, scanner: &mut Scanner<'a>) -> Result<Self, Failure> {
        let Token::Object = token else {
            return Err(Failure::Event("it is not an object with an op".into()));
        };
        let [op, before, after, source, ts_ms] =
            scanner.members(&["op", "before", "after", "source", "ts_ms"])?;
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
        let op = &self.op;
        Failure::Event(match side {
            "before" => format!(
                "op {op} has no before: the source table needs a primary key or REPLICA IDENTITY FULL"
            ),
            _ => format!("op {op} has no {side}"),
        })
    }

    pub(in crate::arrow) fn unknown_op(&self) -> Failure {
        Failure::Event(format!("unknown op {:?}", self.op))
    }
}

impl ChangeLogRows {
    pub(super) fn append_debezium(
        &mut self,
        scanner: &mut Scanner<'_>,
        schema_include: bool,
    ) -> Result<(), Failure> {
        let mut schema = None;
        let mut token = scanner.value()?;
        if schema_include {
            let Token::Object = token else {
                return Err(Failure::Event("it is not an object with a schema and a payload".into()));
            };
            let members = scanner.members(&["schema", "payload"])?;
            scanner.end()?;
            schema = members[0];
            token = scanner.value_at(members[1])?;
        }
        if token == Token::Null {
            return if schema_include { Ok(()) } else { Ok(scanner.end()?) };
        }
        let envelope = Envelope::read(token, scanner)?;
        if !schema_include {
            scanner.end()?;
        }
        let mut cx = EventContext::new(self.options);
        let first = self.kinds.len();
        let before = || envelope.before.ok_or_else(|| envelope.missing("before"));
        let after = || envelope.after.ok_or_else(|| envelope.missing("after"));
        match &*envelope.op {
            "c" | "r" => self.append_row(RowKind::Insert, after()?, scanner, &mut cx)?,
            "u" => {
                self.append_row(RowKind::UpdateBefore, before()?, scanner, &mut cx)?;
                self.append_row(RowKind::UpdateAfter, after()?, scanner, &mut cx)?;
            }
            "d" => self.append_row(RowKind::Delete, before()?, scanner, &mut cx)?,
            // a message in the log, not a change
            "m" => return Ok(()),
            "t" => {
                let reason = "op t truncates the table, which rows cannot express: read the table with a primary \
                              key, as its current rows";
                return Err(Failure::Event(reason.into()));
            }
            _ => return Err(envelope.unknown_op()),
        }
        let places = Places { root: [schema, envelope.ts_ms, None, None], source: envelope.source };
        self.append_metadata(first, places, scanner, &mut cx)
    }
}
