//! `kulya registry check --against git:REF`: each schema of files and folders against the same file of a git
//! revision.

use super::file_kind::{self, FileKind};
use super::folder_references::Folder;
use super::git::Revision;
use super::proto_source::FindFile;
use super::report::{CheckResult, Outcome};
use super::schema_files::{self, ReadFile, Selection};
use super::verdict::judge;
use crate::args::registry::{CheckArgs, SchemaReadArgs};
use crate::output::format_error;
use anyhow::{Context, Result, bail};
use kulya_schema::{CanonicalSchema, SchemaInfo, canonicalize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The maximum number of files, and the maximum depth of folders.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 64;

/// Checks all schemas, and returns a result for each.
///
/// # Errors
/// There is no such revision, a folder cannot be read, or there is nothing to check. What is wrong with one
/// schema is a result.
pub(super) fn check(args: &CheckArgs, revision: &str) -> Result<Vec<CheckResult>> {
    let mut results = Vec::new();
    for path in &args.files {
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
        let revision = Arc::new(Revision::open(folder, revision)?);
        let before = revision.files()?;
        let mut selection = Selection { files: Vec::new(), left_out: Vec::new() };
        if path.is_dir() {
            add_folder(path, &args.read, &mut selection, 0)?;
        } else {
            selection.files.push(path.clone());
        }
        // a single file refers to those beside it
        let now = if path.is_dir() { selection.files.clone() } else { schema_files::beside(folder)? };
        let is_checked = |file: &&String| {
            !file.split('/').any(|part| part.starts_with('.')) && (path.is_dir() || !file.contains('/'))
        };
        let then = before.iter().filter(is_checked).cloned().collect();
        let checker = Checker::new(args, folder, revision, &now, then)?;
        let mut present = BTreeSet::new();
        for (file, reason) in selection.left_out {
            present.insert(checker.relative(&file)?);
            results.push(result(&file, String::new(), Outcome::NotASchema(reason)));
        }
        for file in selection.files {
            present.insert(checker.relative(&file)?);
            results.extend(checker.check_file(&file));
        }
        if path.is_dir() {
            let removed = before.into_iter().filter(|file| !present.contains(file));
            let removed =
                removed.map(|file| folder.join(file)).filter(|file| file_kind::of_extension(file).is_some());
            let reason = format!("it was removed since {}", args.against.as_deref().unwrap_or_default());
            results.extend(
                removed
                    .filter(|file| !file.exists())
                    .map(|file| result(&file, String::new(), Outcome::NotCompared(reason.clone()))),
            );
        }
    }
    results.sort_by(|one, other| schema_files::natural_order(&one.path, &other.path));
    if results.is_empty() {
        bail!("there are no schemas to check: .avsc, .json, .proto or .desc")
    }
    Ok(results)
}

/// Adds the schemas of a folder and of those in it, but for hidden ones.
fn add_folder(folder: &Path, args: &SchemaReadArgs, selection: &mut Selection, depth: usize) -> Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    if depth > MAX_DEPTH {
        bail!("{} is more than {MAX_DEPTH} folders deep", folder.display())
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        entries.push(entry.with_context(unreadable)?.path());
    }
    let name = |path: &Path| schema_files::file_name(path);
    entries.sort_by(|one, other| schema_files::natural_order(&name(one), &name(other)));
    for path in entries {
        let kind =
            std::fs::symlink_metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if name(&path).starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            add_folder(&path, args, selection, depth + 1)?;
        } else if kind.is_file() {
            selection.add(path, args)?;
        }
        if selection.files.len() + selection.left_out.len() > MAX_FILES {
            bail!(
                "{} has more than {MAX_FILES} files of schemas: check its folders one by one",
                folder.display()
            )
        }
    }
    Ok(())
}

fn result(path: &Path, text: String, outcome: Outcome) -> CheckResult {
    let path = path.display().to_string();
    CheckResult { name: path.clone(), path, text, outcome }
}

/// Checks the files of one folder.
struct Checker<'a> {
    args: &'a CheckArgs,
    folder: &'a Path,
    revision: Arc<Revision>,
    /// The files that the schemas refer to, now and at the revision.
    now: Folder<'a>,
    before: Folder<'a>,
}

impl<'a> Checker<'a> {
    fn new(
        args: &'a CheckArgs,
        folder: &'a Path,
        revision: Arc<Revision>,
        files: &[PathBuf],
        before: Vec<String>,
    ) -> Result<Self> {
        let files: Vec<String> = files.iter().map(|file| relative(folder, file)).collect::<Result<_>>()?;
        let read_now = move |file: &str| schema_files::read_bytes(&folder.join(file)).map(Some);
        let of_revision = Arc::clone(&revision);
        let read_before = move |file: &str| of_revision.read(file);
        Ok(Self {
            args,
            folder,
            revision,
            now: Folder::new(files, Box::new(read_now)),
            before: Folder::new(before, Box::new(read_before)),
        })
    }

