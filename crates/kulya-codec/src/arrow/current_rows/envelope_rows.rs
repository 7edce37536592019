//! The rows in the events of a captured table: what an envelope says of them, and their columns as the table
//! has them now. What becomes of the rows is not known here.

use super::unchanged;
use crate::CodecResult;
use crate::arrow::change_log::{Envelope, EnvelopeFinder};
use crate::arrow::column::Column;
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::json::plan::{EventContext, Failure, RecordPlan, UnchangedValues};
use crate::arrow::json::scanner::{Grammar, Mark, Scanner, Token};
use crate::arrow::json::shape::MemberFinder;
use crate::arrow::json::{FlinkJsonOptions, text};
use crate::arrow::row_history::{RowHistory, RowMember};
use crate::{CodecError, arrow::arrow_schema};
use arrow::datatypes::SchemaRef;

/// What an event does to the rows of its table. A mark is where a row is.
#[derive(Debug, Clone, Copy)]
pub(super) enum RowChange {
    /// There is this row now; with a key, in place of the one with its key.
    Put(Mark),
    /// In a table without a key: there is one row less like the first one, and one more like the second one.
    Replace(Mark, Mark),
    /// The row is gone.
    Remove(Mark),
    /// All rows are gone.
    Truncate,
    /// A message.
    Nothing,
}

/// Reads events and their rows.
#[derive(Debug)]
pub(super) struct EnvelopeRows {
    /// The columns that are read: those of the key, then the others.
    columns: Vec<Column>,
    /// Of a whole row.
    row: RecordPlan,
    /// Of what is needed of a row that is gone: the key, or without one all columns.
    removed: RecordPlan,
    is_keyed: bool,
    pub(super) options: FlinkJsonOptions,
    pub(super) history: RowHistory,
    envelopes: EnvelopeFinder,
    sources: MemberFinder<1>,
}

/// Returns the positions of a key among the columns of its table, and the schema of these.
///
/// # Errors
/// `Schema` when a column of the key is not there.
pub(super) fn key_columns(columns: &[Column], key: &[String]) -> CodecResult<(Vec<usize>, SchemaRef)> {
    let position = |name: &String| {
        let column = columns.iter().position(|column| column.name == *name);
        column.ok_or_else(|| CodecError::Schema(format!("key {name} is not a column")))
    };
    let key = key.iter().map(position).collect::<CodecResult<Vec<usize>>>()?;
    Ok((key, arrow_schema(columns)))
}

impl EnvelopeRows {
    /// Creates a reader of the columns of a table at the positions `kept`, which begin with the `key_width`
    /// ones of its key.
    ///
    /// # Errors
    /// `Schema` when a column has a type that events do not have.
    pub(super) fn new(table: &[Column], kept: &[usize], key_width: usize) -> CodecResult<Self> {
        // rows that were written before a column was added lack it, even if it is required now
        let nullable = |index: &usize| {
            let column = table.get(*index).cloned();
            column.map(|column| Column { nullable: true, ..column })
        };
        let columns: Vec<Column> = kept.iter().filter_map(nullable).collect();
        let is_keyed = key_width > 0;
        let removed = if is_keyed { columns.get(..key_width).unwrap_or_default() } else { &columns };
        Ok(Self {
            row: RecordPlan::new(&columns)?,
            removed: RecordPlan::new(removed)?,
            columns,
            is_keyed,
            options: FlinkJsonOptions::default(),
            history: RowHistory::default(),
            envelopes: Envelope::finder(),
            sources: MemberFinder::new(["lsn"]),
        })
    }

