//! From a schema's text to its numbered subschemas. Bounded: each error says which limit, or which place, is wrong.
//!
//! Sources: the JSON Schema specifications, drafts 4, 6, 7, 2019-09 and 2020-12 (core and validation).

use super::decimal::Decimal;
use super::node::{Body, Bound, Condition, Keywords, NamePattern, Node, Scalars, Target, Types};
use super::{Draft, Schema, reference};
use crate::{Budget, Error, Result, document};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The largest document, in bytes.
pub const MAX_BYTES: usize = crate::limits::MAX_SCHEMA_BYTES;
/// How deep subschemas may nest: more is an attack, not a schema.
pub const MAX_DEPTH: usize = 64;
/// The most subschemas in one document.
pub const MAX_SUBSCHEMAS: usize = 20_000;
/// The longest JSON pointer to a subschema, in bytes.
pub const MAX_POINTER_BYTES: usize = 2_000;

/// Reads a schema from its JSON text (one document).
///
/// A reference to another document is kept, and what depends on it cannot be told later; one that leads nowhere in
/// this document is an error.
pub fn parse(text: &str) -> Result<Schema> {
    parse_within(text, &Budget::default())
}

/// As [`parse`], within a budget that other work shares.
///
/// # Errors
/// As [`parse`], and when the budget ends.
pub fn parse_within(text: &str, budget: &Budget) -> Result<Schema> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(format!("the schema has {} bytes; the most is {MAX_BYTES}", text.len())));
    }
    let mut document = document::read(text)?;
    let draft = match document.get("$schema") {
        Some(uri) => draft_of(uri)?,
        None => Draft::Draft202012,
    };
    let mut parser = Parser::new(draft, budget);
    parser.resources.push(Resource { uri: String::new(), pointer: String::new() });
    let root = parser.node(&mut document, "", Frame { resource: 0, depth: 0 })?;
    parser.follow_references(&mut document)?;
    let mut nodes = Vec::with_capacity(parser.nodes.len());
    for node in std::mem::take(&mut parser.nodes) {
        nodes.push(node.ok_or_else(|| Error::new("#: a subschema was not read"))?);
    }
    refuse_standing_cycles(&nodes)?;
    Ok(Schema { draft, root, nodes, text: text.to_owned(), dynamic: parser.dynamic })
}

fn draft_of(uri: &Value) -> Result<Draft> {
    let known = uri.as_str().and_then(|uri| {
        let uri = uri.trim_end_matches('#');
        let path = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
        Some(match path {
            "json-schema.org/draft-04/schema" => Draft::Draft4,
            "json-schema.org/draft-06/schema" => Draft::Draft6,
            "json-schema.org/draft-07/schema" => Draft::Draft7,
            "json-schema.org/draft/2019-09/schema" => Draft::Draft201909,
            "json-schema.org/draft/2020-12/schema" => Draft::Draft202012,
            _ => return None,
        })
    });
    known.ok_or_else(|| {
        Error::new(format!(
            "#/$schema: {} is not supported: use draft-04, draft-06, draft-07, 2019-09 or 2020-12",
            shortened(uri)
        ))
    })
}

/// A value in at most some sixty characters.
pub(crate) fn shortened(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}…")
}

struct Resource {
    uri: String,
    pointer: String,
}

#[derive(Clone, Copy)]
struct Frame {
    resource: usize,
    depth: usize,
}

impl Frame {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

struct Parser<'b> {
    budget: &'b Budget,
    draft: Draft,
    /// `None` while a node's inside is being read.
    nodes: Vec<Option<Node>>,
    /// By JSON pointer.
    places: HashMap<String, usize>,
    resources: Vec<Resource>,
    anchors: HashMap<(usize, String), usize>,
    /// Whether it has anchors that another document may lead to.
    dynamic: bool,
    /// References to resolve: who refers, to what, seen from which resource.
    references: Vec<(usize, String, usize)>,
}

fn wrong<T>(pointer: &str, what: impl std::fmt::Display) -> Result<T> {
    Err(Error::new(format!("#{pointer}: {what}")))
}

type Object = Map<String, Value>;

impl<'b> Parser<'b> {
    fn new(draft: Draft, budget: &'b Budget) -> Self {
        Self {
            budget,
            draft,
            nodes: Vec::new(),
            places: HashMap::new(),
            resources: Vec::new(),
            anchors: HashMap::new(),
            dynamic: false,
            references: Vec::new(),
        }
    }

