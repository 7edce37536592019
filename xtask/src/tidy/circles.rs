//! Circles of modules: source files of one crate that use each other's items, directly or through others.
//!
//! Each file is a node. An edge leads from a file to the file that defines an item it names: in `use`
//! declarations, and in paths through `crate`, `super`, `self`, an imported name or a child module, macros
//! included. Re-exports are followed to the definition, and a parent that only re-exports its children does
//! not depend on them. Test modules do not count.
//!
//! The check reads names and does no type inference: methods called on a value, and names behind a glob
//! import, are not seen.

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Words in a file's first paragraph that allow its circle; the reason follows them.
const EXPLANATION: &str = "module circle:";

/// Longest chain of re-exports that is followed.
const MAX_REEXPORTS: usize = 16;

/// A dependency of one file on another, with the names that cause it.
type Edges = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Two or more files that depend on each other, and their dependencies within the circle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circle {
    files: Vec<String>,
    edges: Vec<(String, String, Vec<String>)>,
    is_explained: bool,
}

impl Circle {
    /// The circle as lines of text: its files, then each dependency and the names it is made of.
    fn describe(&self) -> String {
        let mut text = format!("module circle of {} files: {}", self.files.len(), self.files.join(", "));
        for (from, to, names) in &self.edges {
            text.push_str(&format!("\n      {from} -> {to}: {}", names.join(", ")));
        }
        text
    }
}

/// Adds every unexplained circle to `findings`.
pub(super) fn check(crates: &[PathBuf], findings: &mut Vec<String>) -> Result<()> {
    for folder in crates {
        let circles = circles(&sources(folder)?)?;
        findings.extend(circles.iter().filter(|circle| !circle.is_explained).map(Circle::describe));
    }
    Ok(())
}

/// Prints the circles of every crate, the explained ones marked.
pub(super) fn print(crates: &[PathBuf]) -> Result<()> {
    let (mut total, mut explained) = (0, 0);
    let mut lines = Vec::new();
    for folder in crates {
        for circle in circles(&sources(folder)?)? {
            total += 1;
            explained += usize::from(circle.is_explained);
            let mark = if circle.is_explained { " (explained)" } else { "" };
            lines.push(format!("{}{mark}: {}", folder.display(), circle.describe()));
        }
    }
    lines.push(format!("{total} module circles, {explained} of them explained"));
    // as a whole, so that a closed pipe is an error and no panic
    std::io::stdout().write_all((lines.join("\n") + "\n").as_bytes()).context("cannot print")
}

/// Every source file below `folder/src`, as (path, text).
fn sources(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    read_folder(&folder.join("src"), &mut files)?;
    files.sort();
    Ok(files)
}

fn read_folder(folder: &Path, files: &mut Vec<(String, String)>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path)?;
            files.push((path.to_string_lossy().replace('\\', "/"), text));
        }
    }
    Ok(())
}

/// The circles among the source files of one crate, given as (path, text), the path containing `src/`.
///
/// # Errors
/// A file that does not parse as Rust.
pub(super) fn circles(files: &[(String, String)]) -> Result<Vec<Circle>> {
    let modules = Modules::read(files)?;
    let edges = modules.edges();
    let explained: HashSet<&str> =
        files.iter().filter(|(_, text)| is_explained(text)).map(|(path, _)| path.as_str()).collect();
    let circles = strongly_connected(&edges).into_iter().map(|component| {
        let inside = component.iter().flat_map(|from| {
            let targets = edges.get(from).into_iter().flatten();
            let targets = targets.filter(|(to, _)| component.contains(*to));
            targets.map(|(to, names)| (from.clone(), to.clone(), names.iter().cloned().collect()))
        });
        Circle {
            edges: inside.collect(),
            is_explained: component.iter().any(|file| explained.contains(file.as_str())),
            files: component.iter().cloned().collect(),
        }
    });
    Ok(circles.collect())
}

