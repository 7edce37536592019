//! A client of the schema registry over gRPC: [`RemoteRegistry`].
//!
//! **Retries after a connection loss.** Idempotent calls are retried with exponential backoff for the
//! settings' [retry timeout](RemoteSettings::retry_timeout); then the error is `Unavailable` and contains the
//! address. Three calls are not idempotent, because their response says whether they changed something:
//! creating a group, changing a group on a condition, and an import. They are sent once, after a ping on the
//! same connection; if the connection is lost before the response, the error is `Unavailable` and says that
//! the result is unknown.
//!
//! A change feed resumes after the last returned change, without gaps or duplicates. An interrupted export
//! fails.
//!
//! **Sizes.** A request has at most [`kulya_wire::registry::MAX_REQUEST_BYTES`] bytes.

mod administration;
mod changes;
mod schema_registry;

use super::channel::{Channel, RetryPolicy, Service};
use super::settings::RemoteSettings;
use super::status_cause::StatusCause;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::ErrorKind;
use kulya_wire::registry::v1::schema_registry_client::SchemaRegistryClient;
use kulya_wire::registry::{MAX_REPLY_BYTES, MAX_REQUEST_BYTES, error, v1};
use prost::Message;
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use tonic::{Code, Response, Status, Streaming};

/// The page size when all groups are listed.
const PAGE: usize = 1000;

type Client = SchemaRegistryClient<Service>;
/// The result of one attempt of a call.
type RpcResult<T> = Result<Response<T>, Status>;

/// A client of the schema registry of a `kulya serve`, over gRPC. Clones share the connection.
///
/// ```no_run
/// use kulya_client::prelude::*;
/// # async fn example() -> RegistryResult<()> {
/// let registry = RemoteRegistry::connect("http://127.0.0.1:9092").await?;
/// let schema = SchemaInfo::avro(r#"{"type":"record","name":"Order","fields":[]}"#);
/// let version = registry.add_schema(&GroupId::new("shop", "orders"), schema).await?;
/// println!("version {} of {}", version.version, version.type_name);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RemoteRegistry(Arc<Channel>);

impl RemoteRegistry {
    /// Connects to a server, by its URL or by settings.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid URL, certificate or token, and for a server without a registry over
    /// gRPC; `Unavailable` when no server responds within the settings' retry timeout.
    pub async fn connect(settings: impl Into<RemoteSettings>) -> RegistryResult<Self> {
        let registry = Self(Arc::new(Channel::new(settings.into(), None).map_err(from_store_error)?));
        let ping = async { Ok(registry.ping().await) };
        registry.0.with_timeout(ping).await.map_err(from_store_error)??;
        Ok(registry)
    }

