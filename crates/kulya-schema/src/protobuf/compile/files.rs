//! The files of a compilation: the sources given and all that they import, each after those that it imports.

use super::editions::{self, DESCRIPTOR_FILE};
use super::scan;
use crate::protobuf::SourceFile;
use crate::{Budget, Error, Result};
use prost::Message as _;
use prost_types::{FileDescriptorProto, SourceCodeInfo};
use protox::file::{File, FileResolver, GoogleFileResolver};
use std::collections::{HashMap, HashSet};

/// Sources of this size together, in bytes, have their errors with line and column: the compiler searches all
/// places of a file for each.
const MAX_PLACED_BYTES: usize = 32 << 10;
/// The budget's steps for each byte of a source: it is parsed, and its names resolved.
const BYTES_PER_STEP: usize = 4;

/// An imported file, as the function that looks for imports returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportedFile {
    /// The text of a `.proto` file, which is compiled, and is in the result.
    Source(String),
    /// An encoded `FileDescriptorProto`. The result does not contain it.
    Compiled(Vec<u8>),
}

/// Where the files come from that sources import, and the limits of all sources together. The well-known
/// types need not be found: they are built in.
pub struct Imports<'a> {
    /// Returns a file by the name that imports have; `None` if there is none.
    pub find: &'a dyn Fn(&str) -> Option<ImportedFile>,
    /// What one can do about a missing file: the end of its error.
    pub advice: &'a str,
    /// The maximum size of the sources, in bytes.
    pub max_bytes: usize,
    /// The maximum number of files.
    pub max_files: usize,
}

impl std::fmt::Debug for Imports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { advice, max_bytes, max_files, .. } = self;
        write!(f, "Imports({advice:?}, at most {max_bytes} bytes in {max_files} files)")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Source,
    Compiled,
    /// A well-known type.
    BuiltIn,
}

/// A file before its names are resolved.
pub(super) struct LoadedFile {
    /// Without places and comments.
    pub(super) descriptor: FileDescriptorProto,
    /// The places of a source that is not too large.
    pub(super) places: Option<SourceCodeInfo>,
    /// The number of its edition, if it has one.
    pub(super) edition: Option<i32>,
    pub(super) origin: Origin,
}

impl LoadedFile {
    pub(super) fn name(&self) -> &str {
        self.descriptor.name()
    }

    fn new(mut descriptor: FileDescriptorProto, edition: Option<i32>, origin: Origin) -> Self {
        let places = descriptor.source_code_info.take();
        Self { descriptor, places, edition, origin }
    }
}

/// Loads the sources given, and what they import.
///
/// # Errors
/// A source is not valid or given twice, a file is missing or imports itself, or there is too much.
pub(super) fn load(given: &[SourceFile], imports: &Imports<'_>, budget: &Budget) -> Result<Vec<LoadedFile>> {
    let mut loader = Loader { imports, budget, files: Vec::new(), by_name: HashMap::new(), bytes: 0 };
    for file in given {
        if loader.by_name.contains_key(&file.name) {
            return Err(Error::new(format!("the file {:.80?} is given twice", file.name)));
        }
        let parsed = loader.parse(&file.name, &file.text)?;
        loader.insert(parsed)?;
    }
    loader.load_imports()?;
    let Loader { mut files, by_name, bytes, .. } = loader;
    if bytes > MAX_PLACED_BYTES {
        files.iter_mut().for_each(|file| file.places = None);
    }
    if files.iter().any(|file| file.edition.is_some()) {
        // features are options that this file declares
        for file in files.iter_mut().filter(|file| file.name() == DESCRIPTOR_FILE) {
            editions::add_features(&mut file.descriptor);
        }
    }
    in_order_of_imports(files, &by_name)
}

struct Loader<'a> {
    imports: &'a Imports<'a>,
    budget: &'a Budget,
    files: Vec<LoadedFile>,
    by_name: HashMap<String, usize>,
    /// The size of the sources.
    bytes: usize,
}

