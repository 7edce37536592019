//! [`StreamStore`] over gRPC: [`RemoteStore`]. Each method sends one message.

use super::channel::Client;
use super::inner::{Inner, RpcResult};
use super::network::Network;
use super::settings::RemoteSettings;
use super::tail::RemoteTail;
use super::transaction::RemoteTransaction;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::{
    AppendTimes, Capability, Commit, CommitReceipt, Entry, Error, ErrorKind, EventPointer, Outcome,
    ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo,
    StreamName, StreamStore, TableId, Tails, Transaction, TransactionId, WriterId,
};
use kulya_wire::{check_commit_size, check_message_size, error, v1};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Response};

/// A client of the stream store of a `kulya serve`, over gRPC. Clones share the connections.
///
/// ```no_run
/// use kulya_client::prelude::*;
/// # async fn example() -> kulya_store::Result<()> {
/// let store = RemoteStore::connect("http://127.0.0.1:9092").await?;
/// let orders = StreamId::new("shop", "orders")?;
/// let mut tail = store.tail(tail_cut(&store, &orders).await?, 1 << 20);
/// store.commit(Commit::events(vec![Append::keyed(&orders, "order-1", "hello")])).await?;
/// while let Some((_segment, chunk)) = tail.next().await? {
///     println!("{} events", chunk.events.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RemoteStore(Arc<Inner>);

impl RemoteStore {
    /// Connects to a server, by its URL or by settings, and reads its store's capabilities.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid URL, certificate or token, and for a server without a stream store;
    /// `Unreachable` when no server responds within the settings' retry timeout.
    pub async fn connect(settings: impl Into<RemoteSettings>) -> Result<Self> {
        Inner::connect(settings.into(), None).await.map(|inner| Self(Arc::new(inner)))
    }

    /// Connects to a server over a custom network, such as a simulated one.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_over(settings: RemoteSettings, network: Arc<dyn Network>) -> Result<Self> {
        Inner::connect(settings, Some(network)).await.map(|inner| Self(Arc::new(inner)))
    }

    /// Reads a stream from a stream cut on and waits for new events, in chunks of about `max_bytes` (at most
    /// 1 MiB). Like [`kulya_store::Tail`], but the server pushes the events. Segments that the cut does not
    /// contain are not read.
    pub fn tail(&self, from: StreamCut, max_bytes: usize) -> RemoteTail {
        RemoteTail::new(Arc::clone(&self.0), from, max_bytes)
    }
}

impl From<RemoteStore> for Arc<dyn StreamStore> {
    fn from(store: RemoteStore) -> Self {
        Arc::new(store)
    }
}

/// Returns `None` when the server does not have the call, since it is of an earlier version.
fn if_implemented<T>(reply: RpcResult<T>) -> RpcResult<Option<T>> {
    match reply {
        Err(status) if status.code() == Code::Unimplemented && error::from_status(&status).is_none() => {
            Ok(Response::new(None))
        }
        reply => reply.map(|reply| reply.map(Some)),
    }
}

