//! A request's body in one piece of memory.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;

/// A body that is longer is put together of blocks of so many bytes: room that doubles would be twice as much, and room that
/// is taken before the bytes have come would be anybody's to take.
const BLOCK_BYTES: usize = 1 << 20;

/// Reads a body of at most `most` bytes. What has come is copied out of the connection's buffers at once: of very many bodies
/// that come at a time they would hold more than the bodies have.
///
/// # Errors
/// The body is larger, or does not come to its end.
pub(crate) async fn whole_body(mut body: Body, most: usize) -> Result<Bytes, axum::Error> {
    let told = body.size_hint().exact().and_then(|told| usize::try_from(told).ok());
    let mut blocks: Vec<BytesMut> = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length > most {
            return Err(axum::Error::new(std::io::Error::other("the body is too large")));
        }
        // most bodies come at once, and need not be copied
        if told == Some(data.len()) {
            return Ok(data);
        }
        let mut data = data.as_ref();
        while !data.is_empty() {
            let block = match blocks.last_mut() {
                Some(block) if block.len() < block.capacity() => block,
                _ => {
                    let room = told.unwrap_or(BLOCK_BYTES).clamp(data.len().min(BLOCK_BYTES), BLOCK_BYTES);
                    blocks.push(BytesMut::with_capacity(room));
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
    // each is given back as soon as it is copied
    blocks.into_iter().for_each(|block| whole.extend_from_slice(&block));
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::convert::Infallible;

    async fn read(pieces: &[&'static str], most: usize) -> Option<Bytes> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, Infallible>(*piece)).collect();
        whole_body(Body::from_stream(stream::iter(pieces)), most).await.ok()
    }

    #[tokio::test]
    async fn pieces_are_one_body() {
        assert_eq!(read(&[], 0).await.unwrap(), "");
        assert_eq!(read(&["ab", "", "c", "def"], 6).await.unwrap(), "abcdef");
        assert_eq!(read(&["ab", "c", "def"], 5).await, None);
        let large: String = (0..700_000).map(|n| format!("{n:x}")).collect();
        let most = large.len();
        assert!(most > 3 * BLOCK_BYTES);
        for piece in [1_000, 65_536, 2_000_000, most] {
            let pieces = large.as_bytes().chunks(piece).map(|piece| Ok::<_, Infallible>(piece.to_vec()));
            let body = || Body::from_stream(stream::iter(pieces.clone().collect::<Vec<_>>()));
            assert_eq!(whole_body(body(), most).await.unwrap(), large);
            assert!(whole_body(body(), most - 1).await.is_err());
        }
        assert_eq!(whole_body(Body::from(large.clone()), most).await.unwrap(), large);
    }
}
