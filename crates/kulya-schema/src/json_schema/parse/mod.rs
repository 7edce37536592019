//! The parser of JSON schemas into numbered subschemas, with bounds. Each error names the limit or the
//! location.
//!
//! Sources: the JSON Schema specifications, drafts 4, 6, 7, 2019-09 and 2020-12 (core and validation).

mod assertions;
mod cycles;
mod dialect;
mod dynamic;

use super::decimal::mark_exact_numbers;
use super::draft::Draft;
use super::node::{Body, Condition, Keywords, NamePattern, Node, Target, TypeSet, Unsupported};
use super::pattern::{Pattern, PatternError};
use super::reference;
use super::schema::Schema;
use super::value_set::ValueSet;
use crate::{Budget, Error, Result, bounded_json};
use assertions::{AssertionParser, Object, invalid, string_set};
use cycles::reject_reference_cycles;
use dialect::{draft_of, infer_draft};
use dynamic::DynamicReference;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The maximum size of a document, in bytes.
pub const MAX_BYTES: usize = crate::limits::MAX_SCHEMA_BYTES;
/// The maximum nesting depth of subschemas.
pub const MAX_DEPTH: usize = 64;
/// The maximum number of subschemas in one document.
pub const MAX_SUBSCHEMAS: usize = 20_000;
/// The maximum length of a JSON pointer to a subschema, in bytes.
pub const MAX_POINTER_BYTES: usize = 2_000;

/// Parses a schema from its JSON text (one document), within the budget of one request.
///
/// A reference to another document is kept unresolved, and comparisons that depend on it are unknown.
///
/// # Errors
/// The text is not a valid schema, is over a limit, or has a reference that does not resolve within this
/// document. The error names the location.
pub fn parse(text: &str) -> Result<Schema> {
    parse_with_budget(text, &Budget::default())
}

/// Parses a schema like [`parse`], within a shared budget.
///
/// # Errors
/// As [`parse`], and when the budget is exhausted.
pub fn parse_with_budget(text: &str, budget: &Budget) -> Result<Schema> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(format!("the schema has {} bytes; the maximum is {MAX_BYTES}", text.len())));
    }
    if text.starts_with('\u{feff}') {
        return Err(Error::new(
            "the document starts with a byte order mark (BOM): save it as UTF-8 without one",
        ));
    }
    let mut document = bounded_json::parse(&mark_exact_numbers(text)?)?;
    let declared = document.get("$schema").map(draft_of).transpose()?;
    let draft = declared.unwrap_or_else(|| infer_draft(&document));
    // without a declaration an integer is what every later draft means by it
    let has_draft4_integers = declared == Some(Draft::Draft4);
    let mut parser = Parser::new(draft, budget);
    parser.is_declared = declared.is_some();
    parser.resources.push(Resource { uri: String::new(), pointer: String::new() });
    let root = parser.node(&mut document, "", Scope { resource: 0, depth: 0 })?;
    parser.has_draft4_integers |= has_draft4_integers;
    parser.resolve_references(&mut document)?;
    parser.resolve_dynamic_references(&mut document)?;
    let mut nodes = Vec::with_capacity(parser.nodes.len());
    for node in std::mem::take(&mut parser.nodes) {
        nodes.push(node.ok_or_else(|| Error::new("#: a subschema was not parsed"))?);
    }
    reject_reference_cycles(&nodes)?;
    Ok(Schema {
        draft,
        root,
        nodes,
        text: text.to_owned(),
        has_dynamic_anchors: parser.has_dynamic_anchors,
        has_draft4_integers: parser.has_draft4_integers,
    })
}

struct Resource {
    uri: String,
    pointer: String,
}

#[derive(Clone, Copy)]
struct Scope {
    resource: usize,
    depth: usize,
}

