//! What programs often do with a store, on top of its contract: [`StreamStoreExt`].

use crate::{ErrorKind, Result, StreamConfig, StreamId, StreamStore};
use async_trait::async_trait;

/// Methods that every [`StreamStore`] has, composed of those that a backend implements.
#[async_trait]
pub trait StreamStoreExt: StreamStore {
    /// Creates a stream, and its scope, if they do not exist. Returns whether the stream was created; a
    /// stream that exists keeps its configuration. Cancel-safe.
    ///
    /// # Errors
    /// As [`StreamStore::create_scope`] and [`StreamStore::create_stream`].
    async fn ensure_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        match self.create_stream(stream, config).await {
            // creating the scope first would need a permission that a writer of this stream may not have
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.create_scope(&stream.scope).await?;
                self.create_stream(stream, config).await
            }
            created => created,
        }
    }
}

impl<S: StreamStore + ?Sized> StreamStoreExt for S {}
