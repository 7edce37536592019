//! A tailing read whose events the server pushes: [`RemoteTail`].

use super::inner::Inner;
use kulya_store::{ReadChunk, Result, SegmentId, StreamCut};
use kulya_wire::v1;
use kulya_wire::v1::tail_reply::Reply;
use std::sync::Arc;
use tonic::{Status, Streaming};

/// A tailing read of a stream, on its own connection. The server reads as fast as [`next`](Self::next) is
/// called, ahead by at most the connection's window (about 1 MiB) and one chunk. It resumes after a
/// connection loss.
pub struct RemoteTail {
    store: Arc<Inner>,
    cut: StreamCut,
    max_bytes: usize,
    replies: Option<Streaming<v1::TailReply>>,
    is_done: bool,
}

impl RemoteTail {
    pub(super) fn new(store: Arc<Inner>, cut: StreamCut, max_bytes: usize) -> Self {
        Self { store, cut, max_bytes: max_bytes.max(1), replies: None, is_done: false }
    }

    /// Returns the current position: after all returned events.
    pub fn cut(&self) -> &StreamCut {
        &self.cut
    }

    /// Waits for events after the current position and returns those of one segment; the position advances.
    /// `None` when the stream is sealed and read to its end. Cancel-safe: the position advances only with a
    /// result.
    ///
    /// # Errors
    /// Those of the store. After `Unreachable` it may be called again.
    pub async fn next(&mut self) -> Result<Option<(SegmentId, ReadChunk)>> {
        if self.is_done {
            return Ok(None);
        }
        let store = Arc::clone(&self.store);
        let channel = &store.channel;
        let mut retry = channel.retry_policy();
        loop {
            let status = match channel.unless_closed(self.reply()).await? {
                Ok(Some(reply)) => {
                    let result = self.advance(reply).map_err(|error| channel.invalid_response(error));
                    self.is_done = matches!(result, Ok(None));
                    return result;
                }
                // the end of a tail is a reply of its own
                Ok(None) => Status::unavailable("connection closed"),
                Err(status) => status,
            };
            if self.replies.take().is_some() {
                retry.reset();
            }
            retry.backoff(status).await?;
        }
    }

    async fn reply(&mut self) -> std::result::Result<Option<v1::TailReply>, Status> {
        let replies = match &mut self.replies {
            Some(replies) => replies,
            none => {
                let request =
                    v1::TailRequest { from: Some((&self.cut).into()), max_bytes: self.max_bytes as u64 };
                none.insert(self.store.channel.dedicated_client().tail(request).await?.into_inner())
            }
        };
        replies.message().await
    }

    fn advance(&mut self, reply: v1::TailReply) -> Result<Option<(SegmentId, ReadChunk)>> {
        let missing = || kulya_store::Error::invalid("the message has no events");
        match reply.reply.ok_or_else(missing)? {
            Reply::End(_) => Ok(None),
            Reply::Chunk(v1::SegmentChunk { segment, chunk }) => {
                let segment: SegmentId = segment.ok_or_else(missing)?.try_into()?;
                let chunk: ReadChunk = chunk.ok_or_else(missing)?.into();
                self.cut.advance(&segment, chunk.next);
                Ok(Some((segment, chunk)))
            }
        }
    }
}
