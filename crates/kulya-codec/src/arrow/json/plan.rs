//! The plan by which objects become rows: the member of each column, and how its value is converted. The
//! order of members in the last objects is remembered, so that a member is usually found by one comparison.

use super::conversion::{append_derived, append_flink};
use super::plain::PlainKind;
use super::scanner::{Mark, Scanner, SyntaxError, Token};
use super::shape::Shape;
use crate::arrow::TimestampFormat;
use crate::arrow::column::{Column, ColumnType};
use crate::arrow::column_buffer::{ColumnBuffer, Values};
use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field};
use std::collections::HashMap;

/// Most members whose order is remembered.
const MAX_REMEMBERED: usize = 512;
/// The number of remembered members that are compared before a member is looked up.
const MAX_COMPARED: usize = 3;

/// The options of Flink's format `json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlinkJsonOptions {
    /// Whether an object without a column's member is an error (`fail-on-missing-field`).
    pub fail_on_missing_field: bool,
    /// Whether a value that cannot be converted is null, and an event that is not JSON gives no row
    /// (`ignore-parse-errors`).
    pub ignore_parse_errors: bool,
    /// How timestamps are written (`timestamp-format.standard`).
    pub timestamp_format: TimestampFormat,
}

/// What the reading of one event needs besides its text.
#[derive(Debug)]
pub(in crate::arrow) struct EventContext {
    pub(in crate::arrow) options: FlinkJsonOptions,
    /// How many values the event may still have: one of a few bytes can have many nulls.
    pub(in crate::arrow) values_left: usize,
    /// Which values stand for what the event does not have, if it is asked for.
    pub(in crate::arrow) unchanged: Option<UnchangedValues>,
}

/// The columns whose values a change has not changed, so that the event lacks them.
#[derive(Debug)]
pub(in crate::arrow) struct UnchangedValues {
    /// Says whether a value, with its first token and its whole text, stands for such a one.
    pub(in crate::arrow) is_unchanged: fn(Token<'_>, &str) -> bool,
    /// The columns whose values did. They are null.
    pub(in crate::arrow) columns: Vec<usize>,
}

/// The size of the shortest text that stands for a value that was not changed.
const MIN_UNCHANGED_BYTES: usize = 28;
/// The maximum number of values of one event.
const MAX_EVENT_VALUES: usize = 8_000_000;

impl EventContext {
    pub(in crate::arrow) fn new(options: FlinkJsonOptions) -> Self {
        Self { options, values_left: MAX_EVENT_VALUES, unchanged: None }
    }

    pub(in crate::arrow) fn take_values(&mut self, count: usize) -> Result<(), Failure> {
        self.values_left = self.values_left.checked_sub(count).ok_or_else(|| {
            Failure::Event("it has too many values: they would take too many bytes of memory".into())
        })?;
        Ok(())
    }
}

/// Why a value has not been read.
#[derive(Debug, PartialEq)]
pub(in crate::arrow) enum Failure {
    /// The event is not JSON, or too large.
    Event(String),
    /// The value cannot be converted.
    Value(Problem),
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        Self::Event(error.to_string())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event(reason) => f.write_str(reason),
            Self::Value(problem) => write!(f, "column {}{}", problem.path, problem.text),
        }
    }
}

/// A value that cannot be converted.
#[derive(Debug, PartialEq)]
pub(in crate::arrow) struct Problem {
    /// The column, and in it the fields.
    path: String,
    text: String,
}

/// How the values of a column are converted.
#[derive(Debug)]
enum Conversion {
    Derived(ColumnType),
    DerivedList(Box<Conversion>),
    Flink,
    FlinkList { item: Box<Conversion>, is_nullable: bool },
    FlinkMap { value: Box<Conversion>, is_nullable: bool },
    FlinkRow(Box<RecordPlan>),
}

impl Conversion {
    /// Returns the conversion; `None` for types that JSON does not have.
    fn new(kind: &ColumnType) -> Option<Self> {
        Some(match kind {
            ColumnType::List(items) => Self::DerivedList(Box::new(Self::new(items)?)),
            ColumnType::Flink(data_type) => Self::flink(data_type)?,
            other => Self::Derived(other.clone()),
        })
    }

