//! Fuzz entry point for recorded change logs.

use super::Sink;
use super::recording::{RecordLine, replay};
use crate::debezium::fuzzing::parsed_json;
use crate::{Batch, CdcResult, Checkpoint};
use async_trait::async_trait;
use futures::FutureExt;

/// Reads a log; the records of its commits are those of their batches.
pub(crate) fn run(bytes: &[u8]) {
    let mut sink = Checked::default();
    let replayed = replay(bytes, &mut sink).now_or_never().expect("a log in memory is read without waiting");
    match replayed {
        Ok(records) => assert_eq!(records, sink.events),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // a second replay goes on after the first one
    let mut rest = Checked { position: sink.position, ..Checked::default() };
    let _ = replay(bytes, &mut rest).now_or_never().expect("a log in memory is read without waiting");
    assert!(rest.events <= sink.events);
}

/// Checks what is replayed.
#[derive(Default)]
struct Checked {
    position: Option<Checkpoint>,
    events: u64,
}

#[async_trait]
impl Sink for Checked {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        Ok(self.position.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        for record in batch.records() {
            let members = [b"{", record.headers, b"}"].concat();
            assert!(parsed_json(&members).is_object());
            let line = RecordLine::new(&record).expect("a replayed record is recorded again");
            let json = serde_json::to_vec(&line).expect("a line is JSON");
            let again: RecordLine = serde_json::from_slice(&json).expect("a recorded line is read");
            assert_eq!(serde_json::to_vec(&again).expect("a line is JSON"), json);
        }
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.events += batch.events();
        self.stage(batch).await?;
        let json = serde_json::to_vec(&checkpoint.position).expect("a position is JSON");
        let again = serde_json::from_slice(&json).expect("a stored position is read");
        assert_eq!(checkpoint.position, again);
        self.position = Some(checkpoint.clone());
        Ok(())
    }
}
