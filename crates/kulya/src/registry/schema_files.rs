//! Schemas in files: their format by the file's extension, the files of a folder in natural order of their
//! names.

use crate::args::registry::SchemaReadArgs;
use anyhow::{Context, Result, bail};
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use kulya_schema::{Format, SchemaInfo};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most message names in an error; the rest are counted.
const MAX_NAMES: usize = 10;

/// Reads the schema in a file.
///
/// # Errors
/// A file that cannot be read, is larger than a schema may be, or whose format or message is unknown.
pub(super) fn read(path: &Path, args: &SchemaReadArgs) -> Result<SchemaInfo> {
    let format = match args.format.clone().or_else(|| format_of_extension(path)) {
        Some(Format::Any) => {
            bail!("any is not a schema's format: give another --format, or none")
        }
        Some(format) => format,
        None => bail!(
            "{} has an unknown format: use the extension .avsc, .json, .proto or .desc, or give --format",
            path.display()
        ),
    };
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).with_context(unreadable)?;
    let mut data = Vec::new();
    file.by_ref().take(MAX_SCHEMA_BYTES as u64 + 1).read_to_end(&mut data).with_context(unreadable)?;
    if data.len() > MAX_SCHEMA_BYTES {
        bail!("{} is too large: a schema has at most {MAX_SCHEMA_BYTES} bytes", path.display());
    }
    if format == Format::Protobuf && path.extension().is_some_and(|extension| extension == "proto") {
        data = compile_proto(path)?;
    }
    let type_name = match (&args.type_name, &format) {
        (Some(name), _) => name.clone(),
        (None, Format::Protobuf) => only_message(path, &data)?,
        (None, _) => String::new(),
    };
    Ok(SchemaInfo::new(type_name, format, data))
}

/// Compiles a `.proto` file into a descriptor set; imports are resolved in its folder.
fn compile_proto(path: &Path) -> Result<Vec<u8>> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let set = protox::compile([path], [folder]).map_err(|error| {
        // the compiler's message has several lines
        let text = error.to_string().replace('\n', " ");
        anyhow::anyhow!("cannot compile {} (imports are resolved in its folder): {text}", path.display())
    })?;
    Ok(set.encode_to_vec())
}

/// Returns the only message of a descriptor set's files that no other file imports.
///
/// # Errors
/// No message, or several.
fn only_message(path: &Path, data: &[u8]) -> Result<String> {
    let set = FileDescriptorSet::decode(data)
        .with_context(|| format!("{} is not a descriptor set as protoc writes it", path.display()))?;
    let imported: HashSet<&str> =
        set.file.iter().flat_map(|file| file.dependency.iter().map(String::as_str)).collect();
    let own = set.file.iter().filter(|file| !imported.contains(file.name()));
    let mut names: Vec<String> = own
        .flat_map(|file| {
            let package =
                if file.package().is_empty() { String::new() } else { format!("{}.", file.package()) };
            file.message_type.iter().map(move |message| format!("{package}{}", message.name()))
        })
        .collect();
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

/// Returns the files given, or the schema files of the only folder given, in natural order of their names.
///
/// # Errors
/// A folder that cannot be read or has no schemas.
pub(super) fn expand(paths: &[PathBuf], args: &SchemaReadArgs) -> Result<Vec<PathBuf>> {
    let [folder] = paths else { return Ok(paths.to_vec()) };
    if !folder.is_dir() {
        return Ok(paths.to_vec());
    }
    let unreadable = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() && (args.format.is_some() || format_of_extension(&path).is_some()) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("folder {} has no schemas: .avsc, .json, .proto or .desc", folder.display());
    }
    files.sort_by(|one, other| natural_order(&file_name(one), &file_name(other)));
    Ok(files)
}

/// Returns a file's name for messages.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn format_of_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "avsc" => Some(Format::Avro),
        "json" => Some(Format::Json),
        "desc" | "pb" | "binpb" | "proto" => Some(Format::Protobuf),
        _ => None,
    }
}

/// Compares names with their numbers by value: `v2` is before `v10`.
fn natural_order(one: &str, other: &str) -> Ordering {
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
