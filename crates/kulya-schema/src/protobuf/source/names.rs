//! The scopes of declared names, and the shortest reference to a type from a scope.

use crate::protobuf::parse::{MAX_FIELDS, MAX_MESSAGES, MAX_NAME_BYTES};
use crate::{Error, Result};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use std::collections::{HashMap, HashSet};

/// The maximum number of name parts of a shortened reference, which bounds the search.
const MAX_NAME_PARTS: usize = 24;

pub(super) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// The declared names of each package and message, of any kind: for some compilers a field hides a type of
/// its name.
#[derive(Default)]
pub(super) struct Names<'a> {
    scopes: HashMap<String, HashSet<&'a str>>,
    types: usize,
    fields: usize,
}

impl<'a> Names<'a> {
    /// # Errors
    /// The files have more declarations than can be printed.
    pub(super) fn of(files: &'a [FileDescriptorProto]) -> Result<Self> {
        let mut names = Self::default();
        for file in files {
            let package = file.package();
            check_name_length("the package", package)?;
            let mut scope = String::new();
            for part in package.split('.').filter(|part| !part.is_empty()) {
                names.scopes.entry(scope.clone()).or_default().insert(part);
                scope = join(&scope, part);
            }
            names.declare(package, file.service.iter().map(|it| it.name()));
            names.declare(package, file.extension.iter().map(|it| it.name()));
            names.enums(package, &file.enum_type)?;
            names.messages(package, &file.message_type)?;
            names.fields += file.service.iter().map(|it| it.method.len()).sum::<usize>();
            names.check()?;
        }
        Ok(names)
    }

    fn declare(&mut self, scope: &str, names: impl Iterator<Item = &'a str>) {
        self.scopes.entry(scope.to_owned()).or_default().extend(names);
    }

    fn check(&self) -> Result<()> {
        if self.types > MAX_MESSAGES || self.fields > MAX_FIELDS {
            return Err(Error::new(format!(
                "the descriptor set has more than {MAX_MESSAGES} types or {MAX_FIELDS} fields and values: it is too \
                 large to be printed"
            )));
        }
        Ok(())
    }

    fn enums(&mut self, scope: &str, enums: &'a [EnumDescriptorProto]) -> Result<()> {
        self.types += enums.len();
        for it in enums {
            self.fields += it.value.len();
            self.check()?;
            // enum values are in the same scope as their enum
            self.declare(scope, it.value.iter().map(|value| value.name()).chain([it.name()]));
        }
        Ok(())
    }

    fn messages(&mut self, scope: &str, messages: &'a [DescriptorProto]) -> Result<()> {
        self.types += messages.len();
        self.check()?;
        self.declare(scope, messages.iter().map(|it| it.name()));
        for it in messages {
            let full = join(scope, it.name());
            check_name_length("the message", &full)?;
            self.fields += it.field.len() + it.extension.len() + it.oneof_decl.len();
            self.check()?;
            self.declare(&full, it.field.iter().chain(&it.extension).map(|field| field.name()));
            self.declare(&full, it.oneof_decl.iter().map(|oneof| oneof.name()));
            self.enums(&full, &it.enum_type)?;
            self.messages(&full, &it.nested_type)?;
        }
        Ok(())
    }

    fn is_declared(&self, scope: &str, name: &str) -> bool {
        self.scopes.get(scope).is_some_and(|names| names.contains(name))
    }

    /// Returns the shortest reference from a scope to a type; absolute, with a leading dot, if no shorter one
    /// certainly resolves.
    pub(super) fn reference(&self, scope: &str, type_name: &str) -> String {
        let Some(full) = type_name.strip_prefix('.') else { return type_name.to_owned() };
        let parts: Vec<&str> = full.split('.').collect();
        let depth = if scope.is_empty() { 0 } else { scope.split('.').count() };
        let (owner, last) = full.rsplit_once('.').unwrap_or(("", full));
        if parts.len() + depth > MAX_NAME_PARTS
            || full.len() > MAX_NAME_BYTES
            || !self.is_declared(owner, last)
        {
            return type_name.to_owned();
        }
        for first in (0..parts.len()).rev() {
            let (head, tail) = parts.split_at(first);
            if self.resolves_to(scope, tail, &head.join(".")) {
                return tail.join(".");
            }
        }
        type_name.to_owned()
    }

    /// Returns whether the innermost scope around `scope` that declares the first part of a name is `owner`.
    fn resolves_to(&self, scope: &str, name: &[&str], owner: &str) -> bool {
        let Some(first) = name.first() else { return false };
        let mut enclosing = Some(scope);
        while let Some(scope) = enclosing {
            if self.is_declared(scope, first) {
                return scope == owner;
            }
            enclosing = match scope.rsplit_once('.') {
                Some((outer, _)) => Some(outer),
                None if scope.is_empty() => None,
                None => Some(""),
            };
        }
        false
    }
}

fn check_name_length(what: &str, name: &str) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::new(format!("{what} {name:.40?} has a name of more than {MAX_NAME_BYTES} bytes")));
    }
    Ok(())
}
