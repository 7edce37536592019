//! A consumer: a named reader of a whole stream, whose position the store keeps.

use crate::{
    Error, ErrorKind, EventPointer, Positions, ReadChunk, Result, SavedPosition, SegmentId, StreamCut,
    StreamId, StreamStore, Tail, head_cut,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, TryStreamExt};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The size of one read, in bytes.
const READ_BYTES: usize = 1 << 20;

/// A named reader of a stream: a [`Stream`] of each event with its pointer, from all segments in turn, in
/// order within a segment. It waits for new events, and ends when the stream is sealed and read.
///
/// [`commit`](Self::commit) saves the position in the store, under the consumer's name. A consumer that is
/// opened again continues after the last committed position, so that every event is delivered *at least
/// once*: the events that were returned since the last commit are returned again. A new consumer starts at
/// the head of the stream.
///
/// A name is for one consumer at a time. When two use it, both receive the events, and the commit of the one
/// that commits second fails with [`Conflict`](ErrorKind::Conflict).
///
/// An error does not end the stream: polling again tries again. Events that retention deleted before the
/// consumer read them are an error of kind [`Truncated`](ErrorKind::Truncated), see
/// [`skip_truncated`](Self::skip_truncated).
///
/// Cancel-safe: dropping a future of the stream's `next` or [`try_next`](Self::try_next) loses and skips no
/// event. At most about 1 MiB of events is buffered, or one event.
///
/// ```
/// use kulya_store::prelude::*;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let store = MemoryStore::new();
/// # let orders = StreamId::new("shop", "orders")?;
/// # store.ensure_stream(&orders, StreamConfig::with_segments(1)).await?;
/// # store.commit(Commit::events(vec![Append::keyed(&orders, "order-1", "hello")])).await?;
/// # store.seal_stream(&orders).await?;
/// let mut consumer = Consumer::open(store, "billing", &orders).await?;
/// while let Some((pointer, event)) = consumer.try_next().await? {
///     println!("{pointer}: {} bytes", event.len());
///     consumer.commit().await?;
/// }
/// # Ok::<(), kulya_store::Error>(()) }).unwrap();
/// ```
pub struct Consumer {
    store: Arc<dyn StreamStore>,
    positions: Positions,
    name: String,
    saved: SavedPosition,
    /// A position whose save has an unknown outcome: its future was dropped, or its response was lost.
    unconfirmed: Option<StreamCut>,
    /// The position after the last returned event.
    position: StreamCut,
    /// The reader, whose position is after the last buffered event.
    tail: Tail,
    /// The events that were read and not returned yet.
    buffer: VecDeque<BufferedEvent>,
    /// The current read, made by a clone of the reader, so that it can be dropped.
    read: Option<BoxFuture<'static, ReadResult>>,
    is_ended: bool,
}

struct BufferedEvent {
    pointer: EventPointer,
    event: Bytes,
    next_offset: u64,
}

type ReadResult = (Tail, Result<Option<(SegmentId, ReadChunk)>>);

