//! `.proto` sources compiled to descriptor sets, by libraries: one parses, one resolves names and options.
//! The well-known types are built in; other imports are looked for among the sources given, then by a
//! function.
//!
//! Sources come from anybody who may read, so that what they cost is bounded before the libraries see it:
//! nesting by [`scan`], products of counts by [`bounds`], imports by [`import_lists`]. Places and comments,
//! which the library searches for each option and each error, are kept for small sources only.

mod bounds;
mod editions;
mod files;
mod import_lists;
mod scan;
mod text;

pub use files::{ImportedFile, Imports};

use super::source::SourceFile;
use super::{raw_field, type_lookup};
use crate::{Budget, Error, Result};
use files::{LoadedFile, Origin, compile_error};
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::HashSet;

/// The maximum size of all sources of a schema together, in bytes. A larger schema is sent as a descriptor
/// set.
pub const MAX_SOURCE_BYTES: usize = 256 << 10;
/// The maximum number of files of a schema.
const MAX_FILES: usize = 200;

/// Compiled sources.
#[derive(Debug, Clone)]
pub(crate) struct CompiledSource {
    /// The descriptor set with all imports, each file after those that it imports.
    pub(crate) set: Vec<u8>,
    /// The full name of the requested message.
    pub(crate) type_name: String,
}

/// Returns whether a schema's bytes are the text of a `.proto` file rather than a descriptor set, which has
/// bytes that no text has.
pub fn is_source(data: &[u8]) -> bool {
    source_text(data).is_some()
}

fn source_text(data: &[u8]) -> Option<&str> {
    const KEYWORDS: [&str; 7] = ["syntax", "edition", "message", "enum", "package", "import", "service"];
    let text = std::str::from_utf8(data).ok()?;
    let is_text = !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    (is_text && KEYWORDS.iter().any(|keyword| text.contains(keyword))).then_some(text)
}

/// Returns that nothing but the well-known types can be imported.
fn no_imports() -> Imports<'static> {
    imports_with(&|_| None)
}

fn imports_with<'a>(find: &'a dyn Fn(&str) -> Option<ImportedFile>) -> Imports<'a> {
    let advice = ": send the imported files too, each with its name in a comment before its syntax, or refer to a \
                  schema that has them, or send a descriptor set";
    Imports { find, advice, max_bytes: MAX_SOURCE_BYTES, max_files: MAX_FILES }
}

/// Compiles a schema's bytes if they are sources; `None` if they are not.
///
/// # Errors
/// The sources are not valid, are over a limit, import a file that is not given, or do not contain the type.
pub(crate) fn compile_schema_data(
    data: &[u8],
    type_name: &str,
    budget: &Budget,
) -> Result<Option<CompiledSource>> {
    source_text(data).map(|text| compile_text(text, type_name, &no_imports(), budget)).transpose()
}

/// Compiles a schema's bytes like [`compile_schema_data`]; the sources may also import the files that a
/// function finds by their names, encoded, which are not in the result.
///
/// # Errors
/// As [`compile_schema_data`].
pub(crate) fn compile_schema_data_with(
    data: &[u8],
    type_name: &str,
    find: &dyn Fn(&str) -> Option<Vec<u8>>,
    budget: &Budget,
) -> Result<Option<CompiledSource>> {
    let find = |name: &str| find(name).map(ImportedFile::Compiled);
    source_text(data).map(|text| compile_text(text, type_name, &imports_with(&find), budget)).transpose()
}

/// Compiles sources to a descriptor set with all that they import. The first message of the file that no
/// other imports is the type, unless a name is given: a full name, or one in that file's package.
///
/// # Errors
/// The sources are not valid, are larger than [`MAX_SOURCE_BYTES`], import a file that is not given, or
/// do not contain the type.
pub fn compile_source(text: &str, type_name: &str) -> Result<(Vec<u8>, String)> {
    let compiled = compile_text(text, type_name, &no_imports(), &Budget::default())?;
    Ok((compiled.set, compiled.type_name))
}

/// Compiles a source of this name to a descriptor set with all that it imports, but for the files that are
/// compiled already.
///
/// # Errors
/// The source or an import is not valid or over a limit, or a file is missing.
pub fn compile_file(name: &str, text: &str, imports: &Imports<'_>) -> Result<Vec<u8>> {
    let file = SourceFile { name: name.to_owned(), text: text.to_owned() };
    compile(&files::load(&[file], imports, &Budget::default())?)
}

