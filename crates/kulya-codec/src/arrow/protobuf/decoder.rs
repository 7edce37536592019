//! Rows of messages with any writers' descriptors.

use super::plan::MessagePlan;
use super::row::push_message;
use super::{ProtobufOptions, protobuf_columns};
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::payload::{PayloadDecoder, PayloadRows};
use crate::arrow::{BATCH_BYTES, BATCH_ROWS};
use crate::protobuf::{message_descriptor, strip_padding};
use crate::{CodecError, CodecResult};
use arrow::datatypes::{Schema, SchemaRef};
use kulya_schema::{EncodingInfo, SchemaInfo};
use std::collections::HashMap;
use std::sync::Arc;

/// The number of values after which a batch is complete.
const BATCH_VALUES: usize = 4_000_000;

/// Decodes Protobuf messages. A message may end with the zero bytes of a Java writer's buffer (contract
/// §5.4).
pub struct ProtobufPayloads {
    schema: SchemaRef,
    options: ProtobufOptions,
    columns: Vec<ColumnBuffer>,
    /// The plans by the id of the writer's schema, or why its messages cannot be read.
    plans: HashMap<u32, Result<Arc<MessagePlan>, String>>,
    /// The plan of the last message.
    current: Option<(u32, Arc<MessagePlan>)>,
    rows: usize,
    bytes: usize,
    values: usize,
}

impl ProtobufPayloads {
    /// Creates a decoder of the columns of `table`, which are fields of the messages by their names.
    ///
    /// # Errors
    /// `Schema` for a column whose type messages cannot have; the text names it.
    pub fn new(table: SchemaRef, options: ProtobufOptions) -> CodecResult<Self> {
        let refused = |e| CodecError::Schema(format!("the table cannot be read from Protobuf: {e}"));
        let columns = ColumnBuffer::all(table.fields()).map_err(refused)?;
        Ok(Self {
            schema: table,
            options,
            columns,
            plans: HashMap::new(),
            current: None,
            rows: 0,
            bytes: 0,
            values: 0,
        })
    }

    /// Creates a decoder of all columns of a registered message.
    ///
    /// # Errors
    /// `Schema` when the schema is not Protobuf, or has no columns.
    pub fn of_message(schema: &SchemaInfo, options: ProtobufOptions) -> CodecResult<Self> {
        let columns = protobuf_columns(&message_descriptor(schema)?)?;
        Self::new(Arc::new(Schema::new(columns)), options)
    }

    fn plan(&mut self, encoding: &EncodingInfo) -> CodecResult<Arc<MessagePlan>> {
        let id = encoding.version.id;
        if let Some((current, plan)) = &self.current
            && *current == id
        {
            return Ok(Arc::clone(plan));
        }
        let known = self.plans.entry(id).or_insert_with(|| {
            let schema =
                SchemaInfo { type_name: encoding.version.type_name.clone(), ..encoding.schema.clone() };
            let message = message_descriptor(&schema).map_err(|e| e.to_string())?;
            let plan = MessagePlan::new(&message, self.schema.fields(), &self.options);
            plan.map(Arc::new).map_err(|e| format!("message {} cannot be read: {e}", message.full_name()))
        });
        let plan = known.clone().map_err(CodecError::Schema)?;
        self.current = Some((id, Arc::clone(&plan)));
        Ok(plan)
    }
}

impl PayloadDecoder for ProtobufPayloads {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize> {
        let plan = self.plan(encoding)?;
        let message = std::iter::once(strip_padding(payload));
        let mut values = 0;
        if let Err(reason) = push_message(&plan, message, &mut self.columns, &mut values) {
            self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
            if self.options.ignore_parse_errors {
                return Ok(0);
            }
            return Err(CodecError::Payload { type_name: encoding.version.type_name.clone(), reason });
        }
        self.rows += 1;
        self.bytes += payload.len();
        self.values += values;
        Ok(1)
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.values >= BATCH_VALUES
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        (self.bytes, self.values) = (0, 0);
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let batch = ColumnBuffer::finish_all(&mut self.columns, &self.schema, rows)?;
        Ok(Some(PayloadRows { rows: batch, kinds: None, clears: false }))
    }
}
