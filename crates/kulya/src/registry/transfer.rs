//! `kulya registry export` and `import`: line by line, whatever the size.

use super::args::{ExportArgs, ImportArgs};
use super::shown::counted;
use super::{At, json};
use crate::open;
use crate::say;
use anyhow::{Context, Result, bail};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_client::export_by_probing;
use kulya_registry_api::administration::{Existing, ExportLine};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A line holds a schema of 8 MiB in base64, and what stands around it.
const MOST_LINE: u64 = 16 << 20;
/// Lines read ahead.
const AHEAD: usize = 16;

pub(crate) async fn export(at: At, args: ExportArgs) -> Result<()> {
    let ExportArgs { mut namespaces, from_v1 } = args;
    if let Some(url) = from_v1 {
        if namespaces.is_empty() {
            namespaces.push(String::new());
        }
        let registry = Arc::new(open::registry_v1(url, &at.place)?);
        return print(export_by_probing(registry, namespaces)).await;
    }
    if namespaces.len() > 1 {
        bail!("name one namespace, or none for all");
    }
    let opened = at.open(false).await?;
    print(opened.registry.export(namespaces.first().map(String::as_str)).await?).await?;
    opened.close().await
}

async fn print(mut lines: BoxStream<'static, RegistryResult<ExportLine>>) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout());
    while let Some(line) = lines.next().await {
        // what was said before stays said: whoever takes it in sees that its end is missing
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        };
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

pub(crate) async fn import(at: At, args: ImportArgs, as_json: bool) -> Result<()> {
    // a file that is not there makes no folder
    let lines = lines(&args.file)?;
    let existing = if args.skip_existing { Existing::Skip } else { Existing::Refuse };
    let opened = at.open(true).await?;
    let done = opened.registry.import(lines, existing).await?;
    opened.close().await?;
    if as_json {
        return json(&done);
    }
    let (groups, schemas) = (counted(done.groups, "group"), counted(done.schemas, "schema"));
    let (encodings, skipped) = (counted(done.encodings, "encoding"), counted(done.skipped, "group"));
    say!("{groups} with {schemas} and {encodings} taken in, {skipped} left as before");
    Ok(())
}

/// The lines of a file, read by a thread that may wait for whoever writes them.
fn lines(path: &Path) -> Result<BoxStream<'static, RegistryResult<ExportLine>>> {
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { input: BufReader::new(input), path, number: 0 };
        while let Some(line) = lines.next().transpose() {
            // an error is the last; nobody listens any more when the import has ended
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    let lines = stream::unfold(receiver, |mut receiver| async move {
        let line = receiver.recv().await?;
        Some((line, receiver))
    });
    Ok(lines.boxed())
}

struct Lines<R> {
    input: BufReader<R>,
    path: PathBuf,
    number: u64,
}

impl<R: Read> Lines<R> {
    fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            self.number += 1;
            let mut line = Vec::new();
            let read = self.input.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
            let read = read.map_err(|e| self.wrong("cannot be read").because(e))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == MOST_LINE && line.last() != Some(&b'\n') {
                return Err(self.wrong(&format!("is longer than {MOST_LINE} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line = serde_json::from_slice(&line);
            return line.map(Some).map_err(|e| self.wrong("is no line of an export").because(e));
        }
    }

    fn wrong(&self, what: &str) -> RegistryError {
        let what = format!("line {} of {} {what}", self.number, self.path.display());
        RegistryError::new(RegistryErrorKind::InvalidInput, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> RegistryResult<Vec<ExportLine>> {
        let mut lines = Lines { input: BufReader::new(text), path: "all".into(), number: 0 };
        std::iter::from_fn(|| lines.next().transpose()).collect()
    }

    #[test]
    fn lines_are_read_or_refused_by_number() {
        let begin = r#"{"line":"begin","kulyaRegistryExport":1}"#;
        let both = format!("{begin}\n\n{{\"line\":\"end\",\"groups\":0}}");
        assert_eq!(read(both.as_bytes()).unwrap().len(), 2);
        assert!(read(b"").unwrap().is_empty());
        for (text, says) in [
            (format!("{begin}\nx"), "line 2 of all is no line of an export"),
            (format!("{begin}\n{{\"line\":\"middle\"}}"), "line 2"),
            (" ".repeat(MOST_LINE as usize + 1), "line 1 of all is longer than"),
        ] {
            assert!(read(text.as_bytes()).unwrap_err().to_string().contains(says), "{says}");
        }
    }
}
