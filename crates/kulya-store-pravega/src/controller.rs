//! A client of Pravega's controller over gRPC: scopes, streams and the hosts of their segments. It does not
//! handle events.
//!
//! The service is small, so its messages are written by hand in `messages`: no generated code, and no
//! `protoc` in the build.

mod error;
pub(crate) mod messages;

pub(crate) use error::is_denied;
pub(crate) use messages::Access;

use crate::settings::Settings;
use error::{grpc_error, stream_not_found};
use kulya_store::{
    Error, ErrorKind, Result, Retention, Scope, SegmentId, StreamConfig, StreamCut, StreamId, StreamName,
};
use messages::{
    Continuation, DelegationToken, EpochSegmentsRequest, Exists, NodeUri, Resource, RetentionPolicy,
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

/// The maximum number of pages of a listing.
const MAX_PAGES: usize = 100_000;

/// The scope of the journal.
pub(crate) const JOURNAL_SCOPE: &str = "_kulya";
/// The prefix of the names of our other system scopes in Pravega, after the underscore.
const SYSTEM_SCOPE_PREFIX: &str = "kulya.";

/// A client of a controller.
pub(crate) struct Controller {
    channel: Channel,
    address: String,
    namespace: String,
    authorization: Option<MetadataValue<Ascii>>,
    /// System scopes without prefix in Pravega; see [`Controller::use_unprefixed_name`].
    unprefixed: RwLock<HashSet<Scope>>,
}

/// Requests no token: Pravega requires write permission for requests with one.
const NO_TOKEN: i32 = 1;

/// A segment's id and its range of routing-key hashes.
pub(crate) type SegmentWithRange = (SegmentId, Range<f64>);

/// The outcome of deleting a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeleteOutcome {
    Deleted,
    NotFound,
    NotSealed,
}

impl Controller {
    /// Creates a client from settings; connects at the first call.
    ///
    /// # Errors
    /// `InvalidInput` when the address, the certificate file or the credentials are not valid.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let uri = &settings.controller;
        let scheme = if uri.tls { "https" } else { "http" };
        let mut endpoints = Vec::new();
        for host in &uri.hosts {
            let invalid = |e: tonic::transport::Error| {
                Error::invalid(format!("invalid controller address {uri}")).because(e)
            };
            let mut endpoint = Endpoint::from_shared(format!("{scheme}://{host}")).map_err(invalid)?;
            endpoint = endpoint.connect_timeout(settings.timeout).timeout(settings.timeout);
            if uri.tls {
                endpoint = endpoint.tls_config(tls(settings)?).map_err(invalid)?;
            }
            endpoints.push(endpoint);
        }
        let channel = match endpoints.as_slice() {
            [one] => one.connect_lazy(),
            _ => Channel::balance_list(endpoints.into_iter()),
        };
        let header = |credentials: &crate::Credentials| {
            let mut value: MetadataValue<Ascii> =
                format!("{} {}", credentials.method, credentials.token).parse().map_err(|_| {
                    Error::invalid("pravega credentials contain characters that are not allowed in a header")
                })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let authorization = settings.credentials.as_ref().map(header).transpose()?;
        let (address, namespace) = (uri.to_string(), settings.namespace.clone());
        Ok(Self { channel, address, namespace, authorization, unprefixed: RwLock::default() })
    }