impl Scope {
    fn nested(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

struct Parser<'b> {
    budget: &'b Budget,
    /// The dialect of the resource that is being parsed.
    draft: Draft,
    /// Whether that dialect was declared.
    is_declared: bool,
    has_draft4_integers: bool,
    /// `None` while a node's content is being parsed.
    nodes: Vec<Option<Node>>,
    /// Node numbers by JSON pointer.
    nodes_by_pointer: HashMap<String, usize>,
    resources: Vec<Resource>,
    anchors: HashMap<(usize, String), usize>,
    /// The anchors that are dynamic, in the order of the document.
    dynamic_anchors: Vec<(usize, String, usize)>,
    dynamic_references: Vec<DynamicReference>,
    /// Whether it has anchors that a reference of another document may lead to.
    has_dynamic_anchors: bool,
    /// Unresolved references: the referring node, the URI, and the resource it is resolved against.
    references: Vec<(usize, String, usize)>,
}

impl<'b> Parser<'b> {
    fn new(draft: Draft, budget: &'b Budget) -> Self {
        Self {
            budget,
            draft,
            is_declared: false,
            has_draft4_integers: false,
            dynamic_anchors: Vec::new(),
            dynamic_references: Vec::new(),
            nodes: Vec::new(),
            nodes_by_pointer: HashMap::new(),
            resources: Vec::new(),
            anchors: HashMap::new(),
            has_dynamic_anchors: false,
            references: Vec::new(),
        }
    }

    /// Parses a subschema and returns its number. Lists of values are moved out of the document, so that they
    /// are not in memory twice.
    fn node(&mut self, value: &mut Value, pointer: &str, scope: Scope) -> Result<usize> {
        self.budget.try_spend(1, pointer)?;
        if scope.depth > MAX_DEPTH {
            return invalid("", format!("subschemas nest deeper than {MAX_DEPTH}"));
        }
        if self.nodes.len() >= MAX_SUBSCHEMAS {
            return invalid("", format!("more than {MAX_SUBSCHEMAS} subschemas"));
        }
        if pointer.len() > MAX_POINTER_BYTES {
            return invalid(
                "",
                format!("the pointer to a subschema is longer than {MAX_POINTER_BYTES} bytes"),
            );
        }
        let number = self.nodes.len();
        self.nodes.push(None);
        self.nodes_by_pointer.insert(pointer.to_owned(), number);
        let body = match value {
            Value::Bool(value) => Body::Boolean(*value),
            Value::Object(object) => {
                // boxed from the start: this recursion is as deep as the schema
                let mut keywords = Box::<Keywords>::default();
                let outer = (self.draft, self.is_declared);
                self.enter_dialect(object, pointer)?;
                let draft = self.draft;
                let parsed = self.object(object, number, pointer, scope, &mut keywords);
                (self.draft, self.is_declared) = outer;
                parsed?;
                if let Some(slot) = self.nodes.get_mut(number) {
                    let pointer = format!("#{pointer}");
                    *slot = Some(Node { pointer, draft, body: Body::Keywords(keywords) });
                }
                return Ok(number);
            }
            _ => return invalid(pointer, "a schema is an object, true or false"),
        };
        if let Some(slot) = self.nodes.get_mut(number) {
            *slot = Some(Node { pointer: format!("#{pointer}"), draft: self.draft, body });
        }
        Ok(number)
    }

