//! Debezium's envelopes as rows with kinds.

use super::envelope::{Envelope, refused_truncate};
use super::metadata::Places;
use super::{ChangeLogRows, EventContext, Failure, RowKind, Scanner, Token};

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
        let envelope = Envelope::read(&mut self.envelopes, token, scanner)?;
        if !schema_include {
            scanner.end()?;
        }
        let mut cx = EventContext::new(self.options);
        let first = self.kinds.len();
        let before = || envelope.before.ok_or_else(|| envelope.missing("before"));
        let after = || envelope.after.ok_or_else(|| envelope.missing("after"));
        let is_keyed = self.removal.is_some();
        match &*envelope.op {
            "c" | "r" => self.append_row(RowKind::Insert, after()?, scanner, &mut cx)?,
            "u" if is_keyed => self.append_row(RowKind::UpdateAfter, after()?, scanner, &mut cx)?,
            "u" => {
                self.append_row(RowKind::UpdateBefore, before()?, scanner, &mut cx)?;
                self.append_row(RowKind::UpdateAfter, after()?, scanner, &mut cx)?;
            }
            "d" => self.append_removed(before()?, scanner, &mut cx)?,
            // a message in the log, not a change
            "m" => return Ok(()),
            "t" if self.removal.as_ref().is_some_and(|removal| removal.has_truncates) => {
                self.truncate_table();
                return Ok(());
            }
            "t" => return Err(Failure::Event(refused_truncate(is_keyed).into())),
            _ => return Err(envelope.unknown_op()),
        }
        let places = Places { root: [schema, envelope.ts_ms, None, None], source: envelope.source };
        self.append_metadata(first, places, scanner, &mut cx)
    }
}
