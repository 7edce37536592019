//! Sanitizes untrusted descriptor sets for `prost-reflect`. Removes what payloads do not need (services,
//! extensions, options, source locations), and with it most of what can be invalid. Fields of an extension
//! become unknown fields.

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldOptions, FileDescriptorProto, FileDescriptorSet,
    MessageOptions,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The maximum number of files in a set: resolving more takes long, and no known message needs them.
const MAX_FILES: usize = 500;
/// The maximum length of a file's name, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Reduces a set to what payloads need, in a form that the library resolves in bounded time.
pub(super) fn sanitize(set: &mut FileDescriptorSet) -> Result<(), String> {
    for file in &mut set.file {
        sanitize_file(file)?;
    }
    flatten_imports(set)
}

fn sanitize_file(file: &mut FileDescriptorProto) -> Result<(), String> {
    match file.syntax() {
        "proto2" | "proto3" => {}
        "" => file.syntax = None,
        other => return Err(format!("syntax {other:?} of file {} is not supported yet", file.name())),
    }
    file.message_type.iter_mut().for_each(sanitize_message);
    file.enum_type.iter_mut().for_each(sanitize_enum);
    file.service.clear();
    file.extension.clear();
    file.options = None;
    file.source_code_info = None;
    Ok(())
}

/// Rejects map entries that no compiler generates: the library panics on their values.
pub(super) fn check_map_entries(pool: &DescriptorPool) -> Result<(), String> {
    match pool.all_messages().find(|message| message.is_map_entry() && !is_valid_map_entry(message)) {
        Some(invalid) => Err(format!("message {} is not a valid map entry", invalid.full_name())),
        None => Ok(()),
    }
}

fn is_valid_map_entry(message: &MessageDescriptor) -> bool {
    let is_singular = |field: &FieldDescriptor| field.cardinality() != Cardinality::Repeated;
    let not_key_kinds = [Kind::Double, Kind::Float, Kind::Bytes];
    let is_key = |field: &FieldDescriptor| {
        let kind = field.kind();
        is_singular(field)
            && !not_key_kinds.contains(&kind)
            && !matches!(kind, Kind::Message(_) | Kind::Enum(_))
    };
    message.get_field(1).is_some_and(|key| is_key(&key))
        && message.get_field(2).is_some_and(|value| is_singular(&value))
}

/// Recursion is bounded by the decoder's recursion limit.
fn sanitize_message(message: &mut DescriptorProto) {
    message.nested_type.iter_mut().for_each(sanitize_message);
    message.enum_type.iter_mut().for_each(sanitize_enum);
    message.extension.clear();
    message.extension_range.clear();
    message.options = message
        .options
        .take()
        .map(|options| MessageOptions { map_entry: options.map_entry, ..MessageOptions::default() });
    for field in &mut message.field {
        field.options = field
            .options
            .take()
            .map(|options| FieldOptions { packed: options.packed, ..FieldOptions::default() });
    }
}

fn sanitize_enum(values: &mut EnumDescriptorProto) {
    values.options = values
        .options
        .take()
        .map(|options| EnumOptions { allow_alias: options.allow_alias, ..EnumOptions::default() });
    for value in &mut values.value {
        value.options = None;
    }
}

/// Adds missing imports of well-known types, which sets that Java derives from a generated class lack, and
/// replaces public imports by direct ones. The library follows public imports along every path: a malicious
/// set takes exponential time, or, in a cycle, overflows the stack.
fn flatten_imports(set: &mut FileDescriptorSet) -> Result<(), String> {
    add_well_known(set);
    if set.file.len() > MAX_FILES {
        return Err(format!("its descriptor set has more than {MAX_FILES} files"));
    }
    // a name is repeated in each file that imports it
    if let Some(long) = set.file.iter().find(|file| file.name().len() > MAX_NAME_BYTES) {
        return Err(format!("its descriptor set has a file with a name of {} bytes", long.name().len()));
    }
    let public: HashMap<String, BTreeSet<String>> = set
        .file
        .iter()
        .map(|file| (file.name().to_owned(), public_imports(file).map(str::to_owned).collect()))
        .collect();
    for file in &mut set.file {
        let own: BTreeSet<String> = file.dependency.drain(..).collect();
        let (mut reached, mut pending) = (own.clone(), Vec::from_iter(own));
        while let Some(name) = pending.pop() {
            for next in public.get(&name).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    pending.push(next.clone());
                }
            }
        }
        // in a cycle a file would import itself
        reached.remove(file.name());
        file.dependency = reached.into_iter().collect();
        file.public_dependency.clear();
        file.weak_dependency.clear();
    }
    Ok(())
}

fn public_imports(file: &FileDescriptorProto) -> impl Iterator<Item = &str> {
    let indexes = file.public_dependency.iter().filter_map(|index| usize::try_from(*index).ok());
    indexes.filter_map(|index| file.dependency.get(index)).map(String::as_str)
}

fn add_well_known(set: &mut FileDescriptorSet) {
    let known = DescriptorPool::global();
    let mut names: HashSet<String> = set.file.iter().map(|file| file.name().to_owned()).collect();
    let mut next = 0;
    while let Some(file) = set.file.get(next) {
        let missing = file.dependency.iter().filter(|name| !names.contains(*name));
        let missing: Vec<_> = missing.filter_map(|name| known.get_file_by_name(name)).collect();
        for file in missing {
            if names.insert(file.name().to_owned()) {
                set.file.push(file.file_descriptor_proto().clone());
            }
        }
        next += 1;
    }
}
