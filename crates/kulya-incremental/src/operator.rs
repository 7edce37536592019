//! The interface of all operators, and a named operator with its stored state.

use crate::entry::{Reader, put_bytes, read_signed, signed};
use crate::error::{Error, Problem, Result};
use crate::tick::{Batch, Tick};
use arrow_schema::{Fields, SchemaRef};
use std::any::Any;

/// Receives entries of an operator's state: a key and its value, or None if the entry is removed.
pub type EntrySink<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// A function from ticks of its inputs to a tick of its output, with state of its own.
///
/// Programs hold operators in a [`Node`], which checks what goes in and names the operator in errors.
pub trait Operator: Any + Send {
    /// What it is, such as `aggregate`. Part of its stored state.
    fn kind(&self) -> &'static str;

    /// The columns of each input.
    fn inputs(&self) -> &[SchemaRef];

    /// The columns of the output.
    fn schema(&self) -> &SchemaRef;

    /// Applies one tick of each input.
    ///
    /// # Errors
    /// A [`Problem`]; the state may then hold half of the tick.
    fn step(&mut self, inputs: &[Tick]) -> Result<Tick>;

    /// Rows that came too late for their window, since the operator was made.
    fn late_rows(&self) -> u64 {
        0
    }

    /// Takes the late rows since the last call, if the operator was made to keep them.
    fn take_late(&mut self) -> Vec<Batch> {
        Vec::new()
    }

    /// The watermark of the last tick, if later ticks depend on it.
    fn watermark(&self) -> Option<i64> {
        None
    }

    /// Takes the watermark back.
    fn restore_watermark(&mut self, _watermark: i64) {}

    /// The state, if there is one.
    fn state(&self) -> Option<&dyn State> {
        None
    }

    /// The state, if there is one.
    fn state_mut(&mut self) -> Option<&mut dyn State> {
        None
    }

    /// Completes the state after the last entry.
    ///
    /// # Errors
    /// [`Problem::State`] if the entries do not fit together.
    fn finish_restore(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The state of an operator, as entries of keys and values.
pub trait State {
    /// The memory in bytes, as a close estimate.
    fn size_bytes(&self) -> usize;

    /// Passes on the entries that changed since the last call.
    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>);

    /// Passes on all entries.
    fn snapshot(&self, sink: &mut EntrySink<'_>);

    /// Takes an entry back; a later one of the same key replaces it.
    ///
    /// # Errors
    /// [`Problem::State`] if the bytes are not an entry of this operator.
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()>;
}

/// The version of all operators' entries. Rows in entries are in the row format of Arrow, which may change
/// with a version of Arrow; a test has its bytes, and whoever changes them counts this up.
const FORMAT_VERSION: u8 = 1;
/// The key of the entry that says what the others are.
const HEADER_KEY: &[u8] = &[0];
/// The key of the entry with the watermark.
const WATERMARK_KEY: &[u8] = &[0, 0];

/// Whether columns have the same types, whatever their names.
pub(crate) fn has_equal_types(one: &Fields, other: &Fields) -> bool {
    one.iter().map(|field| field.data_type()).eq(other.iter().map(|field| field.data_type()))
}

/// A named operator that checks its input, and whose state can be stored and restored.
pub struct Node {
    name: String,
    operator: Box<dyn Operator>,
    has_failed: bool,
    is_header_stored: bool,
    watermarks: Vec<Option<i64>>,
    stored_watermark: Option<i64>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Node({:?}: {})", self.name, self.operator.kind())
    }
}

impl Node {
    /// Names an operator.
    pub fn new(name: impl Into<String>, operator: impl Operator + 'static) -> Self {
        let watermarks = vec![None; operator.inputs().len()];
        let operator = Box::new(operator);
        Self {
            name: name.into(),
            operator,
            has_failed: false,
            is_header_stored: false,
            watermarks,
            stored_watermark: None,
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the operator is, such as `aggregate`.
    pub fn kind(&self) -> &'static str {
        self.operator.kind()
    }

    /// Whether the operator keeps state.
    pub fn has_state(&self) -> bool {
        self.operator.state().is_some()
    }

    /// The columns of the output.
    pub fn schema(&self) -> &SchemaRef {
        self.operator.schema()
    }

    /// The columns of each input.
    pub fn inputs(&self) -> &[SchemaRef] {
        self.operator.inputs()
    }

    /// Applies one tick of each input.
    ///
    /// The output's order depends on the input alone, not on how the state came about.
    ///
    /// # Errors
    /// With the operator's name. Afterwards every call fails until a new node is restored from stored state,
    /// as this one may hold half of the tick.
    pub fn step(&mut self, inputs: &[Tick]) -> Result<Tick, Error> {
        let output = match self.has_failed {
            true => Err(Problem::Failed),
            false => self.check(inputs).and_then(|()| self.operator.step(inputs)),
        };
        output.map_err(|problem| self.failed(problem))
    }

    fn check(&mut self, inputs: &[Tick]) -> Result<()> {
        let schemas = self.operator.inputs();
        if schemas.len() != inputs.len() {
            return Err(Problem::input(format!("{} inputs instead of {}", inputs.len(), schemas.len())));
        }
        for ((schema, input), watermark) in schemas.iter().zip(inputs).zip(&mut self.watermarks) {
            if input.watermark < *watermark {
                return Err(Problem::input("the watermark of an input decreased"));
            }
            *watermark = input.watermark;
            for batch in &input.batches {
                let columns = batch.rows().schema_ref().fields();
                let types = |fields: &Fields| {
                    fields.iter().map(|field| field.data_type().clone()).collect::<Vec<_>>()
                };
                if !has_equal_types(columns, schema.fields()) {
                    let (actual, expected) = (types(columns), types(schema.fields()));
                    return Err(Problem::input(format!("columns {actual:?} instead of {expected:?}")));
                }
            }
        }
        Ok(())
    }

    fn failed(&mut self, problem: Problem) -> Error {
        self.has_failed = true;
        Error { operator: self.name.clone(), problem }
    }

    /// The operator, if it is of the type, to ask it what others cannot answer.
    pub fn downcast_ref<T: Operator>(&self) -> Option<&T> {
        let operator: &dyn Any = &*self.operator;
        operator.downcast_ref()
    }

    /// Rows that came too late for their window, since the node was made.
    pub fn late_rows(&self) -> u64 {
        self.operator.late_rows()
    }

    /// Takes the late rows since the last call, if the operator was made to keep them.
    pub fn take_late(&mut self) -> Vec<Batch> {
        self.operator.take_late()
    }

    /// The memory of the state in bytes, as a close estimate, for a bound on it.
    pub fn size_bytes(&self) -> usize {
        self.operator.state().map_or(0, State::size_bytes)
    }

    /// Passes on the entries of the state that changed since the last call, for a log of the view.
    ///
    /// The log's entries in order, from the beginning or behind a snapshot, are what [`Self::restore`] takes.
    /// A program that stores nothing calls this, too, and drops the entries: they take memory.
    pub fn drain_dirty(&mut self, mut sink: impl FnMut(&[u8], Option<&[u8]>)) {
        if !std::mem::replace(&mut self.is_header_stored, true) {
            sink(HEADER_KEY, Some(&self.header()));
        }
        if let Some(state) = self.operator.state_mut() {
            state.drain_dirty(&mut sink);
        }
        let watermark = self.operator.watermark();
        if watermark != self.stored_watermark {
            sink(WATERMARK_KEY, watermark.map(signed).as_deref());
        }
        self.stored_watermark = watermark;
    }

    /// Passes on the entries of the whole state.
    pub fn snapshot(&self, mut sink: impl FnMut(&[u8], Option<&[u8]>)) {
        sink(HEADER_KEY, Some(&self.header()));
        if let Some(state) = self.operator.state() {
            state.snapshot(&mut sink);
        }
        if let Some(watermark) = self.operator.watermark() {
            sink(WATERMARK_KEY, Some(&signed(watermark)));
        }
    }

    fn header(&self) -> Vec<u8> {
        let mut header = vec![FORMAT_VERSION];
        put_bytes(&mut header, self.operator.kind().as_bytes());
        for schema in self.operator.inputs().iter().chain([self.operator.schema()]) {
            let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().to_string()).collect();
            put_bytes(&mut header, types.join(",").as_bytes());
        }
        header
    }

