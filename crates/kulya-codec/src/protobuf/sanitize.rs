//! Descriptor sets from outside, made safe for the library that follows them. What payloads do not need is dropped
//! (services, extensions, options, the places in source texts), and with it most of what can be wrong. Fields of an
//! extension are unknown fields then.

use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldOptions, FileDescriptorProto, FileDescriptorSet,
    MessageOptions,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Files that a set may hold: more would take long to follow, and a message that needs them is not known.
const MOST_FILES: usize = 500;
/// The longest name of a file, in bytes.
const MOST_NAME_BYTES: usize = 512;

/// Leaves of a set what payloads are read with, in a form that the library can follow.
pub(super) fn settle(set: &mut FileDescriptorSet) -> Result<(), String> {
    for file in &mut set.file {
        settle_file(file)?;
    }
    settle_imports(set)
}

fn settle_file(file: &mut FileDescriptorProto) -> Result<(), String> {
    match file.syntax() {
        "proto2" | "proto3" => {}
        "" => file.syntax = None,
        other => return Err(format!("syntax {other:?} of file {} is not supported yet", file.name())),
    }
    file.message_type.iter_mut().for_each(settle_message);
    file.enum_type.iter_mut().for_each(settle_enum);
    file.service.clear();
    file.extension.clear();
    file.options = None;
    file.source_code_info = None;
    Ok(())
}

/// Refuses entries of maps that no compiler makes, and on whose values the library panics.
pub(super) fn check(pool: &DescriptorPool) -> Result<(), String> {
    match pool.all_messages().find(|message| message.is_map_entry() && !is_entry(message)) {
        Some(wrong) => Err(format!("message {} is no entry of a map", wrong.full_name())),
        None => Ok(()),
    }
}

fn is_entry(message: &MessageDescriptor) -> bool {
    let is_one = |field: &FieldDescriptor| field.cardinality() != Cardinality::Repeated;
    let no_key = [Kind::Double, Kind::Float, Kind::Bytes];
    let is_key = |field: &FieldDescriptor| {
        let kind = field.kind();
        is_one(field) && !no_key.contains(&kind) && !matches!(kind, Kind::Message(_) | Kind::Enum(_))
    };
    message.get_field(1).is_some_and(|key| is_key(&key))
        && message.get_field(2).is_some_and(|value| is_one(&value))
}

/// No deeper than a decoded set can be: the decoder has a limit.
fn settle_message(message: &mut DescriptorProto) {
    message.nested_type.iter_mut().for_each(settle_message);
    message.enum_type.iter_mut().for_each(settle_enum);
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

fn settle_enum(values: &mut EnumDescriptorProto) {
    values.options = values
        .options
        .take()
        .map(|options| EnumOptions { allow_alias: options.allow_alias, ..EnumOptions::default() });
    for value in &mut values.value {
        value.options = None;
    }
}

/// Java derives a set from a generated class without its imports: those that everybody has are put back. And what a file
/// gets by public imports becomes its own import, for the library follows public imports by every path, which in a set
/// made for it takes for ever, or, in a circle, all of the stack.
fn settle_imports(set: &mut FileDescriptorSet) -> Result<(), String> {
    add_well_known(set);
    if set.file.len() > MOST_FILES {
        return Err(format!("its set holds more than {MOST_FILES} files"));
    }
    // names are repeated for each file that leads to another
    if let Some(long) = set.file.iter().find(|file| file.name().len() > MOST_NAME_BYTES) {
        return Err(format!("its set has a file with a name of {} bytes", long.name().len()));
    }
    let public: HashMap<String, BTreeSet<String>> = set
        .file
        .iter()
        .map(|file| (file.name().to_owned(), public_imports(file).map(str::to_owned).collect()))
        .collect();
    for file in &mut set.file {
        let own: BTreeSet<String> = file.dependency.drain(..).collect();
        let (mut reached, mut open) = (own.clone(), Vec::from_iter(own));
        while let Some(name) = open.pop() {
            for next in public.get(&name).into_iter().flatten() {
                if reached.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        // a file's own name would come back by a circle
        reached.remove(file.name());
        file.dependency = reached.into_iter().collect();
        file.public_dependency.clear();
        file.weak_dependency.clear();
    }
    Ok(())
}

fn public_imports(file: &FileDescriptorProto) -> impl Iterator<Item = &str> {
    let places = file.public_dependency.iter().filter_map(|place| usize::try_from(*place).ok());
    places.filter_map(|place| file.dependency.get(place)).map(String::as_str)
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
