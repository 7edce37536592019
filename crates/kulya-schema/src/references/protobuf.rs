//! References of Protobuf schemas: the files that a descriptor set imports are added to it, before those that
//! import them, as protoc orders them with `--include_imports`. Files are joined as bytes and not decoded and
//! encoded again, which would drop custom options.

use super::reference::{MAX_REFERENCE_DEPTH, ReferencedSchema};
use crate::protobuf::{self, CompiledSource};
use crate::{Budget, Error, Result, SchemaInfo};
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use prost_types::FileDescriptorProto;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Field numbers of `descriptor.proto`: the files of a set, a file's name, and its comments and positions.
const FILE: u32 = 1;
const NAME: u32 = 1;
const SOURCE_CODE_INFO: u32 = 9;
/// Files that compilers have built in, and that few sets contain.
const WELL_KNOWN: &str = "google/protobuf/";

/// Returns the schema with the files of the referenced sets.
pub(super) fn resolve(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    let schema = compile(schema, references, budget)?;
    let own = split(&schema.data, "the schema")?;
    let type_name = qualified_type(&schema.type_name, &own, &protobuf::decode(&schema.data)?.file)?;
    let mut files = Files { by_name: HashMap::new(), visited: HashSet::new(), budget };
    let order: Vec<String> = own.iter().map(|file| file.name.clone()).collect();
    for file in own {
        files.insert(file)?;
    }
    files.add(references, 0)?;
    let mut data = Vec::new();
    let mut written = HashSet::new();
    for name in order {
        files.write(&name, &mut written, &mut data)?;
    }
    Ok(SchemaInfo { type_name, data, ..schema })
}

/// Returns the schema with its sources compiled, without the files of the referenced sets that they import.
pub(super) fn compile(
    schema: SchemaInfo,
    references: &[(String, Arc<ReferencedSchema>)],
    budget: &Budget,
) -> Result<SchemaInfo> {
    if !protobuf::is_source(&schema.data) {
        return Ok(schema);
    }
    let mut files = Files { by_name: HashMap::new(), visited: HashSet::new(), budget };
    files.add(references, 0)?;
    let find = |name: &str| files.by_name.get(name).map(|file| file.bytes.clone());
    match protobuf::compile_schema_data_with(&schema.data, &schema.type_name, &find, budget)? {
        Some(CompiledSource { set, type_name }) => Ok(SchemaInfo { type_name, data: set, ..schema }),
        None => Ok(schema),
    }
}

/// Returns a type name that means the same in a set with another first file: see
/// [`canonicalize`](crate::canonicalize).
fn qualified_type(type_name: &str, files: &[File], descriptors: &[FileDescriptorProto]) -> Result<String> {
    let Some(File { package, first_message, .. }) = files.first() else {
        return Err(Error::new("the descriptor set has no file"));
    };
    let name = if type_name.is_empty() { first_message } else { type_name };
    if name.contains('.') || package.is_empty() {
        return Ok(name.to_owned());
    }
    let qualified = format!("{package}.{name}");
    let is_declared = |name: &str| protobuf::declares_message(descriptors, name);
    Ok(if !is_declared(&qualified) && is_declared(name) { name.to_owned() } else { qualified })
}

/// A file of a descriptor set.
struct File {
    name: String,
    bytes: Vec<u8>,
    imports: Vec<String>,
    package: String,
    first_message: String,
    /// The schema that it is from.
    label: String,
}

impl File {
    fn new(bytes: &[u8], label: &str) -> Result<Self> {
        let descriptor = FileDescriptorProto::decode(bytes)
            .map_err(|error| Error::new(format!("{label} is not a FileDescriptorSet: {error}")))?;
        let first_message = descriptor.message_type.first();
        Ok(Self {
            name: descriptor.name().to_owned(),
            bytes: bytes.to_vec(),
            package: descriptor.package().to_owned(),
            first_message: first_message.map(|message| message.name().to_owned()).unwrap_or_default(),
            imports: descriptor.dependency,
            label: label.to_owned(),
        })
    }

    /// Returns the file under another name.
    fn renamed(self, name: &str) -> Result<Self> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        prost::encoding::string::encode(NAME, &name.to_owned(), &mut bytes);
        for (number, field) in fields(&self.bytes, &self.label)? {
            if number != NAME {
                bytes.extend_from_slice(field);
            }
        }
        Ok(Self { name: name.to_owned(), bytes, ..self })
    }

    /// Returns whether the other file is the same but for comments and positions.
    fn is_same(&self, other: &Self) -> Result<bool> {
        let content = |file: &Self| -> Result<Vec<u8>> {
            let fields = fields(&file.bytes, &file.label)?.into_iter();
            let fields = fields.filter(|(number, _)| *number != SOURCE_CODE_INFO);
            Ok(fields.flat_map(|(_, field)| field.iter().copied()).collect())
        };
        Ok(self.bytes == other.bytes || content(self)? == content(other)?)
    }
}

/// The files of the schema and of all referenced sets, by the name that imports have.
struct Files<'b> {
    by_name: HashMap<String, File>,
    /// The labels and names of the schemas that were added.
    visited: HashSet<(String, String)>,
    budget: &'b Budget,
}

