//! Pravega's controller: scopes, streams and where their segments are, over gRPC. It knows nothing of events.
//!
//! The service is small and its messages are few, so they stand in `messages` by hand: no generated code, no compiler of
//! service definitions in the build.

pub(crate) mod messages;

use crate::settings::Settings;
use kulya_store::{
    Error, ErrorKind, Result, Retention, Scope, SegmentId, StreamConfig, StreamCut, StreamId, StreamName,
};
use messages::{
    About, Continuation, DelegationToken, EpochSegmentsRequest, Exists, NodeUri, RetentionPolicy,
    ScalingPolicy, ScopeInfo, Scopes, ScopesRequest, SegmentRanges, Status, StreamInfo, Streams,
    StreamsRequest,
};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};

/// Pages of a listing that are read; a listing that goes on behind them is not believed.
const MOST_PAGES: usize = 100_000;

/// The scope of the journal.
pub(crate) const OWN_SCOPE: &str = "_kulya";
/// How the names of our other system scopes begin in Pravega, behind the underscore.
const OWN_PREFIX: &str = "kulya.";

/// A controller that may be asked.
pub(crate) struct Controller {
    channel: Channel,
    shown: String,
    namespace: String,
    authorization: Option<MetadataValue<Ascii>>,
    /// System scopes that stand in Pravega under their own names; see [`Controller::keep_name_of`].
    plain: RwLock<HashSet<Scope>>,
}

/// What a caller wants of a stream; it must have the right to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Needs the right to read alone.
    Read,
    ReadWrite,
}

impl Access {
    fn number(self) -> i32 {
        match self {
            Self::Read => 3,
            Self::ReadWrite => 5,
        }
    }
}

/// No token is asked for: where one is, Pravega wants the right to write for questions about a stream.
const NO_TOKEN: i32 = 1;

/// A segment's id, and the range of routing-key positions it answers for.
pub(crate) type SegmentWithRange = (SegmentId, Range<f64>);

/// What became of sealing or deleting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    NoSuchStream,
    StillOpen,
}

