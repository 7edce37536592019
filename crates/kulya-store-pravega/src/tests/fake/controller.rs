//! The fake controller: a gRPC service with the methods that `crate::controller` calls.

use super::segment_store::truncate;
use super::{FakeState, Segment, Stream};
use crate::controller::messages::{
    Continuation, EpochSegmentsRequest, Exists, NodeUri, ScopeInfo, Scopes, ScopesRequest, SegmentId,
    SegmentRange, SegmentRanges, Status as Outcome, StreamConfig, StreamCut, StreamInfo, Streams,
    StreamsRequest,
};
use futures::future::{Ready, ready};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

#[derive(Clone)]
pub(super) struct Service {
    pub(super) state: Arc<Mutex<FakeState>>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) unresponsive: watch::Receiver<(bool, bool)>,
    pub(super) segment_store: u16,
}

impl Service {
    pub(super) async fn run(self, listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            let this = self.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let this = this.clone();
                async move { Ok::<_, Infallible>(this.respond(request.map(Body::new)).await) }
            });
            let connection = http2::Builder::new(TokioExecutor::new());
            // errors of closed connections are ignored
            tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
        }
    }

    async fn respond(mut self, request: Request<Body>) -> Response<Body> {
        self.unresponsive.wait_for(|(unresponsive, _)| !unresponsive).await.unwrap();
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let this = &self;
        match method.as_str() {
            "createScope" => {
                unary(request, |ScopeInfo { scope }| {
                    this.call(&method, &scope, |state| {
                        Ok(outcome(if state.scopes.insert(scope.clone()) { 0 } else { 2 }))
                    })
                })
                .await
            }
            "deleteScope" => {
                unary(request, |ScopeInfo { scope }| {
                    this.call(&method, &scope, |state| {
                        let holds = state.streams.keys().any(|(other, _)| *other == scope);
                        let trusted = state.scopes.contains(&scope);
                        let status = if !trusted {
                            2
                        } else if holds {
                            3
                        } else {
                            0
                        };
                        if status == 0 {
                            state.scopes.remove(&scope);
                        }
                        Ok(outcome(status))
                    })
                })
                .await
            }
            "checkScopeExists" => {
                unary(request, |ScopeInfo { scope }| {
                    this.call(&method, &scope, |state| Ok(Exists { exists: state.scopes.contains(&scope) }))
                })
                .await
            }
            "listScopes" => {
                unary(request, |request_message: ScopesRequest| {
                    this.call(&method, "", |state| {
                        // one page, then an empty one
                        let is_first = request_message.continuation.is_none();
                        let scopes =
                            if is_first { state.scopes.iter().cloned().collect() } else { Vec::new() };
                        Ok(Scopes { scopes, continuation: Some(Continuation { token: "1".into() }) })
                    })
                })
                .await
            }
            "listStreamsInScope" => {
                unary(request, |request_message: StreamsRequest| {
                    let scope = request_message.scope.unwrap_or_default().scope;
                    this.call(&method, &scope, |state| {
                        if !state.scopes.contains(&scope) {
                            return Ok(Streams { status: 2, ..Streams::default() });
                        }
                        let is_first = request_message.continuation.is_none_or(|page| page.token.is_empty());
                        let names = state.streams.keys().filter(|(other, _)| is_first && *other == scope);
                        let info = |(scope, stream): &(String, String)| StreamInfo {
                            scope: scope.clone(),
                            stream: stream.clone(),
                            access: 0,
                        };
                        let continuation = Some(Continuation { token: "1".into() });
                        Ok(Streams { streams: names.map(info).collect(), continuation, status: 0 })
                    })
                })
                .await
            }
            "createStream" => {
                unary(request, |config: StreamConfig| {
                    let (name, resource) = stream_name(config.stream.as_ref());
                    this.call(&method, &resource, |state| {
                        if !state.scopes.contains(&name.0) {
                            return Ok(outcome(3));
                        }
                        if state.streams.contains_key(&name) {
                            return Ok(outcome(2));
                        }
                        let count = config.scaling.clone().unwrap_or_default().segments as u32;
                        let next = state.numbered.entry(name.clone()).or_default();
                        let segments = *next..*next + count;
                        *next += count;
                        for number in segments.clone() {
                            state.segments.insert(segment_name(&name, number), Segment::default());
                        }
                        state.streams.insert(name, Stream { config, segments, sealed: false });
                        Ok(outcome(0))
                    })
                })
                .await
            }
            "getStreamConfiguration" => {
                unary(request, |info: StreamInfo| {
                    let (name, resource) = stream_name(Some(&info));
                    this.call(&method, &resource, |state| Ok(stream(state, &name)?.config.clone()))
                })
                .await
            }
            "updateStream" => {
                unary(request, |config: StreamConfig| {
                    let (name, resource) = stream_name(config.stream.as_ref());
                    this.call(&method, &resource, |state| {
                        let Ok(stream) = stream(state, &name) else { return Ok(outcome(2)) };
                        if stream.sealed {
                            return Ok(outcome(4));
                        }
                        stream.config = config;
                        Ok(outcome(0))
                    })
                })
                .await
            }
            "sealStream" => {
                unary(request, |info: StreamInfo| {
                    let (name, resource) = stream_name(Some(&info));
                    this.call(&method, &resource, |state| {
                        let Ok(stream) = stream(state, &name) else { return Ok(outcome(2)) };
                        stream.sealed = true;
                        let segments = stream.segments.clone();
                        for number in segments {
                            state.segments.entry(segment_name(&name, number)).or_default().sealed = true;
                        }
                        Ok(outcome(0))
                    })
                })
                .await
            }
            "deleteStream" => {
                unary(request, |info: StreamInfo| {
                    let (name, resource) = stream_name(Some(&info));
                    this.call(&method, &resource, |state| {
                        let Ok(stream) = stream(state, &name) else { return Ok(outcome(2)) };
                        if !stream.sealed {
                            return Ok(outcome(3));
                        }
                        let segments = stream.segments.clone();
                        segments.for_each(|number| _ = state.segments.remove(&segment_name(&name, number)));
                        state.streams.remove(&name);
                        Ok(outcome(0))
                    })
                })
                .await
            }
            "truncateStream" => {
                unary(request, |cut: StreamCut| {
                    let (name, resource) = stream_name(cut.stream.as_ref());
                    this.call(&method, &resource, |state| {
                        let Ok(stream) = stream(state, &name) else { return Ok(outcome(2)) };
                        if stream.sealed {
                            return Ok(outcome(4));
                        }
                        for (number, offset) in cut.cut {
                            let segment =
                                state.segments.entry(segment_name(&name, number as u32)).or_default();
                            truncate(segment, offset as u64);
                        }
                        Ok(outcome(0))
                    })
                })
                .await
            }
            "getCurrentSegments" => {
                unary(request, |info: StreamInfo| {
                    let (name, resource) = stream_name(Some(&info));
                    this.call(&format!("{method} access {}", info.access), &resource, |state| {
                        let stream = stream(state, &name)?;
                        Ok(ranges(&info, if stream.sealed { 0..0 } else { stream.segments.clone() }))
                    })
                })
                .await
            }
            "getEpochSegments" => {
                unary(request, |request_message: EpochSegmentsRequest| {
                    let info = request_message.stream.unwrap_or_default();
                    let (name, resource) = stream_name(Some(&info));
                    this.call(&method, &resource, |state| {
                        Ok(ranges(&info, stream(state, &name)?.segments.clone()))
                    })
                })
                .await
            }
            "getURI" => {
                unary(request, |request_message: SegmentId| {
                    let (_, resource) = stream_name(request_message.stream.as_ref());
                    let port = i32::from(this.segment_store);
                    this.call(&method, &resource, |_| Ok(NodeUri { host: "127.0.0.1".into(), port }))
                })
                .await
            }
            other => panic!("the fake has no method {other}"),
        }
    }

    fn call<T>(
        &self,
        method: &str,
        resource: &str,
        handle: impl FnOnce(&mut FakeState) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.push(format!("{method} {resource}").trim_end().to_owned());
        let outcome = handle(&mut state);
        self.changed.send_modify(|changed| *changed += 1);
        outcome
    }
}

