//! A file of the user: its kind by its name, and its bytes, decompressed.

use crate::{SqlError, SqlErrorKind, SqlResult};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// The size of the buffers that files are read through, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// What programs of one vendor write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Separated values with a header line; the separator, if the name tells it.
    Separated(Option<u8>),
    JsonLines,
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A file, by the name that the statement has.
#[derive(Debug, Clone)]
pub(super) struct FileSource {
    pub(super) path: String,
    pub(super) kind: FileKind,
    compression: Compression,
}

impl FileSource {
    /// Returns a file of a known kind.
    ///
    /// # Errors
    /// `UnknownTable` if there is none, `NotSupported` for folders and other kinds.
    pub(super) fn new(path: &str) -> SqlResult<Self> {
        let error = |kind, what: String| Err(SqlError::new(kind, format!("file {path}{what}")));
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return error(SqlErrorKind::NotSupported, " is a folder: name one file".into());
            }
            Ok(found) if !found.is_file() => {
                return error(SqlErrorKind::NotSupported, " is not a regular file".into());
            }
            Ok(_) => {}
            Err(_) if path.contains(['*', '?']) => {
                let what = " does not exist: patterns of names are not supported yet, name one file";
                return error(SqlErrorKind::NotSupported, what.into());
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return error(SqlErrorKind::UnknownTable, " does not exist".into());
            }
            Err(cause) => return Err(cannot_read(path, cause)),
        }
        let lower = path.to_ascii_lowercase();
        let (name, compression) = match () {
            () if lower.ends_with(".gz") => (lower.trim_end_matches(".gz"), Compression::Gzip),
            () if lower.ends_with(".zst") => (lower.trim_end_matches(".zst"), Compression::Zstd),
            () => (lower.as_str(), Compression::None),
        };
        let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => FileKind::Separated(None),
            Some("tsv") => FileKind::Separated(Some(b'\t')),
            Some("json" | "jsonl" | "ndjson") => FileKind::JsonLines,
            Some("parquet") if compression == Compression::None => FileKind::Parquet,
            _ => {
                let what = ": its name must end in .csv, .tsv, .json, .jsonl or .ndjson, perhaps with .gz or .zst behind \
                            it, or in .parquet";
                return error(SqlErrorKind::NotSupported, what.into());
            }
        };
        Ok(Self { path: path.to_owned(), kind, compression })
    }

    /// Opens the file as it is.
    ///
    /// # Errors
    /// `Failed` if it cannot be read.
    pub(super) fn file(&self) -> SqlResult<File> {
        File::open(&self.path).map_err(|e| cannot_read(&self.path, e))
    }

    /// Opens the text of the file: decompressed, without a byte order mark.
    ///
    /// # Errors
    /// `Failed` if it cannot be read.
    pub(super) fn text(&self) -> SqlResult<Box<dyn BufRead + Send>> {
        let file = self.file()?;
        let failed = |e| cannot_read(&self.path, e);
        let mut text: Box<dyn BufRead + Send> = match self.compression {
            Compression::None => Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
            Compression::Gzip => {
                Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(BufReader::new(file))))
            }
            Compression::Zstd => {
                let decoder = zstd::Decoder::new(file).map_err(failed)?;
                Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder))
            }
        };
        if text.fill_buf().map_err(failed)?.starts_with(BYTE_ORDER_MARK) {
            text.consume(BYTE_ORDER_MARK.len());
        }
        Ok(text)
    }

    /// Returns whole lines from the beginning of the text, of about this many bytes, and whether they are all
    /// of it.
    ///
    /// # Errors
    /// As [`Self::text`], and if the first line is longer.
    pub(super) fn sample(&self, bytes: usize) -> SqlResult<(Vec<u8>, bool)> {
        let mut sample = Vec::new();
        let mut limited = self.text()?.take(bytes as u64 + 1);
        limited.read_to_end(&mut sample).map_err(|e| cannot_read(&self.path, e))?;
        if sample.len() <= bytes {
            return Ok((sample, true));
        }
        match sample.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => sample.truncate(end + 1),
            None => {
                let what = format!("the first line has more than {bytes} bytes: SET '{SAMPLE}' to more");
                return Err(invalid(self, Some(1), what));
            }
        }
        Ok((sample, false))
    }
}

/// The setting of the sample's size.
pub(super) const SAMPLE: &str = "files.sample-bytes";

pub(super) fn cannot_read(path: &str, cause: std::io::Error) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, format!("cannot read file {path}: {cause}")).because(cause)
}

/// Returns the error about the content of a file, at a line if there is one.
pub(super) fn invalid(source: &FileSource, line: Option<u64>, what: impl std::fmt::Display) -> SqlError {
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    SqlError::new(SqlErrorKind::InvalidValue, format!("file {}{line}: {what}", source.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn kinds_follow_from_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for (name, expected) in [
            ("a.csv", Ok(FileKind::Separated(None))),
            ("a.TSV.gz", Ok(FileKind::Separated(Some(b'\t')))),
            ("a.b.jsonl.zst", Ok(FileKind::JsonLines)),
            ("a.json", Ok(FileKind::JsonLines)),
            ("a.parquet", Ok(FileKind::Parquet)),
            ("a.parquet.gz", Err("must end in .csv")),
            ("a.xlsx", Err("must end in .csv")),
            ("csv", Err("must end in .csv")),
        ] {
            std::fs::write(path(name), "x").unwrap();
            match (FileSource::new(&path(name)), expected) {
                (Ok(source), Ok(kind)) => assert_eq!(source.kind, kind, "{name}"),
                (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        let refused = |path: &str| FileSource::new(path).unwrap_err().to_string();
        assert!(refused(folder.path().to_str().unwrap()).ends_with("is a folder: name one file"));
        assert!(refused(&path("none.csv")).ends_with("none.csv does not exist"));
        assert!(refused(&path("*.csv")).contains("patterns of names are not supported yet"));
        assert!(refused("/dev/zero").ends_with("is not a regular file"));
    }

    #[test]
    fn texts_are_decompressed_and_sampled_by_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let text = b"\xEF\xBB\xBFid\n1\n22\n";
        std::fs::write(path("a.csv"), text).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        // a file may have several parts
        let mut parts = gzip.finish().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"333\n").unwrap();
        parts.extend(gzip.finish().unwrap());
        std::fs::write(path("b.csv.gz"), parts).unwrap();
        std::fs::write(path("c.csv.zst"), zstd::encode_all(&text[..], 1).unwrap()).unwrap();
        for (name, all) in
            [("a.csv", "id\n1\n22\n"), ("b.csv.gz", "id\n1\n22\n333\n"), ("c.csv.zst", "id\n1\n22\n")]
        {
            let source = FileSource::new(&path(name)).unwrap();
            assert_eq!(source.sample(1000).unwrap(), (all.as_bytes().to_vec(), true), "{name}");
            assert_eq!(source.sample(6).unwrap(), (b"id\n1\n".to_vec(), false), "{name}");
            assert!(
                source
                    .sample(1)
                    .unwrap_err()
                    .to_string()
                    .contains("line 1: the first line has more than 1 bytes")
            );
        }
    }
}
