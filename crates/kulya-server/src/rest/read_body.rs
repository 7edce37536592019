//! Reading a request's whole body into memory: [`read_body`].

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;

/// Longer bodies are collected in blocks of this size: a buffer that grows by doubling would take twice the
/// memory, and a buffer of the announced length would let clients reserve memory without sending anything.
const BLOCK_BYTES: usize = 1 << 20;

/// Reads a body of at most `max_bytes`. Received bytes are copied out of the connection's buffers at once:
/// those may be much larger than what they contain.
///
/// # Errors
/// The body is larger, or it ends prematurely.
pub(crate) async fn read_body(mut body: Body, max_bytes: usize) -> Result<Bytes, axum::Error> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let mut blocks: Vec<BytesMut> = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length > max_bytes {
            return Err(axum::Error::new(std::io::Error::other("the body is too large")));
        }
        // most bodies arrive in one frame and need no copy
        if announced == Some(data.len()) {
            return Ok(data);
        }
        let mut data = data.as_ref();
        while !data.is_empty() {
            let block = match blocks.last_mut() {
                Some(block) if block.len() < block.capacity() => block,
                _ => {
                    let capacity =
                        announced.unwrap_or(BLOCK_BYTES).clamp(data.len().min(BLOCK_BYTES), BLOCK_BYTES);
                    blocks.push(BytesMut::with_capacity(capacity));
                    continue;
                }
            };
            let (fits, rest) = data.split_at(data.len().min(block.capacity() - block.len()));
            block.extend_from_slice(fits);
            data = rest;
        }
    }
    if blocks.len() < 2 {
        return Ok(blocks.pop().unwrap_or_default().freeze());
    }
    let mut whole = BytesMut::with_capacity(length);
    // each block is freed as soon as it is copied
    blocks.into_iter().for_each(|block| whole.extend_from_slice(&block));
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::convert::Infallible;

    async fn read(chunks: &[&'static str], max_bytes: usize) -> Option<Bytes> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, Infallible>(*chunk)).collect();
        read_body(Body::from_stream(stream::iter(chunks)), max_bytes).await.ok()
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        assert_eq!(read(&[], 0).await.unwrap(), "");
        assert_eq!(read(&["ab", "", "c", "def"], 6).await.unwrap(), "abcdef");
        assert_eq!(read(&["ab", "c", "def"], 5).await, None);
        let large: String = (0..700_000).map(|n| format!("{n:x}")).collect();
        let length = large.len();
        assert!(length > 3 * BLOCK_BYTES);
        for size in [1_000, 65_536, 2_000_000, length] {
            let chunks = large.as_bytes().chunks(size).map(|chunk| Ok::<_, Infallible>(chunk.to_vec()));
            let body = || Body::from_stream(stream::iter(chunks.clone().collect::<Vec<_>>()));
            assert_eq!(read_body(body(), length).await.unwrap(), large);
            assert!(read_body(body(), length - 1).await.is_err());
        }
        assert_eq!(read_body(Body::from(large.clone()), length).await.unwrap(), large);
    }
}
