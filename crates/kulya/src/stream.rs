//! `kulya stream`: streams and their raw events.

use crate::args::{EventOutput, OneStream, Reading, StreamArgs, StreamCommand};
use crate::keep::{age_text, duration};
use crate::open::Address;
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store::{
    Append, BoundedSegment, Commit, ErrorKind, EventPointer, ReadChunk, Retention, Scope, SegmentId,
    StreamConfig, StreamCut, StreamId, StreamStore, Tail, hex, tail_cut,
};
use serde_json::json;
use std::io::{Read, Write};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

pub(crate) async fn run(settings: Settings, args: StreamArgs) -> Result<()> {
    let address = Address::of(args.place, &settings)?;
    match args.command {
        StreamCommand::One(command) => {
            let makes = matches!(command, OneStream::Create { .. } | OneStream::Append { .. });
            // what is typed wrongly is said before a folder is made or a server asked
            let wrong = || format!("{:?} names no stream: write scope/stream", command.stream());
            let stream = command.stream().parse().with_context(wrong)?;
            if let OneStream::Update { keep, .. } = &command
                && !keep.is_given()
            {
                bail!("name what shall change: --keep-for or --keep-bytes (none takes a limit away)");
            }
            let event = match &command {
                OneStream::Append { hex, text, file, .. } => {
                    event(hex.as_deref(), text.clone(), file.as_deref())?
                }
                _ => Bytes::new(),
            };
            let store = address.store(makes).await?;
            on_stream(&*store, stream, command, event).await?;
            store.close().await?;
        }
        StreamCommand::List { scope } => {
            let store = address.store(false).await?;
            list(&*store, scope.as_deref()).await?;
            store.close().await?;
        }
    }
    Ok(())
}

/// Does what is asked; `event` is what an append appends.
async fn on_stream(
    store: &dyn StreamStore,
    stream: StreamId,
    command: OneStream,
    event: Bytes,
) -> Result<()> {
    match command {
        OneStream::Create { segments, keep, .. } => {
            store.create_scope(&stream.scope).await?;
            let config = StreamConfig::with_segments(segments).retention(keep.over(Retention::default())?);
            if !store.create_stream(&stream, config).await? {
                bail!("there is a stream {stream} already");
            }
        }
        OneStream::Update { keep, .. } => {
            let config = store.stream(&stream).await?.config;
            let retention = keep.over(config.retention)?;
            let config = config.retention(retention);
            store.update_stream(&stream, config).await?;
            describe(store, &stream).await?;
        }
        OneStream::Describe { .. } => describe(store, &stream).await?,
        OneStream::Append { key, segments, .. } => {
            let append = Append { stream: stream.clone(), routing_key: key, event };
            let commit = Commit::events(vec![append]);
            let done = match store.commit(commit.clone()).await {
                // made only where it is missing: whoever may append to a stream need not have the right to make one
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    store.create_scope(&stream.scope).await?;
                    store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
                    store.commit(commit).await?
                }
                done => done?,
            };
            for pointer in done.pointers.iter() {
                say!("{} {pointer}", hex::encode(&pointer.to_bytes()));
            }
        }
        OneStream::Read { reading, tail, since, .. } => {
            let stop = stop::on_signal()?;
            let mut printer = Printer::new(&reading);
            let from = match since {
                Some(age) => Some(cut_before(store, &stream, &age).await?),
                None => None,
            };
            let cut = printer.everything(store, &stream, from.as_ref()).await?;
            if tail {
                printer.follow(store, cut, &stop).await?;
            }
        }
        OneStream::Tail { reading, .. } => {
            let stop = stop::on_signal()?;
            let cut = tail_cut(store, &stream).await?;
            Printer::new(&reading).follow(store, cut, &stop).await?;
        }
        OneStream::Truncate { at, older_than, .. } => {
            let cut = match (at, older_than) {
                (Some(text), _) => text.parse()?,
                (None, Some(age)) => cut_before(store, &stream, &age).await?,
                (None, None) => tail_cut(store, &stream).await?,
            };
            if cut.stream != stream {
                bail!("cut {cut} is one of another stream than {stream}");
            }
            store.truncate(&cut).await?;
            say!("{stream} begins at {cut}");
        }
        OneStream::Seal { .. } => {
            let is_new = store.seal_stream(&stream).await?;
            say!("{stream} {}", if is_new { "is sealed" } else { "was sealed before" });
        }
        OneStream::Delete { .. } => {
            if !store.delete_stream(&stream).await? {
                bail!("stream {stream} does not exist");
            }
        }
    }
    Ok(())
}

/// Where the events begin that are no older than this.
async fn cut_before(store: &dyn StreamStore, stream: &StreamId, age: &str) -> Result<StreamCut> {
    let since = SystemClock.since_epoch().saturating_sub(duration(age)?);
    Ok(store.cut_at(stream, since).await?)
}

