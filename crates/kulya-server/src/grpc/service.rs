//! Each call: its message to the contract's values, the store's answer to a message.

use super::Served;
use super::answers::Answer;
use super::follow::{self, Follower, Waits};
use super::right::Rights;
use super::transact::Transacting;
use crate::door::with_causes;
use crate::reads::{Reads, no_room};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_store::{
    Commit, Error, ErrorKind, EventPointer, Outcome, Result, Scope, SegmentId, StreamConfig, StreamCut,
    StreamId, StreamStore, TableId, TransactionId, WriterId,
};
use kulya_wire::v1::stream_store_server;
use kulya_wire::{error, id_of, v1};
use std::future::Future;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The most that one read gives, whatever is asked for; one event comes however large it is.
const READ_BYTES: u64 = 4 << 20;
/// Keys and values of one reply of a scan, about.
const SCAN_BYTES: usize = 1 << 20;

type Told<T> = std::result::Result<Response<T>, Status>;

/// An error on its way out. What is the server's own trouble is also said here.
pub(super) fn refusal(error: Error) -> Status {
    let is_ours = matches!(
        error.kind(),
        ErrorKind::Full
            | ErrorKind::Failed
            | ErrorKind::Corrupt
            | ErrorKind::Unreachable
            | ErrorKind::Closed
            | ErrorKind::Locked
    );
    if is_ours {
        tracing::error!("{}", with_causes(&error));
    }
    error::status(&error)
}

fn parsed<T, M>(message: Option<M>, what: &str) -> std::result::Result<T, Status>
where
    T: TryFrom<M, Error = Error>,
{
    let message = message.ok_or_else(|| refusal(Error::invalid(format!("the request names no {what}"))))?;
    message.try_into().map_err(refusal)
}

fn scope(name: &str) -> std::result::Result<Scope, Status> {
    Scope::stored(name).map_err(refusal)
}

fn names(names: impl IntoIterator<Item: ToString>) -> Response<v1::NamesReply> {
    Response::new(v1::NamesReply { names: names.into_iter().map(|name| name.to_string()).collect() })
}

impl Served {
    /// The events that a call reads.
    fn reads(&self, rights: &Rights) -> Reads {
        self.shared.of(self.store.named(), rights.visit().bytes().clone())
    }

    /// Something that is done or was done before.
    async fn was<F>(
        &self,
        call: Option<v1::Call>,
        act: impl FnOnce(Arc<dyn StreamStore>) -> F,
    ) -> Told<v1::WasReply>
    where
        F: Future<Output = Result<bool>> + Send + 'static,
    {
        let act = act(self.store.named());
        match self.answers.once(call, async { act.await.map(Answer::Was) }).await? {
            Answer::Was(done) => Ok(Response::new(v1::WasReply { done })),
            Answer::Committed(_) => Err(other_call()),
        }
    }
}

fn other_call() -> Status {
    refusal(Error::invalid("a lane's call of this number was another one"))
}

#[tonic::async_trait]
impl stream_store_server::StreamStore for Served {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Told<v1::DescribeReply> {
        let store = self.store.named();
        let lacks = store.lacks().iter().map(|(capability, _)| v1::Capability::from(*capability).into());
        let version = concat!("kulya ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Response::new(v1::DescribeReply { version, lacks: lacks.collect() }))
    }

    async fn create_scope(&self, request: Request<v1::ScopeRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::ScopeRequest { scope: name, call } = request.into_inner();
        let scope = scope(&name)?;
        rights.change_scopes(&scope)?;
        self.was(call, |store| async move { store.create_scope(&scope).await }).await
    }

    async fn list_scopes(&self, request: Request<v1::ListScopesRequest>) -> Told<v1::NamesReply> {
        let rights = Rights::of(&request);
        Ok(names(rights.store(&self.store).scopes().await.map_err(refusal)?))
    }

    async fn delete_scope(&self, request: Request<v1::ScopeRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::ScopeRequest { scope: name, call } = request.into_inner();
        let scope = scope(&name)?;
        rights.change_scopes(&scope)?;
        self.was(call, |store| async move { store.delete_scope(&scope).await }).await
    }

    async fn create_stream(&self, request: Request<v1::StreamConfigRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::StreamConfigRequest { stream, config, call } = request.into_inner();
        let stream: StreamId = parsed(stream, "stream")?;
        rights.change_stream(&stream)?;
        let config: StreamConfig = parsed(config, "configuration")?;
        self.was(call, |store| async move { store.create_stream(&stream, config).await }).await
    }

    async fn describe_stream(&self, request: Request<v1::StreamRequest>) -> Told<v1::StreamReply> {
        let rights = Rights::of(&request);
        let stream: StreamId = parsed(request.into_inner().stream, "stream")?;
        rights.read(&stream)?;
        Ok(Response::new(self.store.named().stream(&stream).await.map_err(refusal)?.into()))
    }