impl Controller {
    /// Checks the settings; who is not there is noticed at the first question.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let uri = &settings.controller;
        let scheme = if uri.tls { "https" } else { "http" };
        let mut endpoints = Vec::new();
        for host in &uri.hosts {
            let bad = |e: tonic::transport::Error| {
                Error::invalid(format!("controller {uri} cannot be used")).because(e)
            };
            let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}")).map_err(bad)?;
            endpoint = endpoint.connect_timeout(settings.patience).timeout(settings.patience);
            if uri.tls {
                endpoint = endpoint.tls_config(tls(settings)?).map_err(bad)?;
            }
            endpoints.push(endpoint);
        }
        let channel = match endpoints.as_slice() {
            [one] => one.connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        let header = |credentials: &crate::Credentials| {
            let mut value: MetadataValue<Ascii> = format!("{} {}", credentials.method, credentials.token)
                .parse()
                .map_err(|_| Error::invalid("pravega's credentials hold characters that no header may"))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let authorization = settings.credentials.as_ref().map(header).transpose()?;
        let (shown, namespace) = (uri.to_string(), settings.namespace.clone());
        Ok(Self { channel, shown, namespace, authorization, plain: RwLock::default() })
    }

    /// Makes a scope; `false` when it was there.
    pub(crate) async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let answer: Status = self.call("createScope", request).await?;
        match answer.status {
            0 => Ok(true),
            2 => Ok(false),
            status => Err(self.refused(&format!("scope {scope}"), status)),
        }
    }

    /// Removes a scope; `false` when there was none.
    pub(crate) async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let answer: Status = self.call("deleteScope", request).await?;
        match answer.status {
            0 => Ok(true),
            2 => Ok(false),
            3 => Err(Error::not_empty(scope)),
            status => Err(self.refused(&format!("scope {scope}"), status)),
        }
    }

    pub(crate) async fn scope_exists(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let answer: Exists = self.call("checkScopeExists", request).await?;
        Ok(answer.exists)
    }

    /// Every scope of our namespace, in name order.
    pub(crate) async fn scopes(&self) -> Result<Vec<Scope>> {
        let mut found = Vec::new();
        let mut continuation = None;
        for _ in 0..MOST_PAGES {
            let page: Scopes = self.call("listScopes", ScopesRequest { continuation }).await?;
            if page.scopes.is_empty() {
                break;
            }
            found.extend(page.scopes.iter().filter_map(|name| self.scope_of(name)));
            continuation = page.continuation;
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The streams of a scope in name order; Pravega's own among them are left out.
    pub(crate) async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut found = Vec::new();
        let mut continuation = Some(Continuation::default());
        for _ in 0..MOST_PAGES {
            let scope_info = ScopeInfo { scope: self.scope_name(scope) };
            let page: Streams = self
                .call("listStreamsInScope", StreamsRequest { scope: Some(scope_info), continuation })
                .await?;
            match page.status {
                0 if page.streams.is_empty() => break,
                0 => {}
                2 => return Err(Error::not_found(format!("scope {scope}"))),
                status => return Err(self.refused(&format!("scope {scope}"), status)),
            }
            let ours = page
                .streams
                .iter()
                .filter(|info| !info.stream.starts_with("_MARK") && !info.stream.starts_with("_RG"));
            found.extend(ours.filter_map(|info| StreamName::stored(&info.stream).ok()));
            continuation = page.continuation;
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Makes a stream; `false` when it was there.
    pub(crate) async fn create_stream(&self, stream: &StreamId, config: &StreamConfig) -> Result<bool> {
        let answer: Status = self.call("createStream", self.config(stream, config)?).await?;
        match answer.status {
            0 => Ok(true),
            2 => Ok(false),
            3 => Err(Error::not_found(format!("scope {}", stream.scope))),
            status => Err(self.refused(&format!("stream {stream}"), status)),
        }
    }

    /// How a stream was made.
    pub(crate) async fn configuration(&self, stream: &StreamId) -> Result<StreamConfig> {
        let found: messages::StreamConfig =
            self.call("getStreamConfiguration", self.info(stream)).await.map_err(gone(stream))?;
        let segments = found.scaling.unwrap_or_default().segments;
        let retention = match found.retention.unwrap_or_default() {
            RetentionPolicy { kind: 1, least, .. } => {
                Retention { age: Some(Duration::from_millis(least.max(0) as u64)), bytes: None }
            }
            RetentionPolicy { kind: 2, least, .. } => {
                Retention { age: None, bytes: Some(least.max(0) as u64) }
            }
            _ => Retention::default(),
        };
        Ok(StreamConfig::with_segments(u32::try_from(segments).unwrap_or_default()).retention(retention))
    }

    /// Changes how a stream is kept; what others have set beside that stays.
    pub(crate) async fn update_stream(&self, stream: &StreamId, config: &StreamConfig) -> Result<()> {
        let mut now: messages::StreamConfig =
            self.call("getStreamConfiguration", self.info(stream)).await.map_err(gone(stream))?;
        now.stream = Some(self.info(stream));
        now.retention = retention_policy(stream, config.retention)?;
        let answer: Status = self.call("updateStream", now).await?;
        self.updated(stream, &answer)
    }

    /// Lets a stream take no more events.
    pub(crate) async fn seal_stream(&self, stream: &StreamId) -> Result<()> {
        let answer: Status = self.call("sealStream", self.info(stream)).await?;
        match self.updated(stream, &answer) {
            Err(e) if e.kind() == ErrorKind::Sealed => Ok(()),
            done => done,
        }
    }

    pub(crate) async fn delete_stream(&self, stream: &StreamId) -> Result<Ended> {
        let answer: Status = self.call("deleteStream", self.info(stream)).await?;
        match answer.status {
            0 => Ok(Ended::Done),
            2 => Ok(Ended::NoSuchStream),
            3 => Ok(Ended::StillOpen),
            status => Err(self.refused(&format!("stream {stream}"), status)),
        }
    }

    /// Lets a stream begin at a cut.
    pub(crate) async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let places = cut.offsets().map(|(segment, offset)| (id_of(&segment), offset as i64));
        let request = messages::StreamCut { stream: Some(self.info(&cut.stream)), cut: places.collect() };
        let answer: Status = self.call("truncateStream", request).await?;
        self.updated(&cut.stream, &answer)
    }

    /// The segments that take events now, in key order; empty when the stream is sealed.
    pub(crate) async fn open_segments(&self, stream: &StreamId) -> Result<Vec<SegmentWithRange>> {
        let found: SegmentRanges =
            self.call("getCurrentSegments", self.info(stream)).await.map_err(gone(stream))?;
        self.ranges(stream, found)
    }

    /// The segments that a stream was made with.
    pub(crate) async fn first_segments(&self, stream: &StreamId) -> Result<Vec<SegmentWithRange>> {
        let request = EpochSegmentsRequest { stream: Some(self.info(stream)), epoch: 0 };
        let found: SegmentRanges = self.call("getEpochSegments", request).await.map_err(gone(stream))?;
        self.ranges(stream, found)
    }

    /// The `host:port` of the segment store that holds a segment.
    pub(crate) async fn host_of(&self, segment: &SegmentId) -> Result<String> {
        let request = messages::SegmentId { stream: Some(self.info(&segment.stream)), id: id_of(segment) };
        let node: NodeUri = self.call("getURI", request).await?;
        Ok(format!("{}:{}", node.host, node.port))
    }

    /// What a segment store wants to see before it lets us at a stream; empty where nobody asks.
    pub(crate) async fn delegation_token(&self, stream: &StreamId, access: Access) -> Result<String> {
        if self.authorization.is_none() {
            return Ok(String::new());
        }
        let info = StreamInfo { access: access.number(), ..self.info(stream) };
        let answer: DelegationToken = self.call("getDelegationToken", info).await?;
        Ok(answer.token)
    }

    /// A segment's name in Pravega.
    pub(crate) fn segment_name(&self, segment: &SegmentId) -> String {
        let SegmentId { stream, number, epoch } = segment;
        format!("{}/{}/{number}.#epoch.{epoch}", self.scope_name(&stream.scope), stream.name)
    }

    /// A system scope stands in Pravega as `_kulya.NAME`, so that it is nobody else's: `_schemaregistry` is the Java
    /// registry's. What stores of an earlier version made under the plain name stays there.
    pub(crate) fn keep_name_of(&self, scope: &Scope) {
        self.plain.write().unwrap_or_else(PoisonError::into_inner).insert(scope.clone());
    }

    fn is_plain(&self, scope: &Scope) -> bool {
        scope.as_str() == OWN_SCOPE
            || self.plain.read().unwrap_or_else(PoisonError::into_inner).contains(scope)
    }

    fn scope_name(&self, scope: &Scope) -> String {
        let namespace = &self.namespace;
        match scope.as_str().strip_prefix('_') {
            Some(rest) if self.is_plain(scope) => format!("_{namespace}{rest}"),
            Some(rest) => format!("_{namespace}{OWN_PREFIX}{rest}"),
            None => format!("{namespace}{scope}"),
        }
    }

    /// Our scope of this name in Pravega; `None` for those of others.
    fn scope_of(&self, name: &str) -> Option<Scope> {
        let Some(rest) = name.strip_prefix('_') else {
            return Scope::stored(name.strip_prefix(&self.namespace)?).ok();
        };
        let rest = rest.strip_prefix(&self.namespace)?;
        match rest.strip_prefix(OWN_PREFIX) {
            Some(rest) => Scope::stored(&format!("_{rest}")).ok().filter(|scope| !self.is_plain(scope)),
            None => Scope::stored(&format!("_{rest}")).ok().filter(|scope| self.is_plain(scope)),
        }
    }

    fn info(&self, stream: &StreamId) -> StreamInfo {
        StreamInfo {
            scope: self.scope_name(&stream.scope),
            stream: stream.name.to_string(),
            access: NO_TOKEN,
        }
    }

    fn config(&self, stream: &StreamId, config: &StreamConfig) -> Result<messages::StreamConfig> {
        Ok(messages::StreamConfig {
            stream: Some(self.info(stream)),
            scaling: Some(ScalingPolicy { segments: config.segments as i32, ..ScalingPolicy::default() }),
            retention: retention_policy(stream, config.retention)?,
            ..messages::StreamConfig::default()
        })
    }

    fn ranges(&self, stream: &StreamId, found: SegmentRanges) -> Result<Vec<SegmentWithRange>> {
        let one = |range: messages::SegmentRange| {
            let id = range.segment.unwrap_or_default().id;
            let segment = SegmentId { stream: stream.clone(), number: id as u32, epoch: (id >> 32) as u32 };
            (segment, range.low..range.high)
        };
        let mut segments: Vec<_> = found.ranges.into_iter().map(one).collect();
        segments.sort_by(|(one, _), (two, _)| one.cmp(two));
        if segments.iter().any(|(segment, _)| segment.epoch > 0) {
            let what = format!(
                "stream {stream} has been scaled, which is not supported yet: use one with a fixed number of segments"
            );
            return Err(Error::invalid(what));
        }
        Ok(segments)
    }

    /// Pravega has had its time.
    pub(crate) fn slow(&self, limit: Duration) -> Error {
        let what = format!(
            "pravega at {} does not answer within {} s: see that it runs, and ask again",
            self.shown,
            limit.as_secs_f32()
        );
        Error::new(ErrorKind::Unreachable, what)
    }

    fn updated(&self, stream: &StreamId, answer: &Status) -> Result<()> {
        match answer.status {
            0 => Ok(()),
            2 | 3 => Err(Error::not_found(format!("stream {stream}"))),
            4 => Err(Error::sealed(stream)),
            status => Err(self.refused(&format!("stream {stream}"), status)),
        }
    }

    fn refused(&self, thing: &str, status: i32) -> Error {
        let what = format!(
            "pravega's controller at {} could not change {thing} (status {status}): ask again, or see its log",
            self.shown
        );
        Error::new(ErrorKind::Failed, what)
    }

    /// Asks once more when the connection broke: a controller that was started anew has forgotten the old one.
    async fn call<A, B>(&self, method: &str, message: A) -> Result<B>
    where
        A: prost::Message + Clone + About + 'static,
        B: prost::Message + Default + 'static,
    {
        let reads = READING.contains(&method) || message.asks_to_read();
        let permission = if reads { "READ" } else { "READ_UPDATE" };
        let lacking = format!("{},{permission}", message.resource());
        match self.ask(method, message.clone()).await {
            Err(status) if status.code() == Code::Unavailable => self.ask(method, message).await,
            answer => answer,
        }
        .map_err(|status| self.failure(&lacking, status))
    }

    async fn ask<A, B>(&self, method: &str, message: A) -> Result<B, tonic::Status>
    where
        A: prost::Message + 'static,
        B: prost::Message + Default + 'static,
    {
        let path = format!("/io.pravega.controller.stream.api.grpc.v1.ControllerService/{method}");
        let path: PathAndQuery = path.parse().expect("a method's name makes a path");
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|e| tonic::Status::unavailable(e.to_string()))?;
        let codec = tonic_prost::ProstCodec::<A, B>::default();
        Ok(grpc.unary(request, path, codec).await?.into_inner())
    }

    fn failure(&self, lacking: &str, status: tonic::Status) -> Error {
        let shown = &self.shown;
        let (kind, what) = match status.code() {
            Code::NotFound => {
                (ErrorKind::NotFound, "pravega's controller does not know what was asked for".to_owned())
            }
            Code::Unauthenticated => (
                ErrorKind::InvalidInput,
                format!(
                    "pravega's controller at {shown} refuses us: set pravega_client_auth_method and pravega_client_auth_token"
                ),
            ),
            Code::PermissionDenied => (
                ErrorKind::InvalidInput,
                format!(
                    "pravega's controller at {shown} does not allow us this: the account lacks the right {lacking}"
                ),
            ),
            _ if let Some(why) = misconfigured(&status) => {
                (ErrorKind::InvalidInput, format!("pravega's controller at {shown} {why}"))
            }
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => (
                ErrorKind::Unreachable,
                format!("pravega's controller at {shown} does not answer: see that it runs, and ask again"),
            ),
            _ => (ErrorKind::Failed, format!("pravega's controller at {shown} failed: see its log")),
        };
        Error::new(kind, what).because(status)
    }
}

