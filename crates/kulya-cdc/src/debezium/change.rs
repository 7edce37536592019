//! The records of a change: one, or, if the primary key has changed, a delete and a create. Each delete is
//! followed by a tombstone.

use super::envelope::{Operation, ProcessingTime, absent, write_envelope};
use super::format::EventFormat;
use super::row_image::{Findings, RowImage};
use super::transaction::TransactionOrder;
use crate::batch::{Batch, Destination, Parts, Span};
use std::sync::Arc;

/// A change of one row, or of a whole table.
pub(crate) struct Change<'a, R> {
    pub(crate) operation: Operation,
    pub(crate) before: Option<&'a R>,
    pub(crate) after: Option<&'a R>,
}

/// What the records of a change have beside its rows.
pub(crate) struct ChangeContext<'a> {
    pub(crate) destination: &'a Arc<Destination>,
    pub(crate) format: &'a EventFormat,
    pub(crate) now: &'a ProcessingTime,
    /// Writes the `source` block.
    pub(crate) source: &'a dyn Fn(&mut Vec<u8>),
}

/// A key and its values.
type Key = (Span, Span);

/// Writes the records of a change to a batch. `order` counts an event of the transaction.
pub(crate) fn write_change<'t, R: RowImage>(
    batch: &mut Batch,
    change: &Change<'_, R>,
    context: &ChangeContext<'_>,
    order: &mut dyn FnMut() -> Option<TransactionOrder<'t>>,
    findings: &mut Findings,
) {
    let out = batch.buffer();
    let old = change.before.and_then(|row| row.write_key(out));
    let new = change.after.and_then(|row| row.write_key(out));
    if let (Operation::Update, Some(old), Some(new)) = (change.operation, old, new)
        && old.0.of(out) != new.0.of(out)
    {
        let to = header(out, "__debezium.newkey", new.0);
        let from = header(out, "__debezium.oldkey", old.0);
        let delete = Change { operation: Operation::Delete, before: change.before, after: None };
        let create = Change { operation: Operation::Create, before: None, after: change.after };
        write_record(batch, &delete, context, Some(old), Some(to), order(), findings);
        write_tombstone(batch, context, Some(old), Some(to));
        write_record(batch, &create, context, Some(new), Some(from), order(), findings);
        return;
    }
    let is_delete = change.operation == Operation::Delete;
    let key = if is_delete { old } else { new };
    write_record(batch, change, context, key, None, order(), findings);
    if is_delete {
        write_tombstone(batch, context, key, None);
    }
}

/// Writes a header whose value is a key; returns where it is.
fn header(out: &mut Vec<u8>, name: &str, key: Span) -> Span {
    let start = out.len();
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_within(key.range());
    Span::new(start, out.len())
}

fn write_record<R: RowImage>(
    batch: &mut Batch,
    change: &Change<'_, R>,
    context: &ChangeContext<'_>,
    key: Option<Key>,
    headers: Option<Span>,
    order: Option<TransactionOrder<'_>>,
    findings: &mut Findings,
) {
    if context.format.skipped_operations.contains(change.operation) {
        return;
    }
    let out = batch.buffer();
    let start = out.len();
    let findings = std::cell::RefCell::new(findings);
    let row = |row: Option<&R>, out: &mut Vec<u8>| match row {
        Some(row) => row.write_row(out, &mut findings.borrow_mut()),
        None => absent(out),
    };
    write_envelope(
        out,
        |out| row(change.before, out),
        |out| row(change.after, out),
        context.source,
        order.as_ref(),
        change.operation,
        context.now,
    );
    let value = Some(Span::new(start, out.len()));
    batch.push(context.destination, parts(key, value, headers));
}

fn write_tombstone(batch: &mut Batch, context: &ChangeContext<'_>, key: Option<Key>, headers: Option<Span>) {
    let is_skipped = context.format.skipped_operations.contains(Operation::Delete);
    if context.format.tombstones_on_delete && !is_skipped {
        batch.push(context.destination, parts(key, None, headers));
    }
}

fn parts(key: Option<Key>, value: Option<Span>, headers: Option<Span>) -> Parts {
    Parts { key: key.map(|key| key.0), routing_key: key.map(|key| key.1), value, headers }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn written(operation: Operation, before: Option<Letters>, after: Option<Letters>) -> Vec<String> {
        let destination = Arc::new(Destination::of_topic("t"));
        let format = EventFormat::default();
        let context = ChangeContext {
            destination: &destination,
            format: &format,
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
        assert_eq!(written(Operation::Create, None, row("ab")), [r#"a {"before":null,"after":ab "#]);
        assert_eq!(written(Operation::Update, row("ab"), row("ac")), [r#"a {"before":ab,"after":ac "#]);
        assert_eq!(written(Operation::Update, None, row("ac")), [r#"a {"before":null,"after":ac "#]);
        assert_eq!(written(Operation::Delete, row("ab"), None), [r#"a {"before":ab,"after":null "#, "a - "]);
        assert_eq!(
            written(Operation::Update, row("ab"), row("cd")),
            [
                r#"a {"before":ab,"after":null "__debezium.newkey":c"#,
                r#"a - "__debezium.newkey":c"#,
                r#"c {"before":null,"after":cd "__debezium.oldkey":a"#,
            ]
        );
        let empty = Letters("");
        assert_eq!(written(Operation::Delete, Some(empty), None), [r#"- {"before":,"after":null "#, "- - "]);
    }
}
