//! The service of the store: converts each call's message to the contract's values, and the store's result to
//! a message.

use super::authorization::CallAuthorization;
use super::replay_cache::{CallResponse, ReplayCache};
use super::status::store_status;
use super::streaming::{self, TailCall, WaitCall};
use super::transaction::TransactionCall;
use crate::middleware::ProtectedStore;
use crate::reads::{Reads, SharedReads, out_of_memory};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_store::{
    Commit, Error, EventPointer, Outcome, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut,
    StreamId, StreamStore, TableId, TransactionId, WriterId,
};
use kulya_wire::v1::stream_store_server;
use kulya_wire::{id_from_bytes, v1};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// Bytes that one read returns at most, whatever is requested, except for a single larger event.
const MAX_READ_BYTES: u64 = 4 << 20;
/// The approximate bytes of keys and values in one reply of a scan.
const SCAN_BYTES: usize = 1 << 20;

type ServiceResult<T> = std::result::Result<Response<T>, Status>;

/// The service of the store.
pub(super) struct StoreService {
    store: ProtectedStore,
    shared_reads: SharedReads,
    replay_cache: Arc<ReplayCache>,
    /// True when the server shuts down.
    stopping: watch::Receiver<bool>,
}

fn parse<T, M>(message: Option<M>, what: &str) -> std::result::Result<T, Status>
where
    T: TryFrom<M, Error = Error>,
{
    let message =
        message.ok_or_else(|| store_status(Error::invalid(format!("the request has no {what}"))))?;
    message.try_into().map_err(store_status)
}

fn scope(name: &str) -> std::result::Result<Scope, Status> {
    Scope::stored(name).map_err(store_status)
}

fn names(names: impl IntoIterator<Item: ToString>) -> Response<v1::NamesReply> {
    Response::new(v1::NamesReply { names: names.into_iter().map(|name| name.to_string()).collect() })
}

impl StoreService {
    pub(super) fn new(store: Arc<dyn StreamStore>, stopping: watch::Receiver<bool>) -> Self {
        let (store, shared_reads) = (ProtectedStore::new(store), SharedReads::default());
        Self { store, shared_reads, replay_cache: Arc::default(), stopping }
    }

    /// Returns the reads of a call.
    fn reads(&self, authorization: &CallAuthorization) -> Reads {
        self.shared_reads.for_request(self.store.unfiltered(), authorization.context().bytes().clone())
    }

    /// Runs an idempotent change once, which reports whether it changed something.
    async fn apply<F>(
        &self,
        call: Option<v1::Call>,
        run: impl FnOnce(Arc<dyn StreamStore>) -> F,
    ) -> ServiceResult<v1::WasReply>
    where
        F: Future<Output = Result<bool>> + Send + 'static,
    {
        let run = run(self.store.unfiltered());
        match self.replay_cache.run_once(call, async { run.await.map(CallResponse::Applied) }).await? {
            CallResponse::Applied(done) => Ok(Response::new(v1::WasReply { done })),
            CallResponse::Committed(_) => Err(reused_call_number()),
        }
    }
}

fn reused_call_number() -> Status {
    store_status(Error::invalid("the session slot has used this call number for another call"))
}

#[tonic::async_trait]
impl stream_store_server::StreamStore for StoreService {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> ServiceResult<v1::DescribeReply> {
        let store = self.store.unfiltered();
        let lacks =
            store.unsupported().iter().map(|(capability, _)| v1::Capability::from(*capability).into());
        let version = concat!("kulya ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Response::new(v1::DescribeReply { version, lacks: lacks.collect() }))
    }

    async fn create_scope(&self, request: Request<v1::ScopeRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::ScopeRequest { scope: name, call } = request.into_inner();
        let scope = scope(&name)?;
        authorization.change_scopes(&scope)?;
        self.apply(call, |store| async move { store.create_scope(&scope).await }).await
    }

    async fn list_scopes(&self, request: Request<v1::ListScopesRequest>) -> ServiceResult<v1::NamesReply> {
        let authorization = CallAuthorization::of(&request);
        Ok(names(authorization.store(&self.store).scopes().await.map_err(store_status)?))
    }

