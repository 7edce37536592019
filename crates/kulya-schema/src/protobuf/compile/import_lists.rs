//! The files that a file sees: its imports, and what these import publicly. The library follows public
//! imports for one step only, in exponential time if they meet; so it gets all visible files as plain
//! imports, and the lists are restored in what it compiled.

use super::editions;
use super::files::LoadedFile;
use crate::protobuf::raw_field;
use crate::{Error, Result};
use prost::encoding::encode_varint;
use std::collections::{HashMap, HashSet};

/// The maximum number of imports that become visible through public ones, in all files together.
const MAX_PUBLIC_IMPORTS: usize = 100_000;

/// Numbers of fields of `FileDescriptorProto`.
const DEPENDENCY: u64 = 3;
const PUBLIC_DEPENDENCY: u32 = 10;
const WEAK_DEPENDENCY: u32 = 11;
const SYNTAX: u32 = 12;
const EDITION: u32 = 14;

/// Returns the names of the files that each file sees, its own imports first. Each file is behind those that
/// it imports.
///
/// # Errors
/// Too many public imports.
pub(super) fn visible(files: &[LoadedFile]) -> Result<Vec<Vec<String>>> {
    // what a file passes on to those that import it, besides itself
    let mut passed_on: HashMap<&str, Vec<&str>> = HashMap::new();
    let (mut visible, mut public_imports) = (Vec::with_capacity(files.len()), 0);
    for file in files {
        let descriptor = &file.descriptor;
        let own = || descriptor.dependency.iter().map(String::as_str);
        let through = |name: &str| passed_on.get(name).map_or(&[][..], Vec::as_slice).iter().copied();
        let mut seen: HashSet<&str> = own().collect();
        let others: Vec<&str> = own().flat_map(through).filter(|name| seen.insert(name)).collect();
        let is_public =
            |index| usize::try_from(index).ok().and_then(|index| descriptor.dependency.get(index));
        let own_public = descriptor.public_dependency.iter().copied().filter_map(is_public);
        let mut seen = HashSet::new();
        let public: Vec<&str> = own_public
            .flat_map(|name| std::iter::once(name.as_str()).chain(through(name)))
            .filter(|name| seen.insert(*name))
            .collect();
        public_imports += others.len() + public.len();
        if public_imports > MAX_PUBLIC_IMPORTS {
            return Err(Error::new(format!(
                "the .proto sources see more than {MAX_PUBLIC_IMPORTS} files through public imports"
            )));
        }
        visible.push(own().chain(others).map(str::to_owned).collect());
        passed_on.insert(file.name(), public);
    }
    Ok(visible)
}

/// Returns a compiled file with the imports, and the syntax or edition, of the loaded one. Fields are in the
/// order of their numbers, as other compilers write them.
pub(super) fn restore(mut compiled: &[u8], file: &LoadedFile) -> Vec<u8> {
    let descriptor = &file.descriptor;
    let mut restored = Vec::with_capacity(compiled.len() + 16);
    let mut imports = 0;
    while let Some(field) = raw_field::next(&mut compiled) {
        if field.number == DEPENDENCY {
            imports += 1;
        }
        let is_added = field.number == DEPENDENCY && imports > descriptor.dependency.len();
        if !is_added && field.number != u64::from(SYNTAX) {
            restored.extend_from_slice(field.bytes);
        }
    }
    prost::encoding::int32::encode_repeated(PUBLIC_DEPENDENCY, &descriptor.public_dependency, &mut restored);
    prost::encoding::int32::encode_repeated(WEAK_DEPENDENCY, &descriptor.weak_dependency, &mut restored);
    let syntax =
        if file.edition.is_some() { Some(editions::SYNTAX.to_owned()) } else { descriptor.syntax.clone() };
    if let Some(syntax) = syntax {
        prost::encoding::string::encode(SYNTAX, &syntax, &mut restored);
    }
    if let Some(edition) = file.edition {
        prost::encoding::int32::encode(EDITION, &edition, &mut restored);
    }
    restored
}

/// Writes a file of a descriptor set.
pub(super) fn push_file(out: &mut Vec<u8>, file: &[u8]) {
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, out);
    encode_varint(file.len() as u64, out);
    out.extend_from_slice(file);
}
