//! References between the schemas of a folder, for checks without a registry: an Avro schema names a type
//! that another file defines, and a JSON schema refers to another file by its `$id` or its place beside the
//! first. (Files of Protobuf import each other, see [`proto_source`](super::proto_source).)

use super::file_kind::{self, FileKind};
use anyhow::{Result, bail};
use kulya_schema::references::{self, MAX_REFERENCE_DEPTH, Names, ReferencedSchema};
use kulya_schema::{Budget, Format, SchemaInfo};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// Where the folder is for references that are relative: a JSON schema without an `$id` gets its place there.
const ROOT: &str = "file:///";

/// Returns the content of a file by its path from the folder, with slashes; `None` if there is none.
pub(super) type ReadFile<'a> = Box<dyn Fn(&str) -> Result<Option<Vec<u8>>> + 'a>;

/// A schema with what it refers to, by the names that it uses.
type Referring = (SchemaInfo, Vec<(String, Arc<ReferencedSchema>)>);

/// The files of a folder, at one time.
pub(super) struct Folder<'a> {
    /// The paths of the files from the folder, with slashes.
    files: Vec<String>,
    read: ReadFile<'a>,
    /// The files that define a name, found when one is needed.
    defined: OnceCell<HashMap<String, Vec<String>>>,
    /// By file and URI.
    loaded: RefCell<HashMap<(String, String), Arc<ReferencedSchema>>>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(files: Vec<String>, read: ReadFile<'a>) -> Self {
        Self { files, read, defined: OnceCell::new(), loaded: RefCell::default() }
    }

    /// Returns a schema with what it uses of other files in it. If something is in no file the schema is
    /// returned as it is: the parser reports that, or the check what it cannot tell.
    ///
    /// # Errors
    /// A name is defined by several files, files refer to each other in a circle, or a file cannot be read.
    pub(super) fn resolve(&self, path: &str, schema: SchemaInfo) -> Result<SchemaInfo> {
        let budget = Budget::default();
        let uri = format!("{ROOT}{path}");
        match self.referring(path, &uri, &schema, &budget, &mut Vec::new())? {
            Some((based, references)) if !references.is_empty() => {
                Ok(references::resolve(based, &references, &budget)?)
            }
            _ => Ok(schema),
        }
    }

    /// Finds what the schema of a file refers to; `None` if something of it, or of what that refers to, is in
    /// no file.
    fn referring(
        &self,
        path: &str,
        uri: &str,
        schema: &SchemaInfo,
        budget: &Budget,
        open: &mut Vec<String>,
    ) -> Result<Option<Referring>> {
        // what is no schema is reported by whoever parses it
        let Ok(schema) = references::with_base_uri(schema.clone(), uri) else { return Ok(None) };
        let Ok(Names { defined, used }) = references::names(&schema, budget) else { return Ok(None) };
        let base = defined.first().filter(|_| schema.format == Format::Json);
        let mut found = Vec::new();
        open.push(path.to_owned());
        for candidates in &used {
            let mut file = None;
            for name in candidates {
                let beside = || base.and_then(|base| beside(base, name, path));
                let of_name =
                    self.file_that_defines(name)?.or_else(beside).filter(|it| self.files.contains(it));
                file = file.or(of_name.map(|file| (name, file)));
            }
            let loaded = match file {
                Some((name, file)) => {
                    self.load(&file, name, &schema.format, budget, open)?.map(|loaded| (name.clone(), loaded))
                }
                None => None,
            };
            let Some(loaded) = loaded else {
                open.pop();
                return Ok(None);
            };
            found.push(loaded);
        }
        open.pop();
        Ok(Some((schema, found)))
    }

    fn load(
        &self,
        file: &str,
        uri: &str,
        format: &Format,
        budget: &Budget,
        open: &mut Vec<String>,
    ) -> Result<Option<Arc<ReferencedSchema>>> {
        // an Avro schema is the same under each name
        let key = (file.to_owned(), if *format == Format::Json { uri.to_owned() } else { String::new() });
        if let Some(loaded) = self.loaded.borrow().get(&key) {
            return Ok(Some(Arc::clone(loaded)));
        }
        if open.iter().any(|other| other == file) {
            bail!("{file} refers to itself through {}", open.last().map_or("", String::as_str));
        }
        if open.len() > MAX_REFERENCE_DEPTH {
            bail!("{file}: files refer to each other more than {MAX_REFERENCE_DEPTH} times in a chain");
        }
        let schema = match self.schema(file)? {
            Some(schema) if schema.format == *format => schema,
            _ => bail!(
                "{file}, which {} refers to, is no {format} schema",
                open.last().map_or("", String::as_str)
            ),
        };
        let Some((schema, references)) = self.referring(file, uri, &schema, budget, open)? else {
            return Ok(None);
        };
        let loaded = Arc::new(ReferencedSchema { label: file.to_owned(), schema, references });
        self.loaded.borrow_mut().insert(key, Arc::clone(&loaded));
        Ok(Some(loaded))
    }

    /// Reads a file's schema, if it is one.
    fn schema(&self, file: &str) -> Result<Option<SchemaInfo>> {
        let Some(data) = (self.read)(file)? else { return Ok(None) };
        let Ok(data) = file_kind::without_byte_order_mark(&data) else { return Ok(None) };
        let format = match file_kind::detect(data) {
            FileKind::Unclear => file_kind::of_extension(file.as_ref()).and_then(|kind| kind.format()),
            kind => kind.format(),
        };
        Ok(format.map(|format| SchemaInfo::new("", format, data)))
    }

    fn file_that_defines(&self, name: &str) -> Result<Option<String>> {
        if self.defined.get().is_none() {
            let _ = self.defined.set(self.definitions()?);
        }
        match self.defined.get().and_then(|defined| defined.get(name)).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([file]) => Ok(Some(file.clone())),
            Some([one, other, ..]) => bail!("{name} is defined in {one} and in {other}: define it once"),
        }
    }

    /// Finds what each file defines; a file that is no schema defines nothing.
    fn definitions(&self) -> Result<HashMap<String, Vec<String>>> {
        let mut defined: HashMap<String, Vec<String>> = HashMap::new();
        let is_text = |file: &&String| {
            matches!(file_kind::of_extension(file.as_ref()), Some(FileKind::Avro | FileKind::JsonSchema))
        };
        for file in self.files.iter().filter(is_text) {
            let Some(schema) = self.schema(file)? else { continue };
            let Ok(names) = references::names(&schema, &Budget::default()) else { continue };
            for name in names.defined {
                defined.entry(name).or_default().push(file.clone());
            }
        }
        Ok(defined)
    }
}

