//! Answers of many records, made as they are taken: there is a piece of the answer in memory, and room for it is taken before
//! its records are read. Whoever takes nothing holds one piece, and whoever finds no room holds nothing.

use crate::room;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::fair_share::{Permit, Share};
use serde::Serialize;
use std::fmt;
use std::future::ready;
use std::time::Duration;

/// A piece has so many bytes, and what its last record is longer.
const PIECE_BYTES: usize = 64 << 10;
/// A record of so many bytes is written as JSON on a thread of its own.
const LARGE_BYTES: usize = 64 << 10;
/// For an answer's first piece room is looked for no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands before the records, between two, behind each, and behind them all.
#[derive(Clone, Copy)]
pub(crate) struct Around {
    pub(crate) before: &'static str,
    pub(crate) between: &'static str,
    pub(crate) behind: &'static str,
    pub(crate) after: &'static str,
}

/// Why there is no answer.
pub(crate) enum Unanswered<E> {
    /// There was no room for its first piece.
    NoRoom,
    /// Its first records cannot be read.
    Unread(E),
}

/// The body of an answer; one that is short has a length. `bytes_of` says about how many bytes a record has.
///
/// # Errors
/// As long as nothing was sent. An error behind that cuts the answer off, and is logged.
pub(crate) async fn body<T, E>(
    share: Share,
    around: Around,
    records: BoxStream<'static, Result<T, E>>,
    bytes_of: fn(&T) -> usize,
) -> Result<Body, Unanswered<E>>
where
    T: Serialize + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let mut records = Records { around, records, bytes_of, count: 0, is_over: false };
    let taken = room::for_a_record(&share, Some(PATIENCE)).await.ok_or(Unanswered::NoRoom)?;
    let first = records.piece().await.map_err(Unanswered::Unread)?;
    let first = counted(first, taken);
    if records.is_over {
        return Ok(Body::from(first));
    }
    let rest = stream::unfold(Some((records, share)), |rest| async {
        let (mut records, share) = rest.filter(|(records, _)| !records.is_over)?;
        let taken = room::for_a_record(&share, None).await?;
        match records.piece().await {
            Ok(piece) => Some((Ok(counted(piece, taken)), Some((records, share)))),
            Err(error) => {
                tracing::error!("an answer is cut off: {error}");
                Some((Err(std::io::Error::other(error.to_string())), None))
            }
        }
    });
    Ok(Body::from_stream(stream::once(ready(Ok(first))).chain(rest)))
}

/// A piece, and the room that it takes until it is given up.
struct Counted {
    bytes: Bytes,
    _room: Permit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn counted(bytes: Bytes, mut room: Permit) -> Bytes {
    room.shrink(bytes.len());
    Bytes::from_owner(Counted { bytes, _room: room })
}

struct Records<T, E> {
    around: Around,
    records: BoxStream<'static, Result<T, E>>,
    bytes_of: fn(&T) -> usize,
    count: u64,
    is_over: bool,
}

impl<T, E> Records<T, E>
where
    T: Serialize + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    async fn piece(&mut self) -> Result<Bytes, E> {
        let mut piece = Vec::new();
        if self.count == 0 {
            piece.extend_from_slice(self.around.before.as_bytes());
        }
        while piece.len() < PIECE_BYTES {
            let Some(record) = self.records.next().await else {
                piece.extend_from_slice(self.around.after.as_bytes());
                self.is_over = true;
                break;
            };
            let record = record?;
            if self.count > 0 {
                piece.extend_from_slice(self.around.between.as_bytes());
            }
            self.count += 1;
            let bytes = (self.bytes_of)(&record);
            if bytes < LARGE_BYTES {
                write(&mut piece, &record);
            } else {
                // room that doubles as it is filled would be more than was taken
                piece.reserve_exact(bytes.div_ceil(3) * 4 + LARGE_BYTES);
                piece = large(piece, record).await;
            }
            piece.extend_from_slice(self.around.behind.as_bytes());
        }
        Ok(piece.into())
    }
}

/// Writes a record behind what is there.
fn write(piece: &mut Vec<u8>, record: &impl Serialize) {
    serde_json::to_writer(piece, record).expect("records of ours can be written to memory");
}

async fn large<T: Serialize + Send + 'static>(mut piece: Vec<u8>, record: T) -> Vec<u8> {
    let written = tokio::task::spawn_blocking(move || {
        write(&mut piece, &record);
        piece
    });
    written.await.expect("writing a record ends")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use http_body::Body as _;
    use kulya_auth::fair_share::Pool;

    const LIST: Around = Around { before: "{\"list\":[", between: ",", behind: "", after: "]}" };

    async fn of(
        share: Share,
        records: Vec<Result<String, &'static str>>,
    ) -> Result<Body, Unanswered<&'static str>> {
        body(share, LIST, stream::iter(records).boxed(), String::len).await
    }

    #[tokio::test]
    async fn a_short_answer_has_a_length_and_a_long_one_comes_in_pieces() {
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
    async fn what_cannot_be_read_is_an_error_or_cuts_the_answer_off() {
        let pool = Pool::new(1 << 30, 100);
        assert!(matches!(of(pool.share(None), vec![Err("gone")]).await, Err(Unanswered::Unread("gone"))));
        let late = vec![Ok("x".repeat(100_000)), Err("gone")];
        let body = of(pool.share(None), late).await.ok().unwrap();
        assert!(to_bytes(body, usize::MAX).await.is_err());
        let small = Pool::new(1000, 100);
        let _all = small.share(None).take(1000).unwrap();
        assert!(matches!(of(small.share(None), Vec::new()).await, Err(Unanswered::NoRoom)));
    }
}
