//! Schemas in files: their format by the file's content, the files of a folder in natural order of
//! their names.

use super::file_kind::{self, FileKind};
use super::proto_source::{self, FindFile};
use crate::args::registry::SchemaReadArgs;
use anyhow::{Context, Result, bail};
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use kulya_schema::{Format, SchemaInfo};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most message names in an error; the rest are counted.
const MAX_NAMES: usize = 10;

/// Reads the schema in a file.
///
/// # Errors
/// A file that cannot be read, is larger than a schema may be, or whose format or message is unknown.
pub(super) fn read(path: &Path, args: &SchemaReadArgs) -> Result<SchemaInfo> {
    read_with(path, args, HashMap::new())
}

/// Reads the schema in a file like [`read`]; the source of a Protobuf schema may import files that are
/// compiled already, by their names.
///
/// # Errors
/// As [`read`].
pub(super) fn read_with(
    path: &Path,
    args: &SchemaReadArgs,
    compiled: HashMap<String, Vec<u8>>,
) -> Result<SchemaInfo> {
    if args.format == Some(Format::Any) {
        bail!("any is not a schema's format: give another --format, or none")
    }
    let file = ReadFile { compiled, ..ReadFile::new(path, read_bytes(path)?, args)? };
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    file.into_schema(args, &imports_in(folder))
}

/// Reads a file that is at most as large as a schema may be.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).with_context(unreadable)?;
    let mut data = Vec::new();
    file.by_ref().take(MAX_SCHEMA_BYTES as u64 + 1).read_to_end(&mut data).with_context(unreadable)?;
    if data.len() > MAX_SCHEMA_BYTES {
        bail!("{} is too large: a schema has at most {MAX_SCHEMA_BYTES} bytes", path.display());
    }
    Ok(data)
}

