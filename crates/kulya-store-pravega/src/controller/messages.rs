//! The messages of Pravega's controller that are used, with the field numbers of its service definition.

use std::collections::HashMap;

/// The access to a stream that a delegation token grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Needs read permission alone.
    Read,
    ReadWrite,
}

impl Access {
    /// Returns the code of the access in requests.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Read => 3,
            Self::ReadWrite => 5,
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScopeInfo {
    #[prost(string, tag = "1")]
    pub(crate) scope: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamInfo {
    #[prost(string, tag = "1")]
    pub(crate) scope: String,
    #[prost(string, tag = "2")]
    pub(crate) stream: String,
    /// 1: no token; 3: a token to read; 5: a token to read and write.
    #[prost(int32, tag = "3")]
    pub(crate) access: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScalingPolicy {
    /// 0: a fixed number of segments.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(int32, tag = "2")]
    pub(crate) target_rate: i32,
    #[prost(int32, tag = "3")]
    pub(crate) scale_factor: i32,
    #[prost(int32, tag = "4")]
    pub(crate) segments: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RetentionPolicy {
    /// 1: by time, in milliseconds; 2: by size, in bytes.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(int64, tag = "2")]
    pub(crate) min: i64,
    #[prost(int64, tag = "3")]
    pub(crate) max: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Tags {
    #[prost(string, repeated, tag = "1")]
    pub(crate) tag: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamConfig {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamInfo>,
    #[prost(message, optional, tag = "2")]
    pub(crate) scaling: Option<ScalingPolicy>,
    #[prost(message, optional, tag = "3")]
    pub(crate) retention: Option<RetentionPolicy>,
    // the following are set by others: read so that an update preserves them
    #[prost(message, optional, tag = "4")]
    pub(crate) tags: Option<Tags>,
    #[prost(int64, tag = "5")]
    pub(crate) timestamp_aggregation_timeout: i64,
    #[prost(int64, tag = "6")]
    pub(crate) rollover_size_bytes: i64,
}

/// The response of most changes.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamCut {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamInfo>,
    #[prost(map = "int64, int64", tag = "2")]
    pub(crate) cut: HashMap<i64, i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentId {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamInfo>,
    #[prost(int64, tag = "2")]
    pub(crate) id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentRange {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentId>,
    #[prost(double, tag = "2")]
    pub(crate) low: f64,
    #[prost(double, tag = "3")]
    pub(crate) high: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentRanges {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ranges: Vec<SegmentRange>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EpochSegmentsRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamInfo>,
    #[prost(int32, tag = "2")]
    pub(crate) epoch: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NodeUri {
    #[prost(string, tag = "1")]
    pub(crate) host: String,
    #[prost(int32, tag = "2")]
    pub(crate) port: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Continuation {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScopesRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) continuation: Option<Continuation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Scopes {
    #[prost(string, repeated, tag = "1")]
    pub(crate) scopes: Vec<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) continuation: Option<Continuation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamsRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) scope: Option<ScopeInfo>,
    #[prost(message, optional, tag = "2")]
    pub(crate) continuation: Option<Continuation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Streams {
    #[prost(message, repeated, tag = "1")]
    pub(crate) streams: Vec<StreamInfo>,
    #[prost(message, optional, tag = "2")]
    pub(crate) continuation: Option<Continuation>,
    /// 0 success, 1 failure, 2 no such scope.
    #[prost(int32, tag = "3")]
    pub(crate) status: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Exists {
    #[prost(bool, tag = "1")]
    pub(crate) exists: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DelegationToken {
    #[prost(string, tag = "1")]
    pub(crate) token: String,
}

/// A request with its resource in Pravega's access control.
pub(crate) trait Resource {
    fn resource(&self) -> String;

    /// Returns whether it requests a token for reading alone.
    fn is_read_token(&self) -> bool {
        false
    }
}

fn stream_resource(stream: Option<&StreamInfo>) -> String {
    stream.map(Resource::resource).unwrap_or_default()
}

impl Resource for ScopeInfo {
    fn resource(&self) -> String {
        format!("prn::/scope:{}", self.scope)
    }
}

impl Resource for ScopesRequest {
    fn resource(&self) -> String {
        "prn::/".to_owned()
    }
}

impl Resource for StreamsRequest {
    fn resource(&self) -> String {
        self.scope.as_ref().map(Resource::resource).unwrap_or_default()
    }
}

impl Resource for StreamInfo {
    fn resource(&self) -> String {
        format!("prn::/scope:{}/stream:{}", self.scope, self.stream)
    }

    fn is_read_token(&self) -> bool {
        self.access == Access::Read.code()
    }
}

impl Resource for StreamConfig {
    fn resource(&self) -> String {
        stream_resource(self.stream.as_ref())
    }
}

impl Resource for StreamCut {
    fn resource(&self) -> String {
        stream_resource(self.stream.as_ref())
    }
}

impl Resource for SegmentId {
    fn resource(&self) -> String {
        stream_resource(self.stream.as_ref())
    }
}

impl Resource for EpochSegmentsRequest {
    fn resource(&self) -> String {
        stream_resource(self.stream.as_ref())
    }
}