    /// Returns a file's path from the folder.
    fn relative(&self, file: &Path) -> Result<String> {
        relative(self.folder, file)
    }

    fn check_file(&self, file: &Path) -> Vec<CheckResult> {
        self.compare(file)
            .unwrap_or_else(|error| vec![result(file, String::new(), Outcome::Error(format_error(&error)))])
    }

    fn compare(&self, file: &Path) -> Result<Vec<CheckResult>> {
        let (revision, relative) = (self.args.against.as_deref().unwrap_or_default(), self.relative(file)?);
        let data = schema_files::read_bytes(file)?;
        let before = self.revision.read(&relative)?;
        let text = String::from_utf8(data.clone()).unwrap_or_default();
        let not_compared = |reason: String| result(file, text.clone(), Outcome::NotCompared(reason));
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let schemas = self.schemas(file, data, &schema_files::imports_in(folder), &self.now)?;
        let Some(before) = before else {
            return Ok(vec![not_compared(format!("it is not in {revision}"))]);
        };
        if file_kind::without_byte_order_mark(&before).map(file_kind::detect).is_ok_and(is_no_schema) {
            return Ok(vec![not_compared(format!("it is no schema in {revision}"))]);
        }
        let old = match self.schemas(file, before, &self.imports_before(&relative), &self.before) {
            Ok(old) => old,
            Err(error) => {
                let reason = format!("it is invalid in {revision}: {}", format_error(&error));
                return Ok(vec![not_compared(reason)]);
            }
        };
        if let ([new], [old]) = (schemas.as_slice(), old.as_slice()) {
            return Ok(vec![self.judge(file, &text, new, old)?]);
        }
        // the messages of a Protobuf file, by their names
        let mut results = Vec::new();
        for old in &old {
            let type_name = &old.schema.type_name;
            let new = schemas.iter().find(|new| new.schema.type_name == *type_name);
            results.push(match new {
                Some(new) => self.judge(file, &text, new, old)?,
                None => not_compared(format!("the message {type_name} of {revision} was removed")),
            });
        }
        Ok(results)
    }

    /// Parses the schemas in a file, with what they use of other files of the folder.
    fn schemas(
        &self,
        file: &Path,
        data: Vec<u8>,
        imports: &FindFile,
        others: &Folder<'_>,
    ) -> Result<Vec<CanonicalSchema>> {
        let schemas = ReadFile::new(file, data, &self.args.read)?.into_schemas(&self.args.read, imports)?;
        let path = self.relative(file)?;
        let parse = |schema: SchemaInfo| {
            let resolved = others.resolve(&path, schema);
            resolved.and_then(|schema| Ok(canonicalize(schema)?)).with_context(|| file.display().to_string())
        };
        schemas.into_iter().map(parse).collect()
    }

    /// Returns the imports of a `.proto` file at the revision.
    fn imports_before(&self, relative: &str) -> FindFile {
        let revision = Arc::clone(&self.revision);
        let folder = relative.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        Box::new(move |name: &str| {
            let data = revision.read(&format!("{folder}{name}")).ok()??;
            String::from_utf8(file_kind::without_byte_order_mark(&data).ok()?.to_vec()).ok()
        })
    }

    fn judge(
        &self,
        file: &Path,
        text: &str,
        new: &CanonicalSchema,
        old: &CanonicalSchema,
    ) -> Result<CheckResult> {
        let (verdict, context) = judge(new, std::slice::from_ref(old), self.args)?;
        let revision = self.args.against.as_deref().unwrap_or_default();
        let (policy, rules) = (context.compatibility.policy(), context.rules.name());
        let compatible = format!("compatible with {revision} (policy {policy}, {rules} rules)");
        let path = file.display().to_string();
        let outcome = match verdict.registered {
            Some(_) => Outcome::NotCompared(format!("it is unchanged since {revision}")),
            None => Outcome::Checked(Box::new(verdict), compatible),
        };
        Ok(CheckResult { name: path.clone(), path, text: text.to_owned(), outcome })
    }
}

/// Returns a file's path from a folder, with slashes as git has them.
fn relative(folder: &Path, file: &Path) -> Result<String> {
    let relative = file.strip_prefix(folder).unwrap_or(file);
    let parts: Option<Vec<&str>> = relative.components().map(|part| part.as_os_str().to_str()).collect();
    parts.map(|parts| parts.join("/")).with_context(|| format!("the path {} is not UTF-8", file.display()))
}

fn is_no_schema(kind: FileKind) -> bool {
    matches!(kind, FileKind::NoSchema(_))
}