    fn object(
        &mut self,
        object: &mut Object,
        number: usize,
        pointer: &str,
        mut scope: Scope,
        keywords: &mut Keywords,
    ) -> Result<()> {
        let draft = self.draft;
        let is_reference_only =
            draft < Draft::Draft201909 && object.get("$ref").is_some_and(Value::is_string);
        if !is_reference_only {
            scope.resource = self.enter_resource(object, number, pointer, scope.resource)?;
        }
        match object.get("$ref") {
            Some(Value::String(uri)) => self.references.push((number, uri.clone(), scope.resource)),
            Some(_) => return invalid(pointer, "a $ref is a string"),
            None => {}
        }
        for keyword in ["definitions", "$defs"] {
            let Some(Value::Object(definitions)) = object.get_mut(keyword) else { continue };
            for (name, schema) in definitions {
                // an invalid definition matters only to references to it
                if schema.is_object() || schema.is_boolean() {
                    let path = format!("{pointer}/{keyword}/{}", reference::escape_token(name));
                    self.node(schema, &path, scope.nested())?;
                }
            }
        }
        if is_reference_only {
            return Ok(());
        }
        AssertionParser { object, pointer, draft }.assertions(&mut keywords.assertions)?;
        if let Some(pattern) = &keywords.assertions.pattern {
            self.check_pattern(pattern, &format!("{pointer}/pattern"))?;
        }
        if draft == Draft::Draft4 && self.is_declared {
            self.has_draft4_integers = true;
            let is_integral =
                |types: TypeSet| types.intersects(TypeSet::INTEGER) && !types.intersects(TypeSet::FRACTION);
            keywords.assertions.draft4_integer = keywords.assertions.types.is_some_and(is_integral);
        }
        if draft >= Draft::Draft6 {
            let constant = object.get_mut("const").map(Value::take);
            keywords.assertions.constant = constant.map(|constant| ValueSet::new(vec![constant]));
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            keywords.assertions.values = Some(ValueSet::new(std::mem::take(values)));
        }
        if draft >= Draft::Draft201909 {
            self.dynamic_reference(object, number, pointer, scope.resource)?;
            self.legacy_dependencies(object, pointer, scope, keywords)?;
        }
        self.applicators(object, pointer, scope, keywords)
    }

    /// Returns the resource that the object starts or belongs to, and registers its anchors.
    fn enter_resource(
        &mut self,
        object: &Object,
        number: usize,
        pointer: &str,
        resource: usize,
    ) -> Result<usize> {
        let mut resource = resource;
        let keyword = if self.draft == Draft::Draft4 { "id" } else { "$id" };
        if let Some(Value::String(id)) = object.get(keyword) {
            let (uri, fragment) = reference::split(id);
            if !uri.is_empty() {
                let base = self.resources.get(resource).map_or("", |resource| resource.uri.as_str());
                let uri = reference::join(base, uri);
                if pointer.is_empty() {
                    self.resources.clear();
                }
                if self.resources.len() > 1_000 {
                    return invalid("", format!("more than 1000 subschemas with {keyword}"));
                }
                resource = self.resources.len();
                self.resources.push(Resource { uri, pointer: pointer.to_owned() });
            }
            if !fragment.is_empty() && self.draft < Draft::Draft201909 {
                self.anchors.insert((resource, fragment.to_owned()), number);
            }
        }
        if self.draft >= Draft::Draft201909 {
            self.has_dynamic_anchors |=
                object.contains_key("$dynamicAnchor") || object.contains_key("$recursiveAnchor");
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(Value::String(name)) = object.get(keyword) {
                    self.anchors.insert((resource, name.clone()), number);
                    if keyword == "$dynamicAnchor" {
                        self.dynamic_anchors.push((resource, name.clone(), number));
                    }
                }
            }
            if object.get("$recursiveAnchor") == Some(&Value::Bool(true)) {
                self.dynamic_anchors.push((resource, String::new(), number));
            }
        }
        Ok(resource)
    }