    async fn update_stream(&self, request: Request<v1::StreamConfigRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::StreamConfigRequest { stream, config, call } = request.into_inner();
        let stream: StreamId = parsed(stream, "stream")?;
        rights.write(&stream)?;
        let config: StreamConfig = parsed(config, "configuration")?;
        let update = |store: Arc<dyn StreamStore>| async move {
            store.update_stream(&stream, config).await.map(|()| true)
        };
        self.was(call, update).await
    }

    async fn seal_stream(&self, request: Request<v1::StreamRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::StreamRequest { stream, call } = request.into_inner();
        let stream: StreamId = parsed(stream, "stream")?;
        rights.write(&stream)?;
        self.was(call, |store| async move { store.seal_stream(&stream).await }).await
    }

    async fn delete_stream(&self, request: Request<v1::StreamRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::StreamRequest { stream, call } = request.into_inner();
        let stream: StreamId = parsed(stream, "stream")?;
        rights.change_stream(&stream)?;
        self.was(call, |store| async move { store.delete_stream(&stream).await }).await
    }

    async fn list_streams(&self, request: Request<v1::ScopeRequest>) -> Told<v1::NamesReply> {
        let rights = Rights::of(&request);
        let scope = scope(&request.into_inner().scope)?;
        rights.read_scope(&scope)?;
        Ok(names(rights.store(&self.store).streams(&scope).await.map_err(refusal)?))
    }

    async fn list_segments(&self, request: Request<v1::StreamRequest>) -> Told<v1::SegmentsReply> {
        let rights = Rights::of(&request);
        let stream: StreamId = parsed(request.into_inner().stream, "stream")?;
        rights.read(&stream)?;
        let segments = self.store.named().segments(&stream).await.map_err(refusal)?;
        Ok(Response::new(v1::SegmentsReply { segments: segments.iter().map(Into::into).collect() }))
    }

    async fn cut_at(&self, request: Request<v1::CutAtRequest>) -> Told<v1::Cut> {
        let rights = Rights::of(&request);
        let request = request.into_inner();
        let time = request.time().map_err(refusal)?;
        let stream: StreamId = parsed(request.stream, "stream")?;
        rights.read(&stream)?;
        let cut = self.store.named().cut_at(&stream, time).await.map_err(refusal)?;
        Ok(Response::new((&cut).into()))
    }

