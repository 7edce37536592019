//! The contract's calls, each as its message.

use super::line::Client;
use super::transaction::RemoteTransaction;
use super::{Remote, RemoteStore};
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::{
    Capability, Commit, Committed, Entry, Error, ErrorKind, EventPointer, Outcome, ReadChunk, Result, Scope,
    SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo, StreamName, StreamStore, TableId,
    Transaction, TransactionId, WriterId,
};
use kulya_wire::{check_message, check_size, v1};
use std::future::Future;
use std::time::Duration;
use tonic::{Response, Status};

type Told<T> = std::result::Result<Response<T>, Status>;

impl Remote {
    /// Something that is done or was done before.
    async fn was<F>(&self, act: impl Fn(Client, Option<v1::Call>) -> F) -> Result<bool>
    where
        F: Future<Output = Told<v1::WasReply>>,
    {
        let lane = self.lanes.take();
        Ok(self.line.ask(|client| act(client, lane.call())).await?.done)
    }

    /// The contract's value in an answer.
    fn read<T, M>(&self, message: M) -> Result<T>
    where
        T: TryFrom<M, Error = Error>,
    {
        T::try_from(message).map_err(|refused| self.line.unreadable(refused))
    }

    fn names(&self, reply: v1::NamesReply) -> Result<Vec<StreamName>> {
        let names = reply.names.iter().map(|name| StreamName::stored(name)).collect::<Result<_>>();
        names.map_err(|refused| self.line.unreadable(refused))
    }
}

#[async_trait]
impl StreamStore for RemoteStore {
    fn lacks(&self) -> &[(Capability, &'static str)] {
        &self.0.lacks
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        let request = |call| v1::ScopeRequest { scope: scope.to_string(), call };
        self.0.was(|mut client, call| async move { client.create_scope(request(call)).await }).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        let ask = |mut client: Client| async move { client.list_scopes(v1::ListScopesRequest {}).await };
        let reply = self.0.line.ask(ask).await?;
        let names = reply.names.iter().map(|name| Scope::stored(name)).collect::<Result<_>>();
        names.map_err(|refused| self.0.line.unreadable(refused))
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        let request = |call| v1::ScopeRequest { scope: scope.to_string(), call };
        self.0.was(|mut client, call| async move { client.delete_scope(request(call)).await }).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        let request =
            |call| v1::StreamConfigRequest { stream: Some(stream.into()), config: Some(config.into()), call };
        self.0.was(|mut client, call| async move { client.create_stream(request(call)).await }).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let request = || v1::StreamRequest { stream: Some(stream.into()), call: None };
        let ask = |mut client: Client| async move { client.describe_stream(request()).await };
        self.0.read(self.0.line.ask(ask).await?)
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        let request =
            |call| v1::StreamConfigRequest { stream: Some(stream.into()), config: Some(config.into()), call };
        let act = |mut client: Client, call| async move { client.update_stream(request(call)).await };
        self.0.was(act).await.map(drop)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        let request = |call| v1::StreamRequest { stream: Some(stream.into()), call };
        self.0.was(|mut client, call| async move { client.seal_stream(request(call)).await }).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        let request = |call| v1::StreamRequest { stream: Some(stream.into()), call };
        self.0.was(|mut client, call| async move { client.delete_stream(request(call)).await }).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let request = |call| v1::TruncateRequest { cut: Some(cut.into()), call };
        let act = |mut client: Client, call| async move { client.truncate(request(call)).await };
        self.0.was(act).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        let request =
            || v1::CutAtRequest { stream: Some(stream.into()), ..v1::CutAtRequest::from(since_epoch) };
        let ask = |mut client: Client| async move { client.cut_at(request()).await };
        self.0.read(self.0.line.ask(ask).await?)
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let request = || v1::ScopeRequest { scope: scope.to_string(), call: None };
        let ask = |mut client: Client| async move { client.list_streams(request()).await };
        self.0.names(self.0.line.ask(ask).await?)
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let request = || v1::StreamRequest { stream: Some(stream.into()), call: None };
        let ask = |mut client: Client| async move { client.list_segments(request()).await };
        let reply = self.0.line.ask(ask).await?;
        reply.segments.into_iter().map(|segment| self.0.read(segment)).collect()
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let request =
            || v1::ReadRequest { segment: Some(segment.into()), offset, max_bytes: max_bytes as u64 };
        let ask = |mut client: Client| async move { client.read(request()).await };
        Ok(self.0.line.ask(ask).await?.into())
    }

    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.0.waits.wait(&self.0.line, segment, offset).await
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let ask = |mut client: Client| async move { client.get_event(v1::Pointer::from(pointer)).await };
        Ok(self.0.line.ask(ask).await?.event)
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        check_size(&commit.appends, &commit.changes)?;
        let lane = self.0.lanes.take();
        let is_ours = commit.writer.is_none();
        commit.writer = commit.writer.or_else(|| Some(lane.mark()));
        let mut request = v1::CommitRequest::from(&commit);
        request.call = lane.call();
        check_message(&request)?;
        let request = &request;
        let ask = |mut client: Client| async move { client.commit(request.clone()).await };
        let done: Committed = self.0.read(self.0.line.ask(ask).await?)?;
        if !(done.duplicate && is_ours) {
            return Ok(done);
        }
        if commit.appends.is_empty() && commit.changes.is_empty() {
            return Ok(Committed::default());
        }
        // our number was never used before: the first try stored it, for a server that has forgotten its answer
        let what = format!(
            "the commit is stored, once, but the server at {} has lost the answer: do not repeat it",
            self.0.line.address()
        );
        Err(Error::new(ErrorKind::AnswerLost, what))
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(RemoteTransaction::begin(self.clone()).await?))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        let ask = |mut client: Client| async move {
            client.outcome(v1::TransactionRequest::from(transaction)).await
        };
        self.0.read(self.0.line.ask(ask).await?)
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        let ask = |mut client: Client| async move {
            client.last_event_number(v1::WriterRequest::from(writer)).await
        };
        Ok(self.0.line.ask(ask).await?.event_number)
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let request = |call| v1::TableRequest { table: Some(table.into()), call };
        self.0.was(|mut client, call| async move { client.create_table(request(call)).await }).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let request = || v1::ScopeRequest { scope: scope.to_string(), call: None };
        let ask = |mut client: Client| async move { client.list_tables(request()).await };
        self.0.names(self.0.line.ask(ask).await?)
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        let request = |call| v1::TableRequest { table: Some(table.into()), call };
        self.0.was(|mut client, call| async move { client.delete_table(request(call)).await }).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        let key = Bytes::copy_from_slice(key);
        let request = || v1::GetEntryRequest { table: Some(table.into()), key: key.clone() };
        let ask = |mut client: Client| {
            let request = request();
            async move { client.get_entry(request).await }
        };
        Ok(self.0.line.ask(ask).await?.entry.map(Into::into))
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
        let ask = |mut client: Client| {
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
        self.0.line.ask(ask).await
    }

    /// Ends this end: later calls of it and its clones answer `Closed`. The server's store is not touched.
    async fn close(&self) -> Result<()> {
        self.0.line.close();
        self.0.waits.close().await;
        Ok(())
    }
}
