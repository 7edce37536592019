//! A request body of JSON lines, parsed as it arrives with one line in memory: [`JsonLines`].

use super::super::extract::MAX_BODY_BYTES;
use axum::body::{Body, BodyDataStream};
use bytes::BytesMut;
use futures::StreamExt;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

/// Longest line, in bytes: as the bodies of other endpoints.
const MAX_LINE_BYTES: usize = MAX_BODY_BYTES;
/// Bytes of a body that are read after an error: a client that still sends would not read the response.
const MAX_DRAINED_BYTES: usize = 64 << 20;

pub(super) struct JsonLines {
    body: BodyDataStream,
    buffer: BytesMut,
    lines: LinesCodec,
    number: u64,
    is_at_end: bool,
}

fn invalid(what: String) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

impl JsonLines {
    pub(super) fn new(body: Body) -> Self {
        let lines = LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        Self { body: body.into_data_stream(), buffer: BytesMut::new(), lines, number: 0, is_at_end: false }
    }

    /// Returns the next line that is not empty. An error is the last.
    pub(super) async fn next<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<RegistryResult<T>> {
        loop {
            let line = match self.line().await {
                Ok(line) => line?,
                Err(error) => {
                    self.buffer.clear();
                    self.is_at_end = true;
                    return Some(Err(error));
                }
            };
            if !line.trim_ascii().is_empty() {
                let damaged = |error| invalid(format!("line {} is damaged: {error}", self.number));
                return Some(parse(&line).map_err(damaged));
            }
        }
    }

    async fn line(&mut self) -> RegistryResult<Option<String>> {
        loop {
            let buffer = &mut self.buffer;
            let line = if self.is_at_end { self.lines.decode_eof(buffer) } else { self.lines.decode(buffer) };
            let number = self.number + 1;
            match line {
                Ok(Some(line)) => {
                    self.number = number;
                    return Ok(Some(line));
                }
                Ok(None) if self.is_at_end => return Ok(None),
                Ok(None) => {}
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Err(invalid(format!("line {number} is longer than {MAX_LINE_BYTES} bytes")));
                }
                Err(LinesCodecError::Io(error)) => {
                    return Err(invalid(format!("line {number} is damaged")).because(error));
                }
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    let what = format!("the body ends after line {}", self.number);
                    return Err(invalid(what).because(error));
                }
                None => self.is_at_end = true,
            }
        }
    }

    /// Reads what the client still sends, so that it reads the response.
    pub(super) async fn drain(&mut self) {
        let mut drained = 0;
        while drained < MAX_DRAINED_BYTES
            && let Some(Ok(bytes)) = self.body.next().await
        {
            drained += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, stream};
    use serde_json::Value;
    use std::convert::Infallible;

    fn json(text: &str) -> Result<Value, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    fn read(chunks: Vec<Vec<u8>>) -> Vec<Result<String, String>> {
        let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
        let mut lines = JsonLines::new(Body::from_stream(chunks));
        let mut found = Vec::new();
        while let Some(line) = lines.next(json).now_or_never().unwrap() {
            let is_error = line.is_err();
            found.push(line.map(|value| value.to_string()).map_err(|error| error.to_string()));
            if is_error {
                break;
            }
        }
        found
    }

    #[test]
    fn lines_are_parsed_in_any_chunks() {
        let text = "{\"a\":1}\r\n\n[2]\n  \n\"three\"";
        let expected: Vec<_> = ["{\"a\":1}", "[2]", "\"three\""].map(|line| Ok(line.to_owned())).into();
        for size in [1, 2, 3, 100] {
            let chunks = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(read(chunks), expected, "{size}");
        }
        assert!(read(Vec::new()).is_empty());
    }

    #[test]
    fn damaged_and_overlong_lines_are_reported() {
        let damaged = read(vec![b"1\n2\n{\n".to_vec()]).pop().unwrap().unwrap_err();
        assert!(damaged.contains("line 3 is damaged"), "{damaged}");
        let strange = read(vec![b"1\n\xff\n2\n".to_vec()]);
        let [Ok(_), Err(strange)] = &strange[..] else { panic!("{strange:?}") };
        assert!(strange.contains("line 2 is damaged"), "{strange}");
        let endless = read(vec![vec![b' '; 1 << 20]; 14]).pop().unwrap().unwrap_err();
        assert!(endless.contains("line 1 is longer"), "{endless}");
    }
}
