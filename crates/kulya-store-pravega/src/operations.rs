//! Operations on scopes, streams and events that take several requests.

use crate::client::PravegaClient;
use crate::journal_handle::journal_stream;
use crate::plan::Request;
use bytes::Bytes;
use futures::future::try_join_all;
use kulya_store::{
    Error, ErrorKind, EventPointer, Result, Scope, SegmentId, SegmentInfo, StreamCut, StreamId, framing,
};

impl PravegaClient {
    /// Returns the descriptions of a stream's segments.
    pub(crate) async fn segment_infos(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let layout = self.layout(stream).await?;
        let one = async |(id, range): &(SegmentId, std::ops::Range<f64>)| {
            let bounds = self.segments.bounds(id).await?;
            Ok::<_, Error>(SegmentInfo {
                id: id.clone(),
                key_range: range.clone(),
                head: bounds.head,
                tail: bounds.tail,
            })
        };
        match try_join_all(layout.segments.iter().map(one)).await {
            // the cached stream was deleted, and may have been recreated
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let layout = self.refresh_layout(stream).await?;
                try_join_all(layout.segments.iter().map(one)).await
            }
            segment_infos => segment_infos,
        }
    }

    /// Rejects an offset at which no event begins.
    async fn check_event(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.segments.read_events(segment, offset, framing::HEADER_BYTES).await.map(drop)
    }

    /// Deletes an empty scope; `false` when it does not exist.
    pub(crate) async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.sync().await?;
        if *scope == journal_stream().scope || !self.with_state(|state| state.tables_of(scope)).is_empty() {
            return Err(Error::not_empty(scope));
        }
        self.controller.delete_scope(scope).await
    }

    /// Seals a stream; `false` when it is sealed already.
    pub(crate) async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        if self.refresh_layout(stream).await?.sealed {
            return Ok(false);
        }
        // through the journal, so that no commit of another process is half done
        let done = self.submit(Request::Seal { stream: stream.clone() }).await;
        self.layouts.invalidate(stream);
        done.map(|_| true)
    }

    /// Truncates a stream at a cut, never backwards.
    pub(crate) async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let segment_infos = self.segment_infos(&cut.stream).await?;
        cut.check(&segment_infos)?;
        let mut forward = cut.clone();
        let mut is_forward = false;
        for info in &segment_infos {
            let offset = cut.offset(&info.id).unwrap_or_default();
            if offset > info.head && offset != info.tail {
                self.check_event(&info.id, offset).await?;
            }
            is_forward |= offset > info.head;
            forward.advance(&info.id, offset.max(info.head));
        }
        if !is_forward {
            return Ok(());
        }
        match self.controller.truncate(&forward).await {
            Err(error) if error.kind() == ErrorKind::Sealed => {
                for (segment, offset) in forward.offsets() {
                    self.segments.truncate(&segment, offset).await?;
                }
                Ok(())
            }
            done => done,
        }
    }

    /// Reads the event at a pointer.
    pub(crate) async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let none = || Error::invalid(format!("no event at {pointer}"));
        let length = pointer.length as usize;
        if !(framing::HEADER_BYTES..=framing::MAX_EVENT_BYTES + framing::HEADER_BYTES).contains(&length) {
            return Err(none());
        }
        self.segments.check_range(&pointer.segment, pointer.offset, u64::from(pointer.length)).await?;
        let bytes = self.segments.read_exactly(&pointer.segment, pointer.offset, length).await?;
        match framing::payload_len(pointer.offset, &bytes) {
            Ok(Some(payload)) if framing::framed_len(payload) == length as u64 => {
                Ok(bytes.slice(framing::HEADER_BYTES..))
            }
            _ => Err(none()),
        }
    }

    /// Returns an error if a scope does not exist.
    pub(crate) async fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.controller.scope_exists(scope).await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("scope {scope}")))
        }
    }
}