    /// Takes back the entries of a snapshot and of the log behind it, into a new node.
    ///
    /// Later ticks then have the output that they would have had without the interruption.
    ///
    /// # Errors
    /// [`Problem::State`] if the entries are damaged, or of another operator or version.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), Error> {
        for (key, value) in entries {
            self.restore_entry(key.as_ref(), value.as_ref().map(AsRef::as_ref))?;
        }
        self.finish_restore()
    }

    /// Takes one entry back, as [`Self::restore`] does; [`Self::finish_restore`] follows the last one.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn restore_entry(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let restored = self.put_entry(key, value);
        restored.map_err(|problem| self.failed(problem))
    }

    /// Completes the state after the last entry.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn finish_restore(&mut self) -> Result<(), Error> {
        let finished = self.operator.finish_restore();
        finished.map_err(|problem| self.failed(problem))
    }

    fn put_entry(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if key == HEADER_KEY {
            self.check_header(value.unwrap_or_default())?;
            self.is_header_stored = true;
            return Ok(());
        }
        if !self.is_header_stored {
            return Err(Problem::state("it does not begin with its version"));
        }
        if key == WATERMARK_KEY {
            let watermark = read_signed(value.unwrap_or_default())?;
            self.operator.restore_watermark(watermark);
            self.stored_watermark = Some(watermark);
            return Ok(());
        }
        let state = self.operator.state_mut();
        state.ok_or_else(|| Problem::state("a stateless operator has an entry"))?.restore(key, value)
    }

    fn check_header(&self, header: &[u8]) -> Result<()> {
        if header == self.header() {
            return Ok(());
        }
        let mut reader = Reader::new(header);
        let version = reader.byte()?;
        if version != FORMAT_VERSION {
            return Err(Problem::state(format!("version {version}, not {FORMAT_VERSION}")));
        }
        let kind = String::from_utf8_lossy(reader.bytes()?).into_owned();
        let own = self.operator.kind();
        Err(Problem::state(match kind == own {
            true => "its columns are of other types".to_owned(),
            false => format!("it is of {kind:?}, not {own:?}"),
        }))
    }
}
