//! `kulya stream`: streams and their raw events.

use crate::args::{EventOutput, Reading, StreamArgs, StreamCommand};
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kulya_store::{
    Append, BoundedSegment, Commit, EventPointer, ReadChunk, Scope, SegmentId, StreamConfig, StreamCut,
    StreamId, StreamStore, Tail, hex, tail_cut,
};
use kulya_store_embedded::EmbeddedStore;
use std::io::{Read, Write};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

pub(crate) async fn run(settings: Settings, args: StreamArgs) -> Result<()> {
    let data = settings.data(args.data);
    let makes = matches!(args.command, StreamCommand::Create { .. } | StreamCommand::Append { .. });
    if !makes && !data.exists() {
        bail!("folder {} does not exist", data.display());
    }
    match args.command {
        StreamCommand::Create { stream, segments } => {
            let stream: StreamId = stream.parse()?;
            let store = EmbeddedStore::open(&data)?;
            store.create_scope(&stream.scope).await?;
            if !store.create_stream(&stream, StreamConfig::with_segments(segments)).await? {
                bail!("there is a stream {stream} already");
            }
            store.close().await?;
        }
        StreamCommand::List { scope } => list(&EmbeddedStore::open(&data)?, scope.as_deref()).await?,
        StreamCommand::Describe { stream } => {
            describe(&EmbeddedStore::open(&data)?, &stream.parse()?).await?
        }
        StreamCommand::Append { stream, hex, text, file, key, segments } => {
            let stream: StreamId = stream.parse()?;
            let event = event(hex.as_deref(), text, file.as_deref())?;
            let store = EmbeddedStore::open(&data)?;
            store.create_scope(&stream.scope).await?;
            store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
            let append = Append { stream, routing_key: key, event };
            let done = store.commit(Commit::events(vec![append])).await?;
            for pointer in &done.pointers {
                say!("{} {pointer}", hex::encode(&pointer.to_bytes()));
            }
            store.close().await?;
        }
        StreamCommand::Read { stream, reading, tail } => {
            let stream: StreamId = stream.parse()?;
            let stop = stop::on_signal()?;
            let store = EmbeddedStore::open(&data)?;
            let mut printer = Printer::new(&reading);
            let cut = printer.everything(&store, &stream).await?;
            if tail {
                printer.follow(&store, cut, &stop).await?;
            }
        }
        StreamCommand::Tail { stream, reading } => {
            let stream: StreamId = stream.parse()?;
            let stop = stop::on_signal()?;
            let store = EmbeddedStore::open(&data)?;
            let cut = tail_cut(&store, &stream).await?;
            Printer::new(&reading).follow(&store, cut, &stop).await?;
        }
        StreamCommand::Truncate { stream, at } => {
            let stream: StreamId = stream.parse()?;
            let store = EmbeddedStore::open(&data)?;
            let cut = match at {
                Some(text) => text.parse()?,
                None => tail_cut(&store, &stream).await?,
            };
            if cut.stream != stream {
                bail!("cut {cut} is one of another stream than {stream}");
            }
            store.truncate(&cut).await?;
            say!("{stream} begins at {cut}");
            store.close().await?;
        }
        StreamCommand::Seal { stream } => {
            let stream: StreamId = stream.parse()?;
            let store = EmbeddedStore::open(&data)?;
            let is_new = store.seal_stream(&stream).await?;
            say!("{stream} {}", if is_new { "is sealed" } else { "was sealed before" });
            store.close().await?;
        }
        StreamCommand::Delete { stream } => {
            let stream: StreamId = stream.parse()?;
            let store = EmbeddedStore::open(&data)?;
            if !store.delete_stream(&stream).await? {
                bail!("stream {stream} does not exist");
            }
            store.close().await?;
        }
    }
    Ok(())
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
    let Some(path) = file else { bail!("give the event by --hex, --text or --file") };
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

    /// Prints what is there now; gives where it ended.
    async fn everything(&mut self, store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
        let segments = store.segments(stream).await?;
        let mut cut = StreamCut::head(stream, &segments);
        for segment in segments {
            let mut reader = BoundedSegment::new(segment);
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