    fn flink(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::List(item) => Self::FlinkList {
                item: Box::new(Self::flink(item.data_type())?),
                is_nullable: item.is_nullable(),
            },
            DataType::Map(entries, _) => {
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let [key, value] = fields.as_ref() else { return None };
                if key.data_type() != &DataType::Utf8 {
                    return None;
                }
                Self::FlinkMap {
                    value: Box::new(Self::flink(value.data_type())?),
                    is_nullable: value.is_nullable(),
                }
            }
            DataType::Struct(fields) => {
                let columns: Vec<Column> = fields.iter().map(|field| flink_column(field)).collect();
                Self::FlinkRow(Box::new(RecordPlan::new(&columns).ok()?))
            }
            _ => Self::Flink,
        })
    }

    /// Appends a value that is not null to the buffer, or leaves a part of it there when it fails.
    #[inline]
    fn append(
        &mut self,
        buffer: &mut ColumnBuffer,
        scanner: &mut Scanner<'_>,
        (mark, token): (Mark, &Token<'_>),
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let appended = match self {
            Self::Derived(kind) => {
                scanner.check_rest(token)?;
                append_derived(kind, buffer, token, scanner.since(mark))
            }
            Self::Flink => {
                scanner.check_rest(token)?;
                append_flink(buffer, token, scanner.since(mark), cx.options.timestamp_format)
            }
            Self::DerivedList(item) => {
                return append_list(item, true, buffer, scanner, (mark, token), cx);
            }
            Self::FlinkList { item, is_nullable } => {
                return append_list(item, *is_nullable, buffer, scanner, (mark, token), cx);
            }
            Self::FlinkMap { value, is_nullable } => {
                return append_map(value, *is_nullable, buffer, scanner, (mark, token), cx);
            }
            Self::FlinkRow(record) => {
                return match (&mut buffer.values, token) {
                    (Values::Row(fields), Token::Object) => {
                        // asked for the columns of the whole row only
                        let unchanged = cx.unchanged.take();
                        let appended = record.append_members(fields, scanner, cx);
                        cx.unchanged = unchanged;
                        appended?;
                        buffer.complete();
                        Ok(())
                    }
                    _ => Err(unexpected(buffer, scanner, (mark, token))),
                };
            }
        };
        appended.ok_or_else(|| not_valid(scanner.since(mark), buffer.data_type()))
    }

    /// Appends an item: a null if it is one, or if it cannot be converted and such errors are ignored.
    fn append_item(
        &mut self,
        is_nullable: bool,
        buffer: &mut ColumnBuffer,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        cx.take_values(1)?;
        let mark = scanner.mark();
        let token = scanner.value()?;
        if token == Token::Null {
            buffer.push_null();
        } else {
            let len = buffer.len();
            match self.append(buffer, scanner, (mark, &token), cx) {
                Err(Failure::Value(_)) if cx.options.ignore_parse_errors && is_nullable => {
                    buffer.truncate(len);
                    scanner.rewind(mark);
                    scanner.skip()?;
                    buffer.push_null();
                }
                Ok(()) if is_nullable || !buffer.is_null(len) => return Ok(()),
                Ok(()) => {}
                failed => return failed,
            }
        }
        if is_nullable { Ok(()) } else { Err(problem("an item must not be null")) }
    }
}