impl Files<'_> {
    /// Adds a file; a set may have one that another has, too.
    fn insert(&mut self, file: File) -> Result<()> {
        self.budget.try_spend(1, &file.name)?;
        match self.by_name.get(&file.name) {
            None => {
                self.by_name.insert(file.name.clone(), file);
                Ok(())
            }
            // compilers differ in the options of these
            Some(_) if file.name.starts_with(WELL_KNOWN) => Ok(()),
            Some(other) if other.is_same(&file)? => Ok(()),
            Some(other) => Err(Error::new(format!(
                "the file {:?} of {} differs from that of {}: refer to one of them",
                file.name, other.label, file.label
            ))),
        }
    }

    /// Adds the files of referenced schemas, and of those that they refer to.
    fn add(&mut self, references: &[(String, Arc<ReferencedSchema>)], depth: usize) -> Result<()> {
        if depth > MAX_REFERENCE_DEPTH {
            return Err(Error::new("references nest too deeply"));
        }
        for (name, referenced) in references {
            let label = &referenced.label;
            if !self.visited.insert((label.clone(), name.clone())) {
                continue;
            }
            for file in imported(name, &referenced.schema, label)? {
                self.insert(file)?;
            }
            self.add(&referenced.references, depth + 1)?;
        }
        Ok(())
    }

    /// Writes a file behind those that it imports.
    fn write(&self, name: &str, written: &mut HashSet<String>, out: &mut Vec<u8>) -> Result<()> {
        // a file and the number of its imports that were visited
        let mut stack = vec![(name, 0)];
        written.insert(name.to_owned());
        while let Some((name, next)) = stack.pop() {
            let Some(file) = self.by_name.get(name) else { continue };
            let Some(import) = file.imports.get(next) else {
                encode_key(FILE, WireType::LengthDelimited, out);
                encode_varint(file.bytes.len() as u64, out);
                out.extend_from_slice(&file.bytes);
                continue;
            };
            stack.push((name, next + 1));
            if !self.by_name.contains_key(import) && !import.starts_with(WELL_KNOWN) {
                return Err(Error::new(format!(
                    "the file {import:.200?}, which {name:?} imports, is neither in the schema nor the name of a \
                     reference: add a reference to the schema that has it"
                )));
            }
            if written.insert(import.clone()) {
                stack.push((import, 0));
            }
        }
        Ok(())
    }
}

/// Returns the files of a referenced schema, one of which has the name of the reference: its only file that
/// no other imports gets it.
fn imported(name: &str, schema: &SchemaInfo, label: &str) -> Result<Vec<File>> {
    let mut files = split(&schema.data, label)?;
    if !files.iter().any(|file| file.name == name) {
        let index = only_root(&files).ok_or_else(|| {
            let names: Vec<&str> = files.iter().take(10).map(|file| file.name.as_str()).collect();
            Error::new(format!(
                "reference {name:?}: {label} has no file of this name, only {}",
                names.join(", ")
            ))
        })?;
        let file = files.swap_remove(index).renamed(name)?;
        files.push(file);
    }
    Ok(files)
}

/// Returns the encoded files of a referenced schema by the names by which they are imported.
pub(super) fn imported_files(name: &str, schema: &SchemaInfo) -> Result<HashMap<String, Vec<u8>>> {
    let files = imported(name, schema, "the schema")?.into_iter();
    Ok(files.map(|file| (file.name, file.bytes)).collect())
}

/// Returns the index of the only file that no other file of the set imports.
fn only_root(files: &[File]) -> Option<usize> {
    let imported: HashSet<&str> =
        files.iter().flat_map(|file| file.imports.iter().map(String::as_str)).collect();
    let mut roots = files.iter().enumerate().filter(|(_, file)| !imported.contains(file.name.as_str()));
    match (roots.next(), roots.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

/// Splits a descriptor set into its files.
fn split(set: &[u8], label: &str) -> Result<Vec<File>> {
    protobuf::decode(set).map_err(|error| Error::new(format!("{label}: {error}")))?;
    let mut files = Vec::new();
    for (number, field) in fields(set, label)? {
        if number == FILE {
            let mut content = field;
            // the key and the length were read once
            let _ = decode_key(&mut content);
            let _ = prost::encoding::decode_varint(&mut content);
            files.push(File::new(content, label)?);
        }
    }
    Ok(files)
}

/// Returns the fields of a message: the number, and the bytes with the key.
fn fields<'m>(mut message: &'m [u8], label: &str) -> Result<Vec<(u32, &'m [u8])>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let start = message;
        let read = decode_key(&mut message).and_then(|(number, wire_type)| {
            skip_field(wire_type, number, &mut message, DecodeContext::default()).map(|()| number)
        });
        let number =
            read.map_err(|error| Error::new(format!("{label} is not a FileDescriptorSet: {error}")))?;
        fields.push((number, start.get(..start.len() - message.len()).unwrap_or_default()));
    }
    Ok(fields)
}