    /// Reads an event, whose rows are then read with the scanner: what it does, and its log position.
    pub(super) fn read<'a>(
        &mut self,
        event: &'a [u8],
    ) -> Result<(RowChange, Option<u64>, Scanner<'a>), Failure> {
        let mut scanner = Scanner::new(text(event)?, Grammar::Lenient);
        let token = scanner.value()?;
        let envelope = Envelope::read(&mut self.envelopes, token, &mut scanner)?;
        scanner.end()?;
        let lsn = lsn(&mut self.sources, envelope.source, &mut scanner)?;
        let before = || envelope.before.ok_or_else(|| envelope.missing("before"));
        let after = || envelope.after.ok_or_else(|| envelope.missing("after"));
        let change = match &*envelope.op {
            "c" | "r" => RowChange::Put(after()?),
            "u" if self.is_keyed => RowChange::Put(after()?),
            "u" => RowChange::Replace(before()?, after()?),
            "d" => RowChange::Remove(before()?),
            "t" => RowChange::Truncate,
            "m" => RowChange::Nothing,
            _ => return Err(envelope.unknown_op()),
        };
        Ok((change, lsn, scanner))
    }

    /// Appends a row to buffers of all columns. Returns the columns that it lacks because the change has not
    /// changed them.
    pub(super) fn append(
        &mut self,
        buffers: &mut [ColumnBuffer],
        row: Mark,
        scanner: &mut Scanner<'_>,
    ) -> Result<Vec<usize>, Failure> {
        let mut cx = EventContext::new(self.options);
        cx.unchanged = Some(UnchangedValues { is_unchanged: unchanged::is_unchanged, columns: Vec::new() });
        append(&mut self.row, (&self.columns, &self.history), buffers, row, (scanner, &mut cx))?;
        Ok(cx.unchanged.map(|unchanged| unchanged.columns).unwrap_or_default())
    }

    /// Appends what is needed of a row that is gone to buffers of these columns.
    pub(super) fn append_removed(
        &mut self,
        buffers: &mut [ColumnBuffer],
        row: Mark,
        scanner: &mut Scanner<'_>,
    ) -> Result<(), Failure> {
        let mut cx = EventContext::new(self.options);
        cx.unchanged = Some(UnchangedValues { is_unchanged: unchanged::is_unchanged, columns: Vec::new() });
        append(&mut self.removed, (&self.columns, &self.history), buffers, row, (scanner, &mut cx))
    }
}

/// Returns why an event cannot be applied.
pub(super) fn reason(failure: Failure) -> String {
    match failure {
        Failure::Event(reason) => format!("not a Debezium envelope: {reason}"),
        value => value.to_string(),
    }
}

fn append(
    plan: &mut RecordPlan,
    (columns, history): (&[Column], &RowHistory),
    buffers: &mut [ColumnBuffer],
    row: Mark,
    (scanner, cx): (&mut Scanner<'_>, &mut EventContext),
) -> Result<(), Failure> {
    let Token::Object = scanner.value_at(Some(row))? else {
        return Err(Failure::Event("a row is not an object".into()));
    };
    match history.changes_nothing() {
        true => plan.append_members(buffers, scanner, cx),
        false => append_older(plan, (columns, history), buffers, (scanner, cx)),
    }
}

/// Appends a row that may be older than the table's columns.
fn append_older(
    plan: &mut RecordPlan,
    (columns, history): (&[Column], &RowHistory),
    buffers: &mut [ColumnBuffer],
    (scanner, cx): (&mut Scanner<'_>, &mut EventContext),
) -> Result<(), Failure> {
    let mut members = Vec::new();
    while scanner.member(members.is_empty())? {
        let name = scanner.name()?.decode();
        let mark = scanner.mark();
        scanner.skip()?;
        members.push((name, mark));
    }
    let present = history.complete(members);
    for (index, (column, buffer)) in columns.iter().zip(buffers).enumerate() {
        match present.iter().find(|(name, _)| *name == column.name) {
            Some((_, RowMember::Read(mark))) => {
                scanner.rewind(*mark);
                plan.append_column(index, buffer, scanner, cx)?;
            }
            Some((_, RowMember::Added(value))) => {
                let json = value.to_string();
                let mut scanner = Scanner::new(&json, Grammar::Lenient);
                plan.append_column(index, buffer, &mut scanner, cx)?;
            }
            None => buffer.push_null(),
        }
    }
    Ok(())
}

/// Returns the log position in the source of a change.
fn lsn(
    sources: &mut MemberFinder<1>,
    source: Option<Mark>,
    scanner: &mut Scanner<'_>,
) -> Result<Option<u64>, Failure> {
    let Token::Object = scanner.value_at(source)? else { return Ok(None) };
    let [lsn] = sources.find(scanner)?;
    match scanner.value_at(lsn)? {
        Token::Null => Ok(None),
        Token::Number(number) => match number.text.parse() {
            Ok(lsn) => Ok(Some(lsn)),
            Err(_) => Err(Failure::Event("source.lsn is not a log position".into())),
        },
        _ => Err(Failure::Event("source.lsn is not a log position".into())),
    }
}
