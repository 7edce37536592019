//! The records of a change: one, or, if the primary key has changed, a delete and a create. Each delete is
//! followed by a tombstone.

use super::envelope::{Operation, ProcessingTime, absent, write_envelope};
use super::events::{EventContext, TableEvents};
use super::row_image::{Findings, RowImage};
use super::transaction::TransactionOrder;
use crate::batch::{Batch, DefaultPlaces, Parts, Span};
use kulya_store::framing::MAX_EVENT_BYTES;

/// A change of one row, or of a whole table.
pub(crate) struct Change<'a, R> {
    pub(crate) operation: Operation,
    pub(crate) before: Option<&'a R>,
    pub(crate) after: Option<&'a R>,
}

/// What the records of a change have beside its rows.
pub(crate) struct ChangeContext<'a> {
    pub(crate) events: &'a EventContext,
    pub(crate) table: &'a TableEvents,
    pub(crate) now: &'a ProcessingTime,
    /// Writes the `source` block.
    pub(crate) source: &'a dyn Fn(&mut Vec<u8>),
}

/// Where a key is in the buffer.
#[derive(Clone, Copy)]
struct Key {
    /// The key as the record has it, with its schema if keys have one.
    whole: Span,
    /// The JSON object.
    payload: Span,
    /// The values without names.
    values: Span,
}

/// Writes the records of a change to a batch. `order` counts an event of the transaction.
pub(crate) fn write_change<'t, R: RowImage>(
    batch: &mut Batch,
    change: &Change<'_, R>,
    context: &ChangeContext<'_>,
    order: &mut dyn FnMut() -> Option<TransactionOrder<'t>>,
    findings: &mut Findings,
) {
    if context.is_skipped(change.operation) {
        return;
    }
    let out = batch.buffer();
    let old = change.before.and_then(|row| context.write_key(row, out));
    let new = change.after.and_then(|row| context.write_key(row, out));
    if let (Operation::Update, Some(old), Some(new)) = (change.operation, old, new)
        && old.payload.of(out) != new.payload.of(out)
    {
        let to = context.write_headers(Some(("__debezium.newkey", new)), out);
        let from = context.write_headers(Some(("__debezium.oldkey", old)), out);
        let delete = Change { operation: Operation::Delete, before: change.before, after: None };
        let create = Change { operation: Operation::Create, before: None, after: change.after };
        write_record(batch, &delete, context, (Some(old), to), order, findings);
        write_tombstone(batch, context, Some(old), to);
        write_record(batch, &create, context, (Some(new), from), order, findings);
        return;
    }
    let headers = context.write_headers(None, out);
    let is_delete = change.operation == Operation::Delete;
    let key = if is_delete { old } else { new };
    write_record(batch, change, context, (key, headers), order, findings);
    if is_delete {
        write_tombstone(batch, context, key, headers);
    }
}

impl ChangeContext<'_> {
    fn is_skipped(&self, operation: Operation) -> bool {
        self.events.format.skipped_operations.contains(operation)
    }

    fn write_key(&self, row: &impl RowImage, out: &mut Vec<u8>) -> Option<Key> {
        let block = self.table.blocks.key.as_ref()?;
        let (payload, values) = row.write_key(out)?;
        if !block.has_schema() {
            return Some(Key { whole: payload, payload, values });
        }
        let start = out.len();
        block.write(out, |out| out.extend_from_within(payload.range()));
        Some(Key { whole: Span::new(start, out.len()), payload, values })
    }

    /// Writes the headers as members of a JSON object.
    fn write_headers(&self, other: Option<(&str, Key)>, out: &mut Vec<u8>) -> Option<Span> {
        let start = out.len();
        if let Some((name, key)) = other {
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            self.table.key_header.write(out, |out| out.extend_from_within(key.payload.range()));
            if !self.events.headers.is_empty() {
                out.push(b',');
            }
        }
        out.extend_from_slice(&self.events.headers);
        (out.len() > start).then(|| Span::new(start, out.len()))
    }
}

fn write_record<'t, R: RowImage>(
    batch: &mut Batch,
    change: &Change<'_, R>,
    context: &ChangeContext<'_>,
    (key, headers): (Option<Key>, Option<Span>),
    order: &mut dyn FnMut() -> Option<TransactionOrder<'t>>,
    findings: &mut Findings,
) {
    if context.is_skipped(change.operation) {
        return;
    }
    let order = order();
    let out = batch.buffer();
    let start = out.len();
    findings.defaults = context.events.is_transformed.then(Vec::new);
    let findings = std::cell::RefCell::new(findings);
    let row = |row: Option<&R>, out: &mut Vec<u8>| match row {
        Some(row) => row.write_row(out, &mut findings.borrow_mut()),
        None => absent(out),
    };
    context.table.blocks.value.write(out, |out| {
        write_envelope(
            out,
            |out| row(change.before, out),
            |out| row(change.after, out),
            context.source,
            order.as_ref(),
            change.operation,
            context.now,
        );
    });
    let value = Span::new(start, out.len());
    if value.length() > MAX_EVENT_BYTES {
        // rows stop being written beyond that size
        out.truncate(start);
        batch.omit(&context.table.destination, key.map(|key| key.whole), value.length());
    } else {
        let places = findings.into_inner().defaults.take().filter(|places| !places.is_empty());
        let defaults = places.map(|places| DefaultPlaces::write(&places, start, out));
        batch.push(&context.table.destination, Parts { defaults, ..parts(key, Some(value), headers) });
    }
}

