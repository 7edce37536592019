//! Queries whose changes are returned as they come.

use crate::dialect::ParsedQuery;
use crate::engine::RowStream;
use crate::live::{ChangeOutput, Inputs, prepare};
use crate::session::Session;
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use std::sync::Arc;
use tokio::sync::mpsc;

impl Session {
    /// Starts a query whose rows are changes: those of the rows that there are now first, and it does not
    /// end.
    pub(super) async fn subscribe(&mut self, query: ParsedQuery) -> SqlResult<RowStream> {
        let position = query.position.0;
        let located = |error: SqlError| match error.position() {
            None => error.at(position),
            Some(_) => error,
        };
        let catalog = self.catalogs.current.clone();
        let backend = self.catalogs.backend(&catalog).await?;
        let live = self.live_query(&query, None, None).await.map_err(located)?;
        let plan = live.incremental("a live query").map_err(located)?;
        self.check_live(&plan, &catalog).map_err(located)?;
        let output = ChangeOutput::new(&plan)?;
        let inputs = prepare(&backend.store, plan, false).map_err(located)?;
        let schema = Arc::clone(output.schema());
        self.engine()?.stream(schema, |rows| send_changes(inputs, output, rows))
    }
}

/// Sends the changes of each tick until nobody receives them.
async fn send_changes(
    Inputs { mut program, mut sources }: Inputs,
    output: ChangeOutput,
    rows: mpsc::Sender<RecordBatch>,
) -> SqlResult<()> {
    loop {
        let ends = sources.ends().await?;
        if sources.is_behind(&ends) {
            let read = sources.tick(&mut program, &ends).await?;
            // nothing is stored
            program.drain_dirty(|_, _, _| {});
            let changes = output.rows(read.changes)?;
            if changes.num_rows() > 0 && rows.send(changes).await.is_err() {
                return Ok(());
            }
            continue;
        }
        tokio::select! {
            ready = sources.wait() => ready?,
            () = rows.closed() => return Ok(()),
        }
    }
}
