//! A stream's events as the server pushes them: [`RemoteTail`].

use super::RemoteStore;
use kulya_store::{ReadChunk, Result, SegmentId, StreamCut};
use kulya_wire::v1;
use kulya_wire::v1::tail_reply::Reply;
use tonic::{Status, Streaming};

/// Follows a stream on a connection of its own. The server reads on as fast as [`next`](Self::next) is called, give or
/// take what the connection holds (about 1 MiB) and one chunk; after a cut it goes on where it was.
pub struct RemoteTail {
    store: RemoteStore,
    cut: StreamCut,
    max_bytes: usize,
    replies: Option<Streaming<v1::TailReply>>,
    is_over: bool,
}

impl RemoteTail {
    pub(super) fn new(store: RemoteStore, cut: StreamCut, max_bytes: usize) -> Self {
        Self { store, cut, max_bytes: max_bytes.max(1), replies: None, is_over: false }
    }

    /// Where it is: behind everything that was given.
    pub fn cut(&self) -> &StreamCut {
        &self.cut
    }

    /// Waits for events behind the cut and gives those of one segment; the cut moves behind them. `None` when the stream
    /// is sealed and everything was read. Errors are the store's, `Unreachable` included: then it may be called again.
    /// Cancel-safe: the cut moves only with an answer.
    pub async fn next(&mut self) -> Result<Option<(SegmentId, ReadChunk)>> {
        if self.is_over {
            return Ok(None);
        }
        let store = self.store.clone();
        let line = &store.0.line;
        let mut patience = line.patience();
        loop {
            let status = match line.while_open(self.reply()).await? {
                Ok(Some(reply)) => {
                    let read = self.take(reply).map_err(|refused| line.unreadable(refused));
                    self.is_over = matches!(read, Ok(None));
                    return read;
                }
                // a tail says when it ends
                Ok(None) => Status::unavailable("the connection was cut"),
                Err(status) => status,
            };
            if self.replies.take().is_some() {
                patience.renew();
            }
            patience.endure(status).await?;
        }
    }

    async fn reply(&mut self) -> std::result::Result<Option<v1::TailReply>, Status> {
        let replies = match &mut self.replies {
            Some(replies) => replies,
            none => {
                let request =
                    v1::TailRequest { from: Some((&self.cut).into()), max_bytes: self.max_bytes as u64 };
                none.insert(self.store.0.line.own_client().tail(request).await?.into_inner())
            }
        };
        replies.message().await
    }

    fn take(&mut self, reply: v1::TailReply) -> Result<Option<(SegmentId, ReadChunk)>> {
        let missing = || kulya_store::Error::invalid("the message names no events");
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
