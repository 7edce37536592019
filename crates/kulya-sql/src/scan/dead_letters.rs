//! Dead letters: the events that a query cannot decode, in a stream of their own. Each is a JSON object with
//! the members `event_pointer`, `stream`, `error` and `event`, so that a table reads them:
//!
//! ```sql
//! CREATE TABLE dead (event_pointer BYTES, `stream` STRING, error STRING, event BYTES)
//! WITH ('format' = 'json')
//! ```
//!
//! They are written before the rows of the events after them are returned, in a commit for each chunk of
//! events: at least once, because a query that fails or is run again writes those that it finds.

use crate::{SqlError, SqlResult};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_store::{Append, Commit, EventPointer, StreamId, StreamStore};
use serde_json::json;
use std::sync::Arc;

/// The largest number of bytes in one commit.
const COMMIT_BYTES: usize = 1 << 20;

/// The stream of dead letters.
#[derive(Clone)]
pub(crate) struct DeadLetterStream {
    store: Arc<dyn StreamStore>,
    pub(crate) stream: StreamId,
}

/// An event that cannot be decoded.
pub(super) struct DeadLetter {
    pub(super) pointer: EventPointer,
    pub(super) error: String,
    pub(super) event: Vec<u8>,
}

impl DeadLetterStream {
    /// Opens the stream.
    ///
    /// # Errors
    /// Those of the store: `NotFound` for a stream that does not exist.
    pub(crate) async fn open(store: &Arc<dyn StreamStore>, stream: &StreamId) -> SqlResult<Self> {
        let failed = |e: kulya_store::Error| {
            let kind = SqlError::from(kulya_store::Error::new(e.kind(), "")).kind();
            SqlError::new(kind, format!("the stream of dead letters: {e}")).because(e)
        };
        store.segments(stream).await.map_err(failed)?;
        Ok(Self { store: Arc::clone(store), stream: stream.clone() })
    }

    /// Writes letters. Those of one segment keep their order.
    pub(super) async fn write(&self, letters: Vec<DeadLetter>) -> SqlResult<()> {
        let (mut appends, mut bytes) = (Vec::new(), 0);
        for DeadLetter { pointer, error, event } in letters {
            let letter = json!({
                "event_pointer": STANDARD.encode(pointer.to_bytes()),
                "stream": pointer.segment.stream.to_string(),
                "error": error,
                "event": STANDARD.encode(&event),
            });
            let letter = letter.to_string();
            bytes += letter.len();
            appends.push(Append {
                stream: self.stream.clone(),
                routing_key: Some(pointer.segment.to_string()),
                event: letter.into(),
            });
            if bytes >= COMMIT_BYTES {
                self.commit(std::mem::take(&mut appends)).await?;
                bytes = 0;
            }
        }
        if appends.is_empty() { Ok(()) } else { self.commit(appends).await }
    }

    async fn commit(&self, appends: Vec<Append>) -> SqlResult<()> {
        self.store.commit(Commit::events(appends)).await?;
        Ok(())
    }
}