    /// Calls the server without effect. Called before calls that are not retried, so that a broken connection
    /// is replaced first.
    async fn ping(&self) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.describe(request).await };
        self.call(v1::DescribeRequest {}, call).await.map(drop)
    }

    /// Calls the registry, with retries.
    async fn call<Q, T, F>(&self, request: Q, rpc: impl Fn(Client, Q) -> F) -> RegistryResult<T>
    where
        Q: Message + Clone,
        F: Future<Output = RpcResult<T>>,
    {
        check_size(&request)?;
        let mut retry = self.0.retry_policy();
        loop {
            match rpc(client(self.0.shared()), request.clone()).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => self.backoff(&mut retry, status).await?,
            }
        }
    }

    /// Converts the result of a call that is not retried; after a connection loss the error says that it is
    /// unknown whether `what`.
    fn non_idempotent_response<T>(&self, what: &str, result: RpcResult<T>) -> RegistryResult<T> {
        let status = match result {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        if let Some(error) = self.permanent_error(&status) {
            return Err(error);
        }
        let address = self.0.address();
        let what = format!(
            "connection to {address} lost before the response: it is unknown whether {what}, check and try again"
        );
        Err(RegistryError::new(RegistryErrorKind::Unavailable, what).because(StatusCause(status)))
    }

    /// Collects the items of a list that is split into several replies. An interrupted call is repeated from
    /// the beginning.
    async fn collect<Q, M, I, F>(
        &self,
        request: Q,
        rpc: impl Fn(Client, Q) -> F,
        items: impl Fn(M) -> Vec<I>,
    ) -> RegistryResult<Vec<I>>
    where
        Q: Message + Clone,
        F: Future<Output = RpcResult<Streaming<M>>>,
    {
        let (rpc, items) = (&rpc, &items);
        let collect_all = |client: Client, request: Q| async move {
            let mut replies = rpc(client, request).await?.into_inner();
            let mut found = Vec::new();
            while let Some(reply) = replies.message().await? {
                found.extend(items(reply));
            }
            Ok(Response::new(found))
        };
        self.call(request, collect_all).await
    }

    /// Waits until the next attempt, or returns the error that ends the call.
    async fn backoff(&self, retry: &mut RetryPolicy<'_>, status: Status) -> RegistryResult<()> {
        match self.permanent_error(&status) {
            Some(error) => Err(error),
            None => retry.backoff(status).await.map_err(from_store_error),
        }
    }

    /// Converts a status that must not be retried; `None` for a transient one, as after a connection loss.
    fn permanent_error(&self, status: &Status) -> Option<RegistryError> {
        if let Some(error) = error::from_status(status) {
            return Some(error);
        }
        if status.code() == Code::Unimplemented && status.source().is_none() {
            let address = self.0.address();
            let what =
                format!("the server at {address} has no such registry: is the URL that of a kulya serve?");
            return Some(
                RegistryError::new(RegistryErrorKind::InvalidInput, what)
                    .because(StatusCause(status.clone())),
            );
        }
        self.0.permanent_error(status).map(from_store_error)
    }

    /// Converts a response.
    fn convert<T, M>(&self, message: M) -> RegistryResult<T>
    where
        T: TryFrom<M, Error = RegistryError>,
    {
        T::try_from(message).map_err(|error| self.invalid_response(error))
    }

    fn convert_all<T, M>(&self, messages: Vec<M>) -> RegistryResult<Vec<T>>
    where
        T: TryFrom<M, Error = RegistryError>,
    {
        messages.into_iter().map(|message| self.convert(message)).collect()
    }

    /// Returns a required field of a response.
    fn required<T>(&self, field: Option<T>, what: &str) -> RegistryResult<T> {
        kulya_wire::registry::required(field, what).map_err(|error| self.invalid_response(error))
    }

    /// Returns the error of a malformed response, as from a server of an incompatible version.
    fn invalid_response(&self, cause: RegistryError) -> RegistryError {
        let what = format!("invalid response from {}", self.0.address());
        RegistryError::new(RegistryErrorKind::Failed, what).because(cause)
    }
}

fn client(service: Service) -> Client {
    SchemaRegistryClient::new(service)
        .max_decoding_message_size(MAX_REPLY_BYTES)
        .max_encoding_message_size(MAX_REPLY_BYTES)
}

fn check_size(request: &impl Message) -> RegistryResult<()> {
    match request.encoded_len() {
        ..=MAX_REQUEST_BYTES => Ok(()),
        bytes => Err(RegistryError::new(
            RegistryErrorKind::InvalidInput,
            format!("the request has {bytes} bytes, more than the limit of {MAX_REQUEST_BYTES}"),
        )),
    }
}

/// Converts an error of the channel.
fn from_store_error(error: kulya_store::Error) -> RegistryError {
    let kind = match error.kind() {
        ErrorKind::InvalidInput => RegistryErrorKind::InvalidInput,
        ErrorKind::Unreachable | ErrorKind::Closed => RegistryErrorKind::Unavailable,
        _ => RegistryErrorKind::Failed,
    };
    RegistryError::new(kind, error.to_string()).because(error)
}
