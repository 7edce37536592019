//! `kulya stream`: raw events in and out, for trying things.

use crate::args::{EventOutput, StreamArgs, StreamCommand};
use crate::say;
use crate::settings::Settings;
use crate::stop;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kulya_store::{Append, Commit, EventPointer, Position, StreamConfig, StreamId, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

pub(crate) async fn run(settings: Settings, args: StreamArgs) -> Result<()> {
    let data = settings.data(args.data);
    match args.command {
        StreamCommand::Append { stream, hex, text, file, key, segments } => {
            let stream: StreamId = stream.parse()?;
            let event = event(hex.as_deref(), text, file.as_deref())?;
            let store = EmbeddedStore::open(&data)?;
            store.create_scope(&stream.scope).await?;
            store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
            let append = Append { stream, routing_key: key, event };
            let done = store.commit(Commit::events(vec![append])).await?;
            for pointer in &done.pointers {
                say!("{} {pointer}", to_hex(&pointer.to_bytes()));
            }
            store.close().await?;
        }
        StreamCommand::Read { stream, output, limit, tail } => {
            let stream: StreamId = stream.parse()?;
            if !data.exists() {
                bail!("folder {} does not exist", data.display());
            }
            let stop = stop::on_signal()?;
            let store = EmbeddedStore::open(&data)?;
            let mut printer = Printer { output, left: limit.unwrap_or(usize::MAX) };
            let cut = printer.everything(&store, &stream).await?;
            if tail && printer.left > 0 {
                printer.follow(Arc::new(store), cut, stop).await?;
            }
        }
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
    let byte = |pair: &[u8]| {
        let digit = |d: &u8| char::from(*d).to_digit(16);
        match pair {
            [high, low] => Some((digit(high)? << 4 | digit(low)?) as u8),
            _ => None,
        }
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.map(Bytes::from).with_context(|| format!("{text:?} is not an even number of hexadecimal digits"))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

struct Printer {
    output: EventOutput,
    left: usize,
}

impl Printer {
    /// Prints what is there now; gives where it ended.
    async fn everything(&mut self, store: &dyn StreamStore, stream: &StreamId) -> Result<Vec<Position>> {
        let mut cut = Vec::new();
        for segment in store.segments(stream).await? {
            let mut position = Position { segment: segment.id, offset: segment.head };
            while position.offset < segment.tail && self.left > 0 {
                self.chunk(store, &mut position).await?;
            }
            cut.push(position);
        }
        Ok(cut)
    }

    /// Prints one chunk and moves the position behind it.
    async fn chunk(&mut self, store: &dyn StreamStore, position: &mut Position) -> Result<()> {
        let chunk = store.read(&position.segment, position.offset, CHUNK_BYTES).await?;
        let mut out = std::io::stdout().lock();
        for (pointer, (_, event)) in chunk.pointers(&position.segment).zip(&chunk.events).take(self.left) {
            self.print(&mut out, &pointer, event)?;
        }
        out.flush()?;
        self.left = self.left.saturating_sub(chunk.events.len());
        position.offset = chunk.next;
        Ok(())
    }

    fn print(&self, out: &mut impl Write, pointer: &EventPointer, event: &[u8]) -> std::io::Result<()> {
        match self.output {
            EventOutput::Hex => writeln!(out, "{} {}", to_hex(&pointer.to_bytes()), to_hex(event)),
            EventOutput::Text => writeln!(out, "{}", String::from_utf8_lossy(event)),
        }
    }

    /// Prints events as they come, from every segment, until the token is cancelled or enough were printed.
    async fn follow(
        &mut self,
        store: Arc<dyn StreamStore>,
        mut cut: Vec<Position>,
        stop: CancellationToken,
    ) -> Result<()> {
        while self.left > 0 {
            let waits = cut.iter().map(|position| store.wait_beyond(&position.segment, position.offset));
            let waits: Vec<_> = waits.collect();
            let ready = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                (ready, index, _) = futures::future::select_all(waits) => ready.map(|()| index)?,
            };
            if let Some(position) = cut.get_mut(ready) {
                self.chunk(&*store, position).await?;
            }
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
        assert_eq!(to_hex(&[1, 0, 255]), "0100ff");
        for bad in ["1", "0g", "é0"] {
            assert!(from_hex(bad).unwrap_err().to_string().contains("hexadecimal"), "{bad}");
        }
    }
}
