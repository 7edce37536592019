//! `kulya registry export` and `import`: streams JSON lines, in constant memory.

use super::connection::RegistryTarget;
use super::display::count;
use crate::args::registry::{ExportArgs, ImportArgs};
use crate::credentials::rest_v1_registry;
use crate::output::{print_json, print_line};
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

/// Longest line, in bytes: a schema of 8 MiB in base64, with its metadata.
const MAX_LINE_BYTES: u64 = 16 << 20;
/// Lines that are read ahead.
const READ_AHEAD_LINES: usize = 16;

pub(super) async fn export(target: RegistryTarget, args: ExportArgs) -> Result<()> {
    let ExportArgs { mut namespaces, from_v1 } = args;
    if let Some(url) = from_v1 {
        if namespaces.is_empty() {
            namespaces.push(String::new());
        }
        let registry = Arc::new(rest_v1_registry(url, &target.store)?);
        return print(export_by_probing(registry, namespaces)).await;
    }
    if namespaces.len() > 1 {
        bail!("give one --namespace, or none for all");
    }
    let connection = target.open(false).await?;
    print(connection.registry.export(namespaces.first().map(String::as_str)).await?).await?;
    connection.close().await
}

async fn print(mut lines: BoxStream<'static, RegistryResult<ExportLine>>) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout());
    while let Some(line) = lines.next().await {
        // the lines so far are kept: an import sees that the end is missing
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

pub(super) async fn import(target: RegistryTarget, args: ImportArgs, as_json: bool) -> Result<()> {
    // a missing file is reported before a folder is created
    let lines = read_lines(&args.file)?;
    let existing = if args.skip_existing { Existing::Skip } else { Existing::Refuse };
    let connection = target.open(true).await?;
    let imported = connection.registry.import(lines, existing).await?;
    connection.close().await?;
    if as_json {
        return print_json(&imported);
    }
    let (groups, schemas) = (count(imported.groups, "group"), count(imported.schemas, "schema"));
    let (encodings, skipped) = (count(imported.encodings, "encoding"), count(imported.skipped, "group"));
    print_line!("{groups} with {schemas} and {encodings} imported, {skipped} skipped");
    Ok(())
}

/// Reads the lines of a file, or of standard input, on a blocking thread.
fn read_lines(path: &Path) -> Result<BoxStream<'static, RegistryResult<ExportLine>>> {
    let input: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    let (sender, receiver) = mpsc::channel(READ_AHEAD_LINES);
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut lines = LineReader { input: BufReader::new(input), path, number: 0 };
        while let Some(line) = lines.next().transpose() {
            // the first error ends the stream; the receiver is dropped when the import has ended
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

/// Reads the lines of an export.
struct LineReader<R> {
    input: BufReader<R>,
    path: PathBuf,
    number: u64,
}

impl<R: Read> LineReader<R> {
    fn next(&mut self) -> RegistryResult<Option<ExportLine>> {
        loop {
            self.number += 1;
            let mut line = Vec::new();
            let read = self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
            let read = read.map_err(|e| self.invalid("cannot be read").because(e))?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                return Err(self.invalid(&format!("is longer than {MAX_LINE_BYTES} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line = serde_json::from_slice(&line);
            return line.map(Some).map_err(|e| self.invalid("is not a line of an export").because(e));
        }
    }

    fn invalid(&self, what: &str) -> RegistryError {
        let what = format!("line {} of {} {what}", self.number, self.path.display());
        RegistryError::new(RegistryErrorKind::InvalidInput, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> RegistryResult<Vec<ExportLine>> {
        let mut lines = LineReader { input: BufReader::new(text), path: "all".into(), number: 0 };
        std::iter::from_fn(|| lines.next().transpose()).collect()
    }

    #[test]
    fn lines_are_parsed_or_rejected_with_their_number() {
        let first = r#"{"line":"begin","kulyaRegistryExport":1}"#;
        let both = format!("{first}\n\n{{\"line\":\"end\",\"groups\":0}}");
        assert_eq!(read(both.as_bytes()).unwrap().len(), 2);
        assert!(read(b"").unwrap().is_empty());
        for (text, message) in [
            (format!("{first}\nx"), "line 2 of all is not a line of an export"),
            (format!("{first}\n{{\"line\":\"middle\"}}"), "line 2"),
            (" ".repeat(MAX_LINE_BYTES as usize + 1), "line 1 of all is longer than"),
        ] {
            assert!(read(text.as_bytes()).unwrap_err().to_string().contains(message), "{message}");
        }
    }
}
