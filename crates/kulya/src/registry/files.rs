//! Schemas in files: read whole, their format by their ending, several in the order of their names.

use super::args::ReadArgs;
use anyhow::{Context, Result, bail};
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use kulya_schema::{Format, SchemaInfo};
use prost::Message;
use prost_types::FileDescriptorSet;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// So many messages are named, and the rest are counted.
const NAMED: usize = 10;

/// The schema in a file.
pub(crate) fn read(path: &Path, by: &ReadArgs) -> Result<SchemaInfo> {
    let format = match by.format.clone().or_else(|| ending(path)) {
        Some(Format::Any) => {
            bail!("a schema has a format of its own: name it by --format, or leave that out")
        }
        Some(format) => format,
        None => bail!(
            "{} does not tell its format: end it with .avsc, .json, .proto or .desc, or give --format",
            path.display()
        ),
    };
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = std::fs::File::open(path).with_context(unreadable)?;
    let mut data = Vec::new();
    file.by_ref().take(MAX_SCHEMA_BYTES as u64 + 1).read_to_end(&mut data).with_context(unreadable)?;
    if data.len() > MAX_SCHEMA_BYTES {
        bail!("{} is larger than a schema may be: the most is {MAX_SCHEMA_BYTES} bytes", path.display());
    }
    if format == Format::Protobuf && path.extension().is_some_and(|ending| ending == "proto") {
        data = compiled(path)?;
    }
    let type_name = match (&by.type_name, &format) {
        (Some(name), _) => name.clone(),
        (None, Format::Protobuf) => only_message(path, &data)?,
        (None, _) => String::new(),
    };
    Ok(SchemaInfo::new(type_name, format, data))
}

/// The descriptor set of a `.proto` file; what it imports is looked for beside it.
fn compiled(path: &Path) -> Result<Vec<u8>> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let set = protox::compile([path], [folder]).map_err(|error| {
        // the compiler's own message spans lines
        let text = error.to_string().replace('\n', " ");
        anyhow::anyhow!("{} cannot be compiled (imports are looked for beside it): {text}", path.display())
    })?;
    Ok(set.encode_to_vec())
}

/// The one message of a descriptor set, where there is only one: of the files that no other file imports.
fn only_message(path: &Path, data: &[u8]) -> Result<String> {
    let set = FileDescriptorSet::decode(data)
        .with_context(|| format!("{} is no descriptor set, as protoc writes it", path.display()))?;
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
        (None, _) => bail!("{} has no message: name the one by --type", path.display()),
        (Some(last), more) => {
            let shown: Vec<&str> =
                more.iter().map(String::as_str).chain([last.as_str()]).take(NAMED).collect();
            let left = (more.len() + 1).saturating_sub(NAMED);
            let left = if left == 0 { String::new() } else { format!(" and {left} more") };
            bail!(
                "{} has several messages: name the one by --type: {}{left}",
                path.display(),
                shown.join(", ")
            )
        }
    }
}

/// Files in order: those that are named, or those of the one folder that is.
pub(crate) fn in_order(paths: &[PathBuf], by: &ReadArgs) -> Result<Vec<PathBuf>> {
    let [folder] = paths else { return Ok(paths.to_vec()) };
    if !folder.is_dir() {
        return Ok(paths.to_vec());
    }
    let unreadable = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() && (by.format.is_some() || ending(&path).is_some()) {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("folder {} has no schemas: .avsc, .json, .proto or .desc", folder.display());
    }
    files.sort_by(|one, other| natural(&name(one), &name(other)));
    Ok(files)
}

/// A file's name, as messages show it.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn ending(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "avsc" => Some(Format::Avro),
        "json" => Some(Format::Json),
        "desc" | "pb" | "binpb" | "proto" => Some(Format::Protobuf),
        _ => None,
    }
}

/// Numbers count as numbers: `v2` is before `v10`.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        match (left.chars().next(), right.chars().next()) {
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (a, b) = (digits(&mut left), digits(&mut right));
                // by value, however long: without leading zeros a longer one is larger
                match a.len().cmp(&b.len()).then_with(|| a.cmp(b)) {
                    Ordering::Equal => {}
                    decided => return decided,
                }
            }
            (Some(a), Some(b)) if a == b => {
                left = left.get(a.len_utf8()..).unwrap_or_default();
                right = right.get(b.len_utf8()..).unwrap_or_default();
            }
            // what is equal but for leading zeros still has an order
            (None, None) => return one.cmp(other),
            (a, b) => return a.cmp(&b),
        }
    }
}

/// Takes the digits off a text's beginning.
fn digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names =
            ["v10.avsc", "v2.avsc", "v1.avsc", "a.avsc", "v02.avsc", "v2b.avsc", "v", "é2", "é10"];
        names.sort_by(|one, other| natural(one, other));
        let expected = ["a.avsc", "v", "v1.avsc", "v02.avsc", "v2.avsc", "v2b.avsc", "v10.avsc", "é2", "é10"];
        assert_eq!(names, expected);
    }
}
