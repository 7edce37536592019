//! Response bodies of many records, generated as they are sent: one chunk is in memory at a time, and its
//! memory is acquired before its records are read. A client that does not read holds one chunk, and one that
//! waits for memory holds nothing.

use crate::memory_budget::acquire_for_record;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::fair_share::{Permit, Share};
use serde::Serialize;
use std::fmt;
use std::future::ready;
use std::time::Duration;

/// The size of a chunk in bytes, not counting the excess of its last record.
const CHUNK_BYTES: usize = 64 << 10;
/// Records of this size are encoded on a thread for blocking work.
const LARGE_RECORD_BYTES: usize = 64 << 10;
/// How long a response waits for the memory of its first chunk.
const FIRST_CHUNK_TIMEOUT: Duration = Duration::from_secs(10);

/// The text at the start, between two records, after each record, and at the end.
#[derive(Clone, Copy)]
pub(crate) struct Delimiters {
    pub(crate) start: &'static str,
    pub(crate) separator: &'static str,
    pub(crate) terminator: &'static str,
    pub(crate) end: &'static str,
}

/// Why there is no response.
pub(crate) enum RecordStreamError<E> {
    /// There is no memory for the first chunk.
    OutOfMemory,
    /// The first records cannot be read.
    Source(E),
}

/// Creates a body; one of a single chunk has a length. `bytes_of` estimates the bytes of a record.
///
/// # Errors
/// The first chunk fails. A later error is logged and aborts the response.
pub(crate) async fn body<T, E>(
    share: Share,
    delimiters: Delimiters,
    records: BoxStream<'static, Result<T, E>>,
    bytes_of: fn(&T) -> usize,
) -> Result<Body, RecordStreamError<E>>
where
    T: Serialize + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let mut records = Records { delimiters, records, bytes_of, count: 0, is_complete: false };
    let permit =
        acquire_for_record(&share, Some(FIRST_CHUNK_TIMEOUT)).await.ok_or(RecordStreamError::OutOfMemory)?;
    let first = records.next_chunk().await.map_err(RecordStreamError::Source)?;
    let first = charged(first, permit);
    if records.is_complete {
        return Ok(Body::from(first));
    }
    let rest = stream::unfold(Some((records, share)), |rest| async {
        let (mut records, share) = rest.filter(|(records, _)| !records.is_complete)?;
        let permit = acquire_for_record(&share, None).await?;
        match records.next_chunk().await {
            Ok(chunk) => Some((Ok(charged(chunk, permit)), Some((records, share)))),
            Err(error) => {
                tracing::error!("response aborted: {error}");
                Some((Err(std::io::Error::other(error.to_string())), None))
            }
        }
    });
    Ok(Body::from_stream(stream::once(ready(Ok(first))).chain(rest)))
}

/// A chunk and the permit for its memory.
struct ChargedBytes {
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for ChargedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn charged(bytes: Bytes, mut permit: Permit) -> Bytes {
    permit.shrink_to(bytes.len());
    Bytes::from_owner(ChargedBytes { bytes, _permit: permit })
}

struct Records<T, E> {
    delimiters: Delimiters,
    records: BoxStream<'static, Result<T, E>>,
    bytes_of: fn(&T) -> usize,
    count: u64,
    is_complete: bool,
}

impl<T, E> Records<T, E>
where
    T: Serialize + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    async fn next_chunk(&mut self) -> Result<Bytes, E> {
        let mut chunk = Vec::new();
        if self.count == 0 {
            chunk.extend_from_slice(self.delimiters.start.as_bytes());
        }
        while chunk.len() < CHUNK_BYTES {
            let Some(record) = self.records.next().await else {
                chunk.extend_from_slice(self.delimiters.end.as_bytes());
                self.is_complete = true;
                break;
            };
            let record = record?;
            if self.count > 0 {
                chunk.extend_from_slice(self.delimiters.separator.as_bytes());
            }
            self.count += 1;
            let bytes = (self.bytes_of)(&record);
            if bytes < LARGE_RECORD_BYTES {
                encode(&mut chunk, &record);
            } else {
                // a buffer that grows by doubling would exceed the permit
                chunk.reserve_exact(bytes.div_ceil(3) * 4 + LARGE_RECORD_BYTES);
                chunk = encode_blocking(chunk, record).await;
            }
            chunk.extend_from_slice(self.delimiters.terminator.as_bytes());
        }
        Ok(chunk.into())
    }
}

/// Appends a record.
fn encode(chunk: &mut Vec<u8>, record: &impl Serialize) {
    serde_json::to_writer(chunk, record).expect("records are serializable");
}

async fn encode_blocking<T: Serialize + Send + 'static>(mut chunk: Vec<u8>, record: T) -> Vec<u8> {
    let encoded = tokio::task::spawn_blocking(move || {
        encode(&mut chunk, &record);
        chunk
    });
    encoded.await.expect("encoding does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use http_body::Body as _;
    use kulya_auth::fair_share::Pool;

    const LIST: Delimiters = Delimiters { start: "{\"list\":[", separator: ",", terminator: "", end: "]}" };

    async fn of(
        share: Share,
        records: Vec<Result<String, &'static str>>,
    ) -> Result<Body, RecordStreamError<&'static str>> {
        body(share, LIST, stream::iter(records).boxed(), String::len).await
    }

    #[tokio::test]
    async fn a_short_body_has_a_length_and_a_long_one_is_chunked() {
        let pool = Pool::new(1 << 30, 100);
        let short = of(pool.share(None), vec![Ok("a".into()), Ok("b".into())]).await.ok().unwrap();
        assert_eq!(short.size_hint().exact(), Some(18));
        assert_eq!(to_bytes(short, 99).await.unwrap(), r#"{"list":["a","b"]}"#);
        let none = of(pool.share(None), Vec::new()).await.ok().unwrap();
        assert_eq!(to_bytes(none, 99).await.unwrap(), r#"{"list":[]}"#);
        let long: Vec<String> = (0..30).map(|n| n.to_string().repeat(50_000)).collect();
        let body = of(pool.share(None), long.iter().cloned().map(Ok).collect()).await.ok().unwrap();
        assert_eq!(body.size_hint().exact(), None);
        let text = to_bytes(body, usize::MAX).await.unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["list"], serde_json::json!(long));
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_error_is_returned_and_a_late_one_aborts() {
        let pool = Pool::new(1 << 30, 100);
        assert!(matches!(
            of(pool.share(None), vec![Err("failed")]).await,
            Err(RecordStreamError::Source("failed"))
        ));
        let late = vec![Ok("x".repeat(100_000)), Err("failed")];
        let body = of(pool.share(None), late).await.ok().unwrap();
        assert!(to_bytes(body, usize::MAX).await.is_err());
        let small = Pool::new(1000, 100);
        let _all = small.share(None).try_acquire(1000).unwrap();
        assert!(matches!(of(small.share(None), Vec::new()).await, Err(RecordStreamError::OutOfMemory)));
    }
}
