//! The fake segment store: the server side of the protocol in `crate::wire`.

use super::{FakeState, Segment};
use crate::wire::HEAD_BYTES;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

#[derive(Clone)]
pub(super) struct SegmentStore {
    pub(super) state: Arc<Mutex<FakeState>>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) unresponsive: watch::Receiver<(bool, bool)>,
    pub(super) delayed: watch::Receiver<Option<String>>,
    pub(super) delayed_count: watch::Sender<usize>,
}

impl SegmentStore {
    pub(super) async fn run(self, listener: TcpListener) {
        let mut connections = 0;
        while let Ok((socket, _)) = listener.accept().await {
            connections += 1;
            tokio::spawn(self.clone().serve(socket, connections));
        }
    }

    async fn serve(self, socket: TcpStream, connection: u64) {
        let (mut from, mut to) = socket.into_split();
        let (replies, mut queue) = mpsc::unbounded_channel::<Bytes>();
        let mut unresponsive = self.unresponsive.clone();
        tokio::spawn(async move {
            while let Some(reply) = queue.recv().await {
                if unresponsive.wait_for(|(_, unresponsive)| !unresponsive).await.is_err()
                    || to.write_all(&reply).await.is_err()
                {
                    return;
                }
            }
        });
        // the segment of each writer of this connection
        let mut writers: HashMap<u128, String> = HashMap::new();
        loop {
            let mut head = [0; HEAD_BYTES];
            if from.read_exact(&mut head).await.is_err() {
                return;
            }
            let mut head = &head[..];
            let (code, length) = (head.get_i32(), head.get_i32() as usize);
            let mut fields = BytesMut::zeroed(length);
            if from.read_exact(&mut fields).await.is_err() {
                return;
            }
            let mut fields = fields.freeze();
            match code {
                -127 => {
                    _ = replies.send(reply(-127, |out| {
                        out.put_i32(16);
                        out.put_i32(5);
                    }))
                }
                1 => {
                    let (request, writer) = (fields.get_i64(), fields.get_u128());
                    let segment = text(&mut fields);
                    writers.insert(writer, segment.clone());
                    let response = self.with(&segment, |found| {
                        let last = found.writers.entry(writer).or_insert((i64::MIN, connection));
                        last.1 = connection;
                        last.0
                    });
                    _ = replies.send(match response {
                        Ok(last) => reply(2, |out| {
                            out.put_i64(request);
                            put_text(out, &segment);
                            out.put_u128(writer);
                            out.put_i64(last);
                        }),
                        Err(code) => refusal(code, request, &segment),
                    });
                }
                4 | 89 => {
                    let append = Append::read(code, fields);
                    let Some(segment) = writers.get(&append.writer).cloned() else { return };
                    let (this, replies) = (self.clone(), replies.clone());
                    let mut delayed = self.delayed.clone();
                    let free = |back: &Option<String>, segment: &str| {
                        back.as_ref().is_none_or(|back| !segment.starts_with(back.as_str()))
                    };
                    if !free(&delayed.borrow_and_update(), &segment) {
                        tokio::spawn(async move {
                            this.delayed_count.send_modify(|delayed_count| *delayed_count += 1);
                            if delayed.wait_for(|back| free(back, &segment)).await.is_ok() {
                                _ = replies.send(this.append(connection, &segment, &append));
                            }
                        });
                        continue;
                    }
                    _ = replies.send(this.append(connection, &segment, &append));
                }
                9 => {
                    let segment = text(&mut fields);
                    let (offset, max_bytes) = (fields.get_u64(), fields.get_u32() as usize);
                    text(&mut fields);
                    let request = fields.get_i64();
                    let (this, replies) = (self.clone(), replies.clone());
                    tokio::spawn(
                        async move { this.read(&replies, &segment, offset, max_bytes, request).await },
                    );
                }
                11 => {
                    let request = fields.get_i64();
                    let segment = text(&mut fields);
                    let found = self.with(&segment, |found| (found.sealed, found.head, found.tail()));
                    self.grow(&segment);
                    _ = replies.send(reply(12, |out| {
                        let (sealed, head, tail) = found.unwrap_or_default();
                        out.put_i64(request);
                        put_text(out, &segment);
                        out.put_slice(&[u8::from(found.is_ok()), u8::from(sealed), 0]);
                        out.put_i64(0);
                        out.put_u64(tail);
                        out.put_u64(head);
                    }));
                }
                38 => {
                    let request = fields.get_i64();
                    let segment = text(&mut fields);
                    let offset = fields.get_u64();
                    let done = self.with(&segment, |found| truncate(found, offset));
                    _ = replies.send(match done {
                        Ok(()) => reply(39, |out| {
                            out.put_i64(request);
                            put_text(out, &segment);
                        }),
                        Err(code) => refusal(code, request, &segment),
                    });
                }
                other => panic!("the fake has no command {other}"),
            }
        }
    }