impl Consumer {
    /// Opens a consumer at its committed position, or, if it has none, at the head of the stream. Creates the
    /// scope's table of positions if it does not exist.
    ///
    /// # Errors
    /// `NotFound` if the stream does not exist, or was created again since the position was committed;
    /// `InvalidInput` if the name is empty or contains a zero byte; and as [`Positions::open`] and
    /// [`Positions::load`].
    pub async fn open(store: impl Into<Arc<dyn StreamStore>>, name: &str, stream: &StreamId) -> Result<Self> {
        let store = store.into();
        let head = head_cut(&*store, stream).await?;
        let positions = Positions::open(Arc::clone(&store), &stream.scope).await?;
        let saved = positions.load(name, stream).await?;
        if let Some(cut) = &saved.cut
            && cut.offsets().any(|(segment, _)| head.offset(&segment).is_none())
        {
            let what = format!(
                "consumer {name:?} was at {cut} before the stream was created again: use another name"
            );
            return Err(Error::new(ErrorKind::NotFound, what));
        }
        let position = saved.cut.clone().unwrap_or(head);
        Ok(Self {
            store,
            positions,
            name: name.to_owned(),
            saved,
            unconfirmed: None,
            tail: Tail::from(position.clone()),
            position,
            buffer: VecDeque::new(),
            read: None,
            is_ended: false,
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the position after the last returned event, which [`commit`](Self::commit) saves.
    pub fn position(&self) -> &StreamCut {
        &self.position
    }

    /// Returns the next event with its pointer, and waits for it if there is none; `None` when the stream is
    /// sealed and all events were returned. Cancel-safe. The same as [`TryStreamExt::try_next`].
    ///
    /// # Errors
    /// `Truncated` if retention deleted events before they were read, and as [`Tail::next`]. Calling again
    /// tries again.
    pub async fn try_next(&mut self) -> Result<Option<(EventPointer, Bytes)>> {
        TryStreamExt::try_next(self).await
    }

    /// Saves the position after the last returned event, so that the consumer continues there when it is
    /// opened again. Does nothing if that position is saved already.
    ///
    /// Cancel-safe: if the future is dropped, or the response is lost, the position may be saved or not, and
    /// the next commit finds out.
    ///
    /// # Errors
    /// `Conflict` if another consumer of this name has committed: stop one of them, and open this one again.
    /// Otherwise as [`Positions::save`].
    pub async fn commit(&mut self) -> Result<()> {
        if let Some(attempted) = &self.unconfirmed {
            let found = self.positions.load(&self.name, &self.position.stream).await?;
            if found.cut.as_ref() == Some(attempted) {
                self.saved = found;
            }
            self.unconfirmed = None;
        }
        if self.saved.cut.as_ref() == Some(&self.position) {
            return Ok(());
        }
        self.unconfirmed = Some(self.position.clone());
        let saved = self.positions.save(&self.saved, &self.position).await;
        if saved.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Conflict) {
            self.unconfirmed = None;
        }
        self.saved = saved?;
        Ok(())
    }

    /// Continues after a `Truncated` error: in each segment whose next event was deleted, moves to the
    /// segment's head. Returns whether it moved. Cancel-safe.
    ///
    /// # Errors
    /// As [`StreamStore::segments`].
    pub async fn skip_truncated(&mut self) -> Result<bool> {
        let segments = self.store.segments(&self.position.stream).await?;
        let mut moved = false;
        for segment in &segments {
            if self.tail.cut.offset(&segment.id).is_some_and(|offset| offset < segment.head) {
                self.tail.cut.advance(&segment.id, segment.head);
                if !self.buffer.iter().any(|buffered| buffered.pointer.segment == segment.id) {
                    self.position.advance(&segment.id, segment.head);
                }
                moved = true;
            }
        }
        if moved {
            // the current read is at the old position
            self.read = None;
        }
        Ok(moved)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<(SegmentId, ReadChunk)>>> {
        let read = self.read.get_or_insert_with(|| {
            let (store, mut tail) = (Arc::clone(&self.store), self.tail.clone());
            Box::pin(async move {
                let chunk = tail.next(&*store, READ_BYTES).await;
                (tail, chunk)
            })
        });
        let (tail, chunk) = ready!(read.as_mut().poll(context));
        self.read = None;
        self.tail = tail;
        Poll::Ready(chunk)
    }

    fn buffer(&mut self, segment: &SegmentId, chunk: ReadChunk) {
        let pointers: Vec<_> = chunk.pointers(segment).collect();
        let ends: Vec<_> =
            chunk.events.iter().skip(1).map(|(offset, _)| *offset).chain([chunk.next]).collect();
        let events = chunk.events.into_iter().zip(pointers).zip(ends);
        self.buffer.extend(events.map(|(((_, event), pointer), next_offset)| BufferedEvent {
            pointer,
            event,
            next_offset,
        }));
    }
}

impl Stream for Consumer {
    type Item = Result<(EventPointer, Bytes)>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(BufferedEvent { pointer, event, next_offset }) = self.buffer.pop_front() {
                self.position.advance(&pointer.segment, next_offset);
                return Poll::Ready(Some(Ok((pointer, event))));
            }
            if self.is_ended {
                return Poll::Ready(None);
            }
            match ready!(self.poll_read(context)) {
                Ok(Some((segment, chunk))) => self.buffer(&segment, chunk),
                Ok(None) => self.is_ended = true,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("name", &self.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