/// Whether the first paragraph says why the file is part of a circle.
fn is_explained(text: &str) -> bool {
    let header = text.lines().take_while(|line| line.starts_with("//!"));
    let paragraph: Vec<&str> =
        header.map(|line| line[3..].trim()).take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ").contains(EXPLANATION)
}

/// A module's path from the crate's root, without `crate`.
type ModulePath = Vec<String>;

/// What one file declares and names.
struct Module {
    path: ModulePath,
    file: String,
    /// Items defined in it, by name.
    items: HashSet<String>,
    /// Imported names and what they stand for.
    imports: HashMap<String, ModulePath>,
    /// Modules imported from as a whole (`use a::*`).
    globs: Vec<ModulePath>,
    /// Names it uses, as absolute paths; whether a re-export is their only use.
    uses: Vec<(ModulePath, bool)>,
}

/// The modules of one crate that have a file of their own.
struct Modules {
    modules: Vec<Module>,
    by_path: HashMap<ModulePath, usize>,
}

impl Modules {
    fn read(files: &[(String, String)]) -> Result<Self> {
        let mut modules = Vec::new();
        let mut by_path = HashMap::new();
        let mut tests: Vec<ModulePath> = Vec::new();
        for (file, text) in files {
            if text.starts_with("// This file is @generated") {
                continue;
            }
            let path = module_path(file);
            let syntax = syn::parse_file(text).with_context(|| format!("cannot parse {file}"))?;
            let mut reader = ModuleReader::new(path.clone());
            reader.visit_file(&syntax);
            tests.append(&mut reader.tests);
            by_path.insert(path.clone(), modules.len());
            let ModuleReader { items, imports, globs, uses, .. } = reader;
            modules.push(Module { path, file: file.clone(), items, imports, globs, uses });
        }
        let is_test = |path: &ModulePath| tests.iter().any(|test| path.starts_with(test));
        by_path.retain(|path, _| !is_test(path));
        Ok(Self { modules, by_path })
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for index in self.by_path.values() {
            let from = &self.modules[*index];
            for (path, is_reexport) in &from.uses {
                let Some((to, name)) = self.definition(path, 0) else { continue };
                let to = &self.modules[to];
                let is_own_child = to.path.starts_with(&from.path);
                if to.file == from.file || (*is_reexport && is_own_child) {
                    continue;
                }
                let targets = edges.entry(from.file.clone()).or_default();
                targets.entry(to.file.clone()).or_default().insert(name);
            }
        }
        edges
    }

    /// The module that defines the item at `path`, and the item's name there; none for a module, and for an
    /// item of another crate.
    fn definition(&self, path: &[String], reexports: usize) -> Option<(usize, String)> {
        if reexports > MAX_REEXPORTS {
            return None;
        }
        let mut length = 0;
        while length < path.len() && self.by_path.contains_key(&path[..length + 1]) {
            length += 1;
        }
        let index = *self.by_path.get(&path[..length])?;
        let module = &self.modules[index];
        // a module alone is no item; what is used through it counts
        let name = path.get(length)?;
        if module.items.contains(name) {
            return Some((index, name.clone()));
        }
        if let Some(target) = module.imports.get(name) {
            let mut target = target.clone();
            target.extend_from_slice(&path[length + 1..]);
            return self.definition(&target, reexports + 1);
        }
        let behind_globs = module.globs.iter().find_map(|glob| {
            let mut target = glob.clone();
            target.extend_from_slice(&path[length..]);
            self.definition(&target, reexports + 1)
        });
        // a glob itself, and what a macro defines, is of the module named
        behind_globs.or_else(|| (name == "*").then(|| (index, name.clone())))
    }
}