fn compile_text(
    text: &str,
    type_name: &str,
    imports: &Imports<'_>,
    budget: &Budget,
) -> Result<CompiledSource> {
    let sources = text::split(text.strip_prefix('\u{feff}').unwrap_or(text));
    let loaded = files::load(&sources, imports, budget)?;
    budget.try_spend(0, "the .proto source")?;
    let set = compile(&loaded)?;
    let names = sources.iter().map(|file| file.name.as_str()).collect();
    let type_name = resolve_type(&super::decode(&set)?, &names, type_name)?;
    Ok(CompiledSource { set, type_name })
}

/// Compiles files of which each is behind those that it imports. Those that are compiled already are not in
/// the set, and neither is the declaration of features if no source imports it.
fn compile(files: &[LoadedFile]) -> Result<Vec<u8>> {
    bounds::check(files)?;
    let visible = import_lists::visible(files)?;
    let mut pool = DescriptorPool::new();
    for (file, dependency) in files.iter().zip(visible) {
        let descriptor = FileDescriptorProto {
            dependency,
            public_dependency: Vec::new(),
            weak_dependency: Vec::new(),
            ..file.descriptor.clone()
        };
        // the library names what it cannot resolve, with its place if it has the places
        let placed = file
            .places
            .clone()
            .map(|places| FileDescriptorProto { source_code_info: Some(places), ..descriptor.clone() });
        pool.add_file_descriptor_proto(descriptor).map_err(|error| {
            let placed = placed.and_then(|placed| pool.add_file_descriptor_proto(placed).err());
            compile_error(&format!("{:?}", placed.unwrap_or(error)))
        })?;
    }
    let imported: HashSet<&str> =
        files.iter().flat_map(|file| file.descriptor.dependency.iter().map(String::as_str)).collect();
    let has_editions = files.iter().any(|file| file.edition.is_some());
    let is_kept = |file: &LoadedFile| match file.origin {
        Origin::Source => true,
        Origin::Compiled => false,
        Origin::BuiltIn => {
            !has_editions || file.name() != editions::DESCRIPTOR_FILE || imported.contains(file.name())
        }
    };
    let (compiled, mut set) = (pool.encode_to_vec(), Vec::new());
    let mut rest = compiled.as_slice();
    for file in files {
        let Some(content) = raw_field::next(&mut rest).and_then(|field| field.content) else {
            return Err(Error::new("the .proto source was compiled to fewer files than it has"));
        };
        if is_kept(file) {
            import_lists::push_file(&mut set, &import_lists::restore(content, file));
        }
    }
    Ok(set)
}