/// Returns the files with the extension of a schema in a folder.
pub(super) fn beside(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(listed).with_context(unreadable)? {
        let path = folder.join(entry.with_context(unreadable)?.file_name());
        if file_kind::of_extension(&path).is_some() && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the imports of `.proto` files in a folder.
pub(super) fn imports_in(folder: PathBuf) -> FindFile {
    Box::new(move |name: &str| {
        let data = read_bytes(&folder.join(name)).ok()?;
        let data = file_kind::without_byte_order_mark(&data).ok()?;
        String::from_utf8(data.to_vec()).ok()
    })
}

/// The content of a file, without a byte order mark, and its format.
pub(super) struct ReadFile {
    path: PathBuf,
    data: Vec<u8>,
    format: Format,
    is_source: bool,
    /// What a source may import beside the files of its folder.
    compiled: HashMap<String, Vec<u8>>,
}

impl ReadFile {
    /// Finds the format of a file: the given one, or that of its content, or that of its extension.
    ///
    /// # Errors
    /// The format is unknown, or the file is UTF-16 text.
    pub(super) fn new(path: &Path, data: Vec<u8>, args: &SchemaReadArgs) -> Result<Self> {
        let data = file_kind::without_byte_order_mark(&data)
            .map_err(|reason| anyhow::anyhow!("cannot read {}: {reason}", path.display()))?
            .to_vec();
        let detected = file_kind::detect(&data);
        let kind = detected.format().map(|_| detected.clone()).or_else(|| file_kind::of_extension(path));
        let Some(format) = args.format.clone().or_else(|| kind.as_ref().and_then(FileKind::format)) else {
            bail!(
                "{} has an unknown format: its content is no schema that could be recognized, and its extension is not \
                 .avsc, .json, .proto or .desc; give --format",
                path.display()
            )
        };
        let is_source = format == Format::Protobuf && kind == Some(FileKind::ProtoSource);
        Ok(Self { path: path.to_owned(), data, format, is_source, compiled: HashMap::new() })
    }

    /// Returns the schema; of a Protobuf schema with several messages the one that is given.
    ///
    /// # Errors
    /// The source of a Protobuf schema does not compile, or its message is unknown.
    pub(super) fn into_schema(self, args: &SchemaReadArgs, imports: &FindFile) -> Result<SchemaInfo> {
        let file = self.compiled(imports)?;
        let type_name = match (&args.type_name, &file.format) {
            (Some(name), _) => name.clone(),
            (None, Format::Protobuf) => only_message(&file.path, &file.data)?,
            (None, _) => String::new(),
        };
        Ok(SchemaInfo::new(type_name, file.format, file.data))
    }

    /// Returns the schema once for each of its types: of a Protobuf schema, for each message of its
    /// own files.
    ///
    /// # Errors
    /// As [`Self::into_schema`].
    pub(super) fn into_schemas(self, args: &SchemaReadArgs, imports: &FindFile) -> Result<Vec<SchemaInfo>> {
        if self.format != Format::Protobuf || args.type_name.is_some() {
            return Ok(vec![self.into_schema(args, imports)?]);
        }
        let Self { path, data, format, .. } = self.compiled(imports)?;
        let names = messages(&path, &data)?;
        Ok(names.into_iter().map(|name| SchemaInfo::new(name, format.clone(), data.clone())).collect())
    }

    /// Compiles the source of a Protobuf schema.
    fn compiled(mut self, imports: &FindFile) -> Result<Self> {
        if self.is_source {
            let path = self.path.display();
            let text =
                std::str::from_utf8(&self.data).with_context(|| format!("{path} is not UTF-8 text"))?;
            self.data = proto_source::compile(&file_name(&self.path), text, imports, &self.compiled)
                .with_context(|| format!("cannot compile {path} (imports are resolved in its folder)"))?;
            self.is_source = false;
        }
        Ok(self)
    }
}

/// Returns the messages of a descriptor set's files that no other file imports.
///
/// # Errors
/// The bytes are not a descriptor set.
fn messages(path: &Path, data: &[u8]) -> Result<Vec<String>> {
    let set = FileDescriptorSet::decode(data)
        .with_context(|| format!("{} is not a descriptor set as protoc writes it", path.display()))?;
    let imported: HashSet<&str> =
        set.file.iter().flat_map(|file| file.dependency.iter().map(String::as_str)).collect();
    let own = set.file.iter().filter(|file| !imported.contains(file.name()));
    Ok(own
        .flat_map(|file| {
            let package =
                if file.package().is_empty() { String::new() } else { format!("{}.", file.package()) };
            file.message_type.iter().map(move |message| format!("{package}{}", message.name()))
        })
        .collect())
}

/// Returns the only message of a descriptor set's files that no other file imports.
///
/// # Errors
/// No message, or several.
fn only_message(path: &Path, data: &[u8]) -> Result<String> {
    let mut names = messages(path, data)?;
    match (names.pop(), names.as_slice()) {
        (Some(only), []) => Ok(only),
        (None, _) => bail!("{} has no message: give --type", path.display()),
        (Some(last), more) => {
            let names: Vec<&str> =
                more.iter().map(String::as_str).chain([last.as_str()]).take(MAX_NAMES).collect();
            let rest = (more.len() + 1).saturating_sub(MAX_NAMES);
            let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            bail!("{} has several messages, give --type: {}{rest}", path.display(), names.join(", "))
        }
    }
}

/// Files to be checked, and those of a folder that are no schemas.
pub(super) struct Selection {
    pub(super) files: Vec<PathBuf>,
    /// Files with the extension of a schema, and why they are none.
    pub(super) left_out: Vec<(PathBuf, String)>,
}

impl Selection {
    /// Adds a file of a folder if it has the extension of a schema, and the content.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn add(&mut self, path: PathBuf, args: &SchemaReadArgs) -> Result<()> {
        if args.format.is_some() {
            self.files.push(path);
            return Ok(());
        }
        if file_kind::of_extension(&path).is_none() {
            return Ok(());
        }
        let data = read_bytes(&path)?;
        match file_kind::without_byte_order_mark(&data).map(file_kind::detect) {
            Ok(FileKind::NoSchema(reason)) => self.left_out.push((path, reason)),
            // what cannot be read is an error of the check
            _ => self.files.push(path),
        }
        Ok(())
    }
}

/// Returns the files given, or the schema files of the only folder given, in natural order of their names.
///
/// # Errors
/// A folder that cannot be read or has no schemas.
pub(super) fn expand(paths: &[PathBuf], args: &SchemaReadArgs) -> Result<Selection> {
    let [folder] = paths else { return Ok(Selection { files: paths.to_vec(), left_out: Vec::new() }) };
    if !folder.is_dir() {
        return Ok(Selection { files: paths.to_vec(), left_out: Vec::new() });
    }
    let unreadable = || format!("cannot read {}", folder.display());
    let mut selection = Selection { files: Vec::new(), left_out: Vec::new() };
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() {
            selection.add(path, args)?;
        }
    }
    if selection.files.is_empty() {
        bail!("folder {} has no schemas: .avsc, .json, .proto or .desc", folder.display());
    }
    selection.files.sort_by(|one, other| natural_order(&file_name(one), &file_name(other)));
    selection.left_out.sort();
    Ok(selection)
}

/// Returns a file's name for messages.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Compares names with their numbers by value: `v2` is before `v10`.
pub(super) fn natural_order(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        match (left.chars().next(), right.chars().next()) {
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, b) = (take_number(&mut left), take_number(&mut right));
                // numbers of any length: without leading zeros a longer one is larger
                match a.len().cmp(&b.len()).then_with(|| a.cmp(b)) {
                    Ordering::Equal => {}
                    order => return order,
                }
            }
            (Some(a), Some(b)) if a == b => {
                left = left.get(a.len_utf8()..).unwrap_or_default();
                right = right.get(b.len_utf8()..).unwrap_or_default();
            }
            // names that differ by leading zeros only
            (None, None) => return one.cmp(other),
            (a, b) => return a.cmp(&b),
        }
    }
}

/// Removes the digits at the start of a text and returns them without leading zeros.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_ordered_by_value() {
        let mut names =
            ["v10.avsc", "v2.avsc", "v1.avsc", "a.avsc", "v02.avsc", "v2b.avsc", "v", "é2", "é10"];
        names.sort_by(|one, other| natural_order(one, other));
        let expected = ["a.avsc", "v", "v1.avsc", "v02.avsc", "v2.avsc", "v2b.avsc", "v10.avsc", "é2", "é10"];
        assert_eq!(names, expected);
    }
}
