//! A graph of operators: a query's plan as one function from ticks of its sources to a tick of its result.

use crate::error::{Error, Problem};
use crate::operator::{Node, has_equal_types};
use crate::tick::Tick;
use arrow_schema::SchemaRef;

/// What a source or a node of a [`GraphBuilder`] gives, as an input of further nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Output(usize);

/// Collects the sources and nodes of a [`Graph`].
///
/// Nodes are numbered in the order in which they are added, which is the number of their stored state: the
/// same plan must always add the same nodes in the same order.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    outputs: Vec<Origin>,
    sources: Vec<(String, SchemaRef)>,
    nodes: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    Source(usize),
    Node(usize),
}

impl GraphBuilder {
    /// A graph without sources and nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; the graph takes a tick of each in the order in which they are added.
    pub fn source(&mut self, name: impl Into<String>, schema: SchemaRef) -> Output {
        self.sources.push((name.into(), schema));
        self.output(Origin::Source(self.sources.len() - 1))
    }

    /// Adds a node that reads outputs, each perhaps with other nodes.
    ///
    /// # Errors
    /// [`Problem::Input`] if the node takes other inputs.
    pub fn node(&mut self, node: Node, inputs: &[Output]) -> Result<Output, Error> {
        let expected = node.inputs();
        let mut has_types = expected.len() == inputs.len();
        for (schema, input) in expected.iter().zip(inputs) {
            has_types &=
                self.schema(*input).is_some_and(|given| has_equal_types(schema.fields(), given.fields()));
        }
        if !has_types {
            let problem = Problem::input("its inputs in the graph have other columns");
            return Err(Error { operator: node.name().to_owned(), problem });
        }
        let watermarks = vec![None; inputs.len()];
        let inputs = inputs.iter().map(|input| input.0).collect();
        self.nodes.push(Step { node, inputs, watermarks, output_watermark: None, has_stepped: false });
        Ok(self.output(Origin::Node(self.nodes.len() - 1)))
    }

    fn output(&mut self, origin: Origin) -> Output {
        self.outputs.push(origin);
        Output(self.outputs.len() - 1)
    }

    /// The columns of an output, or None if it is of another builder.
    pub fn schema(&self, output: Output) -> Option<&SchemaRef> {
        Some(match self.outputs.get(output.0)? {
            Origin::Source(source) => &self.sources.get(*source)?.1,
            Origin::Node(node) => self.nodes.get(*node)?.node.schema(),
        })
    }

    /// The nodes that were added so far.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The graph whose result is that of `output`.
    ///
    /// # Errors
    /// [`Problem::Input`] if the output is of another builder.
    pub fn finish(self, output: Output) -> Result<Graph, Error> {
        let Some(schema) = self.schema(output).cloned() else {
            return Err(error(Problem::input("its output is not one of its own")));
        };
        let Self { outputs, sources, nodes } = self;
        Ok(Graph { outputs, sources, nodes, schema, result: output.0, has_failed: false })
    }
}

fn error(problem: Problem) -> Error {
    Error { operator: "graph".to_owned(), problem }
}

/// A node with what it reads.
#[derive(Debug)]
struct Step {
    node: Node,
    inputs: Vec<usize>,
    watermarks: Vec<Option<i64>>,
    output_watermark: Option<i64>,
    has_stepped: bool,
}

impl Step {
    /// Steps the node, unless nothing changed: then its output is without rows, too.
    fn step(&mut self, ticks: &[Tick]) -> Result<Tick, Error> {
        let is_idle = self.has_stepped
            && self.inputs.iter().zip(&self.watermarks).all(|(input, watermark)| {
                ticks[*input].batches.is_empty() && ticks[*input].watermark == *watermark
            });
        if is_idle {
            return Ok(Tick { batches: Vec::new(), watermark: self.output_watermark });
        }
        let inputs: Vec<Tick> = self.inputs.iter().map(|input| ticks[*input].clone()).collect();
        let output = self.node.step(&inputs)?;
        for (watermark, input) in self.watermarks.iter_mut().zip(&inputs) {
            *watermark = input.watermark;
        }
        self.output_watermark = output.watermark;
        self.has_stepped = true;
        Ok(output)
    }
}

