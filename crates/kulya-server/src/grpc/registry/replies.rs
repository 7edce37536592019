//! Answers as replies: an error's status, pages that are not too large, lists in pieces, and what comes line by line.

use super::follow::{LongCall, ending};
use crate::door::with_causes;
use crate::room;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::fair_share::{Permit, Share};
use kulya_codec::administration::{Page, PageRequest};
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_wire::registry::error;
use prost::Message;
use std::future::Future;
use tokio::sync::watch;
use tonic::{Response, Status};

/// Of a page's reply, about.
const PAGE_BYTES: usize = 8 << 20;
/// Of one reply of a list, about.
const PIECE_BYTES: usize = 1 << 20;

pub(super) type Told<T> = Result<Response<T>, Status>;
pub(super) type Stream<M> = BoxStream<'static, Result<M, Status>>;

/// An error on its way out. What is the server's own trouble is also said here.
pub(super) fn refusal(error: RegistryError) -> Status {
    if error.kind() == RegistryErrorKind::Denied {
        return Status::permission_denied(error.to_string());
    }
    if matches!(error.kind(), RegistryErrorKind::Failed | RegistryErrorKind::Unavailable) {
        tracing::error!("{}", with_causes(&error));
    }
    error::status(&error)
}

pub(super) fn told<M, T: Into<M>>(answer: RegistryResult<T>) -> Told<M> {
    answer.map(|value| Response::new(value.into())).map_err(refusal)
}

/// A page whose reply is not too large: of fewer items, when those asked for are.
pub(super) async fn page<T, M, F>(mut request: PageRequest, ask: impl Fn(PageRequest) -> F) -> Told<M>
where
    F: Future<Output = RegistryResult<Page<T>>>,
    M: From<Page<T>> + Message,
{
    loop {
        let found = ask(request.clone()).await.map_err(refusal)?;
        let items = found.items.len();
        let reply = M::from(found);
        if items <= 1 || reply.encoded_len() <= PAGE_BYTES {
            return Ok(Response::new(reply));
        }
        request.limit = items / 2;
    }
}

/// A list in as many replies as it takes.
pub(super) fn pieces<I, T, M>(items: Vec<I>, reply: fn(Vec<T>) -> M) -> Response<Stream<M>>
where
    I: Into<T> + Send + 'static,
    T: Message + 'static,
    M: Send + 'static,
{
    let pieces = stream::unfold(items.into_iter(), move |mut left| async move {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < PIECE_BYTES
            && let Some(item) = left.next()
        {
            let item: T = item.into();
            bytes += item.encoded_len();
            items.push(item);
        }
        (!items.is_empty()).then(|| (Ok(reply(items)), left))
    });
    Response::new(pieces.boxed())
}

/// Records that may be large in as many replies as it takes. Room for a reply is taken before its records are read, and held
/// until the next one is asked for, when it has been sent.
pub(super) struct Records<T, M> {
    records: BoxStream<'static, RegistryResult<T>>,
    bytes_of: fn(&T) -> usize,
    reply: fn(Vec<T>) -> M,
    share: Share,
    ends: watch::Receiver<bool>,
    room: Option<Permit>,
}

impl<T, M> Records<T, M> {
    /// `bytes_of` says about how many bytes a record has.
    pub(super) fn new(
        records: BoxStream<'static, RegistryResult<T>>,
        bytes_of: fn(&T) -> usize,
        reply: fn(Vec<T>) -> M,
        share: Share,
        ends: watch::Receiver<bool>,
    ) -> Self {
        Self { records, bytes_of, reply, share, ends, room: None }
    }
}

impl<T: Send + 'static, M: Send + 'static> LongCall for Records<T, M> {
    type Reply = M;

    async fn next(&mut self) -> Option<Result<M, Status>> {
        // given back before more is taken: nobody waits for what he has himself
        self.room = None;
        let Self { records, bytes_of, share, ends, .. } = self;
        let gather = async {
            let room = room::for_a_record(share, None).await;
            let (mut gathered, mut bytes) = (Vec::new(), 0);
            while bytes < PIECE_BYTES
                && let Some(record) = records.next().await
            {
                let record = record?;
                bytes += bytes_of(&record);
                gathered.push(record);
            }
            Ok((gathered, room))
        };
        let gathered = tokio::select! {
            // an error here is the sender's end, and so the server's
            _ = ends.wait_for(|ends| *ends) => return Some(Err(ending())),
            gathered = gather => gathered,
        };
        match gathered {
            Ok((gathered, _)) if gathered.is_empty() => None,
            Ok((gathered, room)) => {
                self.room = room;
                Some(Ok((self.reply)(gathered)))
            }
            Err(error) => Some(Err(refusal(error))),
        }
    }
}

/// What comes line by line, until it or the server ends.
pub(super) struct Lines<T, M> {
    pub(super) lines: BoxStream<'static, RegistryResult<T>>,
    pub(super) ends: watch::Receiver<bool>,
    pub(super) reply: fn(T) -> M,
}

impl<T: Send + 'static, M: Send + 'static> LongCall for Lines<T, M> {
    type Reply = M;

    async fn next(&mut self) -> Option<Result<M, Status>> {
        let line = tokio::select! {
            // an error here is the sender's end, and so the server's
            _ = self.ends.wait_for(|ends| *ends) => return Some(Err(ending())),
            line = self.lines.next() => line?,
        };
        Some(line.map(self.reply).map_err(refusal))
    }
}
