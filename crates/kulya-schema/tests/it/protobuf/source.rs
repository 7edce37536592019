//! Compilation of sources in memory, as a client does it.

use kulya_schema::protobuf::{self, Schema};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

struct InMemory(Vec<(String, String)>);

impl FileResolver for InMemory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|file| file.0 == name) {
            Some((name, text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles the first file to a descriptor set, with or without its imports.
pub(super) fn compile(files: &[(&str, &str)], imports: bool) -> Result<Vec<u8>, protox::Error> {
    let sources = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut resolver = ChainFileResolver::new();
    resolver.add(InMemory(sources));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(imports).open_file(files[0].0)?;
    Ok(compiler.encode_file_descriptor_set())
}

/// `message M` of package `t` with a body, as a schema and as the oracle's descriptor.
pub(super) struct Compiled {
    pub(super) schema: Schema,
    pub(super) oracle: MessageDescriptor,
}

/// Returns a source file of this package whose `message M` has this body.
pub(super) fn source(package: &str, syntax: &str, body: &str) -> String {
    let mut imports = String::new();
    for (word, file) in [("Timestamp", "timestamp"), ("Duration", "duration"), ("Value ", "wrappers")] {
        if body.contains("google.protobuf.") && body.contains(word) {
            imports.push_str(&format!("import \"google/protobuf/{file}.proto\";\n"));
        }
    }
    format!("syntax = \"{syntax}\";\npackage {package};\n{imports}message M {{\n{body}\n}}\n")
}

pub(super) fn message(syntax: &str, body: &str) -> Result<Compiled, protox::Error> {
    let bytes = compile(&[("m.proto", &source("t", syntax, body))], true)?;
    let schema = protobuf::parse(&bytes, "t.M").unwrap();
    let oracle = DescriptorPool::decode(bytes.as_slice()).unwrap().get_message_by_name("t.M").unwrap();
    Ok(Compiled { schema, oracle })
}
