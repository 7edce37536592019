//! The gRPC channel to the server: connections, the meaning of statuses, and retries: [`Channel`].

use super::network::Network;
use super::settings::RemoteSettings;
use super::status_cause::StatusCause;
use crate::backoff::Backoff;
use crate::tls;
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
use tonic::transport::{self, Endpoint};
use tonic::{Code, Request, Response, Status};
use tower::service_fn;

/// The first delay between attempts.
const MIN_DELAY: Duration = Duration::from_millis(20);
/// The maximum delay between attempts.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// A tonic channel that sends the client's credentials.
pub(super) type Service = InterceptedService<transport::Channel, AuthInterceptor>;
/// The store's generated client.
pub(super) type Client = StreamStoreClient<Service>;

/// Adds the `authorization` header to each call.
#[derive(Clone)]
pub(super) struct AuthInterceptor(Option<MetadataValue<Ascii>>);

impl Interceptor for AuthInterceptor {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(authorization) = &self.0 {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        Ok(request)
    }
}

/// The connections of one client to its server. They are opened on first use and reopened after a connection
/// loss.
pub(super) struct Channel {
    address: String,
    endpoint: Endpoint,
    /// Replaces TCP.
    network: Option<Arc<dyn Network>>,
    auth: AuthInterceptor,
    /// The connection shared by short calls.
    shared: Service,
    retry_timeout: Duration,
    closed: watch::Sender<bool>,
    /// Whether the server was checked for speaking another protocol.
    protocol_checked: AtomicBool,
}

impl Channel {
    /// Validates the settings; opens no connection yet.
    pub(super) fn new(settings: RemoteSettings, network: Option<Arc<dyn Network>>) -> Result<Self> {
        let endpoint = settings.endpoint()?;
        let auth = AuthInterceptor(settings.authorization()?);
        let shared = service(&endpoint, network.as_ref(), &auth);
        let (address, retry_timeout) = (settings.address().to_owned(), settings.retry_timeout);
        let (closed, protocol_checked) = (watch::Sender::new(false), AtomicBool::new(network.is_some()));
        Ok(Self { address, endpoint, network, auth, shared, retry_timeout, closed, protocol_checked })
    }

    /// Returns the connection shared by short calls.
    pub(super) fn shared(&self) -> Service {
        self.shared.clone()
    }

    /// Returns a new connection, for a long call.
    pub(super) fn dedicated(&self) -> Service {
        service(&self.endpoint, self.network.as_ref(), &self.auth)
    }

    /// Returns the store's client with a new connection.
    pub(super) fn dedicated_client(&self) -> Client {
        client(self.dedicated())
    }

    /// Calls the store, with retries.
    ///
    /// # Errors
    /// The store's error, or `Unreachable`.
    pub(super) async fn call<T, F>(&self, rpc: impl Fn(Client) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<Response<T>, Status>>,
    {
        let mut retry = self.retry_policy();
        loop {
            match self.unless_closed(rpc(client(self.shared()))).await? {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => retry.backoff(status).await?,
            }
        }
    }

    /// Ends a call with `Unreachable` at the retry timeout: for the first call, to a server that may never
    /// respond.
    pub(super) async fn with_timeout<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        // the last attempt may take its second
        match tokio::time::timeout(self.retry_timeout + MAX_DELAY, call).await {
            Ok(result) => result,
            Err(elapsed) => Err(self.unreachable().because(elapsed)),
        }
    }