    async fn delete_scope(&self, request: Request<v1::ScopeRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::ScopeRequest { scope: name, call } = request.into_inner();
        let scope = scope(&name)?;
        authorization.change_scopes(&scope)?;
        self.apply(call, |store| async move { store.delete_scope(&scope).await }).await
    }

    async fn create_stream(&self, request: Request<v1::StreamConfigRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::StreamConfigRequest { stream, config, call } = request.into_inner();
        let stream: StreamId = parse(stream, "stream")?;
        authorization.change_stream(&stream)?;
        let config: StreamConfig = parse(config, "configuration")?;
        self.apply(call, |store| async move { store.create_stream(&stream, config).await }).await
    }

    async fn describe_stream(&self, request: Request<v1::StreamRequest>) -> ServiceResult<v1::StreamReply> {
        let authorization = CallAuthorization::of(&request);
        let stream: StreamId = parse(request.into_inner().stream, "stream")?;
        authorization.read(&stream)?;
        Ok(Response::new(self.store.unfiltered().stream(&stream).await.map_err(store_status)?.into()))
    }

    async fn update_stream(&self, request: Request<v1::StreamConfigRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::StreamConfigRequest { stream, config, call } = request.into_inner();
        let stream: StreamId = parse(stream, "stream")?;
        authorization.write(&stream)?;
        let config: StreamConfig = parse(config, "configuration")?;
        let update = |store: Arc<dyn StreamStore>| async move {
            store.update_stream(&stream, config).await.map(|()| true)
        };
        self.apply(call, update).await
    }

    async fn seal_stream(&self, request: Request<v1::StreamRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::StreamRequest { stream, call } = request.into_inner();
        let stream: StreamId = parse(stream, "stream")?;
        authorization.write(&stream)?;
        self.apply(call, |store| async move { store.seal_stream(&stream).await }).await
    }

    async fn delete_stream(&self, request: Request<v1::StreamRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::StreamRequest { stream, call } = request.into_inner();
        let stream: StreamId = parse(stream, "stream")?;
        authorization.change_stream(&stream)?;
        self.apply(call, |store| async move { store.delete_stream(&stream).await }).await
    }

    async fn list_streams(&self, request: Request<v1::ScopeRequest>) -> ServiceResult<v1::NamesReply> {
        let authorization = CallAuthorization::of(&request);
        let scope = scope(&request.into_inner().scope)?;
        authorization.read_scope(&scope)?;
        Ok(names(authorization.store(&self.store).streams(&scope).await.map_err(store_status)?))
    }

    async fn list_segments(&self, request: Request<v1::StreamRequest>) -> ServiceResult<v1::SegmentsReply> {
        let authorization = CallAuthorization::of(&request);
        let stream: StreamId = parse(request.into_inner().stream, "stream")?;
        authorization.read(&stream)?;
        let segments = self.store.unfiltered().segments(&stream).await.map_err(store_status)?;
        Ok(Response::new(segments.as_slice().into()))
    }

    async fn list_tails(&self, request: Request<v1::TailsRequest>) -> ServiceResult<v1::TailsReply> {
        let authorization = CallAuthorization::of(&request);
        let streams = request.into_inner().streams.into_iter().map(|stream| parse(Some(stream), "stream"));
        let streams: Vec<StreamId> = streams.collect::<std::result::Result<_, _>>()?;
        streams.iter().try_for_each(|stream| authorization.read(stream))?;
        let tails = self.store.unfiltered().tails(&streams).await.map_err(store_status)?;
        let segments: usize = tails.streams.iter().map(Vec::len).sum();
        let _permit = authorization
            .context()
            .bytes()
            .try_acquire(segments * size_of::<SegmentInfo>())
            .ok_or_else(|| store_status(out_of_memory()))?;
        Ok(Response::new((&tails).into()))
    }

    async fn cut_at(&self, request: Request<v1::CutAtRequest>) -> ServiceResult<v1::Cut> {
        let authorization = CallAuthorization::of(&request);
        let request = request.into_inner();
        let time = request.time().map_err(store_status)?;
        let stream: StreamId = parse(request.stream, "stream")?;
        authorization.read(&stream)?;
        let cut = self.store.unfiltered().cut_at(&stream, time).await.map_err(store_status)?;
        Ok(Response::new((&cut).into()))
    }

