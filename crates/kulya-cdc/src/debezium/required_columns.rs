//! Null in a required column: the table is declared again with that column optional, and the change that has
//! it is written again. The column became required later than the change, or the value has no representation.

use super::row_image::Findings;
use super::transaction::TransactionOrder;
use crate::batch::Batch;
use std::sync::Arc;

/// What counts an event of a transaction.
type Order<'o, 't> = &'o mut dyn FnMut() -> Option<TransactionOrder<'t>>;

/// Writes a change by `write`, until no required column is null; `with_optional` returns the version of the
/// table whose columns of these indexes are optional. Returns whether `table` is another version now. `order`
/// counts each event once, however often it is written, or none at all.
pub(crate) fn write_with_optional_columns<'t, T>(
    batch: &mut Batch,
    table: &mut Arc<T>,
    order: Order<'_, 't>,
    findings: &mut Findings,
    mut write: impl FnMut(&T, &mut Batch, Order<'_, 't>, &mut Findings),
    with_optional: impl Fn(&T, &[usize]) -> T,
) -> bool {
    let mark = batch.mark();
    let replaced = findings.replaced.len();
    let mut counted = Vec::new();
    let mut is_changed = false;
    loop {
        let mut number = 0;
        let mut order = || {
            number += 1;
            if counted.len() < number {
                counted.push(order()?);
            }
            counted.get(number - 1).copied()
        };
        write(table, batch, &mut order, findings);
        if findings.nulls.is_empty() {
            return is_changed;
        }
        is_changed = true;
        batch.go_back_to(mark);
        *table = Arc::new(with_optional(table, &findings.nulls));
        findings.nulls.clear();
        findings.replaced.truncate(replaced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Destination;
    use crate::debezium::Replaced;
    use crate::debezium::transaction::TransactionId;

    #[test]
    fn a_change_is_written_again_with_optional_columns_and_counted_once() {
        let destination = Arc::new(Destination::of_topic("t"));
        let mut batch = Batch::default();
        batch.push_copy(&destination, None, Some(b"before"));
        let mut findings = Findings::default();
        let replaced = || Replaced { table: "s.t".into(), column: "c".into(), text: "x".into() };
        findings.replaced.push(replaced());
        let mut count = 0;
        let mut order = || {
            count += 1;
            let id = TransactionId::Gtid("0-1-2");
            Some(TransactionOrder { id, total_order: count, data_collection_order: count })
        };
        // the required columns of the version; the values of columns 1 and 2 are null
        let mut table = Arc::new(vec![0, 1, 2]);
        let is_changed = write_with_optional_columns(
            &mut batch,
            &mut table,
            &mut order,
            &mut findings,
            |required, batch, order, findings| {
                let number = order().map_or(0, |order| order.total_order);
                batch.push_copy(&destination, None, Some(format!("{required:?} {number}").as_bytes()));
                findings.replaced.push(replaced());
                findings.nulls.extend(required.iter().copied().filter(|column| *column > 0).take(1));
            },
            |required, optional| {
                required.iter().copied().filter(|column| !optional.contains(column)).collect()
            },
        );
        let values: Vec<&[u8]> = batch.records().filter_map(|record| record.value).collect();
        assert_eq!(values, [&b"before"[..], b"[0] 1"]);
        assert_eq!((is_changed, &*table, count), (true, &vec![0], 1));
        assert_eq!((findings.replaced.len(), findings.nulls.as_slice()), (2, &[][..]));
    }
}
