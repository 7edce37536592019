//! `kulya stream`: administers streams, and appends and reads their raw events.

use crate::address::Address;
use crate::args::{EventOutput, OneStream, ReadArgs, StreamArgs, StreamCommand};
use crate::output::print_line;
use crate::services::open_store;
use crate::settings::Settings;
use crate::shutdown;
use crate::units::{format_duration, parse_duration};
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

/// Bytes of one read.
const CHUNK_BYTES: usize = 1 << 20;

pub(crate) async fn run(settings: Settings, args: StreamArgs) -> Result<()> {
    let address = Address::resolve(args.store, &settings)?;
    match args.command {
        StreamCommand::One(command) => {
            let create = matches!(command, OneStream::Create { .. } | OneStream::Append { .. });
            // arguments are checked before a folder is created or a server connected
            let message = || format!("invalid stream {:?}: write scope/stream", command.stream());
            let stream = command.stream().parse().with_context(message)?;
            if let OneStream::Update { retention, .. } = &command
                && !retention.is_given()
            {
                bail!("nothing to change: give --keep-for or --keep-bytes (none removes a limit)");
            }
            let event = match &command {
                OneStream::Append { hex, text, file, .. } => {
                    read_event(hex.as_deref(), text.clone(), file.as_deref())?
                }
                _ => Bytes::new(),
            };
            let store = open_store(address, create).await?;
            run_on_stream(&*store, stream, command, event).await?;
            store.close().await?;
        }
        StreamCommand::List { scope } => {
            let store = open_store(address, false).await?;
            list(&*store, scope.as_deref()).await?;
            store.close().await?;
        }
    }
    Ok(())
}

/// Runs a command on one stream; `event` is for an append.
async fn run_on_stream(
    store: &dyn StreamStore,
    stream: StreamId,
    command: OneStream,
    event: Bytes,
) -> Result<()> {
    match command {
        OneStream::Create { segments, retention, .. } => {
            store.create_scope(&stream.scope).await?;
            let config =
                StreamConfig::with_segments(segments).retention(retention.apply_to(Retention::default())?);
            if !store.create_stream(&stream, config).await? {
                bail!("stream {stream} already exists");
            }
        }
        OneStream::Update { retention, .. } => {
            let config = store.stream(&stream).await?.config;
            let retention = retention.apply_to(config.retention)?;
            let config = config.retention(retention);
            store.update_stream(&stream, config).await?;
            describe(store, &stream).await?;
        }
        OneStream::Describe { .. } => describe(store, &stream).await?,
        OneStream::Append { key, segments, .. } => {
            let append = Append { stream: stream.clone(), routing_key: key, event };
            let commit = Commit::events(vec![append]);
            let committed = match store.commit(commit.clone()).await {
                // created only if missing: the permission to append does not include that to create
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    store.create_scope(&stream.scope).await?;
                    store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
                    store.commit(commit).await?
                }
                result => result?,
            };
            for pointer in committed.pointers.iter() {
                print_line!("{} {pointer}", hex::encode(&pointer.to_bytes()));
            }
        }
        OneStream::Read { read, tail, since, .. } => {
            let stop = shutdown::on_signal()?;
            let mut printer = EventPrinter::new(&read);
            let from = match since {
                Some(age) => Some(cut_before(store, &stream, &age).await?),
                None => None,
            };
            let cut = printer.print_bounded(store, &stream, from.as_ref()).await?;
            if tail {
                printer.follow(store, cut, &stop).await?;
            }
        }
        OneStream::Tail { read, .. } => {
            let stop = shutdown::on_signal()?;
            let cut = tail_cut(store, &stream).await?;
            EventPrinter::new(&read).follow(store, cut, &stop).await?;
        }
        OneStream::Truncate { at, older_than, .. } => {
            let cut = match (at, older_than) {
                (Some(text), _) => text.parse()?,
                (None, Some(age)) => cut_before(store, &stream, &age).await?,
                (None, None) => tail_cut(store, &stream).await?,
            };
            if cut.stream != stream {
                bail!("cut {cut} is of another stream than {stream}");
            }
            store.truncate(&cut).await?;
            print_line!("{stream} begins at {cut}");
        }
        OneStream::Seal { .. } => {
            let is_new = store.seal_stream(&stream).await?;
            print_line!("{stream} {}", if is_new { "is sealed" } else { "was already sealed" });
        }
        OneStream::Delete { .. } => {
            if !store.delete_stream(&stream).await? {
                bail!("stream {stream} does not exist");
            }
        }
    }
    Ok(())
}

/// Returns the cut before the first event that is not older than `age`.
async fn cut_before(store: &dyn StreamStore, stream: &StreamId, age: &str) -> Result<StreamCut> {
    let since = SystemClock.since_epoch().saturating_sub(parse_duration(age)?);
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
            print_line!("{stream}  {} segments, {bytes} bytes{sealed}", info.config.segments);
        }
    }
    Ok(())
}