/// The module path of a source file: what follows `src/`, without `lib.rs`, `main.rs` and `mod.rs`.
fn module_path(file: &str) -> ModulePath {
    let inside = file.rsplit_once("src/").map_or(file, |(_, inside)| inside);
    let mut path: ModulePath = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = path.len() == 1 && matches!(path[0].as_str(), "lib" | "main");
    if is_root || path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// Collects what a file declares and names.
struct ModuleReader {
    /// The module the reader is in: the file's, or an inline module's within it.
    current: ModulePath,
    items: HashSet<String>,
    imports: HashMap<String, ModulePath>,
    globs: Vec<ModulePath>,
    uses: Vec<(ModulePath, bool)>,
    /// Child modules, with a file of their own or inline.
    children: HashSet<String>,
    /// Child modules that are compiled for tests only.
    tests: Vec<ModulePath>,
}

impl ModuleReader {
    fn new(current: ModulePath) -> Self {
        Self {
            current,
            items: HashSet::new(),
            imports: HashMap::new(),
            globs: Vec::new(),
            uses: Vec::new(),
            children: HashSet::new(),
            tests: Vec::new(),
        }
    }

    /// The absolute path of a path in the code; none for names that come from elsewhere.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        let mut path = match first.as_str() {
            "crate" | "$crate" => Vec::new(),
            "self" | "super" => self.current.clone(),
            name if self.imports.contains_key(name) => self.imports[name].clone(),
            name if self.children.contains(name) => {
                let mut child = self.current.clone();
                child.push(name.to_owned());
                child
            }
            _ => return None,
        };
        if first == "super" {
            path.pop();
        }
        for segment in rest {
            if segment == "super" {
                path.pop();
            } else {
                path.push(segment.clone());
            }
        }
        Some(path)
    }

    fn read_use(&mut self, tree: &syn::UseTree, prefix: &[String], is_reexport: bool) {
        let mut path = prefix.to_vec();
        let leaf = |reader: &mut Self, path: &[String], name: Option<String>| {
            let Some(absolute) = reader.absolute(path) else { return };
            match name {
                Some(name) => {
                    reader.imports.insert(name, absolute.clone());
                }
                None => reader.globs.push(absolute[..absolute.len() - 1].to_vec()),
            }
            reader.uses.push((absolute, is_reexport));
        };
        match tree {
            syn::UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.read_use(&inner.tree, &path, is_reexport);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, &path, is_reexport);
                }
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = path.last().cloned();
                leaf(self, &path, name);
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                leaf(self, &path, Some(name.ident.to_string()));
            }
            syn::UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    path.push(rename.ident.to_string());
                }
                leaf(self, &path, Some(rename.rename.to_string()));
            }
            syn::UseTree::Glob(_) => {
                path.push("*".to_owned());
                leaf(self, &path, None);
            }
        }
    }

    fn read_path(&mut self, segments: &[String]) {
        if let Some(absolute) = self.absolute(segments) {
            self.uses.push((absolute, false));
        }
    }

    /// Reads the paths of two and more segments among tokens, which are not parsed.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end_token_path(&mut segments);
                    }
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.end_token_path(&mut segments);
                    colons = 0;
                    self.read_tokens(group.stream());
                }
                _ => {
                    self.end_token_path(&mut segments);
                    colons = 0;
                }
            }
        }
        self.end_token_path(&mut segments);
    }

    fn end_token_path(&mut self, segments: &mut Vec<String>) {
        if segments.len() > 1 {
            self.read_path(segments);
        }
        segments.clear();
    }

    fn define(&mut self, ident: &syn::Ident) {
        self.items.insert(ident.to_string());
    }
}