impl Loader<'_> {
    fn insert(&mut self, file: LoadedFile) -> Result<()> {
        let Imports { max_files, .. } = self.imports;
        if self.files.len() >= *max_files {
            return Err(Error::new(format!(
                "more than {max_files} .proto files with those that are imported"
            )));
        }
        self.by_name.insert(file.name().to_owned(), self.files.len());
        self.files.push(file);
        Ok(())
    }

    fn load_imports(&mut self) -> Result<()> {
        let mut next = 0;
        while let Some(file) = self.files.get(next) {
            next += 1;
            let (importer, imports) = (file.name().to_owned(), file.descriptor.dependency.clone());
            let mut names = HashSet::new();
            for import in &imports {
                if !names.insert(import) {
                    return Err(compile_error(&format!("{importer:.80}: {import:.80?} is imported twice")));
                }
                if !self.by_name.contains_key(import) {
                    let imported = self.open(import, &importer)?;
                    self.insert(imported)?;
                }
            }
        }
        // sources with editions need the declaration of their options, whether they import it or not
        let has_editions = self.files.iter().any(|file| file.edition.is_some());
        if has_editions && !self.by_name.contains_key(DESCRIPTOR_FILE) {
            let file = built_in(DESCRIPTOR_FILE)
                .ok_or_else(|| Error::new(format!("the compiler has no {DESCRIPTOR_FILE}")))?;
            self.insert(file)?;
        }
        Ok(())
    }

    fn open(&mut self, name: &str, importer: &str) -> Result<LoadedFile> {
        match (self.imports.find)(name) {
            Some(ImportedFile::Source(text)) => self.parse(name, &text),
            Some(ImportedFile::Compiled(bytes)) => {
                let mut file = FileDescriptorProto::decode(&*bytes)
                    .map_err(|error| compile_error(&format!("the imported file {name:.200?}: {error}")))?;
                file.name = Some(name.to_owned());
                file.source_code_info = None;
                if file.syntax() == "editions" {
                    // to be imported it needs neither a syntax nor features, and the library knows no
                    // editions
                    file.syntax = None;
                }
                Ok(LoadedFile::new(file, None, Origin::Compiled))
            }
            None => built_in(name).ok_or_else(|| {
                let advice = self.imports.advice;
                Error::new(format!(
                    "the .proto source cannot be compiled: {importer:.80}: the imported file {name:.80?} is not \
                     found{advice}"
                ))
            }),
        }
    }

    fn parse(&mut self, name: &str, text: &str) -> Result<LoadedFile> {
        let Imports { max_bytes, .. } = self.imports;
        self.bytes += text.len();
        if self.bytes > *max_bytes {
            let (bytes, what) = (self.bytes, "compile them with protoc, and send the descriptor set");
            return Err(Error::new(format!(
                "the .proto sources have {bytes} bytes or more; the maximum is {max_bytes}: {what}"
            )));
        }
        self.budget.try_spend(text.len() / BYTES_PER_STEP, name)?;
        let of_file = |error: String| compile_error(&format!("{name:.80}: {error}"));
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        scan::check_nesting(text).map_err(of_file)?;
        let edition = editions::find(text).map_err(of_file)?;
        let file = match &edition {
            None => File::from_source(name, text),
            Some(edition) => File::from_source(name, &edition.as_proto3(text)),
        };
        let mut descriptor =
            file.map_err(|error| compile_error(&format!("{error:?}")))?.file_descriptor_proto().clone();
        if edition.is_some() {
            // what proto3 forbids and editions allow is checked at the descriptor
            descriptor.syntax = None;
        }
        Ok(LoadedFile::new(descriptor, edition.map(|edition| edition.number), Origin::Source))
    }
}

fn built_in(name: &str) -> Option<LoadedFile> {
    let file = GoogleFileResolver::new().open_file(name).ok()?;
    Some(LoadedFile::new(file.file_descriptor_proto().clone(), None, Origin::BuiltIn))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    None,
    Begun,
    Ended,
}

/// Returns the files with each behind those that it imports.
fn in_order_of_imports(files: Vec<LoadedFile>, by_name: &HashMap<String, usize>) -> Result<Vec<LoadedFile>> {
    let imports_of = |index: usize| files.get(index).map_or(&[][..], |file| &file.descriptor.dependency);
    // features are declared before all files that may use them
    let first = by_name.get(DESCRIPTOR_FILE).filter(|_| files.iter().any(|file| file.edition.is_some()));
    let (mut order, mut progress) = (Vec::with_capacity(files.len()), vec![Progress::None; files.len()]);
    for root in first.copied().into_iter().chain(0..files.len()) {
        if progress.get(root) != Some(&Progress::None) {
            continue;
        }
        // files with the number of their imports that were visited, each imported by the one before
        let mut path = vec![(root, 0)];
        while let Some((index, next)) = path.pop() {
            let import = imports_of(index).get(next);
            if let Some(state) = progress.get_mut(index) {
                *state = if import.is_some() { Progress::Begun } else { Progress::Ended };
            }
            let Some(import) = import else {
                order.push(index);
                continue;
            };
            path.push((index, next + 1));
            let Some(import) = by_name.get(import).copied() else { continue };
            match progress.get(import) {
                Some(Progress::None) => path.push((import, 0)),
                Some(Progress::Begun) => {
                    let name = files.get(import).map_or("", LoadedFile::name);
                    return Err(compile_error(&format!(
                        "{name:.80} imports itself, directly or through others"
                    )));
                }
                _ => {}
            }
        }
    }
    let mut files: Vec<Option<LoadedFile>> = files.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| files.get_mut(index)?.take()).collect())
}

/// Returns the error of a source; the reason may have several lines.
pub(super) fn compile_error(reason: &str) -> Error {
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::new(format!("the .proto source cannot be compiled: {}", crate::text::truncated(&reason)))
}