/// Returns the file that a URI means for a schema with the URI `base` in the file `path`: the same number of
/// folders away.
fn beside(base: &str, uri: &str, path: &str) -> Option<String> {
    let folder_of = |text: &str| text.rfind('/').map_or(0, |end| end + 1);
    let (mut base_folder, mut folder) = (base.get(..folder_of(base))?, path.get(..folder_of(path))?);
    loop {
        if let Some(rest) = uri.strip_prefix(base_folder) {
            return Some(format!("{folder}{rest}"));
        }
        // one folder up on both sides
        let up = |text: &str| text.strip_suffix('/').map(folder_of);
        (base_folder, folder) = (base_folder.get(..up(base_folder)?)?, folder.get(..up(folder)?)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_means_the_file_as_far_away() {
        for (base, uri, path, expected) in [
            ("file:///a/b.json", "file:///a/c.json", "a/b.json", Some("a/c.json")),
            ("file:///a/b.json", "file:///c.json", "a/b.json", Some("c.json")),
            ("https://x.org/s/a/b.json", "https://x.org/s/c/d.json", "a/b.json", Some("c/d.json")),
            ("https://x.org/s/b.json", "https://x.org/c/d.json", "b.json", None),
            ("https://x.org/b.json", "https://y.org/c.json", "b.json", None),
            ("urn:a", "urn:b", "a.json", Some("urn:b")),
        ] {
            assert_eq!(beside(base, uri, path).as_deref(), expected, "{base} {uri}");
        }
    }
}