    /// Lists of values are taken out of the document, so that they need not stand twice in memory.
    fn node(&mut self, value: &mut Value, pointer: &str, frame: Frame) -> Result<usize> {
        self.budget.take(1, pointer)?;
        if frame.depth > MAX_DEPTH {
            return wrong("", format!("subschemas nest deeper than {MAX_DEPTH}"));
        }
        if self.nodes.len() >= MAX_SUBSCHEMAS {
            return wrong("", format!("more than {MAX_SUBSCHEMAS} subschemas"));
        }
        if pointer.len() > MAX_POINTER_BYTES {
            return wrong("", format!("the pointer to a subschema is longer than {MAX_POINTER_BYTES} bytes"));
        }
        let number = self.nodes.len();
        self.nodes.push(None);
        self.places.insert(pointer.to_owned(), number);
        let body = match value {
            Value::Bool(always) => Body::Always(*always),
            Value::Object(object) => {
                // in a box from the start: this goes as deep as the schema
                let mut keywords = Box::<Keywords>::default();
                self.object(object, number, pointer, frame, &mut keywords)?;
                Body::Keywords(keywords)
            }
            _ => return wrong(pointer, "a schema is an object, true or false"),
        };
        if let Some(place) = self.nodes.get_mut(number) {
            *place = Some(Node { pointer: format!("#{pointer}"), body });
        }
        Ok(number)
    }

    fn object(
        &mut self,
        object: &mut Object,
        number: usize,
        pointer: &str,
        mut frame: Frame,
        keywords: &mut Keywords,
    ) -> Result<()> {
        let draft = self.draft;
        let alone = draft < Draft::Draft201909 && object.get("$ref").is_some_and(Value::is_string);
        if !alone {
            frame.resource = self.identify(object, number, pointer, frame.resource)?;
        }
        match object.get("$ref") {
            Some(Value::String(uri)) => self.references.push((number, uri.clone(), frame.resource)),
            Some(_) => return wrong(pointer, "a $ref is a text"),
            None => {}
        }
        for word in ["definitions", "$defs"] {
            let Some(Value::Object(definitions)) = object.get_mut(word) else { continue };
            for (name, schema) in definitions {
                // a definition that is no schema harms only those that refer to it
                if schema.is_object() || schema.is_boolean() {
                    let place = format!("{pointer}/{word}/{}", reference::step(name));
                    self.node(schema, &place, frame.deeper())?;
                }
            }
        }
        if alone {
            return Ok(());
        }
        Reader { object, pointer, draft }.scalars(&mut keywords.scalars)?;
        if draft >= Draft::Draft6 {
            keywords.scalars.constant = object.get_mut("const").map(Value::take);
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            keywords.scalars.values = Some(std::mem::take(values));
        }
        self.applicators(object, pointer, frame, keywords)
    }

    /// The resource that the object begins or belongs to; its anchors are noted.
    fn identify(&mut self, object: &Object, number: usize, pointer: &str, resource: usize) -> Result<usize> {
        if let Some(schema) = object.get("$schema")
            && draft_of(schema)? != self.draft
        {
            return wrong(pointer, "a subschema of another draft is not supported");
        }
        let mut resource = resource;
        let word = if self.draft == Draft::Draft4 { "id" } else { "$id" };
        if let Some(Value::String(id)) = object.get(word) {
            let (uri, fragment) = reference::split(id);
            if !uri.is_empty() {
                let base = self.resources.get(resource).map_or("", |resource| resource.uri.as_str());
                let uri = reference::join(base, uri);
                if pointer.is_empty() {
                    self.resources.clear();
                }
                if self.resources.len() > 1_000 {
                    return wrong("", format!("more than 1000 subschemas with {word}"));
                }
                resource = self.resources.len();
                self.resources.push(Resource { uri, pointer: pointer.to_owned() });
            }
            if !fragment.is_empty() && self.draft < Draft::Draft201909 {
                self.anchors.insert((resource, fragment.to_owned()), number);
            }
        }
        if self.draft >= Draft::Draft201909 {
            self.dynamic |= object.contains_key("$dynamicAnchor") || object.contains_key("$recursiveAnchor");
            for word in ["$anchor", "$dynamicAnchor"] {
                if let Some(Value::String(name)) = object.get(word) {
                    self.anchors.insert((resource, name.clone()), number);
                }
            }
        }
        Ok(resource)
    }