    fn applicators(
        &mut self,
        object: &mut Object,
        pointer: &str,
        scope: Scope,
        keywords: &mut Keywords,
    ) -> Result<()> {
        let draft = self.draft;
        let is_since = |first: Draft| draft >= first;
        self.items(object, pointer, scope, keywords)?;
        keywords.additional_properties = self.subschema(object, "additionalProperties", pointer, scope)?;
        keywords.properties = self.subschema_map(object, "properties", pointer, scope)?;
        for (text, schema) in self.subschema_map(object, "patternProperties", pointer, scope)? {
            self.check_pattern(&text, &format!("{pointer}/patternProperties"))?;
            keywords.pattern_properties.push(NamePattern { text, schema });
        }
        keywords.all_of = self.subschema_list(object, "allOf", pointer, scope)?.unwrap_or_default();
        keywords.any_of = self.subschema_list(object, "anyOf", pointer, scope)?;
        keywords.one_of = self.subschema_list(object, "oneOf", pointer, scope)?;
        keywords.not = self.subschema(object, "not", pointer, scope)?;
        if is_since(Draft::Draft6) {
            keywords.property_names = self.subschema(object, "propertyNames", pointer, scope)?;
        }
        if is_since(Draft::Draft7) {
            let then = self.subschema(object, "then", pointer, scope)?;
            let otherwise = self.subschema(object, "else", pointer, scope)?;
            let when = self.subschema(object, "if", pointer, scope)?;
            keywords.condition = when.map(|when| Condition { when, then, otherwise });
        }
        if is_since(Draft::Draft201909) {
            keywords.dependent_schemas = self.subschema_map(object, "dependentSchemas", pointer, scope)?;
            keywords.unevaluated_properties =
                self.subschema(object, "unevaluatedProperties", pointer, scope)?;
            keywords.unevaluated_items = self.subschema(object, "unevaluatedItems", pointer, scope)?;
        } else if let Some(dependencies) = object.get_mut("dependencies") {
            let Value::Object(dependencies) = dependencies else {
                return invalid(pointer, "dependencies is an object");
            };
            for (name, dependency) in dependencies {
                let path = format!("{pointer}/dependencies/{}", reference::escape_token(name));
                if let Value::Array(names) = dependency {
                    let names = string_set(names, &path)?;
                    keywords.assertions.dependent_required.insert(name.clone(), names);
                } else {
                    let schema = self.node(dependency, &path, scope.nested())?;
                    keywords.dependent_schemas.insert(name.clone(), schema);
                }
            }
        }
        Ok(())
    }

    /// Rejects a pattern that no validator accepts.
    fn check_pattern(&self, pattern: &str, location: &str) -> Result<()> {
        self.budget.try_spend(pattern.len() / 16, location)?;
        match Pattern::parse(pattern) {
            Err(PatternError::Invalid(why)) => {
                let pattern = crate::text::truncated(pattern);
                invalid(location, format!("{pattern:?} is no regular expression: {why}"))
            }
            _ => Ok(()),
        }
    }

    /// Parses `dependencies` of a later draft, whose effect is not known: only whether it is the same.
    fn legacy_dependencies(
        &mut self,
        object: &mut Object,
        pointer: &str,
        scope: Scope,
        keywords: &mut Keywords,
    ) -> Result<()> {
        let Some(value) = object.get_mut("dependencies") else { return Ok(()) };
        let mut rest = value.take();
        if let Value::Object(dependencies) = &mut rest {
            for (name, dependency) in dependencies.iter_mut().filter(|(_, inner)| inner.is_object()) {
                let path = format!("{pointer}/dependencies/{}", reference::escape_token(name));
                let number = self.node(dependency, &path, scope.nested())?;
                keywords.legacy_dependencies.insert(name.clone(), number);
            }
            dependencies.retain(|_, inner| !inner.is_object());
        }
        keywords.assertions.unsupported.push(Unsupported { keyword: "dependencies", value: rest });
        Ok(())
    }

    /// Switches to the dialect that an embedded resource declares.
    fn enter_dialect(&mut self, object: &Object, pointer: &str) -> Result<()> {
        let Some(uri) = object.get("$schema").filter(|_| !pointer.is_empty()) else { return Ok(()) };
        let draft = draft_of(uri)?;
        let id = if draft == Draft::Draft4 { "id" } else { "$id" };
        if draft != self.draft && !object.contains_key(id) {
            return invalid(pointer, format!("a subschema of another draft needs an {id} of its own"));
        }
        (self.draft, self.is_declared) = (draft, true);
        Ok(())
    }

    fn items(
        &mut self,
        object: &mut Object,
        pointer: &str,
        scope: Scope,
        keywords: &mut Keywords,
    ) -> Result<()> {
        if self.draft >= Draft::Draft6 {
            keywords.contains = self.subschema(object, "contains", pointer, scope)?;
        }
        if self.draft >= Draft::Draft202012 {
            if object.get("items").is_some_and(Value::is_array) {
                return invalid(pointer, "a list of items is written prefixItems in draft 2020-12");
            }
            keywords.prefix_items =
                self.subschema_list(object, "prefixItems", pointer, scope)?.unwrap_or_default();
            keywords.additional_items =
                self.subschema(object, "items", pointer, scope)?.map(|schema| (schema, "items"));
        } else if object.get("items").is_some_and(Value::is_array) {
            keywords.prefix_items = self.subschema_list(object, "items", pointer, scope)?.unwrap_or_default();
            let schema = self.subschema(object, "additionalItems", pointer, scope)?;
            keywords.additional_items = schema.map(|schema| (schema, "additionalItems"));
        } else {
            keywords.additional_items =
                self.subschema(object, "items", pointer, scope)?.map(|schema| (schema, "items"));
        }
        Ok(())
    }