    async fn truncate(&self, request: Request<v1::TruncateRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::TruncateRequest { cut, call } = request.into_inner();
        let cut: StreamCut = parse(cut, "cut")?;
        authorization.write(&cut.stream)?;
        self.apply(call, |store| async move { store.truncate(&cut).await.map(|()| true) }).await
    }

    async fn read(&self, request: Request<v1::ReadRequest>) -> ServiceResult<v1::Chunk> {
        let authorization = CallAuthorization::of(&request);
        let v1::ReadRequest { segment, offset, max_bytes } = request.into_inner();
        let segment: SegmentId = parse(segment, "segment")?;
        authorization.read(&segment.stream)?;
        let chunk =
            self.reads(&authorization).read(&segment, offset, max_bytes.min(MAX_READ_BYTES) as usize).await;
        Ok(Response::new(chunk.map_err(store_status)?.into()))
    }

    type TailStream = BoxStream<'static, std::result::Result<v1::TailReply, Status>>;

    async fn tail(&self, request: Request<v1::TailRequest>) -> ServiceResult<Self::TailStream> {
        let authorization = CallAuthorization::of(&request);
        let v1::TailRequest { from, max_bytes } = request.into_inner();
        let from: StreamCut = parse(from, "cut")?;
        authorization.read(&from.stream)?;
        let tail = TailCall::new(self.reads(&authorization), self.stopping.clone(), from, max_bytes);
        Ok(Response::new(streaming::into_stream(tail)))
    }

    type WaitStream = BoxStream<'static, std::result::Result<v1::WaitReply, Status>>;

    async fn wait(&self, request: Request<Streaming<v1::WaitRequest>>) -> ServiceResult<Self::WaitStream> {
        let authorization = CallAuthorization::of(&request);
        let wait = WaitCall::new(
            self.store.unfiltered(),
            self.stopping.clone(),
            authorization,
            request.into_inner(),
        );
        Ok(Response::new(streaming::into_stream(wait)))
    }

    async fn append_times(
        &self,
        request: Request<v1::AppendTimesRequest>,
    ) -> ServiceResult<v1::AppendTimesReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::AppendTimesRequest { segment, from, to } = request.into_inner();
        let segment: SegmentId = parse(segment, "segment")?;
        authorization.read(&segment.stream)?;
        let times = self.store.unfiltered().append_times(&segment, from, to).await.map_err(store_status)?;
        Ok(Response::new((&times).into()))
    }

