//! The operators of a live query: replicas of the tables with change logs, the graph of its plan, and the
//! rows of its result.

use crate::table::RowChanges;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_incremental::{Batch, Contents, Graph, Node, Replica, Tick, Upsert};

/// The number of the node of the first table's replica; those of the plan are below.
const FIRST_REPLICA: u32 = 1 << 24;
/// The number of the node with the rows of the result.
const CONTENTS: u32 = 1 << 25;

/// The operators of a live query.
pub(crate) struct Program {
    /// By source: of a keyed change log or a captured table, what turns it into changes of rows.
    replicas: Vec<Option<TableReplica>>,
    graph: Graph,
    /// Of a view.
    contents: Option<Node>,
    /// The columns of the result, with their names.
    schema: SchemaRef,
}

struct TableReplica {
    node: Node,
    /// The columns of the plan among those of the replica.
    output: Vec<usize>,
}

impl Program {
    /// Creates the operators of a plan. `has_contents` says whether the rows of the result are kept.
    ///
    /// # Errors
    /// `NotSupported` for a result with a type that cannot be kept.
    pub(crate) fn new(graph: Graph, schema: SchemaRef, has_contents: bool) -> SqlResult<Self> {
        let contents = match has_contents {
            true => {
                let contents = Contents::new(graph.schema().clone()).map_err(|problem| {
                    let what = format!("a materialized view with a column of this type: {problem}");
                    SqlError::new(SqlErrorKind::NotSupported, what).because(problem)
                })?;
                Some(Node::new("contents", contents))
            }
            false => None,
        };
        let replicas = graph.sources().iter().map(|_| None).collect();
        Ok(Self { replicas, graph, contents, schema })
    }

    /// Makes a source a table that changes as this says, with rows of `schema`, of which the plan reads the
    /// columns `output`.
    ///
    /// # Errors
    /// `NotSupported` for a type that cannot be kept.
    pub(crate) fn set_replica(
        &mut self,
        source: usize,
        schema: SchemaRef,
        changes: &RowChanges,
        output: Vec<usize>,
    ) -> SqlResult<()> {
        let node = match changes {
            RowChanges::Append | RowChanges::Retract => return Ok(()),
            RowChanges::Upsert(key) => Upsert::new(schema, key.clone()).map(|it| Node::new("replica", it)),
            RowChanges::Captured(key) => Replica::new(schema, key.clone()).map(|it| Node::new("replica", it)),
        };
        let node = node.map_err(|problem| {
            let what = format!("a live query of a table with such a column: {problem}");
            SqlError::new(SqlErrorKind::NotSupported, what).because(problem)
        })?;
        let replica = self.replicas.get_mut(source).ok_or_else(SqlError::internal)?;
        *replica = Some(TableReplica { node, output });
        Ok(())
    }

    /// Returns the columns of the result, with their names as in the query.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns whether a source is a table whose rows are kept.
    pub(crate) fn has_replica(&self, source: usize) -> bool {
        self.replicas.get(source).is_some_and(Option::is_some)
    }

    /// Returns all rows of a source's replica, retracted: its table was truncated.
    ///
    /// # Errors
    /// `Failed`.
    pub(crate) fn retracted_replica(&self, source: usize, max_rows: usize) -> SqlResult<Vec<Batch>> {
        let replica = self.replicas.get(source).and_then(Option::as_ref);
        let upsert = replica.and_then(|replica| replica.node.downcast_ref::<Upsert>());
        let Some(upsert) = upsert else { return Ok(Vec::new()) };
        let batches = upsert.contents(max_rows).map_err(|e| SqlError::internal().because(e))?;
        let retracted = batches.into_iter().map(|rows| {
            let weights = vec![-1; rows.num_rows()];
            Batch::new(rows, weights).map_err(|e| SqlError::internal().because(e))
        });
        retracted.collect()
    }

    /// Applies one tick of each source, and returns that of the result.
    ///
    /// # Errors
    /// Those of operators. The program does not go on then.
    pub(crate) fn step(&mut self, mut inputs: Vec<Tick>) -> SqlResult<Tick> {
        for (replica, input) in self.replicas.iter_mut().zip(&mut inputs) {
            let Some(TableReplica { node, output }) = replica else { continue };
            let watermark = input.watermark;
            let changed = node.step(&[std::mem::take(input)]).map_err(failed)?;
            let batches = changed.batches.into_iter().map(|batch| project(&batch, output));
            *input = Tick { batches: batches.collect::<SqlResult<_>>()?, watermark };
        }
        let result = self.graph.step(&inputs).map_err(failed)?;
        match &mut self.contents {
            Some(contents) => contents.step(std::slice::from_ref(&result)).map_err(failed),
            None => Ok(result),
        }
    }