    /// Calls a function with a segment; an error code when it does not exist.
    fn with<T>(&self, segment: &str, act: impl FnOnce(&mut Segment) -> T) -> Result<T, i32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.segments.get_mut(segment).map(act).ok_or(53)
    }

    fn grow(&self, segment: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_growing = state.growing.as_ref().is_some_and(|prefix| segment.starts_with(prefix.as_str()));
        if let Some(found) = state.segments.get_mut(segment).filter(|_| is_growing) {
            found.bytes.extend_from_slice(&kulya_store::framing::frame(b"event"));
        }
    }

    fn append(&self, connection: u64, segment: &str, append: &Append) -> Bytes {
        let done = self.with(segment, |found| {
            if found.sealed {
                return Err(51);
            }
            let tail = found.tail();
            let (last, owner) = *found.writers.get(&append.writer).ok_or(55)?;
            if owner != connection || append.number <= last {
                return Err(55);
            }
            if append.at.is_some_and(|at| at != tail) {
                return Err(8);
            }
            found.bytes.extend_from_slice(&append.events);
            found.writers.insert(append.writer, (append.number, connection));
            Ok((last, found.tail()))
        });
        let request = append.request;
        match done.and_then(|done| done) {
            Ok((last, tail)) => {
                self.changed.send_modify(|changed| *changed += 1);
                reply(7, |out| {
                    out.put_u128(append.writer);
                    out.put_i64(append.number);
                    out.put_i64(last);
                    out.put_i64(request);
                    out.put_u64(tail);
                })
            }
            Err(55) => reply(55, |out| {
                out.put_u128(append.writer);
                out.put_i64(request);
            }),
            Err(8) => reply(8, |out| {
                out.put_u128(append.writer);
                out.put_i64(append.number);
                out.put_i64(request);
            }),
            Err(code) => refusal(code, request, segment),
        }
    }

    async fn read(
        &self,
        replies: &mpsc::UnboundedSender<Bytes>,
        segment: &str,
        offset: u64,
        max_bytes: usize,
        request: i64,
    ) {
        let mut changed = self.changed.subscribe();
        loop {
            let found = self.with(segment, |found| {
                let Some(start) = offset.checked_sub(found.head) else { return Err(found.head) };
                let rest = found.bytes.get(start as usize..).unwrap_or_default();
                Ok((Bytes::copy_from_slice(rest.get(..max_bytes).unwrap_or(rest)), found.sealed))
            });
            let response = match found {
                Err(code) => refusal(code, request, segment),
                Ok(Err(head)) => reply(56, |out| {
                    out.put_i64(request);
                    put_text(out, segment);
                    out.put_u64(head);
                }),
                Ok(Ok((bytes, sealed))) if sealed || !bytes.is_empty() => reply(10, |out| {
                    put_text(out, segment);
                    out.put_u64(offset);
                    out.put_u8(0);
                    out.put_u8(u8::from(bytes.is_empty()));
                    out.put_i32(bytes.len() as i32);
                    out.put_slice(&bytes);
                    out.put_i64(request);
                }),
                Ok(Ok(_)) => {
                    if changed.changed().await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            _ = replies.send(response);
            return;
        }
    }
}

pub(super) fn truncate(segment: &mut Segment, offset: u64) {
    let drop = offset.saturating_sub(segment.head).min(segment.bytes.len() as u64);
    segment.bytes.drain(..drop as usize);
    segment.head += drop;
}

struct Append {
    writer: u128,
    number: i64,
    at: Option<u64>,
    events: Bytes,
    request: i64,
}

impl Append {
    fn read(code: i32, mut fields: Bytes) -> Self {
        let writer = fields.get_u128();
        if code == 89 {
            let (number, at, length) = (fields.get_i64(), fields.get_u64(), fields.get_u32());
            let events = fields.split_to(length as usize);
            return Self { writer, number, at: Some(at), events, request: fields.get_i64() };
        }
        fields.get_i32();
        let length = fields.get_u32();
        let events = fields.split_to(length as usize);
        fields.get_i32();
        Self { writer, at: None, events, number: fields.get_i64(), request: fields.get_i64() }
    }
}

fn text(fields: &mut Bytes) -> String {
    let length = fields.get_u16();
    String::from_utf8(fields.split_to(usize::from(length)).to_vec()).unwrap()
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

fn reply(code: i32, fill: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut fields = BytesMut::new();
    fill(&mut fields);
    let mut out = BytesMut::new();
    out.put_i32(code);
    out.put_i32(fields.len() as i32);
    out.put_slice(&fields);
    out.freeze()
}

fn refusal(code: i32, request: i64, segment: &str) -> Bytes {
    reply(code, |out| {
        out.put_i64(request);
        put_text(out, segment);
        put_text(out, "");
        out.put_i64(0);
    })
}