fn outcome(status: i32) -> Outcome {
    Outcome { status }
}

fn stream_name(info: Option<&StreamInfo>) -> ((String, String), String) {
    let StreamInfo { scope, stream, .. } = info.cloned().unwrap_or_default();
    let resource = format!("{scope}/{stream}");
    ((scope, stream), resource)
}

fn segment_name((scope, stream): &(String, String), number: u32) -> String {
    format!("{scope}/{stream}/{number}.#epoch.0")
}

fn stream<'a>(state: &'a mut FakeState, name: &(String, String)) -> Result<&'a mut Stream, Status> {
    state.streams.get_mut(name).ok_or_else(|| Status::new(Code::NotFound, "no such stream"))
}

fn ranges(stream: &StreamInfo, segments: std::ops::Range<u32>) -> SegmentRanges {
    let (first, count) = (segments.start, f64::from(segments.end - segments.start));
    let range = |number: u32| SegmentRange {
        segment: Some(SegmentId { stream: Some(stream.clone()), id: i64::from(number) }),
        low: f64::from(number - first) / count,
        high: f64::from(number - first + 1) / count,
    };
    SegmentRanges { ranges: segments.map(range).collect() }
}

struct Unary<F>(F);

impl<A, B, F: FnMut(A) -> Result<B, Status>> UnaryService<A> for Unary<F> {
    type Response = B;
    type Future = Ready<Result<tonic::Response<B>, Status>>;

    fn call(&mut self, request: tonic::Request<A>) -> Self::Future {
        ready((self.0)(request.into_inner()).map(tonic::Response::new))
    }
}

async fn unary<A, B>(request: Request<Body>, handler: impl FnOnce(A) -> Result<B, Status>) -> Response<Body>
where
    A: prost::Message + Default + 'static,
    B: prost::Message + Default + 'static,
{
    let mut handler = Some(handler);
    let respond =
        move |request_message| (handler.take().expect("a request has one response"))(request_message);
    Grpc::new(tonic_prost::ProstCodec::<B, A>::default()).unary(Unary(respond), request).await
}