/// Whether an item is compiled for tests only.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(it) => &it.attrs,
        syn::Item::Enum(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        syn::Item::Macro(it) => &it.attrs,
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Static(it) => &it.attrs,
        syn::Item::Struct(it) => &it.attrs,
        syn::Item::Trait(it) => &it.attrs,
        syn::Item::Type(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for ModuleReader {
    fn visit_file(&mut self, file: &'ast syn::File) {
        self.read_items(&file.items);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let Some((_, items)) = &module.content else { return };
        // the names of an inline module are its own; its items count as the file's
        let imports = self.imports.clone();
        let children = self.children.clone();
        self.current.push(module.ident.to_string());
        self.read_items(items);
        self.current.pop();
        self.imports = imports;
        self.children = children;
    }

    // read before the code, by `read_items`
    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|it| it.ident.to_string()).collect();
        // a lower-case name alone is a local variable more often than an import, which its `use` counts
        // already
        let is_local = segments.len() == 1 && segments[0].starts_with(|first: char| first.is_lowercase());
        if path.leading_colon.is_none() && !is_local {
            self.read_path(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(name) = function.path.get_ident()
        {
            self.read_path(&[name.to_string()]);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.read_tokens(call.tokens.clone());
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        if let syn::Stmt::Item(syn::Item::Use(import)) = statement {
            self.read_use(&import.tree, &[], false);
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }
}

impl ModuleReader {
    /// Reads declarations, then imports, then code: a name may be used above the line that imports it.
    fn read_items(&mut self, items: &[syn::Item]) {
        for item in items {
            self.declare(item);
        }
        for item in items {
            if let syn::Item::Use(import) = item {
                let is_reexport = !matches!(import.vis, syn::Visibility::Inherited);
                if import.leading_colon.is_none() && !is_for_tests(&import.attrs) {
                    self.read_use(&import.tree, &[], is_reexport);
                }
            }
        }
        for item in items {
            self.visit_item(item);
        }
    }

    fn declare(&mut self, item: &syn::Item) {
        match item {
            syn::Item::Const(it) => self.define(&it.ident),
            syn::Item::Enum(it) => self.define(&it.ident),
            syn::Item::Fn(it) => self.define(&it.sig.ident),
            syn::Item::Static(it) => self.define(&it.ident),
            syn::Item::Struct(it) => self.define(&it.ident),
            syn::Item::Trait(it) => self.define(&it.ident),
            syn::Item::Type(it) => self.define(&it.ident),
            syn::Item::Union(it) => self.define(&it.ident),
            syn::Item::Macro(it) => {
                if let Some(ident) = &it.ident {
                    self.define(ident);
                }
            }
            syn::Item::Mod(it) => {
                let name = it.ident.to_string();
                if is_for_tests(&it.attrs) {
                    let mut path = self.current.clone();
                    path.push(name);
                    self.tests.push(path);
                } else {
                    if it.content.is_some() {
                        self.define(&it.ident);
                    }
                    self.children.insert(name);
                }
            }
            _ => {}
        }
    }
}

/// Groups of two or more files that reach each other, sorted. Quadratic, which is little for the files of a
/// crate.
fn strongly_connected(edges: &Edges) -> Vec<BTreeSet<String>> {
    let reachable: BTreeMap<&String, HashSet<&String>> =
        edges.keys().map(|from| (from, reachable_from(edges, from))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (from, targets) in &reachable {
        if circles.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let back = targets.iter().filter(|to| reachable.get(*to).is_some_and(|them| them.contains(*from)));
        let circle: BTreeSet<String> = back.map(|file| (*file).clone()).collect();
        if circle.len() > 1 {
            circles.push(circle);
        }
    }
    circles
}

fn reachable_from<'e>(edges: &'e Edges, from: &String) -> HashSet<&'e String> {
    let mut reached = HashSet::new();
    let mut next: Vec<&String> = edges.get(from).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(edges.get(file).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(files: &[(&str, &str)]) -> Vec<Circle> {
        let files: Vec<(String, String)> =
            files.iter().map(|(path, text)| (format!("crates/a/src/{path}"), (*text).to_owned())).collect();
        circles(&files).expect("the files parse")
    }

    /// The files of each circle, without the folder.
    fn names(files: &[(&str, &str)]) -> Vec<String> {
        let circles = find(files).into_iter().map(|circle| circle.files.join(" "));
        circles.map(|files| files.replace("crates/a/src/", "")).collect()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let found = find(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use super::a; pub struct B; fn f() -> a::A { todo!() }"),
        ]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].edges,
            [
                ("crates/a/src/a.rs".to_owned(), "crates/a/src/b.rs".to_owned(), vec!["B".to_owned()]),
                ("crates/a/src/b.rs".to_owned(), "crates/a/src/a.rs".to_owned(), vec!["A".to_owned()]),
            ]
        );
    }

    #[test]
    fn a_circle_through_a_third_file_is_found() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub struct A; fn f() { crate::b::g(); }"),
            ("b.rs", "use crate::c::C; pub fn g() {}"),
            ("c.rs", "use crate::a::A; pub struct C;"),
        ];
        assert_eq!(names(&files), ["a.rs b.rs c.rs"]);
    }

    #[test]
    fn a_parent_that_reexports_its_children_is_in_no_circle() {
        let files = [
            ("lib.rs", "mod a; pub use a::A; pub struct Error;"),
            ("a.rs", "use crate::Error; pub struct A(Error);"),
        ];
        assert_eq!(names(&files), [""; 0]);
    }

    #[test]
    fn a_parent_that_uses_what_it_reexports_depends_on_it() {
        let files = [
            ("lib.rs", "mod a; pub use a::A; pub struct Error; fn f(a: A) {}"),
            ("a.rs", "use crate::Error; pub struct A(Error);"),
        ];
        assert_eq!(names(&files), ["a.rs lib.rs"]);
    }

    #[test]
    fn a_reexport_leads_to_the_definition() {
        // siblings that import each other by the parent's names
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod x; mod y; pub(crate) use x::X; pub(crate) use y::*;"),
            ("a/x.rs", "use super::Y; pub struct X(Y);"),
            ("a/y.rs", "use crate::a::X; pub struct Y(X);"),
        ];
        assert_eq!(names(&files), ["a/x.rs a/y.rs"]);
    }

    #[test]
    fn paths_in_macros_count_and_comments_and_strings_do_not() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub const A: u8 = 1; fn f() { format!(\"{}\", crate::b::B); }"),
            ("b.rs", "// crate::a::A\n pub const B: &str = \"crate::a::A\";"),
        ];
        assert_eq!(names(&files), [""; 0]);
        let files =
            [files[0], files[1], ("b.rs", "pub const B: u8 = 1; fn g() { assert_eq!(1, super::a::A); }")];
        assert_eq!(names(&files), ["a.rs b.rs"]);
    }

    #[test]
    fn test_modules_do_not_count() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] mod more;"),
            ("a/more.rs", "use crate::b::B; use super::A;"),
            ("b.rs", "use crate::a::A; pub struct B(A);"),
        ];
        assert_eq!(names(&files), [""; 0]);
    }

    #[test]
    fn an_explanation_in_the_first_paragraph_is_noticed() {
        let explained = "//! Expressions. This module circle: expressions contain queries, and\n//! queries contain expressions.\n";
        let a = format!("{explained}use crate::b::B; pub struct A(B);");
        let files =
            [("lib.rs", "mod a; mod b;"), ("a.rs", a.as_str()), ("b.rs", "use crate::a::A; pub struct B;")];
        assert!(find(&files)[0].is_explained);
        let later = format!("//! Expressions.\n//!\n{explained}use crate::b::B; pub struct A(B);");
        let files = [files[0], ("a.rs", later.as_str()), files[2]];
        assert!(!find(&files)[0].is_explained);
    }

    #[test]
    fn inline_modules_are_of_their_file() {
        let files = [
            ("lib.rs", "mod a; pub mod inner { pub struct I; }"),
            ("a.rs", "use crate::inner::I; pub fn f(i: I) {}"),
        ];
        assert_eq!(names(&files), [""; 0]);
        let files =
            [("lib.rs", "mod a; pub mod inner { pub struct I; fn g() { super::a::f(I) } }"), files[1]];
        assert_eq!(names(&files), ["a.rs lib.rs"]);
    }
}
