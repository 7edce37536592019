//! The line to the server: connections, what an answer means, and asking again: [`Line`].

use super::network::Network;
use super::settings::RemoteSettings;
use crate::trust;
use hyper_util::rt::TokioIo;
use kulya_store::{Error, ErrorKind, Result};
use kulya_wire::v1::stream_store_client::StreamStoreClient;
use kulya_wire::{MAX_MESSAGE_BYTES, error};
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

/// Pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection, with the token.
pub(super) type Service = InterceptedService<Channel, Bearer>;
/// Who asks the store on it.
pub(super) type Client = StreamStoreClient<Service>;

/// Shows the token.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

pub(super) struct Line {
    address: String,
    endpoint: Endpoint,
    /// Where it is not the machine's.
    network: Option<Arc<dyn Network>>,
    bearer: Bearer,
    /// The connection of short calls.
    shared: Service,
    patience: Duration,
    closed: watch::Sender<bool>,
    /// Whether it was looked for a server that speaks another protocol.
    probed: AtomicBool,
}

impl Line {
    /// Nothing is connected yet.
    pub(super) fn new(settings: RemoteSettings, network: Option<Arc<dyn Network>>) -> Result<Self> {
        let endpoint = settings.endpoint()?;
        let bearer = Bearer(settings.authorization()?);
        let shared = service(&endpoint, network.as_ref(), &bearer);
        let (address, patience) = (settings.address().to_owned(), settings.patience);
        let (closed, probed) = (watch::Sender::new(false), AtomicBool::new(network.is_some()));
        Ok(Self { address, endpoint, network, bearer, shared, patience, closed, probed })
    }

    /// The connection that short calls share.
    pub(super) fn shared(&self) -> Service {
        self.shared.clone()
    }

    /// A connection of its own, for a long call.
    pub(super) fn own(&self) -> Service {
        service(&self.endpoint, self.network.as_ref(), &self.bearer)
    }

    /// The store's client with a connection of its own.
    pub(super) fn own_client(&self) -> Client {
        client(self.own())
    }

    /// Asks until there is an answer: what the call gives, the store's error, or `Unreachable`.
    pub(super) async fn ask<T, F>(&self, act: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        let mut patience = self.patience();
        loop {
            match self.while_open(act(client(self.shared()))).await? {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => patience.endure(status).await?,
            }
        }
    }

    /// Cuts short what is unanswered when patience is over: for a first call, to a server that may never speak.
    pub(super) async fn within_patience<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        // the last try may take its second
        match tokio::time::timeout(self.patience + LONGEST_PAUSE, call).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(self.unreachable().because(elapsed)),
        }
    }

    /// The call's output, or `Closed` once the store is closed.
    pub(super) async fn while_open<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => {
                Err(Error::new(ErrorKind::Closed, format!("the connection to {} is closed", self.address)))
            }
            output = call => Ok(output),
        }
    }

    /// Ends every call, now and later.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn patience(&self) -> Patience<'_> {
        Patience { line: self, over: None, pause: FIRST_PAUSE }
    }

    pub(super) fn unreachable(&self) -> Error {
        let what = format!("no Kulya answers at {}: is it running, and is the URL right?", self.address);
        Error::new(ErrorKind::Unreachable, what)
    }

    /// The address as messages show it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// An answer that is none: a server of another make, or of another time.
    pub(super) fn unreadable(&self, cause: Error) -> Error {
        let what = format!("the answer of {} cannot be read", self.address);
        Error::new(ErrorKind::Failed, what).because(cause)
    }

    /// The error that a status is, when asking again will not help; `None` when the line was cut.
    pub(super) fn error(&self, status: &Status) -> Option<Error> {
        if let Some(error) = error::carried(status) {
            return Some(error);
        }
        // a status with a source was made here, of what befell the connection
        if let Some(source) = status.source() {
            let what = trust::mismatch(source, &self.address)?;
            return Some(Error::new(ErrorKind::InvalidInput, what));
        }
        let address = &self.address;
        let (kind, what) = match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded => {
                return None;
            }
            Code::Unimplemented => (
                ErrorKind::InvalidInput,
                format!("what answers at {address} keeps no stream store: is the URL that of a kulya serve?"),
            ),
            // the server has no room now, or we ask too often: it has done nothing
            Code::ResourceExhausted => return None,
            Code::Unauthenticated => (
                ErrorKind::InvalidInput,
                format!(
                    "the server at {address} does not let us in: give its token, or a user and a password"
                ),
            ),
            Code::PermissionDenied => (
                ErrorKind::InvalidInput,
                format!("the server at {address} does not allow us this: {}", status.message()),
            ),
            code => (ErrorKind::Failed, format!("the server at {address} answers {code:?}")),
        };
        Some(Error::new(kind, what).because(status.clone()))
    }
}

fn service(endpoint: &Endpoint, network: Option<&Arc<dyn Network>>, bearer: &Bearer) -> Service {
    let channel = match network.cloned() {
        None => endpoint.connect_lazy(),
        Some(network) => endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let network = Arc::clone(&network);
            async move { network.connect().await.map(TokioIo::new) }
        })),
    };
    InterceptedService::new(channel, bearer.clone())
}

fn client(service: Service) -> Client {
    StreamStoreClient::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// How long a cut line is still hoped for.
pub(super) struct Patience<'a> {
    line: &'a Line,
    /// From the first cut on.
    over: Option<Instant>,
    pause: Duration,
}

impl Patience<'_> {
    /// Returns when it is time to ask again; the error is the caller's answer.
    pub(super) async fn endure(&mut self, status: Status) -> Result<()> {
        if let Some(error) = self.line.error(&status) {
            return Err(error);
        }
        if !self.line.probed.swap(true, Ordering::Relaxed)
            && let Some(what) = trust::other_protocol(&self.line.address).await
        {
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let now = Instant::now();
        let over = *self.over.get_or_insert(now + self.line.patience);
        if now >= over {
            return Err(self.line.unreachable().because(status));
        }
        let until = over.min(now + self.pause);
        self.line.while_open(tokio::time::sleep_until(until)).await?;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        Ok(())
    }

    /// The server was there: the next cut is a new one. Pauses stay long, for a server that is there for a moment only.
    pub(super) fn renew(&mut self) {
        self.over = None;
    }
}