fn append_list(
    item: &mut Conversion,
    is_nullable: bool,
    buffer: &mut ColumnBuffer,
    scanner: &mut Scanner<'_>,
    (mark, token): (Mark, &Token<'_>),
    cx: &mut EventContext,
) -> Result<(), Failure> {
    let (Values::List(list), Token::Array) = (&mut buffer.values, token) else {
        return Err(unexpected(buffer, scanner, (mark, token)));
    };
    let mut is_first = true;
    while scanner.item(is_first)? {
        is_first = false;
        item.append_item(is_nullable, &mut list.items, scanner, cx)?;
    }
    buffer.complete_list();
    Ok(())
}

fn append_map(
    value: &mut Conversion,
    is_nullable: bool,
    buffer: &mut ColumnBuffer,
    scanner: &mut Scanner<'_>,
    (mark, token): (Mark, &Token<'_>),
    cx: &mut EventContext,
) -> Result<(), Failure> {
    let (Values::Map(_, entries), Token::Object) = (&mut buffer.values, token) else {
        return Err(unexpected(buffer, scanner, (mark, token)));
    };
    // the last value of a key, at the place of the first
    let (mut names, mut places) = (Vec::new(), HashMap::new());
    let mut is_first = true;
    while scanner.member(is_first)? {
        is_first = false;
        let name = scanner.name()?.decode();
        let place = *places.entry(name.clone()).or_insert(names.len());
        let mark = scanner.mark();
        match names.get_mut(place) {
            Some(known) => *known = (name, mark),
            None => names.push((name, mark)),
        }
        scanner.skip()?;
    }
    let end = scanner.mark();
    let [keys, values] = &mut **entries;
    for (name, mark) in names {
        let Values::Bytes(bytes) = &mut keys.values else { return Err(problem("a key must be a text")) };
        bytes.data.extend_from_slice(name.as_bytes());
        if !bytes.complete() {
            return Err(problem("the keys are too large"));
        }
        keys.complete();
        scanner.rewind(mark);
        value.append_item(is_nullable, values, scanner, cx)?;
    }
    scanner.rewind(end);
    buffer.complete_list();
    Ok(())
}

fn problem(text: &str) -> Failure {
    Failure::Value(Problem { path: String::new(), text: format!(": {text}") })
}

fn not_valid(json: &str, data_type: &DataType) -> Failure {
    problem(&format!("{json:.60} is not a valid {data_type:?}"))
}

/// Returns the failure of a value of another kind, after skipping it.
fn unexpected(
    buffer: &ColumnBuffer,
    scanner: &mut Scanner<'_>,
    (mark, token): (Mark, &Token<'_>),
) -> Failure {
    match scanner.skip_rest(token) {
        Ok(()) => not_valid(scanner.since(mark), buffer.data_type()),
        Err(error) => error.into(),
    }
}

/// Returns the column of a field in a Flink table.
pub(in crate::arrow) fn flink_column(field: &Field) -> Column {
    Column {
        name: field.name().clone(),
        nullable: field.is_nullable(),
        kind: ColumnType::Flink(field.data_type().clone()),
    }
}

/// How objects become rows.
#[derive(Debug)]
pub(in crate::arrow) struct RecordPlan {
    columns: Vec<ColumnPlan>,
    by_name: HashMap<String, usize>,
    /// The members of the last objects, in their order.
    remembered: Vec<RememberedMember>,
    shape: Shape,
}

#[derive(Debug)]
struct ColumnPlan {
    name: String,
    is_nullable: bool,
    conversion: Conversion,
    /// The values that need no conversion.
    plain: PlainKind,
}

#[derive(Debug)]
struct RememberedMember {
    quoted_name: Box<[u8]>,
    column: Option<usize>,
}

impl RecordPlan {
    /// Plans the columns.
    ///
    /// # Errors
    /// `Schema` when a column has a type that events do not have.
    pub(in crate::arrow) fn new(columns: &[Column]) -> CodecResult<Self> {
        let mut by_name = HashMap::new();
        let mut plans = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let conversion = Conversion::new(&column.kind).ok_or_else(|| unsupported(column))?;
            by_name.insert(column.name.clone(), index);
            let (name, is_nullable) = (column.name.clone(), column.nullable);
            let plain = PlainKind::of(&column.kind);
            plans.push(ColumnPlan { name, is_nullable, conversion, plain });
        }
        Ok(Self { columns: plans, by_name, remembered: Vec::new(), shape: Shape::default() })
    }

    /// Returns the position of a column.
    pub(in crate::arrow) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Creates the buffers of the columns.
    ///
    /// # Errors
    /// `Schema` when a column has a type that events do not have.
    pub(in crate::arrow) fn buffers(columns: &[Column]) -> CodecResult<Vec<ColumnBuffer>> {
        let buffer =
            |column: &Column| ColumnBuffer::new(&column.kind.data_type()).ok_or_else(|| unsupported(column));
        columns.iter().map(buffer).collect()
    }

    /// Appends a row: the members of an object whose first token has been read. After a failure the buffers
    /// are to be truncated.
    pub(in crate::arrow) fn append_members(
        &mut self,
        buffers: &mut [ColumnBuffer],
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        if self.columns.is_empty() {
            return Ok(scanner.skip_rest(&Token::Object)?);
        }
        cx.take_values(self.columns.len())?;
        let row = buffers.first().map_or(0, ColumnBuffer::len);
        let mut problems = Vec::new();
        self.fill(buffers, row, &[], &mut problems, scanner, cx)?;
        self.complete(buffers, row, problems, cx)
    }

    /// Appends a row that has the members of one object, and those of another that the first lacks. Both are
    /// read from their marks.
    pub(in crate::arrow) fn append_merged(
        &mut self,
        buffers: &mut [ColumnBuffer],
        marks: [Mark; 2],
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        cx.take_values(self.columns.len())?;
        let row = buffers.first().map_or(0, ColumnBuffer::len);
        let (mut problems, mut kept) = (Vec::new(), Vec::new());
        for mark in marks {
            scanner.rewind(mark);
            if scanner.value()? == Token::Object {
                self.fill(buffers, row, &kept, &mut problems, scanner, cx)?;
            }
            kept = buffers.iter().map(|buffer| buffer.len() > row).collect();
        }
        self.complete(buffers, row, problems, cx)
    }

    /// Appends the values of an object's members, except for the columns that are kept.
    fn fill(
        &mut self,
        buffers: &mut [ColumnBuffer],
        row: usize,
        kept: &[bool],
        problems: &mut Vec<(usize, Problem)>,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        // a shape says nothing of the columns that another object has filled
        let uses_shape = kept.is_empty();
        let begin = scanner.position();
        if uses_shape && self.fill_by_shape(buffers, row, scanner, cx) {
            return Ok(());
        }
        let (mut next, mut is_first) = (0, true);
        while scanner.member(is_first)? {
            is_first = false;
            let index = self.column_of_member(&mut next, scanner)?;
            let Some(index) = index.filter(|index| !kept.get(*index).is_some_and(|is_kept| *is_kept)) else {
                scanner.skip()?;
                continue;
            };
            let (Some(column), Some(buffer)) = (self.columns.get_mut(index), buffers.get_mut(index)) else {
                continue;
            };
            if buffer.len() > row {
                // the last of several members with this name counts
                buffer.truncate(row);
                problems.retain(|(other, _)| *other != index);
                cx.unchanged
                    .iter_mut()
                    .for_each(|unchanged| unchanged.columns.retain(|other| *other != index));
            }
            if let Some(problem) = column.append(index, buffer, scanner, cx)? {
                problems.push((index, problem));
            }
        }
        if uses_shape {
            self.shape.miss(scanner, begin, |name| self.by_name.get(name).copied());
        }
        Ok(())
    }

    /// Appends the values of an object that has the shape of the last ones; returns `false` if it has not, or
    /// a value is not as it should be, and nothing has been read.
    #[inline]
    fn fill_by_shape(
        &mut self,
        buffers: &mut [ColumnBuffer],
        row: usize,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> bool {
        let members = self.shape.members();
        if members.is_empty() {
            return false;
        }
        let (mark, values_left) = (scanner.position(), cx.values_left);
        let mut has_shape = true;
        for member in members {
            has_shape = member.read_before(scanner);
            if has_shape {
                has_shape = match member.column {
                    None => scanner.skip().is_ok(),
                    Some(index) => match (self.columns.get_mut(index), buffers.get_mut(index)) {
                        (Some(column), Some(buffer)) => {
                            matches!(column.append(index, buffer, scanner, cx), Ok(None))
                        }
                        _ => false,
                    },
                };
            }
            if !has_shape {
                break;
            }
        }
        if has_shape && self.shape.read_end(scanner) {
            self.shape.hit();
            return true;
        }
        scanner.rewind(mark);
        cx.values_left = values_left;
        buffers.iter_mut().for_each(|buffer| buffer.truncate(row));
        if let Some(unchanged) = &mut cx.unchanged {
            unchanged.columns.clear();
        }
        false
    }

    /// Completes a row by nulls for what is missing.
    fn complete(
        &self,
        buffers: &mut [ColumnBuffer],
        row: usize,
        mut problems: Vec<(usize, Problem)>,
        cx: &EventContext,
    ) -> Result<(), Failure> {
        for (index, (column, buffer)) in self.columns.iter().zip(buffers).enumerate() {
            if buffer.len() == row {
                buffer.push_null();
                if cx.options.fail_on_missing_field {
                    problems.push((index, column.problem(" is missing")));
                } else if !column.is_nullable {
                    problems.push((index, column.null_problem()));
                }
            }
        }
        problems.into_iter().next().map_or(Ok(()), |(_, problem)| Err(Failure::Value(problem)))
    }

    /// Appends the value of one column, at which the scanner is.
    pub(in crate::arrow) fn append_column(
        &mut self,
        index: usize,
        buffer: &mut ColumnBuffer,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let Some(column) = self.columns.get_mut(index) else { return Ok(()) };
        column.append(index, buffer, scanner, cx)?.map_or(Ok(()), |problem| Err(Failure::Value(problem)))
    }

    /// Reads a member's name, and returns its column. `next` is the next remembered member.
    #[inline]
    fn column_of_member(
        &mut self,
        next: &mut usize,
        scanner: &mut Scanner<'_>,
    ) -> Result<Option<usize>, SyntaxError> {
        for (ahead, member) in self.remembered.iter().skip(*next).take(MAX_COMPARED).enumerate() {
            if scanner.name_is(&member.quoted_name)? {
                *next += ahead + 1;
                return Ok(member.column);
            }
        }
        let name = scanner.name()?;
        let column = self.by_name.get(&*name.decode()).copied();
        if !name.has_escapes && self.remembered.len() < MAX_REMEMBERED {
            let quoted_name = format!("\"{}\"", name.raw).into_bytes().into();
            self.remembered
                .insert((*next).min(self.remembered.len()), RememberedMember { quoted_name, column });
            *next += 1;
        }
        Ok(column)
    }
}

impl ColumnPlan {
    /// Appends the next value, a null if it cannot be converted: then why is returned, unless it is ignored.
    #[inline]
    fn append(
        &mut self,
        index: usize,
        buffer: &mut ColumnBuffer,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<Option<Problem>, Failure> {
        // a longer text may stand for a value that was not changed
        let max_text = if cx.unchanged.is_some() { MIN_UNCHANGED_BYTES } else { usize::MAX };
        if self.plain != PlainKind::None
            && scanner.append_plain(self.plain, buffer, max_text, cx.options.timestamp_format)
        {
            return Ok(None);
        }
        let mark = scanner.mark();
        let token = scanner.value()?;
        if token == Token::Null {
            buffer.push_null();
            return Ok((!self.is_nullable).then(|| self.null_problem()));
        }
        if let Some(unchanged) = &mut cx.unchanged {
            if matches!(token, Token::Array | Token::Object) {
                scanner.skip_rest(&token)?;
            }
            if (unchanged.is_unchanged)(token, scanner.since(mark)) {
                unchanged.columns.push(index);
                buffer.push_null();
                return Ok(None);
            }
            if matches!(token, Token::Array | Token::Object) {
                scanner.rewind(mark);
                scanner.value()?;
            }
        }
        let row = buffer.len();
        match self.conversion.append(buffer, scanner, (mark, &token), cx) {
            // a number with more digits than its type is null
            Ok(()) if !self.is_nullable && buffer.is_null(row) => Ok(Some(self.null_problem())),
            Ok(()) => Ok(None),
            Err(Failure::Event(reason)) => Err(Failure::Event(reason)),
            Err(Failure::Value(problem)) => {
                buffer.truncate(row);
                scanner.rewind(mark);
                scanner.skip()?;
                buffer.push_null();
                if cx.options.ignore_parse_errors && self.is_nullable {
                    return Ok(None);
                }
                let separator = if problem.path.is_empty() { "" } else { "." };
                let path = format!("{}{separator}{}", self.name, problem.path);
                Ok(Some(Problem { path, text: problem.text }))
            }
        }
    }

    fn problem(&self, text: &str) -> Problem {
        Problem { path: self.name.clone(), text: text.to_owned() }
    }

    fn null_problem(&self) -> Problem {
        self.problem(" must not be null, but is null or missing")
    }
}

fn unsupported(column: &Column) -> CodecError {
    let (name, data_type) = (&column.name, column.kind.data_type());
    CodecError::Schema(format!("column {name}: events in JSON have no values of type {data_type}"))
}