/// Operators in topological order, from named sources to one result.
///
/// ```
/// use kulya_incremental::prelude::*;
/// # use arrow_array::{ArrayRef, Int64Array, RecordBatch};
/// # use std::sync::Arc;
///
/// // SELECT DISTINCT n FROM a UNION ALL SELECT n FROM a
/// let numbers = |numbers: Vec<i64>| {
///     RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(numbers)) as ArrayRef)])
/// };
/// let schema = numbers(vec![])?.schema();
/// let mut builder = GraphBuilder::new();
/// let a = builder.source("a", schema.clone());
/// let distinct = Aggregate::distinct(schema.clone(), AggregateOptions::default())?;
/// let distinct = builder.node(Node::new("distinct", distinct), &[a])?;
/// let union = Union::new(vec![schema.clone(), schema])?;
/// let union = builder.node(Node::new("union", union), &[distinct, a])?;
/// let mut graph = builder.finish(union)?;
/// let output = graph.step(&[Tick::of([Batch::inserts(numbers(vec![7, 7])?)])])?;
/// assert_eq!(output.row_count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Graph {
    /// Where each tick comes from: sources and nodes in the order in which they were added.
    outputs: Vec<Origin>,
    sources: Vec<(String, SchemaRef)>,
    nodes: Vec<Step>,
    schema: SchemaRef,
    result: usize,
    has_failed: bool,
}

impl Graph {
    /// The names and columns of the sources.
    pub fn sources(&self) -> &[(String, SchemaRef)] {
        &self.sources
    }

    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Applies one tick of each source, in the order of [`Self::sources`].
    ///
    /// A node whose inputs have neither rows nor a new watermark is not called, so that a tick costs what it
    /// changes.
    ///
    /// # Errors
    /// With the name of the node. Afterwards every call fails, as some nodes may have the tick and others
    /// not: make the graph again and restore it from stored state.
    pub fn step(&mut self, inputs: &[Tick]) -> Result<Tick, Error> {
        let output = match self.has_failed {
            true => Err(error(Problem::Failed)),
            false => self.step_nodes(inputs),
        };
        self.has_failed = output.is_err();
        output
    }

    fn step_nodes(&mut self, inputs: &[Tick]) -> Result<Tick, Error> {
        if inputs.len() != self.sources.len() {
            let (given, own) = (inputs.len(), self.sources.len());
            return Err(error(Problem::input(format!("ticks of {given} sources instead of {own}"))));
        }
        let mut ticks: Vec<Tick> = Vec::with_capacity(self.outputs.len());
        for origin in &self.outputs {
            let tick = match origin {
                Origin::Source(source) => inputs[*source].clone(),
                Origin::Node(node) => self.nodes[*node].step(&ticks)?,
            };
            ticks.push(tick);
        }
        Ok(ticks.swap_remove(self.result))
    }

    /// Passes on the entries of state that changed since the last call, with the number of their node. A
    /// program that stores nothing calls this, too, and drops the entries: they take memory.
    pub fn drain_dirty(&mut self, mut sink: impl FnMut(u32, &[u8], Option<&[u8]>)) {
        for (number, step) in (0..).zip(&mut self.nodes) {
            step.node.drain_dirty(|key, value| sink(number, key, value));
        }
    }

    /// Passes on all entries of state, with the number of their node.
    pub fn snapshot(&self, mut sink: impl FnMut(u32, &[u8], Option<&[u8]>)) {
        for (number, step) in (0..).zip(&self.nodes) {
            step.node.snapshot(|key, value| sink(number, key, value));
        }
    }

    /// Takes back the entries of a snapshot and of the log behind it, into a new graph of the same plan.
    ///
    /// The nodes' entries may be mixed; those of each are in order. Later ticks then have the output that
    /// they would have had without the interruption.
    ///
    /// # Errors
    /// [`Problem::State`] if the entries are damaged, or of another plan or version.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = (u32, K, Option<V>)>,
    ) -> Result<(), Error> {
        let restored = self.restore_entries(entries);
        self.has_failed |= restored.is_err();
        restored
    }

    fn restore_entries<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = (u32, K, Option<V>)>,
    ) -> Result<(), Error> {
        for (number, key, value) in entries {
            self.restore_entry(number, key.as_ref(), value.as_ref().map(AsRef::as_ref))?;
        }
        self.finish_restore()
    }

    /// Takes one entry back, as [`Self::restore`] does; [`Self::finish_restore`] follows the last one.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn restore_entry(&mut self, node: u32, key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let Some(step) = self.nodes.get_mut(node as usize) else {
            let count = self.nodes.len();
            return Err(error(Problem::state(format!("node {node} of {count} has an entry"))));
        };
        let restored = step.node.restore_entry(key, value);
        self.has_failed |= restored.is_err();
        restored
    }

    /// Completes the state after the last entry.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn finish_restore(&mut self) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(|step| step.node.finish_restore())
    }

    /// The memory of all state in bytes, as a close estimate, for a bound on it.
    pub fn size_bytes(&self) -> usize {
        self.nodes().map(Node::size_bytes).sum()
    }

    /// Rows that came too late for their window, since the graph was made.
    pub fn late_rows(&self) -> u64 {
        self.nodes().map(Node::late_rows).sum()
    }

    /// The nodes in the order of their numbers.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().map(|step| &step.node)
    }
}
