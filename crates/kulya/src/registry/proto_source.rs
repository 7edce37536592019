//! Compiles `.proto` files to descriptor sets, with imports from a folder or a git revision, which have no
//! limit but the size of a schema: they are the user's own.

use anyhow::Result;
use kulya_schema::limits::MAX_SCHEMA_BYTES;
use kulya_schema::protobuf::{ImportedFile, Imports, compile_file};
use std::collections::HashMap;

/// The maximum number of files.
const MAX_FILES: usize = 10_000;

/// Returns the text of an imported file by its name; `None` if there is none.
pub(super) type FindFile = Box<dyn Fn(&str) -> Option<String>>;

/// Compiles a source to an encoded descriptor set with its imports, but for those that are compiled already,
/// by their names.
///
/// # Errors
/// The source or an import is invalid or missing.
pub(super) fn compile(
    name: &str,
    text: &str,
    find: &FindFile,
    compiled: &HashMap<String, Vec<u8>>,
) -> Result<Vec<u8>> {
    let find = |name: &str| {
        if let Some(compiled) = compiled.get(name) {
            return Some(ImportedFile::Compiled(compiled.clone()));
        }
        // a name from a source must not lead out of the folder
        let is_inside = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
        if is_inside { find(name).map(ImportedFile::Source) } else { None }
    };
    let imports = Imports { find: &find, advice: "", max_bytes: MAX_SCHEMA_BYTES, max_files: MAX_FILES };
    Ok(compile_file(name, text, &imports)?)
}