    fn applicators(
        &mut self,
        object: &mut Object,
        pointer: &str,
        frame: Frame,
        keywords: &mut Keywords,
    ) -> Result<()> {
        let draft = self.draft;
        let since = |first: Draft| draft >= first;
        self.items(object, pointer, frame, keywords)?;
        keywords.additional = self.one(object, "additionalProperties", pointer, frame)?;
        keywords.properties = self.named(object, "properties", pointer, frame)?;
        for (text, schema) in self.named(object, "patternProperties", pointer, frame)? {
            keywords.pattern_properties.push(NamePattern { text, schema });
        }
        keywords.all_of = self.list(object, "allOf", pointer, frame)?.unwrap_or_default();
        keywords.any_of = self.list(object, "anyOf", pointer, frame)?;
        keywords.one_of = self.list(object, "oneOf", pointer, frame)?;
        keywords.not = self.one(object, "not", pointer, frame)?;
        if since(Draft::Draft6) {
            keywords.property_names = self.one(object, "propertyNames", pointer, frame)?;
        }
        if since(Draft::Draft7) {
            let then = self.one(object, "then", pointer, frame)?;
            let otherwise = self.one(object, "else", pointer, frame)?;
            let when = self.one(object, "if", pointer, frame)?;
            keywords.condition = when.map(|when| Condition { when, then, otherwise });
        }
        if since(Draft::Draft201909) {
            keywords.dependent_schemas = self.named(object, "dependentSchemas", pointer, frame)?;
            keywords.unevaluated_properties = self.one(object, "unevaluatedProperties", pointer, frame)?;
            keywords.unevaluated_items = self.one(object, "unevaluatedItems", pointer, frame)?;
        } else if let Some(dependencies) = object.get_mut("dependencies") {
            let Value::Object(dependencies) = dependencies else {
                return wrong(pointer, "dependencies is an object");
            };
            for (name, dependency) in dependencies {
                let place = format!("{pointer}/dependencies/{}", reference::step(name));
                if let Value::Array(names) = dependency {
                    let names = texts(names, &place)?;
                    keywords.scalars.dependent_required.insert(name.clone(), names);
                } else {
                    let schema = self.node(dependency, &place, frame.deeper())?;
                    keywords.dependent_schemas.insert(name.clone(), schema);
                }
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        object: &mut Object,
        pointer: &str,
        frame: Frame,
        keywords: &mut Keywords,
    ) -> Result<()> {
        if self.draft >= Draft::Draft6 {
            keywords.contains = self.one(object, "contains", pointer, frame)?;
        }
        if self.draft >= Draft::Draft202012 {
            if object.get("items").is_some_and(Value::is_array) {
                return wrong(pointer, "a list of items is written prefixItems in draft 2020-12");
            }
            keywords.prefix = self.list(object, "prefixItems", pointer, frame)?.unwrap_or_default();
            keywords.rest = self.one(object, "items", pointer, frame)?.map(|rest| (rest, "items"));
        } else if object.get("items").is_some_and(Value::is_array) {
            keywords.prefix = self.list(object, "items", pointer, frame)?.unwrap_or_default();
            let rest = self.one(object, "additionalItems", pointer, frame)?;
            keywords.rest = rest.map(|rest| (rest, "additionalItems"));
        } else {
            keywords.rest = self.one(object, "items", pointer, frame)?.map(|rest| (rest, "items"));
        }
        Ok(())
    }

    fn one(&mut self, object: &mut Object, word: &str, pointer: &str, frame: Frame) -> Result<Option<usize>> {
        let Some(schema) = object.get_mut(word) else { return Ok(None) };
        self.node(schema, &format!("{pointer}/{word}"), frame.deeper()).map(Some)
    }

    fn list(
        &mut self,
        object: &mut Object,
        word: &str,
        pointer: &str,
        frame: Frame,
    ) -> Result<Option<Vec<usize>>> {
        let schemas = match object.get_mut(word) {
            None => return Ok(None),
            Some(Value::Array(schemas)) => schemas,
            Some(_) => return wrong(pointer, format!("{word} is a list of schemas")),
        };
        let mut numbers = Vec::with_capacity(schemas.len());
        for (place, schema) in schemas.iter_mut().enumerate() {
            numbers.push(self.node(schema, &format!("{pointer}/{word}/{place}"), frame.deeper())?);
        }
        Ok(Some(numbers))
    }

    fn named(
        &mut self,
        object: &mut Object,
        word: &str,
        pointer: &str,
        frame: Frame,
    ) -> Result<BTreeMap<String, usize>> {
        let schemas = match object.get_mut(word) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(schemas)) => schemas,
            Some(_) => return wrong(pointer, format!("{word} is an object of schemas")),
        };
        let mut numbers = BTreeMap::new();
        for (name, schema) in schemas {
            let place = format!("{pointer}/{word}/{}", reference::step(name));
            numbers.insert(name.clone(), self.node(schema, &place, frame.deeper())?);
        }
        Ok(numbers)
    }

