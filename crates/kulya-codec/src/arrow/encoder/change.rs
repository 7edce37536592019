//! Changes of rows as Debezium's JSON envelopes.

use super::json::{members, write_row};
use super::{JsonOptions, unwritable};
use crate::CodecResult;
use crate::arrow::{BatchEncoder, RowKind};
use arrow::array::RecordBatch;
use bytes::Bytes;

/// How changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeForm {
    /// As Flink's `debezium-json` writes them: a row that is there after the change as `c`, any other as `d`.
    Flink,
    /// For tables with a primary key, whose readers need only the last event of a key: an inserted row as
    /// `c`, an updated one as `u`, any other as `d`. A caller leaves `-U` out where the key does not change.
    Upsert,
}

impl ChangeForm {
    /// Returns the code in `op`.
    pub(in crate::arrow) fn operation(self, kind: RowKind) -> &'static str {
        match (self, kind) {
            (_, RowKind::UpdateBefore | RowKind::Delete) => "d",
            (Self::Upsert, RowKind::UpdateAfter) => "u",
            (_, RowKind::Insert | RowKind::UpdateAfter) => "c",
        }
    }
}

/// Encodes changes of rows as JSON objects with the members `before`, `after` and `op`.
pub struct JsonChangeEncoder {
    options: JsonOptions,
    form: ChangeForm,
}

impl JsonChangeEncoder {
    /// Creates an encoder.
    pub fn new(form: ChangeForm, options: JsonOptions) -> Self {
        Self { options, form }
    }
}

impl BatchEncoder for JsonChangeEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        let members = members(rows)?;
        let mut length = 0;
        let event = |row| {
            let kind = kinds.and_then(|kinds| kinds.get(row).copied()).unwrap_or(RowKind::Insert);
            let mut event = Vec::with_capacity(length);
            let operation = self.form.operation(kind);
            let is_deleted = operation == "d";
            event.extend_from_slice(if is_deleted {
                br#"{"before":"#
            } else {
                br#"{"before":null,"after":"#
            });
            write_row(&members, row, &self.options, &mut event).map_err(|e| unwritable("Debezium", e))?;
            event.extend_from_slice(if is_deleted { br#","after":null,"op":""# } else { br#","op":""# });
            event.extend_from_slice(operation.as_bytes());
            event.extend_from_slice(br#""}"#);
            length = event.len();
            Ok(event.into())
        };
        (0..rows.num_rows()).map(event).collect()
    }
}