    async fn get_event(&self, request: Request<v1::Pointer>) -> ServiceResult<v1::EventReply> {
        let authorization = CallAuthorization::of(&request);
        let pointer = EventPointer::try_from(request.into_inner()).map_err(store_status)?;
        authorization.read(&pointer.segment.stream)?;
        let event = self.reads(&authorization).event(&pointer).await.map_err(store_status)?;
        Ok(Response::new(v1::EventReply { event }))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> ServiceResult<v1::Committed> {
        let authorization = CallAuthorization::of(&request);
        let mut request = request.into_inner();
        let call = request.call.take();
        let commit = Commit::try_from(request).map_err(store_status)?;
        authorization.append(&commit.appends)?;
        authorization.change(&commit.changes)?;
        let store = self.store.unfiltered();
        let run = async move {
            let committed = store.commit(commit).await?;
            Ok(CallResponse::Committed(Arc::new((&committed).into())))
        };
        match self.replay_cache.run_once(call, run).await? {
            CallResponse::Committed(committed) => Ok(Response::new(Arc::unwrap_or_clone(committed))),
            CallResponse::Applied(_) => Err(reused_call_number()),
        }
    }

    async fn last_event_number(
        &self,
        request: Request<v1::WriterRequest>,
    ) -> ServiceResult<v1::LastEventNumberReply> {
        let writer = id_from_bytes("writer", &request.into_inner().writer).map_err(store_status)?;
        let event_number =
            self.store.unfiltered().last_event_number(WriterId(writer)).await.map_err(store_status)?;
        Ok(Response::new(v1::LastEventNumberReply { event_number }))
    }

    type TransactStream = BoxStream<'static, std::result::Result<v1::TransactReply, Status>>;

    async fn transact(
        &self,
        request: Request<Streaming<v1::TransactRequest>>,
    ) -> ServiceResult<Self::TransactStream> {
        let authorization = CallAuthorization::of(&request);
        let transaction = self.store.unfiltered().begin().await.map_err(store_status)?;
        let call =
            TransactionCall::new(transaction, self.stopping.clone(), authorization, request.into_inner());
        Ok(Response::new(streaming::into_stream(call)))
    }

    async fn outcome(&self, request: Request<v1::TransactionRequest>) -> ServiceResult<v1::OutcomeReply> {
        let authorization = CallAuthorization::of(&request);
        let id = id_from_bytes("transaction", &request.into_inner().transaction).map_err(store_status)?;
        let outcome = self.store.unfiltered().outcome(TransactionId(id)).await.map_err(store_status)?;
        // only its owner knows its id; anybody else who has it needs permission to read the streams
        if let Outcome::Committed(committed) = &outcome {
            committed
                .pointers
                .segments()
                .iter()
                .try_for_each(|segment| authorization.read(&segment.stream))?;
        }
        Ok(Response::new((&outcome).into()))
    }

    async fn create_table(&self, request: Request<v1::TableRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::TableRequest { table, call } = request.into_inner();
        let table: TableId = parse(table, "table")?;
        authorization.change_table(&table)?;
        self.apply(call, |store| async move { store.create_table(&table).await }).await
    }

    async fn list_tables(&self, request: Request<v1::ScopeRequest>) -> ServiceResult<v1::NamesReply> {
        let authorization = CallAuthorization::of(&request);
        let scope = scope(&request.into_inner().scope)?;
        authorization.read_scope(&scope)?;
        Ok(names(authorization.store(&self.store).tables(&scope).await.map_err(store_status)?))
    }

    async fn delete_table(&self, request: Request<v1::TableRequest>) -> ServiceResult<v1::WasReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::TableRequest { table, call } = request.into_inner();
        let table: TableId = parse(table, "table")?;
        authorization.change_table(&table)?;
        self.apply(call, |store| async move { store.delete_table(&table).await }).await
    }

    async fn get_entry(&self, request: Request<v1::GetEntryRequest>) -> ServiceResult<v1::EntryReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::GetEntryRequest { table, key } = request.into_inner();
        let table: TableId = parse(table, "table")?;
        authorization.read_table(&table)?;
        let entry = self.store.unfiltered().get(&table, &key).await.map_err(store_status)?;
        Ok(Response::new(v1::EntryReply { entry: entry.map(Into::into) }))
    }

    type ScanStream = BoxStream<'static, std::result::Result<v1::EntriesReply, Status>>;

    /// Runs one scan of the store, so that the result is consistent; only the messages are split.
    async fn scan(&self, request: Request<v1::ScanRequest>) -> ServiceResult<Self::ScanStream> {
        let authorization = CallAuthorization::of(&request);
        let v1::ScanRequest { table, prefix, after, limit } = request.into_inner();
        let table: TableId = parse(table, "table")?;
        authorization.read_table(&table)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = self
            .store
            .unfiltered()
            .scan(&table, &prefix, after.as_deref(), limit)
            .await
            .map_err(store_status)?;
        let bytes = found.iter().map(|entry| entry.key.len() + entry.value.len() + size_of_val(entry)).sum();
        let permit = authorization
            .context()
            .bytes()
            .try_acquire(bytes)
            .ok_or_else(|| store_status(out_of_memory()))?;
        let replies = stream::unfold((found.into_iter(), permit), |(mut rest, permit)| async move {
            let (mut entries, mut bytes) = (Vec::new(), 0);
            while bytes < SCAN_BYTES
                && let Some(entry) = rest.next()
            {
                bytes += entry.key.len() + entry.value.len() + size_of_val(&entry);
                entries.push(entry.into());
            }
            (!entries.is_empty()).then(|| (Ok(v1::EntriesReply { entries }), (rest, permit)))
        });
        Ok(Response::new(replies.boxed()))
    }
}