/// What is wrong with the address or with whom we trust, when a connection failed so that waiting mends nothing.
fn misconfigured(status: &tonic::Status) -> Option<&'static str> {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        // TLS's own errors lie within others that do not show them as their source
        let text = error.to_string();
        if text.contains("invalid peer certificate") {
            return Some("shows a certificate that is not trusted: give its authority's with --ca");
        }
        if text.contains("received corrupt message of type InvalidContentType") {
            return Some("speaks no TLS: write tcp:// in place of tls://");
        }
        cause = error.source();
    }
    None
}

/// Methods that need the right to read alone.
const READING: [&str; 7] = [
    "checkScopeExists",
    "listScopes",
    "listStreamsInScope",
    "getCurrentSegments",
    "getEpochSegments",
    "getStreamConfiguration",
    "getURI",
];

/// Whether Pravega knows us, and we have not the right.
pub(crate) fn is_denied(error: &Error) -> bool {
    let status = std::error::Error::source(error).and_then(|source| source.downcast_ref::<tonic::Status>());
    status.is_some_and(|status| status.code() == Code::PermissionDenied)
}

/// The controller's "not found" in our words.
fn gone(stream: &StreamId) -> impl Fn(Error) -> Error + '_ {
    move |error| {
        if error.kind() == ErrorKind::NotFound { Error::not_found(format!("stream {stream}")) } else { error }
    }
}

fn retention_policy(stream: &StreamId, retention: Retention) -> Result<Option<RetentionPolicy>> {
    let policy = |kind, least: u128| {
        Some(RetentionPolicy { kind, least: least.min(i64::MAX as u128) as i64, most: i64::MAX })
    };
    match (retention.age, retention.bytes) {
        (None, None) => Ok(None),
        (Some(age), None) => Ok(policy(1, age.as_millis())),
        (None, Some(bytes)) => Ok(policy(2, u128::from(bytes))),
        (Some(_), Some(_)) => Err(Error::invalid(format!(
            "stream {stream} cannot be kept by age and by size at once on Pravega: choose one"
        ))),
    }
}

fn id_of(segment: &SegmentId) -> i64 {
    i64::from(segment.epoch) << 32 | i64::from(segment.number)
}

fn tls(settings: &Settings) -> Result<ClientTlsConfig> {
    let Some(file) = &settings.authorities else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = std::fs::read(file)
        .map_err(|e| Error::invalid(format!("{} cannot be read", file.display())).because(e))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}