    /// Resolves every reference; a place that no keyword led to is read as a schema when one refers to it.
    fn follow_references(&mut self, document: &mut Value) -> Result<()> {
        while let Some((from, uri, resource)) = self.references.pop() {
            let target = self.target(document, &uri, resource)?;
            if let Some(Some(Node { body: Body::Keywords(keywords), .. })) = self.nodes.get_mut(from) {
                keywords.reference = Some(target);
            }
        }
        Ok(())
    }

    fn target(&mut self, document: &mut Value, uri: &str, resource: usize) -> Result<Target> {
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
            return Ok(Target::Outside(format!("{full}{fragment}")));
        };
        let fragment = reference::decoded(fragment);
        let start = self.resources.get(found).map_or("", |resource| resource.pointer.as_str());
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return match self.anchors.get(&(found, fragment)) {
                Some(number) => Ok(Target::Local(*number)),
                None => wrong("", format!("the reference {uri:?} leads nowhere in this document")),
            };
        }
        let pointer = format!("{start}{fragment}");
        if let Some(number) = self.places.get(&pointer) {
            return Ok(Target::Local(*number));
        }
        match document.pointer_mut(&pointer) {
            Some(schema) => {
                self.node(schema, &pointer, Frame { resource: found, depth: 0 }).map(Target::Local)
            }
            None => wrong("", format!("the reference {uri:?} leads nowhere in this document")),
        }
    }
}