    /// Creates a scope; `false` when it exists.
    pub(crate) async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let response: Status = self.call("createScope", request).await?;
        match response.status {
            0 => Ok(true),
            2 => Ok(false),
            status => Err(self.status_error(&format!("scope {scope}"), status)),
        }
    }

    /// Deletes a scope; `false` when it does not exist.
    pub(crate) async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let response: Status = self.call("deleteScope", request).await?;
        match response.status {
            0 => Ok(true),
            2 => Ok(false),
            3 => Err(Error::not_empty(scope)),
            status => Err(self.status_error(&format!("scope {scope}"), status)),
        }
    }

    pub(crate) async fn scope_exists(&self, scope: &Scope) -> Result<bool> {
        let request = ScopeInfo { scope: self.scope_name(scope) };
        let response: Exists = self.call("checkScopeExists", request).await?;
        Ok(response.exists)
    }

    /// Lists the scopes of our namespace, in name order.
    pub(crate) async fn scopes(&self) -> Result<Vec<Scope>> {
        let mut found = Vec::new();
        let mut continuation = None;
        for _ in 0..MAX_PAGES {
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

    /// Lists the streams of a scope in name order, without Pravega's internal ones.
    pub(crate) async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut found = Vec::new();
        let mut continuation = Some(Continuation::default());
        for _ in 0..MAX_PAGES {
            let scope_info = ScopeInfo { scope: self.scope_name(scope) };
            let page: Streams = self
                .call("listStreamsInScope", StreamsRequest { scope: Some(scope_info), continuation })
                .await?;
            match page.status {
                0 if page.streams.is_empty() => break,
                0 => {}
                2 => return Err(Error::not_found(format!("scope {scope}"))),
                status => return Err(self.status_error(&format!("scope {scope}"), status)),
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

    /// Creates a stream; `false` when it exists.
    pub(crate) async fn create_stream(&self, stream: &StreamId, config: &StreamConfig) -> Result<bool> {
        let response: Status = self.call("createStream", self.stream_config(stream, config)?).await?;
        match response.status {
            0 => Ok(true),
            2 => Ok(false),
            3 => Err(Error::not_found(format!("scope {}", stream.scope))),
            status => Err(self.status_error(&format!("stream {stream}"), status)),
        }
    }

    /// Returns the configuration of a stream.
    pub(crate) async fn configuration(&self, stream: &StreamId) -> Result<StreamConfig> {
        let found: messages::StreamConfig = self
            .call("getStreamConfiguration", self.stream_info(stream))
            .await
            .map_err(stream_not_found(stream))?;
        let segments = found.scaling.unwrap_or_default().segments;
        let retention = match found.retention.unwrap_or_default() {
            RetentionPolicy { kind: 1, min, .. } => {
                Retention { age: Some(Duration::from_millis(min.max(0) as u64)), bytes: None }
            }
            RetentionPolicy { kind: 2, min, .. } => Retention { age: None, bytes: Some(min.max(0) as u64) },
            _ => Retention::default(),
        };
        Ok(StreamConfig::with_segments(u32::try_from(segments).unwrap_or_default()).retention(retention))
    }

    /// Updates the retention of a stream; other settings stay.
    pub(crate) async fn update_stream(&self, stream: &StreamId, config: &StreamConfig) -> Result<()> {
        let mut now: messages::StreamConfig = self
            .call("getStreamConfiguration", self.stream_info(stream))
            .await
            .map_err(stream_not_found(stream))?;
        now.stream = Some(self.stream_info(stream));
        now.retention = retention_policy(stream, config.retention)?;
        let response: Status = self.call("updateStream", now).await?;
        self.check_update(stream, &response)
    }

    /// Seals a stream.
    pub(crate) async fn seal_stream(&self, stream: &StreamId) -> Result<()> {
        let response: Status = self.call("sealStream", self.stream_info(stream)).await?;
        match self.check_update(stream, &response) {
            Err(e) if e.kind() == ErrorKind::Sealed => Ok(()),
            done => done,
        }
    }

    pub(crate) async fn delete_stream(&self, stream: &StreamId) -> Result<DeleteOutcome> {
        let response: Status = self.call("deleteStream", self.stream_info(stream)).await?;
        match response.status {
            0 => Ok(DeleteOutcome::Deleted),
            2 => Ok(DeleteOutcome::NotFound),
            3 => Ok(DeleteOutcome::NotSealed),
            status => Err(self.status_error(&format!("stream {stream}"), status)),
        }
    }

    /// Truncates a stream at a cut.
    pub(crate) async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let offsets = cut.offsets().map(|(segment, offset)| (segment_number(&segment), offset as i64));
        let request =
            messages::StreamCut { stream: Some(self.stream_info(&cut.stream)), cut: offsets.collect() };
        let response: Status = self.call("truncateStream", request).await?;
        self.check_update(&cut.stream, &response)
    }

    /// Returns the open segments of a stream in key order; empty when it is sealed.
    pub(crate) async fn open_segments(&self, stream: &StreamId) -> Result<Vec<SegmentWithRange>> {
        let found: SegmentRanges = self
            .call("getCurrentSegments", self.stream_info(stream))
            .await
            .map_err(stream_not_found(stream))?;
        self.ranges(stream, found)
    }

    /// Returns the segments with which a stream was created.
    pub(crate) async fn first_segments(&self, stream: &StreamId) -> Result<Vec<SegmentWithRange>> {
        let request = EpochSegmentsRequest { stream: Some(self.stream_info(stream)), epoch: 0 };
        let found: SegmentRanges =
            self.call("getEpochSegments", request).await.map_err(stream_not_found(stream))?;
        self.ranges(stream, found)
    }

    /// Returns the `host:port` of the segment store that holds a segment.
    pub(crate) async fn segment_host(&self, segment: &SegmentId) -> Result<String> {
        let request = messages::SegmentId {
            stream: Some(self.stream_info(&segment.stream)),
            id: segment_number(segment),
        };
        let node: NodeUri = self.call("getURI", request).await?;
        Ok(format!("{}:{}", node.host, node.port))
    }

    /// Returns the token with which a segment store authorizes access to a stream; empty without credentials.
    pub(crate) async fn delegation_token(&self, stream: &StreamId, access: Access) -> Result<String> {
        if self.authorization.is_none() {
            return Ok(String::new());
        }
        let info = StreamInfo { access: access.code(), ..self.stream_info(stream) };
        let response: DelegationToken = self.call("getDelegationToken", info).await?;
        Ok(response.token)
    }

    /// Returns the name of a segment in Pravega.
    pub(crate) fn segment_name(&self, segment: &SegmentId) -> String {
        let SegmentId { stream, number, epoch } = segment;
        format!("{}/{}/{number}.#epoch.{epoch}", self.scope_name(&stream.scope), stream.name)
    }

    /// Uses the unprefixed name of a system scope. By default such a scope is `_kulya.NAME` in Pravega, so
    /// that it belongs to nobody else: `_schemaregistry` is the Java registry's. Scopes that stores of an
    /// earlier version created unprefixed keep their names.
    pub(crate) fn use_unprefixed_name(&self, scope: &Scope) {
        self.unprefixed.write().unwrap_or_else(PoisonError::into_inner).insert(scope.clone());
    }

    fn is_unprefixed(&self, scope: &Scope) -> bool {
        scope.as_str() == JOURNAL_SCOPE
            || self.unprefixed.read().unwrap_or_else(PoisonError::into_inner).contains(scope)
    }

    fn scope_name(&self, scope: &Scope) -> String {
        let namespace = &self.namespace;
        match scope.as_str().strip_prefix('_') {
            Some(rest) if self.is_unprefixed(scope) => format!("_{namespace}{rest}"),
            Some(rest) => format!("_{namespace}{SYSTEM_SCOPE_PREFIX}{rest}"),
            None => format!("{namespace}{scope}"),
        }
    }

    /// Returns our scope with this name in Pravega; `None` for scopes of others.
    fn scope_of(&self, name: &str) -> Option<Scope> {
        let Some(rest) = name.strip_prefix('_') else {
            return Scope::stored(name.strip_prefix(&self.namespace)?).ok();
        };
        let rest = rest.strip_prefix(&self.namespace)?;
        match rest.strip_prefix(SYSTEM_SCOPE_PREFIX) {
            Some(rest) => Scope::stored(&format!("_{rest}")).ok().filter(|scope| !self.is_unprefixed(scope)),
            None => Scope::stored(&format!("_{rest}")).ok().filter(|scope| self.is_unprefixed(scope)),
        }
    }

    fn stream_info(&self, stream: &StreamId) -> StreamInfo {
        StreamInfo {
            scope: self.scope_name(&stream.scope),
            stream: stream.name.to_string(),
            access: NO_TOKEN,
        }
    }

    fn stream_config(&self, stream: &StreamId, config: &StreamConfig) -> Result<messages::StreamConfig> {
        Ok(messages::StreamConfig {
            stream: Some(self.stream_info(stream)),
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
                "stream {stream} has been scaled, which is not supported: use one with a fixed number of segments"
            );
            return Err(Error::invalid(what));
        }
        Ok(segments)
    }

    /// Returns the error of a call that timed out.
    pub(crate) fn timeout_error(&self, limit: Duration) -> Error {
        let what = format!(
            "request timed out: pravega at {} does not answer within {} s: see that it runs, and retry",
            self.address,
            limit.as_secs_f32()
        );
        Error::new(ErrorKind::Unreachable, what)
    }

    fn check_update(&self, stream: &StreamId, response: &Status) -> Result<()> {
        match response.status {
            0 => Ok(()),
            2 | 3 => Err(Error::not_found(format!("stream {stream}"))),
            4 => Err(Error::sealed(stream)),
            status => Err(self.status_error(&format!("stream {stream}"), status)),
        }
    }

    fn status_error(&self, thing: &str, status: i32) -> Error {
        let what = format!(
            "pravega's controller at {} failed to change {thing} (status {status}): retry, or see its log",
            self.address
        );
        Error::new(ErrorKind::Failed, what)
    }

    /// Calls a method, and retries once when the connection was closed: a restarted controller does not know
    /// the old one.
    async fn call<A, B>(&self, method: &str, message: A) -> Result<B>
    where
        A: prost::Message + Clone + Resource + 'static,
        B: prost::Message + Default + 'static,
    {
        let reads = READ_METHODS.contains(&method) || message.is_read_token();
        let permission = if reads { "READ" } else { "READ_UPDATE" };
        let permission_needed = format!("{},{permission}", message.resource());
        match self.call_once(method, message.clone()).await {
            Err(status) if status.code() == Code::Unavailable => self.call_once(method, message).await,
            response => response,
        }
        .map_err(|status| grpc_error(&self.address, &permission_needed, status))
    }

    async fn call_once<A, B>(&self, method: &str, message: A) -> Result<B, tonic::Status>
    where
        A: prost::Message + 'static,
        B: prost::Message + Default + 'static,
    {
        let path = format!("/io.pravega.controller.stream.api.grpc.v1.ControllerService/{method}");
        let path: PathAndQuery = path.parse().expect("a method name is a valid path");
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|e| tonic::Status::unavailable(e.to_string()))?;
        let codec = tonic_prost::ProstCodec::<A, B>::default();
        Ok(grpc.unary(request, path, codec).await?.into_inner())
    }
}

/// The methods that need read permission alone.
const READ_METHODS: [&str; 7] = [
    "checkScopeExists",
    "listScopes",
    "listStreamsInScope",
    "getCurrentSegments",
    "getEpochSegments",
    "getStreamConfiguration",
    "getURI",
];

fn retention_policy(stream: &StreamId, retention: Retention) -> Result<Option<RetentionPolicy>> {
    let policy = |kind, min: u128| {
        Some(RetentionPolicy { kind, min: min.min(i64::MAX as u128) as i64, max: i64::MAX })
    };
    match (retention.age, retention.bytes) {
        (None, None) => Ok(None),
        (Some(age), None) => Ok(policy(1, age.as_millis())),
        (None, Some(bytes)) => Ok(policy(2, u128::from(bytes))),
        (Some(_), Some(_)) => Err(Error::invalid(format!(
            "retention of stream {stream} by age and by size at once is not supported on Pravega: choose one"
        ))),
    }
}

fn segment_number(segment: &SegmentId) -> i64 {
    i64::from(segment.epoch) << 32 | i64::from(segment.number)
}

fn tls(settings: &Settings) -> Result<ClientTlsConfig> {
    let Some(file) = &settings.ca_file else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = std::fs::read(file)
        .map_err(|e| Error::invalid(format!("{} cannot be read", file.display())).because(e))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}