fn write_tombstone(batch: &mut Batch, context: &ChangeContext<'_>, key: Option<Key>, headers: Option<Span>) {
    if context.events.format.tombstones_on_delete && !context.is_skipped(Operation::Delete) {
        batch.push(&context.table.destination, parts(key, None, headers));
    }
}

fn parts(key: Option<Key>, value: Option<Span>, headers: Option<Span>) -> Parts {
    let routing_key = key.map(|key| key.values);
    Parts { routing_key, ..Parts::new(key.map(|key| key.whole), value, headers) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::connector::Connector;
    use crate::debezium::format::EventFormat;
    use crate::{ColumnDescription, RowSchema, ValueModes};
    use std::time::Duration;

    /// A row whose key is its first letter.
    struct Letters(&'static str);

    impl RowImage for Letters {
        fn write_row(&self, out: &mut Vec<u8>, _: &mut Findings) {
            out.extend_from_slice(self.0.as_bytes());
        }

        fn write_key(&self, out: &mut Vec<u8>) -> Option<(Span, Span)> {
            let start = out.len();
            out.push(*self.0.as_bytes().first()?);
            let key = Span::new(start, out.len());
            Some((key, key))
        }
    }

    fn written(
        operation: Operation,
        before: Option<Letters>,
        after: Option<Letters>,
        with_schema: bool,
    ) -> Vec<String> {
        let format =
            EventFormat { topic_prefix: "p".into(), schemas_in_keys: with_schema, ..EventFormat::default() };
        let events = EventContext::new(Connector::Postgresql, format, ValueModes::default(), "run");
        let column = ColumnDescription {
            name: "a".into(),
            optional: false,
            connect_type: "string".into(),
            connect_name: None,
            parameters: Vec::new(),
            items: None,
            default: None,
            history: crate::ColumnHistory::default(),
        };
        let (prefix, schema, table) = ("p".into(), "s".into(), "t".into());
        let columns = vec![column.clone()];
        let schema = RowSchema { prefix, schema, table, columns, key: vec!["a".into()] };
        let context = ChangeContext {
            events: &events,
            table: &events.table_with_key(schema, &[column]),
            now: &ProcessingTime::new(Duration::from_millis(5)),
            source: &|out| out.extend_from_slice(b"{}"),
        };
        let mut batch = Batch::default();
        let change = Change { operation, before: before.as_ref(), after: after.as_ref() };
        write_change(&mut batch, &change, &context, &mut || None, &mut Findings::default());
        let text =
            |part: Option<&[u8]>| part.map_or("-".into(), |part| String::from_utf8(part.to_vec()).unwrap());
        let records = batch.records().map(|record| {
            let value = text(record.value).split(",\"source\"").next().unwrap_or_default().to_owned();
            format!("{} {value} {}", text(record.key), text(Some(record.headers)))
        });
        records.collect()
    }

    #[test]
    fn change_of_the_key_is_a_delete_and_a_create() {
        let row = |text| Some(Letters(text));
        let bare = |operation, before, after| written(operation, before, after, false);
        assert_eq!(bare(Operation::Create, None, row("ab")), [r#"a {"before":null,"after":ab "#]);
        assert_eq!(bare(Operation::Update, row("ab"), row("ac")), [r#"a {"before":ab,"after":ac "#]);
        assert_eq!(bare(Operation::Update, None, row("ac")), [r#"a {"before":null,"after":ac "#]);
        assert_eq!(bare(Operation::Delete, row("ab"), None), [r#"a {"before":ab,"after":null "#, "a - "]);
        assert_eq!(
            bare(Operation::Update, row("ab"), row("cd")),
            [
                r#"a {"before":ab,"after":null "__debezium.newkey":c"#,
                r#"a - "__debezium.newkey":c"#,
                r#"c {"before":null,"after":cd "__debezium.oldkey":a"#,
            ]
        );
        assert_eq!(bare(Operation::Delete, row(""), None), [r#"- {"before":,"after":null "#, "- - "]);
        let with_schema = written(Operation::Create, None, row("ab"), true);
        assert!(with_schema[0].contains(r#","payload":a} {"before""#), "{with_schema:?}");
    }
}