    async fn truncate(&self, request: Request<v1::TruncateRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::TruncateRequest { cut, call } = request.into_inner();
        let cut: StreamCut = parsed(cut, "cut")?;
        rights.write(&cut.stream)?;
        self.was(call, |store| async move { store.truncate(&cut).await.map(|()| true) }).await
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> Told<v1::Chunk> {
        let rights = Rights::of(&request);
        let v1::ReadRequest { segment, offset, max_bytes } = request.into_inner();
        let segment: SegmentId = parsed(segment, "segment")?;
        rights.read(&segment.stream)?;
        let chunk = self.reads(&rights).read(&segment, offset, max_bytes.min(READ_BYTES) as usize).await;
        Ok(Response::new(chunk.map_err(refusal)?.into()))
    }

    type TailStream = BoxStream<'static, std::result::Result<v1::TailReply, Status>>;

    async fn tail(&self, request: Request<v1::TailRequest>) -> Told<Self::TailStream> {
        let rights = Rights::of(&request);
        let v1::TailRequest { from, max_bytes } = request.into_inner();
        let from: StreamCut = parsed(from, "cut")?;
        rights.read(&from.stream)?;
        let follower = Follower::new(self.reads(&rights), self.ends.clone(), from, max_bytes);
        Ok(Response::new(follow::replies(follower)))
    }

    type WaitStream = BoxStream<'static, std::result::Result<v1::WaitReply, Status>>;

    async fn wait(&self, request: Request<Streaming<v1::WaitRequest>>) -> Told<Self::WaitStream> {
        let rights = Rights::of(&request);
        let waits = Waits::new(self.store.named(), self.ends.clone(), rights, request.into_inner());
        Ok(Response::new(follow::replies(waits)))
    }

    async fn get_event(&self, request: Request<v1::Pointer>) -> Told<v1::EventReply> {
        let rights = Rights::of(&request);
        let pointer = EventPointer::try_from(request.into_inner()).map_err(refusal)?;
        rights.read(&pointer.segment.stream)?;
        let event = self.reads(&rights).event(&pointer).await.map_err(refusal)?;
        Ok(Response::new(v1::EventReply { event }))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Told<v1::Committed> {
        let rights = Rights::of(&request);
        let mut request = request.into_inner();
        let call = request.call.take();
        let commit = Commit::try_from(request).map_err(refusal)?;
        rights.append(&commit.appends)?;
        rights.change(&commit.changes)?;
        let store = self.store.named();
        let act = async move {
            let done = store.commit(commit).await?;
            Ok(Answer::Committed(Arc::new((&done).into())))
        };
        match self.answers.once(call, act).await? {
            Answer::Committed(done) => Ok(Response::new(Arc::unwrap_or_clone(done))),
            Answer::Was(_) => Err(other_call()),
        }
    }

    async fn last_event_number(&self, request: Request<v1::WriterRequest>) -> Told<v1::LastEventNumberReply> {
        let writer = id_of("writer", &request.into_inner().writer).map_err(refusal)?;
        let event_number = self.store.named().last_event_number(WriterId(writer)).await.map_err(refusal)?;
        Ok(Response::new(v1::LastEventNumberReply { event_number }))
    }

    type TransactStream = BoxStream<'static, std::result::Result<v1::TransactReply, Status>>;

    async fn transact(&self, request: Request<Streaming<v1::TransactRequest>>) -> Told<Self::TransactStream> {
        let rights = Rights::of(&request);
        let transaction = self.store.named().begin().await.map_err(refusal)?;
        let transacting = Transacting::new(transaction, self.ends.clone(), rights, request.into_inner());
        Ok(Response::new(follow::replies(transacting)))
    }

    async fn outcome(&self, request: Request<v1::TransactionRequest>) -> Told<v1::OutcomeReply> {
        let rights = Rights::of(&request);
        let id = id_of("transaction", &request.into_inner().transaction).map_err(refusal)?;
        let outcome = self.store.named().outcome(TransactionId(id)).await.map_err(refusal)?;
        // its number is known to its owner alone; should somebody else have it, they learn nothing of what they may not see
        if let Outcome::Committed(done) = &outcome {
            done.pointers.segments().iter().try_for_each(|segment| rights.read(&segment.stream))?;
        }
        Ok(Response::new((&outcome).into()))
    }

    async fn create_table(&self, request: Request<v1::TableRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::TableRequest { table, call } = request.into_inner();
        let table: TableId = parsed(table, "table")?;
        rights.change_table(&table)?;
        self.was(call, |store| async move { store.create_table(&table).await }).await
    }

    async fn list_tables(&self, request: Request<v1::ScopeRequest>) -> Told<v1::NamesReply> {
        let rights = Rights::of(&request);
        let scope = scope(&request.into_inner().scope)?;
        rights.read_scope(&scope)?;
        Ok(names(rights.store(&self.store).tables(&scope).await.map_err(refusal)?))
    }

    async fn delete_table(&self, request: Request<v1::TableRequest>) -> Told<v1::WasReply> {
        let rights = Rights::of(&request);
        let v1::TableRequest { table, call } = request.into_inner();
        let table: TableId = parsed(table, "table")?;
        rights.change_table(&table)?;
        self.was(call, |store| async move { store.delete_table(&table).await }).await
    }

    async fn get_entry(&self, request: Request<v1::GetEntryRequest>) -> Told<v1::EntryReply> {
        let rights = Rights::of(&request);
        let v1::GetEntryRequest { table, key } = request.into_inner();
        let table: TableId = parsed(table, "table")?;
        rights.read_table(&table)?;
        let entry = self.store.named().get(&table, &key).await.map_err(refusal)?;
        Ok(Response::new(v1::EntryReply { entry: entry.map(Into::into) }))
    }

    type ScanStream = BoxStream<'static, std::result::Result<v1::EntriesReply, Status>>;

    /// One scan of the store, so that it is one moment's answer; only the messages are in pieces.
    async fn scan(&self, request: Request<v1::ScanRequest>) -> Told<Self::ScanStream> {
        let rights = Rights::of(&request);
        let v1::ScanRequest { table, prefix, after, limit } = request.into_inner();
        let table: TableId = parsed(table, "table")?;
        rights.read_table(&table)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found =
            self.store.named().scan(&table, &prefix, after.as_deref(), limit).await.map_err(refusal)?;
        let held = found.iter().map(|entry| entry.key.len() + entry.value.len() + size_of_val(entry)).sum();
        let held = rights.visit().bytes().take(held).ok_or_else(|| refusal(no_room()))?;
        let pieces = stream::unfold((found.into_iter(), held), |(mut left, held)| async move {
            let (mut entries, mut bytes) = (Vec::new(), 0);
            while bytes < SCAN_BYTES
                && let Some(entry) = left.next()
            {
                bytes += entry.key.len() + entry.value.len() + size_of_val(&entry);
                entries.push(entry.into());
            }
            (!entries.is_empty()).then(|| (Ok(v1::EntriesReply { entries }), (left, held)))
        });
        Ok(Response::new(pieces.boxed()))
    }
}