    /// Awaits a call; ends it with `Closed` once the client is closed.
    pub(super) async fn unless_closed<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => {
                Err(Error::new(ErrorKind::Closed, format!("connection to {} closed by this client", self.address)))
            }
            output = call => Ok(output),
        }
    }

    /// Ends every call, current and future.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn retry_policy(&self) -> RetryPolicy<'_> {
        RetryPolicy { channel: self, deadline: None, backoff: Backoff::new(MIN_DELAY, MAX_DELAY) }
    }

    pub(super) fn unreachable(&self) -> Error {
        let what = format!(
            "cannot connect to a Kulya server at {}: is it running, and is the URL right?",
            self.address
        );
        Error::new(ErrorKind::Unreachable, what)
    }

    /// The address, for messages.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The error of a malformed response, as from a server of an incompatible version.
    pub(super) fn invalid_response(&self, cause: Error) -> Error {
        let what = format!("invalid response from {}", self.address);
        Error::new(ErrorKind::Failed, what).because(cause)
    }

    /// Converts a status that must not be retried; `None` for a transient one, as after a connection loss.
    pub(super) fn permanent_error(&self, status: &Status) -> Option<Error> {
        if let Some(error) = error::from_status(status) {
            return Some(error);
        }
        // a status with a source was made by the client's transport
        if let Some(source) = status.source() {
            let what = tls::protocol_mismatch(source, &self.address)?;
            return Some(Error::new(ErrorKind::InvalidInput, what));
        }
        let address = &self.address;
        let (kind, what) = match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded => {
                return None;
            }
            Code::Unimplemented => (
                ErrorKind::InvalidInput,
                format!("the server at {address} has no stream store: is the URL that of a kulya serve?"),
            ),
            // a size or rate limit: the server has not processed the call
            Code::ResourceExhausted => return None,
            Code::Unauthenticated => (
                ErrorKind::InvalidInput,
                format!(
                    "authentication failed at the server at {address}: give its token, or a user and a password"
                ),
            ),
            Code::PermissionDenied => (
                ErrorKind::InvalidInput,
                format!("permission denied by the server at {address}: {}", status.message()),
            ),
            code => (ErrorKind::Failed, format!("the server at {address} responded with status {code:?}")),
        };
        Some(Error::new(kind, what).because(StatusCause(status.clone())))
    }
}

fn service(endpoint: &Endpoint, network: Option<&Arc<dyn Network>>, auth: &AuthInterceptor) -> Service {
    let channel = match network.cloned() {
        None => endpoint.connect_lazy(),
        Some(network) => endpoint.connect_with_connector_lazy(service_fn(move |_| {
            let network = Arc::clone(&network);
            async move { network.connect().await.map(TokioIo::new) }
        })),
    };
    InterceptedService::new(channel, auth.clone())
}

fn client(service: Service) -> Client {
    StreamStoreClient::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// The retries of one call: an exponential backoff until a deadline that begins with the first failure.
pub(super) struct RetryPolicy<'a> {
    channel: &'a Channel,
    /// Set by the first failure.
    deadline: Option<Instant>,
    backoff: Backoff,
}

impl RetryPolicy<'_> {
    /// Waits until the next attempt.
    ///
    /// # Errors
    /// The status's error if it must not be retried, `Unreachable` after the deadline, `Closed` once the
    /// client is closed.
    pub(super) async fn backoff(&mut self, status: Status) -> Result<()> {
        if let Some(error) = self.channel.permanent_error(&status) {
            return Err(error);
        }
        if !self.channel.protocol_checked.swap(true, Ordering::Relaxed)
            && let Some(what) = tls::probe_protocol(&self.channel.address).await
        {
            return Err(Error::new(ErrorKind::InvalidInput, what));
        }
        let now = Instant::now();
        let deadline = *self.deadline.get_or_insert(now + self.channel.retry_timeout);
        if now >= deadline {
            return Err(self.channel.unreachable().because(StatusCause(status)));
        }
        let wakeup = deadline.min(now + self.backoff.peek());
        self.channel.unless_closed(tokio::time::sleep_until(wakeup)).await?;
        self.backoff.advance();
        Ok(())
    }

    /// Clears the deadline after the server responded. Delays stay long, for a server that fails again at
    /// once.
    pub(super) fn reset(&mut self) {
        self.deadline = None;
    }
}