#[async_trait]
impl StreamStore for RemoteStore {
    fn unsupported(&self) -> &[(Capability, &'static str)] {
        &self.0.unsupported
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        let request = |call| v1::ScopeRequest { scope: scope.to_string(), call };
        self.0.call_mutation(|mut client, call| async move { client.create_scope(request(call)).await }).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        let rpc = |mut client: Client| async move { client.list_scopes(v1::ListScopesRequest {}).await };
        let reply = self.0.channel.call(rpc).await?;
        let names = reply.names.iter().map(|name| Scope::stored(name)).collect::<Result<_>>();
        names.map_err(|error| self.0.channel.invalid_response(error))
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        let request = |call| v1::ScopeRequest { scope: scope.to_string(), call };
        self.0.call_mutation(|mut client, call| async move { client.delete_scope(request(call)).await }).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        let request =
            |call| v1::StreamConfigRequest { stream: Some(stream.into()), config: Some(config.into()), call };
        self.0
            .call_mutation(|mut client, call| async move { client.create_stream(request(call)).await })
            .await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let request = || v1::StreamRequest { stream: Some(stream.into()), call: None };
        let rpc = |mut client: Client| async move { client.describe_stream(request()).await };
        self.0.convert(self.0.channel.call(rpc).await?)
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        let request =
            |call| v1::StreamConfigRequest { stream: Some(stream.into()), config: Some(config.into()), call };
        let rpc = |mut client: Client, call| async move { client.update_stream(request(call)).await };
        self.0.call_mutation(rpc).await.map(drop)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        let request = |call| v1::StreamRequest { stream: Some(stream.into()), call };
        self.0.call_mutation(|mut client, call| async move { client.seal_stream(request(call)).await }).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        let request = |call| v1::StreamRequest { stream: Some(stream.into()), call };
        self.0
            .call_mutation(|mut client, call| async move { client.delete_stream(request(call)).await })
            .await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let request = |call| v1::TruncateRequest { cut: Some(cut.into()), call };
        let rpc = |mut client: Client, call| async move { client.truncate(request(call)).await };
        self.0.call_mutation(rpc).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        let request =
            || v1::CutAtRequest { stream: Some(stream.into()), ..v1::CutAtRequest::from(since_epoch) };
        let rpc = |mut client: Client| async move { client.cut_at(request()).await };
        self.0.convert(self.0.channel.call(rpc).await?)
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let request = || v1::ScopeRequest { scope: scope.to_string(), call: None };
        let rpc = |mut client: Client| async move { client.list_streams(request()).await };
        self.0.names(self.0.channel.call(rpc).await?)
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        let request = || v1::TailsRequest { streams: streams.iter().map(Into::into).collect() };
        let rpc = |mut client: Client| async move { if_implemented(client.list_tails(request()).await) };
        if let Some(reply) = self.0.channel.call(rpc).await? {
            return self.0.convert(reply);
        }
        // a server of an earlier version lists one stream at a time
        let mut found = Vec::new();
        for stream in streams {
            found.push(self.segments(stream).await?);
            Tails::check_count(found.iter().map(Vec::len).sum())?;
        }
        let exact = found.len() <= 1;
        Ok(Tails { streams: found, exact })
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let request = || v1::StreamRequest { stream: Some(stream.into()), call: None };
        let rpc = |mut client: Client| async move { client.list_segments(request()).await };
        self.0.convert(self.0.channel.call(rpc).await?)
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let request =
            || v1::ReadRequest { segment: Some(segment.into()), offset, max_bytes: max_bytes as u64 };
        let rpc = |mut client: Client| async move { client.read(request()).await };
        Ok(self.0.channel.call(rpc).await?.into())
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        let request = || v1::AppendTimesRequest { segment: Some(segment.into()), from, to };
        let rpc = |mut client: Client| async move { if_implemented(client.append_times(request()).await) };
        let reply = self.0.channel.call(rpc).await?.ok_or_else(|| {
            let what = format!(
                "append times are not supported by the server at {}: upgrade it",
                self.0.channel.address()
            );
            Error::new(ErrorKind::NotSupported, what)
        })?;
        self.0.convert(reply)
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.0.waits.wait(&self.0.channel, segment, offset).await
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let rpc = |mut client: Client| async move { client.get_event(v1::Pointer::from(pointer)).await };
        Ok(self.0.channel.call(rpc).await?.event)
    }

    async fn commit(&self, mut commit: Commit) -> Result<CommitReceipt> {
        check_commit_size(&commit.appends, &commit.changes)?;
        let slot = self.0.slots.take();
        let is_slot_mark = commit.writer.is_none();
        commit.writer = commit.writer.or_else(|| Some(slot.writer_mark()));
        let mut request = v1::CommitRequest::from(&commit);
        request.call = slot.call();
        check_message_size(&request)?;
        let request = &request;
        let rpc = |mut client: Client| async move { client.commit(request.clone()).await };
        let committed: CommitReceipt = self.0.convert(self.0.channel.call(rpc).await?)?;
        if !(committed.duplicate && is_slot_mark) {
            return Ok(committed);
        }
        if commit.appends.is_empty() && commit.changes.is_empty() {
            return Ok(CommitReceipt::default());
        }
        // the slot's number is new, so the first attempt was stored, and the server has lost its response
        let what = format!(
            "the commit is stored, but the server at {} has lost the response: do not repeat it",
            self.0.channel.address()
        );
        Err(Error::new(ErrorKind::ResponseLost, what))
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(RemoteTransaction::begin(Arc::clone(&self.0)).await?))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.0.outcome(transaction).await
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        let rpc = |mut client: Client| async move {
            client.last_event_number(v1::WriterRequest::from(writer)).await
        };
        Ok(self.0.channel.call(rpc).await?.event_number)
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let request = |call| v1::TableRequest { table: Some(table.into()), call };
        self.0.call_mutation(|mut client, call| async move { client.create_table(request(call)).await }).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let request = || v1::ScopeRequest { scope: scope.to_string(), call: None };
        let rpc = |mut client: Client| async move { client.list_tables(request()).await };
        self.0.names(self.0.channel.call(rpc).await?)
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        let request = |call| v1::TableRequest { table: Some(table.into()), call };
        self.0.call_mutation(|mut client, call| async move { client.delete_table(request(call)).await }).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        let key = Bytes::copy_from_slice(key);
        let request = || v1::GetEntryRequest { table: Some(table.into()), key: key.clone() };
        let rpc = |mut client: Client| {
            let request = request();
            async move { client.get_entry(request).await }
        };
        Ok(self.0.channel.call(rpc).await?.entry.map(Into::into))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let request = v1::ScanRequest {
            table: Some(table.into()),
            prefix: Bytes::copy_from_slice(prefix),
            after: after.map(Bytes::copy_from_slice),
            limit: limit as u64,
        };
        let rpc = |mut client: Client| {
            let request = request.clone();
            async move {
                let mut found: Vec<Entry> = Vec::new();
                let mut replies = client.scan(request).await?.into_inner();
                while let Some(reply) = replies.message().await? {
                    found.extend(reply.entries.into_iter().map(Entry::from));
                }
                Ok(Response::new(found))
            }
        };
        self.0.channel.call(rpc).await
    }

    /// Closes this client: later calls of it and its clones fail with `Closed`. The server's store stays
    /// open.
    async fn close(&self) -> Result<()> {
        self.0.channel.close();
        self.0.waits.close().await;
        Ok(())
    }
}