/// A schema that refers to itself without going into the value has no meaning.
fn refuse_standing_cycles(nodes: &[Node]) -> Result<()> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let inside = |number: usize| {
        nodes.get(number).and_then(Node::keywords).map(Keywords::in_place).unwrap_or_default()
    };
    let mut marks = vec![Mark::New; nodes.len()];
    for start in 0..nodes.len() {
        if marks.get(start) != Some(&Mark::New) {
            continue;
        }
        let mut path = vec![(start, inside(start))];
        marks[start] = Mark::Open;
        while let Some((number, ahead)) = path.last_mut() {
            let Some(next) = ahead.pop() else {
                marks[*number] = Mark::Done;
                path.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Open) => {
                    let place = nodes.get(next).map_or("#", |node| node.pointer.as_str());
                    return Err(Error::new(format!(
                        "{place}: the schema refers to itself without going into the value"
                    )));
                }
                Some(Mark::New) => {
                    marks[next] = Mark::Open;
                    path.push((next, inside(next)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn texts(values: &[Value], pointer: &str) -> Result<BTreeSet<String>> {
    let mut texts = BTreeSet::new();
    for value in values {
        let Value::String(text) = value else { return wrong(pointer, "a name is a text") };
        texts.insert(text.clone());
    }
    Ok(texts)
}

/// The keywords of one object that hold no schemas.
struct Reader<'a> {
    object: &'a Object,
    pointer: &'a str,
    draft: Draft,
}

impl Reader<'_> {
    fn scalars(&self, scalars: &mut Scalars) -> Result<()> {
        let modern = self.draft >= Draft::Draft201909;
        self.array("enum")?;
        *scalars = Scalars {
            types: self.types()?,
            minimum: self.bound("minimum", "exclusiveMinimum", |one, other| one > other)?,
            maximum: self.bound("maximum", "exclusiveMaximum", |one, other| one < other)?,
            multiple_of: self.number("multipleOf")?,
            min_length: self.count("minLength")?,
            max_length: self.count("maxLength")?,
            pattern: self.text("pattern")?,
            format: self.text("format")?,
            min_items: self.count("minItems")?,
            max_items: self.count("maxItems")?,
            unique_items: self.boolean("uniqueItems")?,
            required: self.names("required")?,
            min_properties: self.count("minProperties")?,
            max_properties: self.count("maxProperties")?,
            ..Scalars::default()
        };
        if scalars.multiple_of.is_some_and(|unit| !unit.is_positive()) {
            return wrong(self.pointer, "multipleOf is greater than 0");
        }
        if modern {
            scalars.min_contains = self.count("minContains")?;
            scalars.max_contains = self.count("maxContains")?;
            scalars.dependent_required = self.dependent_required()?;
            for word in ["$dynamicRef", "$recursiveRef", "dependencies"] {
                if self.object.contains_key(word) {
                    scalars.unsure.push(word);
                }
            }
        }
        if matches!(self.draft, Draft::Draft6 | Draft::Draft7) {
            for word in ["contentEncoding", "contentMediaType"] {
                scalars.content.extend(self.object.get(word).map(|value| (word, value.clone())));
            }
        }
        Ok(())
    }

    fn types(&self) -> Result<Option<Types>> {
        let words = match self.object.get("type") {
            None => return Ok(None),
            Some(Value::Array(words)) => words.as_slice(),
            Some(word) => std::slice::from_ref(word),
        };
        let mut types = Types::NONE;
        for word in words {
            match word.as_str().and_then(Types::from_word) {
                Some(kind) => types = types.or(kind),
                None => return wrong(self.pointer, format!("unknown type {}", shortened(word))),
            }
        }
        Ok(Some(types))
    }

    /// Boolean exclusivity in draft 4, a bound of its own later: the tighter one counts.
    fn bound(
        &self,
        word: &'static str,
        exclusive_word: &'static str,
        tighter: fn(Decimal, Decimal) -> bool,
    ) -> Result<Option<Bound>> {
        let inclusive = self.number(word)?;
        if self.draft == Draft::Draft4 {
            let exclusive = self.boolean(exclusive_word)?;
            return Ok(inclusive.map(|at| Bound { at, exclusive, keyword: word }));
        }
        let inclusive = inclusive.map(|at| Bound { at, exclusive: false, keyword: word });
        let exclusive =
            self.number(exclusive_word)?.map(|at| Bound { at, exclusive: true, keyword: exclusive_word });
        Ok(match (inclusive, exclusive) {
            (Some(one), Some(other)) if tighter(one.at, other.at) => Some(one),
            (one, other) => other.or(one),
        })
    }

    fn number(&self, word: &str) -> Result<Option<Decimal>> {
        match self.object.get(word) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(Decimal::from_number(number))),
            Some(_) => wrong(self.pointer, format!("{word} is a number")),
        }
    }

    fn count(&self, word: &str) -> Result<Option<u64>> {
        let Some(number) = self.number(word)? else { return Ok(None) };
        match number.to_count() {
            Some(count) => Ok(Some(count)),
            None => wrong(self.pointer, format!("{word} is a whole number of at most 64 bits")),
        }
    }

    fn text(&self, word: &str) -> Result<Option<String>> {
        match self.object.get(word) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => wrong(self.pointer, format!("{word} is a text")),
        }
    }

    fn boolean(&self, word: &str) -> Result<bool> {
        match self.object.get(word) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => wrong(self.pointer, format!("{word} is true or false")),
        }
    }

    fn array(&self, word: &str) -> Result<Option<&[Value]>> {
        match self.object.get(word) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => wrong(self.pointer, format!("{word} is a list")),
        }
    }

    fn names(&self, word: &str) -> Result<BTreeSet<String>> {
        texts(self.array(word)?.unwrap_or_default(), self.pointer)
    }

    fn dependent_required(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let Some(dependencies) = self.object.get("dependentRequired") else { return Ok(BTreeMap::new()) };
        let Value::Object(dependencies) = dependencies else {
            return wrong(self.pointer, "dependentRequired is an object");
        };
        let mut required = BTreeMap::new();
        for (name, names) in dependencies {
            let Value::Array(names) = names else {
                return wrong(self.pointer, "dependentRequired holds lists of names");
            };
            required.insert(name.clone(), texts(names, self.pointer)?);
        }
        Ok(required)
    }
}