async fn describe(store: &dyn StreamStore, stream: &StreamId) -> Result<()> {
    let segments = store.segments(stream).await?;
    print_line!("stream  {stream}{}", if store.stream(stream).await?.sealed { ", sealed" } else { "" });
    print_line!("head    {}", StreamCut::head(stream, &segments));
    print_line!("tail    {}", StreamCut::tail(stream, &segments));
    let retention = store.stream(stream).await?.config.retention;
    if let Some(age) = retention.age {
        print_line!("keeps   events of the last {}", format_duration(age));
    }
    if let Some(bytes) = retention.bytes {
        print_line!("keeps   {bytes} bytes at most");
    }
    for segment in &segments {
        let (from, to) = (segment.key_range.start, segment.key_range.end);
        print_line!(
            "segment {}  keys {from:.4} to {to:.4}  offsets {} to {}",
            segment.id,
            segment.head,
            segment.tail
        );
    }
    Ok(())
}

fn read_event(hex: Option<&str>, text: Option<String>, file: Option<&Path>) -> Result<Bytes> {
    if let Some(hex) = hex {
        return parse_hex(hex);
    }
    if let Some(text) = text {
        return Ok(text.into());
    }
    let Some(path) = file else { bail!("no event given: use --text, --file or --hex") };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes.into())
}

fn parse_hex(text: &str) -> Result<Bytes> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let bytes = hex::decode(&digits);
    bytes.map(Bytes::from).with_context(|| format!("{text:?} is not an even number of hexadecimal digits"))
}

/// Prints events to standard output, up to a limit.
struct EventPrinter {
    output: EventOutput,
    remaining: usize,
}

impl EventPrinter {
    fn new(args: &ReadArgs) -> Self {
        Self { output: args.output, remaining: args.limit.unwrap_or(usize::MAX) }
    }

    /// Prints the events that the stream has now, from a cut or its head on; returns the cut behind them.
    async fn print_bounded(
        &mut self,
        store: &dyn StreamStore,
        stream: &StreamId,
        from: Option<&StreamCut>,
    ) -> Result<StreamCut> {
        let segments = store.segments(stream).await?;
        let mut cut = StreamCut::head(stream, &segments);
        for segment in segments {
            let mut reader = BoundedSegment::new(segment);
            let start = from.and_then(|from| from.offset(&reader.segment.id));
            reader.offset = reader.offset.max(start.unwrap_or_default());
            while self.remaining > 0 {
                let Some(chunk) = reader.next(store, CHUNK_BYTES).await? else { break };
                self.print_chunk(&reader.segment.id, &chunk)?;
            }
            cut.advance(&reader.segment.id, reader.offset);
        }
        Ok(cut)
    }

    fn print_chunk(&mut self, segment: &SegmentId, chunk: &ReadChunk) -> Result<()> {
        let mut out = std::io::stdout().lock();
        for (pointer, (_, event)) in chunk.pointers(segment).zip(&chunk.events).take(self.remaining) {
            self.print(&mut out, &pointer, event)?;
        }
        out.flush()?;
        self.remaining = self.remaining.saturating_sub(chunk.events.len());
        Ok(())
    }

    fn print(&self, out: &mut impl Write, pointer: &EventPointer, event: &[u8]) -> std::io::Result<()> {
        match self.output {
            EventOutput::Hex => writeln!(out, "{} {}", hex::encode(&pointer.to_bytes()), hex::encode(event)),
            EventOutput::Text => writeln!(out, "{}", String::from_utf8_lossy(event)),
            EventOutput::Json => {
                // the same members as in REST v2
                let mut object = json!({
                    "pointer": hex::encode(&pointer.to_bytes()),
                    "segment": pointer.segment.to_string(),
                    "offset": pointer.offset,
                });
                match std::str::from_utf8(event) {
                    Ok(text) => object["text"] = json!(text),
                    Err(_) => object["base64"] = json!(STANDARD.encode(event)),
                }
                writeln!(out, "{object}")
            }
            EventOutput::Raw => out.write_all(event),
        }
    }

    /// Prints new events of every segment until `stop` is cancelled, the limit is reached or the stream is
    /// sealed.
    async fn follow(
        &mut self,
        store: &dyn StreamStore,
        cut: StreamCut,
        stop: &CancellationToken,
    ) -> Result<()> {
        let mut tail = Tail::from(cut);
        while self.remaining > 0 {
            let next = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                next = tail.next(store, CHUNK_BYTES) => next?,
            };
            let Some((segment, chunk)) = next else { return Ok(()) };
            self.print_chunk(&segment, &chunk)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_parsed_or_rejected() {
        assert_eq!(parse_hex("01 00fF").unwrap(), Bytes::from_static(&[1, 0, 255]));
        assert_eq!(hex::encode(&[1, 0, 255]), "0100ff");
        for bad in ["1", "0g", "é0"] {
            assert!(parse_hex(bad).unwrap_err().to_string().contains("hexadecimal"), "{bad}");
        }
    }
}