    fn subschema(
        &mut self,
        object: &mut Object,
        keyword: &str,
        pointer: &str,
        scope: Scope,
    ) -> Result<Option<usize>> {
        let Some(schema) = object.get_mut(keyword) else { return Ok(None) };
        self.node(schema, &format!("{pointer}/{keyword}"), scope.nested()).map(Some)
    }

    fn subschema_list(
        &mut self,
        object: &mut Object,
        keyword: &str,
        pointer: &str,
        scope: Scope,
    ) -> Result<Option<Vec<usize>>> {
        let schemas = match object.get_mut(keyword) {
            None => return Ok(None),
            Some(Value::Array(schemas)) if schemas.is_empty() && keyword.ends_with("Of") => {
                return invalid(
                    pointer,
                    format!("{keyword} is an empty list: give it a schema, or leave it out"),
                );
            }
            Some(Value::Array(schemas)) => schemas,
            Some(_) => return invalid(pointer, format!("{keyword} is a list of schemas")),
        };
        let mut numbers = Vec::with_capacity(schemas.len());
        for (index, schema) in schemas.iter_mut().enumerate() {
            numbers.push(self.node(schema, &format!("{pointer}/{keyword}/{index}"), scope.nested())?);
        }
        Ok(Some(numbers))
    }

    fn subschema_map(
        &mut self,
        object: &mut Object,
        keyword: &str,
        pointer: &str,
        scope: Scope,
    ) -> Result<BTreeMap<String, usize>> {
        let schemas = match object.get_mut(keyword) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(schemas)) => schemas,
            Some(_) => return invalid(pointer, format!("{keyword} is an object of schemas")),
        };
        let mut numbers = BTreeMap::new();
        for (name, schema) in schemas {
            let path = format!("{pointer}/{keyword}/{}", reference::escape_token(name));
            numbers.insert(name.clone(), self.node(schema, &path, scope.nested())?);
        }
        Ok(numbers)
    }

    /// Resolves every reference. A target that no keyword contains is parsed as a schema.
    fn resolve_references(&mut self, document: &mut Value) -> Result<()> {
        while let Some((from, uri, resource)) = self.references.pop() {
            let target = self.resolve(document, &uri, resource)?;
            if let Some(Some(Node { body: Body::Keywords(keywords), .. })) = self.nodes.get_mut(from) {
                keywords.reference = Some(target);
            }
        }
        Ok(())
    }

    fn resolve(&mut self, document: &mut Value, uri: &str, resource: usize) -> Result<Target> {
        let (path, fragment) = reference::split(uri);
        let base = self.resources.get(resource).map_or("", |resource| resource.uri.as_str());
        let full = reference::join(base, path);
        let found = if path.is_empty() {
            Some(resource)
        } else {
            self.resources.iter().position(|resource| resource.uri == full)
        };
        let Some(found) = found else {
            let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
            return Ok(Target::External(format!("{full}{fragment}")));
        };
        let fragment = reference::percent_decode(fragment);
        let start = self.resources.get(found).map_or("", |resource| resource.pointer.as_str());
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return match self.anchors.get(&(found, fragment)) {
                Some(number) => Ok(Target::Local(*number)),
                None => invalid("", format!("the reference {uri:?} does not resolve in this document")),
            };
        }
        let pointer = format!("{start}{fragment}");
        if let Some(number) = self.nodes_by_pointer.get(&pointer) {
            return Ok(Target::Local(*number));
        }
        match document.pointer_mut(&pointer) {
            Some(schema) => {
                self.node(schema, &pointer, Scope { resource: found, depth: 0 }).map(Target::Local)
            }
            None => invalid("", format!("the reference {uri:?} does not resolve in this document")),
        }
    }
}