    /// Passes on the entries of state that changed since the last call.
    pub(crate) fn drain_dirty(&mut self, mut sink: impl FnMut(u32, &[u8], Option<&[u8]>)) {
        self.graph.drain_dirty(&mut sink);
        for (number, replica) in (FIRST_REPLICA..).zip(&mut self.replicas) {
            if let Some(replica) = replica {
                replica.node.drain_dirty(|key, value| sink(number, key, value));
            }
        }
        if let Some(contents) = &mut self.contents {
            contents.drain_dirty(|key, value| sink(CONTENTS, key, value));
        }
    }

    /// Passes on all entries of state.
    pub(crate) fn snapshot(&self, mut sink: impl FnMut(u32, &[u8], Option<&[u8]>)) {
        self.graph.snapshot(&mut sink);
        for (number, replica) in (FIRST_REPLICA..).zip(&self.replicas) {
            if let Some(replica) = replica {
                replica.node.snapshot(|key, value| sink(number, key, value));
            }
        }
        if let Some(contents) = &self.contents {
            contents.snapshot(|key, value| sink(CONTENTS, key, value));
        }
    }

    /// Takes an entry back.
    ///
    /// # Errors
    /// `Failed` for one that is not of this program.
    pub(crate) fn restore_entry(&mut self, node: u32, key: &[u8], value: Option<&[u8]>) -> SqlResult<()> {
        let restored = match node {
            CONTENTS => self.contents.as_mut().map(|node| node.restore_entry(key, value)),
            FIRST_REPLICA..CONTENTS => {
                let replica = self.replicas.get_mut((node - FIRST_REPLICA) as usize);
                replica.and_then(Option::as_mut).map(|replica| replica.node.restore_entry(key, value))
            }
            _ => Some(self.graph.restore_entry(node, key, value)),
        };
        match restored {
            Some(restored) => restored.map_err(failed),
            None => {
                let what =
                    format!("the stored state has an entry of node {node}, which the query does not have");
                Err(SqlError::new(SqlErrorKind::Failed, what))
            }
        }
    }

    /// Completes the state after the last entry.
    ///
    /// # Errors
    /// As [`Self::restore_entry`].
    pub(crate) fn finish_restore(&mut self) -> SqlResult<()> {
        self.graph.finish_restore().map_err(failed)?;
        for replica in self.replicas.iter_mut().flatten() {
            replica.node.finish_restore().map_err(failed)?;
        }
        self.contents.as_mut().map_or(Ok(()), |contents| contents.finish_restore().map_err(failed))
    }

    /// Returns the memory of all state in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        let replicas = self.replicas.iter().flatten().map(|replica| replica.node.size_bytes());
        self.graph.size_bytes() + replicas.sum::<usize>() + self.contents.as_ref().map_or(0, Node::size_bytes)
    }

    /// Returns what keeps most: the name of a node, as in its plan.
    pub(crate) fn largest(&self) -> String {
        let replicas = self.replicas.iter().flatten().map(|replica| &replica.node);
        let nodes = self.graph.nodes().chain(replicas).chain(&self.contents);
        match nodes.max_by_key(|node| node.size_bytes()).map(Node::name) {
            Some("contents") => "the rows of the result".to_owned(),
            Some("replica") => "the rows of a table".to_owned(),
            name => name.unwrap_or_default().to_owned(),
        }
    }

    /// Returns how many rows came too late for their window since the start.
    pub(crate) fn late_rows(&self) -> u64 {
        self.graph.late_rows()
    }

    /// Returns the rows of the result.
    ///
    /// # Errors
    /// `Internal` if they are not kept.
    pub(crate) fn rows(&self, max_rows: usize) -> SqlResult<Vec<RecordBatch>> {
        let contents = self.contents.as_ref().and_then(|node| node.downcast_ref::<Contents>());
        let contents = contents.ok_or_else(SqlError::internal)?;
        contents.batches(max_rows).map_err(|e| SqlError::internal().because(e))
    }
}

fn project(batch: &Batch, columns: &[usize]) -> SqlResult<Batch> {
    let rows = batch.rows().project(columns).map_err(|e| SqlError::internal().because(e))?;
    Batch::new(rows, batch.weights().to_vec()).map_err(|e| SqlError::internal().because(e))
}

/// Returns the error of an operator.
pub(crate) fn failed(error: kulya_incremental::Error) -> SqlError {
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    let mut text = error.to_string();
    while let Some(source) = cause.source() {
        // the texts of operators have those of their problems
        if !text.contains(&source.to_string()) {
            text.push_str(&format!(": {source}"));
        }
        cause = source;
    }
    SqlError::new(SqlErrorKind::Failed, text).because(error)
}
