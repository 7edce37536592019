//! Conversion of the registry's results to gRPC: statuses, pages of bounded size, and lists that are split
//! into replies.

use super::super::streaming::{StreamingCall, shutting_down};
use crate::error_chain::format_error_chain;
use crate::memory_budget::acquire_for_record;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::fair_share::{Permit, Share};
use kulya_registry_api::administration::{Page, PageRequest};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_wire::registry::error;
use prost::Message;
use std::future::Future;
use tokio::sync::watch;
use tonic::{Response, Status};

/// The approximate size of a page's reply, in bytes.
const PAGE_BYTES: usize = 8 << 20;
/// The approximate size of one reply of a list, in bytes.
const REPLY_BYTES: usize = 1 << 20;

pub(super) type ServiceResult<T> = Result<Response<T>, Status>;
pub(super) type ReplyStream<M> = BoxStream<'static, Result<M, Status>>;

/// Converts an error of the registry. Errors of the server itself are also logged.
pub(super) fn registry_status(error: RegistryError) -> Status {
    if error.kind() == RegistryErrorKind::Denied {
        return Status::permission_denied(error.to_string());
    }
    if matches!(error.kind(), RegistryErrorKind::Failed | RegistryErrorKind::Unavailable) {
        tracing::error!("{}", format_error_chain(&error));
    }
    error::status(&error)
}

/// Converts a result.
pub(super) fn respond<M, T: Into<M>>(result: RegistryResult<T>) -> ServiceResult<M> {
    result.map(|value| Response::new(value.into())).map_err(registry_status)
}

/// Reads a page, with fewer items than requested if its reply would be too large.
pub(super) async fn page<T, M, F>(
    mut request: PageRequest,
    read: impl Fn(PageRequest) -> F,
) -> ServiceResult<M>
where
    F: Future<Output = RegistryResult<Page<T>>>,
    M: From<Page<T>> + Message,
{
    loop {
        let found = read(request.clone()).await.map_err(registry_status)?;
        let items = found.items.len();
        let reply = M::from(found);
        if items <= 1 || reply.encoded_len() <= PAGE_BYTES {
            return Ok(Response::new(reply));
        }
        request.limit = items / 2;
    }
}

/// Splits a list into replies.
pub(super) fn split<I, T, M>(items: Vec<I>, reply: fn(Vec<T>) -> M) -> Response<ReplyStream<M>>
where
    I: Into<T> + Send + 'static,
    T: Message + 'static,
    M: Send + 'static,
{
    let replies = stream::unfold(items.into_iter(), move |mut rest| async move {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < REPLY_BYTES
            && let Some(item) = rest.next()
        {
            let item: T = item.into();
            bytes += item.encoded_len();
            items.push(item);
        }
        (!items.is_empty()).then(|| (Ok(reply(items)), rest))
    });
    Response::new(replies.boxed())
}

/// Splits records that may be large into replies. Memory for a reply is acquired before its records are read,
/// and held until the next reply is requested, when it has been sent.
pub(super) struct RecordStream<T, M> {
    records: BoxStream<'static, RegistryResult<T>>,
    bytes_of: fn(&T) -> usize,
    reply: fn(Vec<T>) -> M,
    share: Share,
    stopping: watch::Receiver<bool>,
    permit: Option<Permit>,
}

impl<T, M> RecordStream<T, M> {
    /// Creates a stream; `bytes_of` estimates the bytes of a record.
    pub(super) fn new(
        records: BoxStream<'static, RegistryResult<T>>,
        bytes_of: fn(&T) -> usize,
        reply: fn(Vec<T>) -> M,
        share: Share,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { records, bytes_of, reply, share, stopping, permit: None }
    }
}

impl<T: Send + 'static, M: Send + 'static> StreamingCall for RecordStream<T, M> {
    type Reply = M;

    async fn next(&mut self) -> Option<Result<M, Status>> {
        // released first: a call must not wait for its own memory
        self.permit = None;
        let Self { records, bytes_of, share, stopping, .. } = self;
        let read = async {
            let permit = acquire_for_record(share, None).await;
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < REPLY_BYTES
                && let Some(record) = records.next().await
            {
                let record = record?;
                bytes += bytes_of(&record);
                batch.push(record);
            }
            Ok((batch, permit))
        };
        let batch = tokio::select! {
            // an error means that the sender was dropped with the server
            _ = stopping.wait_for(|stopping| *stopping) => return Some(Err(shutting_down())),
            batch = read => batch,
        };
        match batch {
            Ok((batch, _)) if batch.is_empty() => None,
            Ok((batch, permit)) => {
                self.permit = permit;
                Some(Ok((self.reply)(batch)))
            }
            Err(error) => Some(Err(registry_status(error))),
        }
    }
}

/// Sends one item per reply, until the items end or the server shuts down.
pub(super) struct ItemStream<T, M> {
    pub(super) items: BoxStream<'static, RegistryResult<T>>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) reply: fn(T) -> M,
}

impl<T: Send + 'static, M: Send + 'static> StreamingCall for ItemStream<T, M> {
    type Reply = M;

    async fn next(&mut self) -> Option<Result<M, Status>> {
        let item = tokio::select! {
            // an error means that the sender was dropped with the server
            _ = self.stopping.wait_for(|stopping| *stopping) => return Some(Err(shutting_down())),
            item = self.items.next() => item?,
        };
        Some(item.map(self.reply).map_err(registry_status))
    }
}