async fn list(store: &dyn StreamStore, scope: Option<&str>) -> Result<()> {
    let scopes = match scope {
        Some(scope) => vec![Scope::new(scope)?],
        None => store.scopes().await?.into_iter().filter(|scope| !scope.is_system()).collect(),
    };
    for scope in scopes {
        for name in store.streams(&scope).await? {
            let stream = StreamId { scope: scope.clone(), name };
            let info = store.stream(&stream).await?;
            let bytes: u64 =
                store.segments(&stream).await?.iter().map(|segment| segment.tail - segment.head).sum();
            let sealed = if info.sealed { ", sealed" } else { "" };
            say!("{stream}  {} segments, {bytes} bytes{sealed}", info.config.segments);
        }
    }
    Ok(())
}

async fn describe(store: &dyn StreamStore, stream: &StreamId) -> Result<()> {
    let segments = store.segments(stream).await?;
    say!("stream  {stream}{}", if store.stream(stream).await?.sealed { ", sealed" } else { "" });
    say!("head    {}", StreamCut::head(stream, &segments));
    say!("tail    {}", StreamCut::tail(stream, &segments));
    let kept = store.stream(stream).await?.config.retention;
    if let Some(age) = kept.age {
        say!("keeps   events of the last {}", age_text(age));
    }
    if let Some(bytes) = kept.bytes {
        say!("keeps   {bytes} bytes at most");
    }
    for segment in &segments {
        let (from, to) = (segment.key_range.start, segment.key_range.end);
        say!(
            "segment {}  keys {from:.4} to {to:.4}  offsets {} to {}",
            segment.id,
            segment.head,
            segment.tail
        );
    }
    Ok(())
}

fn event(hex: Option<&str>, text: Option<String>, file: Option<&Path>) -> Result<Bytes> {
    if let Some(hex) = hex {
        return from_hex(hex);
    }
    if let Some(text) = text {
        return Ok(text.into());
    }
    let Some(path) = file else { bail!("give the event by --text, --file or --hex") };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes.into())
}

fn from_hex(text: &str) -> Result<Bytes> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes = hex::decode(&digits);
    bytes.map(Bytes::from).with_context(|| format!("{text:?} is not an even number of hexadecimal digits"))
}

struct Printer {
    output: EventOutput,
    left: usize,
}

impl Printer {
    fn new(reading: &Reading) -> Self {
        Self { output: reading.output, left: reading.limit.unwrap_or(usize::MAX) }
    }

    /// Prints what is there now, from a cut on; gives where it ended.
    async fn everything(
        &mut self,
        store: &dyn StreamStore,
        stream: &StreamId,
        from: Option<&StreamCut>,
    ) -> Result<StreamCut> {
        let segments = store.segments(stream).await?;
        let mut cut = StreamCut::head(stream, &segments);
        for segment in segments {
            let mut reader = BoundedSegment::new(segment);
            let begin = from.and_then(|from| from.offset(&reader.segment.id));
            reader.offset = reader.offset.max(begin.unwrap_or_default());
            while self.left > 0 {
                let Some(chunk) = reader.next(store, CHUNK_BYTES).await? else { break };
                self.chunk(&reader.segment.id, &chunk)?;
            }
            cut.advance(&reader.segment.id, reader.offset);
        }
        Ok(cut)
    }

    fn chunk(&mut self, segment: &SegmentId, chunk: &ReadChunk) -> Result<()> {
        let mut out = std::io::stdout().lock();
        for (pointer, (_, event)) in chunk.pointers(segment).zip(&chunk.events).take(self.left) {
            self.print(&mut out, &pointer, event)?;
        }
        out.flush()?;
        self.left = self.left.saturating_sub(chunk.events.len());
        Ok(())
    }

    fn print(&self, out: &mut impl Write, pointer: &EventPointer, event: &[u8]) -> std::io::Result<()> {
        match self.output {
            EventOutput::Hex => writeln!(out, "{} {}", hex::encode(&pointer.to_bytes()), hex::encode(event)),
            EventOutput::Text => writeln!(out, "{}", String::from_utf8_lossy(event)),
            EventOutput::Json => {
                // as REST v2 shows it
                let mut shown = json!({
                    "pointer": hex::encode(&pointer.to_bytes()),
                    "segment": pointer.segment.to_string(),
                    "offset": pointer.offset,
                });
                match std::str::from_utf8(event) {
                    Ok(text) => shown["text"] = json!(text),
                    Err(_) => shown["base64"] = json!(STANDARD.encode(event)),
                }
                writeln!(out, "{shown}")
            }
            EventOutput::Raw => out.write_all(event),
        }
    }

    /// Prints events as they come, from every segment, until the token is cancelled, enough were printed, or none can come.
    async fn follow(
        &mut self,
        store: &dyn StreamStore,
        cut: StreamCut,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut tail = Tail::from(cut);
        while self.left > 0 {
            let next = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                next = tail.next(store, CHUNK_BYTES) => next?,
            };
            let Some((segment, chunk)) = next else { return Ok(()) };
            self.chunk(&segment, &chunk)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_and_refused() {
        assert_eq!(from_hex("01 00fF").unwrap(), Bytes::from_static(&[1, 0, 255]));
        assert_eq!(hex::encode(&[1, 0, 255]), "0100ff");
        for bad in ["1", "0g", "é0"] {
            assert!(from_hex(bad).unwrap_err().to_string().contains("hexadecimal"), "{bad}");
        }
    }
}
