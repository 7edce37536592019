//! The schema registry at the other end of a gRPC connection: [`RemoteRegistry`], which answers as the one in process does.
//!
//! **A cut connection.** A call that may be repeated is asked again, with growing pauses, until the server has been silent
//! for the [patience](RemoteSettings::patience); then the error is `Unavailable` and names the address. Most calls may be:
//! those that change nothing, and those that find done what they did (a schema is registered once, an encoding id made
//! once). Three may not, because their answer says whether they were the first: making a group, changing one on a
//! condition, an import. They are asked once, on a connection that has just answered; when it is cut before the answer
//! came, the error is `Unavailable` and says that it is open whether they were done.
//!
//! Changes go on after a cut behind the last one that was given: none is missed, none told twice. An export that is cut
//! ends with an error.
//!
//! **Sizes.** A request has at most [`kulya_wire::registry::MAX_REQUEST_BYTES`].

mod administration;
mod calls;
mod changes;

use super::line::{Line, Patience, Service};
use super::settings::RemoteSettings;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::ErrorKind;
use kulya_wire::registry::v1::schema_registry_client::SchemaRegistryClient;
use kulya_wire::registry::{MAX_REPLY_BYTES, MAX_REQUEST_BYTES, error, v1};
use prost::Message;
use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use tonic::{Code, Response, Status, Streaming};

/// Groups asked for at a time.
const PAGE: usize = 1000;

type Client = SchemaRegistryClient<Service>;
type Told<T> = Result<Response<T>, Status>;

/// The registry of a `kulya serve`. Clones share its connection.
///
/// ```no_run
/// use kulya_client::{RemoteRegistry, RemoteSettings};
/// use kulya_registry_api::SchemaRegistry;
/// use kulya_schema::{Format, GroupId, SchemaInfo};
/// # async fn example() -> kulya_registry_api::RegistryResult<()> {
/// let registry = RemoteRegistry::connect(RemoteSettings::new("http://127.0.0.1:9092")).await?;
/// let schema = SchemaInfo::new("", Format::Avro, r#"{"type":"record","name":"Order","fields":[]}"#);
/// let version = registry.add_schema(&GroupId::new("shop", "orders"), schema).await?;
/// println!("version {} of {}", version.version, version.type_name);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RemoteRegistry(Arc<Line>);

impl RemoteRegistry {
    /// Connects, and asks who is there. Errors: `InvalidInput` for a wrong URL, certificate or token, and for a server
    /// that has no registry over gRPC; `Unavailable` when nobody answers for as long as the settings' patience.
    pub async fn connect(settings: RemoteSettings) -> RegistryResult<Self> {
        let registry = Self(Arc::new(Line::new(settings, None).map_err(from_line)?));
        let hello = async { Ok(registry.hello().await) };
        registry.0.within_patience(hello).await.map_err(from_line)??;
        Ok(registry)
    }

    /// Whoever must not ask twice asks this first, so that a connection that is gone is made anew.
    async fn hello(&self) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.describe(request).await };
        self.ask(v1::DescribeRequest {}, call).await.map(drop)
    }

    /// Asks until there is an answer.
    async fn ask<Q, T, F>(&self, request: Q, act: impl Fn(Client, Q) -> F) -> RegistryResult<T>
    where
        Q: Message + Clone,
        F: Future<Output = Told<T>>,
    {
        check_size(&request)?;
        let mut patience = self.0.patience();
        loop {
            match act(client(self.0.shared()), request.clone()).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => self.endure(&mut patience, status).await?,
            }
        }
    }

    /// The answer of a call that was asked once, after [`hello`](Self::hello): `what` is done or not when it was cut.
    fn answer<T>(&self, what: &str, told: Told<T>) -> RegistryResult<T> {
        let status = match told {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        if let Some(error) = self.error(&status) {
            return Err(error);
        }
        let address = self.0.address();
        let what = format!("{address} went away before it answered whether {what}: look, and try again");
        Err(RegistryError::new(RegistryErrorKind::Unavailable, what).because(status))
    }

    /// Every item of a list that comes in several replies. One that is cut is asked for again from its beginning.
    async fn gather<Q, M, I, F>(
        &self,
        request: Q,
        act: impl Fn(Client, Q) -> F,
        items: impl Fn(M) -> Vec<I>,
    ) -> RegistryResult<Vec<I>>
    where
        Q: Message + Clone,
        F: Future<Output = Told<Streaming<M>>>,
    {
        let (act, items) = (&act, &items);
        let whole = |client: Client, request: Q| async move {
            let mut replies = act(client, request).await?.into_inner();
            let mut found = Vec::new();
            while let Some(reply) = replies.message().await? {
                found.extend(items(reply));
            }
            Ok(Response::new(found))
        };
        self.ask(request, whole).await
    }

    /// Returns when it is time to ask again; the error is the caller's answer.
    async fn endure(&self, patience: &mut Patience<'_>, status: Status) -> RegistryResult<()> {
        match self.error(&status) {
            Some(error) => Err(error),
            None => patience.endure(status).await.map_err(from_line),
        }
    }

    /// The error that a status is, when asking again will not help; `None` when the line was cut.
    fn error(&self, status: &Status) -> Option<RegistryError> {
        if let Some(error) = error::carried(status) {
            return Some(error);
        }
        if status.code() == Code::Unimplemented && status.source().is_none() {
            let address = self.0.address();
            let what =
                format!("what answers at {address} has no such registry: is the URL that of a kulya serve?");
            return Some(RegistryError::new(RegistryErrorKind::InvalidInput, what).because(status.clone()));
        }
        self.0.error(status).map(from_line)
    }

    /// The contract's value in an answer.
    fn read<T, M>(&self, message: M) -> RegistryResult<T>
    where
        T: TryFrom<M, Error = RegistryError>,
    {
        T::try_from(message).map_err(|refused| self.unreadable(refused))
    }

    fn read_all<T, M>(&self, messages: Vec<M>) -> RegistryResult<Vec<T>>
    where
        T: TryFrom<M, Error = RegistryError>,
    {
        messages.into_iter().map(|message| self.read(message)).collect()
    }

    /// What an answer must have.
    fn given<T>(&self, field: Option<T>, what: &str) -> RegistryResult<T> {
        kulya_wire::registry::given(field, what).map_err(|refused| self.unreadable(refused))
    }

    /// An answer that is none: a server of another make, or of another time.
    fn unreadable(&self, cause: RegistryError) -> RegistryError {
        let what = format!("the answer of {} cannot be read", self.0.address());
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
            format!("the request has {bytes} bytes; the most is {MAX_REQUEST_BYTES}"),
        )),
    }
}

/// The line's word, by what a registry's caller does next.
fn from_line(error: kulya_store::Error) -> RegistryError {
    let kind = match error.kind() {
        ErrorKind::InvalidInput => RegistryErrorKind::InvalidInput,
        ErrorKind::Unreachable | ErrorKind::Closed => RegistryErrorKind::Unavailable,
        _ => RegistryErrorKind::Failed,
    };
    RegistryError::new(kind, error.to_string()).because(error)
}