/// Resolves the requested type: a full name, or one in the package of the file that no other imports.
fn resolve_type(set: &FileDescriptorSet, given: &HashSet<&str>, requested: &str) -> Result<String> {
    let imported: HashSet<&str> =
        set.file.iter().flat_map(|file| file.dependency.iter().map(String::as_str)).collect();
    let own = set.file.iter().filter(|file| given.contains(file.name()));
    let main = own.clone().find(|file| !imported.contains(file.name())).or_else(|| own.clone().next());
    let main = main.ok_or_else(|| Error::new("the .proto source has no file"))?;
    let in_package = |name: &str| match main.package() {
        "" => name.to_owned(),
        package => format!("{package}.{name}"),
    };
    if requested.is_empty() {
        let first = main.message_type.first().map(|message| in_package(message.name()));
        return first
            .ok_or_else(|| Error::new(format!("{:.80} declares no message: give a type", main.name())));
    }
    let names = [requested.to_owned(), in_package(requested)];
    names.into_iter().find(|name| type_lookup::declares_message(&set.file, name)).ok_or_else(|| {
        Error::new(format!(
            "Type mismatch. The .proto source has no message {requested:.80?}: give the full name of one that it has"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::source_files;

    #[test]
    fn sources_are_compiled_with_their_imports() {
        let text = "// m.proto\nsyntax = \"proto3\";\npackage t;\nimport \"n.proto\";\n\
                    import \"google/protobuf/timestamp.proto\";\n\
                    message M { N n = 1; google.protobuf.Timestamp at = 2; message Inner { int32 a = 1; } }\n\
                    // n.proto\nsyntax = \"proto3\";\npackage t;\nmessage N { int32 a = 1; }\n";
        let (set, name) = compile_source(text, "").unwrap();
        assert_eq!(name, "t.M");
        assert!(!is_source(&set) && is_source(text.as_bytes()));
        for (requested, name) in
            [("M", "t.M"), ("t.N", "t.N"), ("M.Inner", "t.M.Inner"), ("t.M.Inner", "t.M.Inner")]
        {
            assert_eq!(compile_source(text, requested).unwrap().1, name);
        }
        // what is printed compiles to the same
        let printed = source_files(&set).unwrap();
        let printed: String = printed.iter().map(|file| format!("// {}\n{}", file.name, file.text)).collect();
        assert_eq!(compile_source(&printed, "t.M").unwrap().0, set, "{printed}");
    }

    #[test]
    fn public_imports_are_passed_on() {
        let file = |name: &str, body: &str| format!("// {name}.proto\nsyntax = \"proto3\";\n{body}\n");
        let text = [
            file("m", "import \"a.proto\"; message M { D d = 1; }"),
            file("a", "import public \"b.proto\";"),
            file("b", "import public \"c.proto\"; import \"e.proto\";"),
            file("c", "import public \"d.proto\";"),
            file("d", "message D {}"),
            file("e", "message E {}"),
        ]
        .concat();
        let (set, name) = compile_source(&text, "").unwrap();
        assert_eq!(name, "M");
        let set = super::super::decode(&set).unwrap();
        let lists: Vec<_> = set
            .file
            .iter()
            .map(|file| (file.name(), file.dependency.join(" "), file.public_dependency.as_slice()))
            .collect();
        for list in [
            ("m.proto", "a.proto".to_owned(), &[][..]),
            ("a.proto", "b.proto".to_owned(), &[0][..]),
            ("b.proto", "c.proto e.proto".to_owned(), &[0][..]),
        ] {
            assert!(lists.contains(&list), "{list:?}: {lists:?}");
        }
        // what is imported otherwise is not
        let message = compile_source(&text.replace("D d = 1", "E e = 1"), "").unwrap_err().to_string();
        assert!(message.contains("'E'"), "{message}");
        let message = compile_source(&text.replace("message D", "import \"a.proto\"; message D"), "");
        assert!(message.unwrap_err().to_string().contains("imports itself"));
        let message = compile_source(&text.replace("message M", "import \"a.proto\"; message M"), "");
        assert!(message.unwrap_err().to_string().contains("\"a.proto\" is imported twice"));
        // each file of many imports all others publicly
        let many = |i: usize| {
            let imports: String = (0..i).map(|k| format!("import public \"f{k}.proto\"; ")).collect();
            file(&format!("f{i}"), &format!("{imports}message M{i} {{}}"))
        };
        compile_source(&(0..100).rev().map(many).collect::<String>(), "").unwrap();
    }

    #[test]
    fn what_would_take_too_much_work_is_refused() {
        let numbers = |n: usize, text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<String>();
        for (text, expected) in [
            (format!("package {}; message M {{}}", vec!["a"; 300].join(".")), "the package"),
            (format!("message {} {{}}", "M".repeat(600)), "the full name"),
            (
                "message M { reserved 1 to 9, 5; }".to_owned(),
                "two reserved or extension ranges with the number 5",
            ),
            ("enum E { reserved 1 to 9, 9; A = 0; }".to_owned(), "ranges with the number 9"),
            (format!("enum E {{ {} }}", numbers(20_001, &|n| format!("V{n}={n};"))), "too many values"),
        ] {
            let message =
                compile_source(&format!("syntax = \"proto3\"; {text}"), "").unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        compile_source("syntax = \"proto3\"; message M { reserved 1 to 4, 5; }", "").unwrap();
    }

    #[test]
    fn what_cannot_be_compiled_is_named() {
        for (text, expected) in [
            ("syntax = \"proto3\"; message M { int32 a 1; }", "schema.proto:1:"),
            (
                "syntax = \"proto3\"; import \"n.proto\"; message M {}",
                "the imported file \"n.proto\" is not found: send",
            ),
            ("syntax = \"proto3\"; message M { N n = 1; }", "'N'"),
            ("syntax = \"proto3\"; enum E { A = 0; }", "declares no message"),
            ("edition = \"2029\"; message M {}", "edition"),
        ] {
            let message = compile_source(text, "").unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let message = compile_source("syntax = \"proto3\"; message M {}", "N").unwrap_err().to_string();
        assert!(message.contains("no message \"N\""), "{message}");
        let deep = format!("syntax = \"proto3\"; {}", "message M { ".repeat(10_000));
        assert!(compile_source(&deep, "").unwrap_err().to_string().contains("nest"));
        let large = format!("syntax = \"proto3\"; // {}", "x".repeat(MAX_SOURCE_BYTES));
        assert!(compile_source(&large, "").unwrap_err().to_string().contains("maximum"));
    }
}
