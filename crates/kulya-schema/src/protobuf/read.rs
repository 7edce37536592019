//! Whether a reader's schema reads what a writer wrote: every reason why not, each with its place in both.

use super::walk::{Pair, Walk};
use super::{Field, Incompatibility, Kind, Label, Message, Rule, Safety, Schema, kinds, text, values};
use crate::Budget;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Everything that keeps `reader` from reading what `writer` wrote; empty when it can. At most
/// [`MAX_REASONS`](super::MAX_REASONS), those nearest to the schema's own message first; a type that is met at several
/// places is judged at the first.
pub fn can_read(reader: &Schema, writer: &Schema, safety: Safety) -> Vec<Incompatibility> {
    can_read_within(reader, writer, safety, &Budget::default())
}

/// As [`can_read`], within a budget that other work shares: when it ends, the reason is [`Rule::TooManyComparisons`].
pub fn can_read_within(
    reader: &Schema,
    writer: &Schema,
    safety: Safety,
    budget: &Budget,
) -> Vec<Incompatibility> {
    let mut walk = Walk::new(reader, writer, budget);
    let reading = Reading { reader, writer, safety };
    if let (Some(to), Some(from)) = (reader.message(0), writer.message(0))
        && safety == Safety::Json
        && json_form_differs(to, from)
    {
        let pair = Pair::root();
        walk.refuse(pair, ("", ""), other_json(to, from));
    }
    while let Some(pair) = walk.next() {
        if let (Some(to), Some(from)) = (reader.message(pair.reader), writer.message(pair.writer)) {
            reading.messages(&mut walk, pair, to, from);
        }
    }
    walk.reasons()
}

#[derive(Clone, Copy)]
struct Reading<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    safety: Safety,
}

impl<'a> Reading<'a> {
    fn messages(self, walk: &mut Walk<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        // the names within a map's entry are the compiler's
        let named = !(to.map_entry || from.map_entry);
        for field in &to.fields {
            match from.field(field.number) {
                Some(written) => self.field(walk, pair, (field, written), named),
                None if field.label == Label::Required => {
                    let reader = text::of_field(self.reader, field);
                    let why = Incompatibility {
                        message: format!(
                            "{reader:?} is required, and the writer has no number {}",
                            field.number
                        ),
                        reader,
                        fix: format!("make {} optional", field.name),
                        ..Incompatibility::new(Rule::RequiredAdded)
                    };
                    walk.refuse(pair, (&field.name, ""), why);
                }
                None => {}
            }
        }
        if named {
            self.names(walk, pair, to, from);
        }
        self.oneofs(walk, pair, to, from);
    }

    fn field(self, walk: &mut Walk<'a>, pair: Pair, (field, written): (&'a Field, &'a Field), named: bool) {
        let steps = (field.name.as_str(), written.name.as_str());
        let why = |rule, message: String, fix: String| self.why(rule, (field, written), message, fix);
        if !kinds::wire_reads(self.reader, field.kind, written.kind) {
            let reused = named && field.name != written.name;
            walk.refuse(pair, steps, self.other_type((field, written), reused));
            return;
        }
        if let Some((message, fix)) = self.label(field, written) {
            walk.refuse(pair, steps, why(Rule::LabelChanged, message, fix));
        }
        if field.label == Label::Required && written.label != Label::Required {
            let message = format!("{} is required, and the writer need not write it", field.name);
            walk.refuse(
                pair,
                steps,
                why(Rule::RequiredAdded, message, format!("make {} optional", field.name)),
            );
        }
        let singular = !field.label.is_repeated() && !written.label.is_repeated();
        if singular && !values::same_default((self.reader, field), (self.writer, written)) {
            let message =
                format!("where {} is absent, reader and writer take different values for it", written.name);
            walk.refuse(pair, steps, why(Rule::DefaultChanged, message, "keep the default".to_owned()));
        }
        if self.safety == Safety::Json {
            self.field_in_json(walk, pair, (field, written), named);
        }
        match (field.kind, written.kind) {
            (Kind::Enum(to), Kind::Enum(from)) => self.enums(walk, pair, (field, written), (to, from)),
            (to, from) => {
                if let (Some(to), Some(from)) = (to.message(), from.message()) {
                    self.below(walk, pair, (field, written), (to, from));
                }
            }
        }
    }

    fn other_type(self, (field, written): (&Field, &Field), reused: bool) -> Incompatibility {
        let (to, from) = (text::of_type(self.reader, field), text::of_type(self.writer, written));
        if reused {
            let message = format!("number {} is the writer's {from} {}", field.number, written.name);
            let fix = format!("give {} a number of its own, and reserve {}", field.name, field.number);
            return self.why(Rule::NumberReused, (field, written), message, fix);
        }
        let message = format!("{from} cannot be read as {to}");
        let fix = format!("keep the type {from}, or add a field with another number");
        self.why(Rule::TypeChanged, (field, written), message, fix)
    }

    fn field_in_json(
        self,
        walk: &mut Walk<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        named: bool,
    ) {
        let steps = (field.name.as_str(), written.name.as_str());
        if !kinds::json_reads(field.kind, written.kind) {
            let (to, from) = (text::of_type(self.reader, field), text::of_type(self.writer, written));
            let message = format!("the JSON of {from} cannot be read as {to}");
            let fix = format!("keep the type {from}, or add a field with another number");
            walk.refuse(pair, steps, self.why(Rule::TypeChanged, (field, written), message, fix));
        }
        let known = [field.json_name.as_str(), field.name.as_str()];
        if named && !known.contains(&written.json_name.as_str()) {
            let message = format!("JSON holds the name {:?}, which the reader has not", written.json_name);
            let fix = format!("keep the name, or add [json_name = {:?}]", written.json_name);
            walk.refuse(pair, steps, self.why(Rule::JsonNameChanged, (field, written), message, fix));
        }
    }

    /// Singular, repeated or map became another: what is lost by it, and what to do.
    fn label(self, field: &Field, written: &Field) -> Option<(String, String)> {
        let map = self.reader.entry(field).is_some();
        let written_map = self.writer.entry(written).is_some();
        let (many, written_many) = (field.label.is_repeated(), written.label.is_repeated());
        let json = self.safety == Safety::Json;
        let keep = |what: &str| format!("keep {} {what}, or add a field with another number", written.name);
        if map != written_map && !(many && written_many) {
            return Some(("a map is not read as one value, nor the other way".to_owned(), keep("as it is")));
        }
        if map != written_map && json {
            return Some((
                "in JSON a map is an object, and a repeated field a list".to_owned(),
                keep("as it is"),
            ));
        }
        if many == written_many {
            return None;
        }
        if json {
            let message = "in JSON a repeated field is a list, and a singular one is not".to_owned();
            return Some((message, keep(if written_many { "repeated" } else { "singular" })));
        }
        match written.label {
            Label::Repeated { packed: true } => {
                Some(("packed numbers cannot be read as one".to_owned(), keep("repeated")))
            }
            _ => None,
        }
    }

    fn enums(
        self,
        walk: &mut Walk<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        numbers: (usize, usize),
    ) {
        let (Some(to), Some(from)) = (self.reader.enumeration(numbers.0), self.writer.enumeration(numbers.1))
        else {
            return;
        };
        if !walk.enums(pair, numbers) {
            return;
        }
        for (value, why) in values::enum_reasons(to, from, self.safety) {
            let steps = (format!("{}.{value}", field.name), format!("{}.{value}", written.name));
            walk.refuse(pair, (&steps.0, &steps.1), why);
        }
    }

    fn below(
        self,
        walk: &mut Walk<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        numbers: (usize, usize),
    ) {
        let (Some(to), Some(from)) = (self.reader.message(numbers.0), self.writer.message(numbers.1)) else {
            return;
        };
        let steps = (field.name.as_str(), written.name.as_str());
        if self.safety == Safety::Json && json_form_differs(to, from) {
            let why = other_json(to, from);
            let (reader, writer) = self.fragments(field, written);
            walk.refuse(pair, steps, Incompatibility { reader, writer, ..why });
        }
        let shares = || from.fields.iter().any(|field| to.field(field.number).is_some());
        if to.name != from.name && !from.fields.is_empty() && !shares() {
            let message = format!("message {} has no field of the writer's {}", to.name, from.name);
            let fix = format!("keep the type {}, or add a field with another number", from.name);
            walk.refuse(pair, steps, self.why(Rule::MessageChanged, (field, written), message, fix));
            return;
        }
        walk.below(pair, steps, numbers);
    }

    /// Fields that are known by their name: one that got another number, and in JSON one that is another's.
    fn names(self, walk: &mut Walk<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        let mut by_name: HashMap<&str, &Field> = HashMap::new();
        for field in &to.fields {
            if self.safety == Safety::Json {
                by_name.entry(field.json_name.as_str()).or_insert(field);
            }
        }
        // a name is stronger than another's JSON name
        by_name.extend(to.fields.iter().map(|field| (field.name.as_str(), field)));
        for written in &from.fields {
            let steps = |field: &'a Field| (field.name.as_str(), written.name.as_str());
            match by_name.get(written.name.as_str()) {
                Some(field) if field.name == written.name && field.number != written.number => {
                    let message = format!(
                        "{} has number {} here, and {} where it was written",
                        written.name, field.number, written.number
                    );
                    let fix = format!(
                        "keep number {} for {}, and give a new field a new name",
                        written.number, written.name
                    );
                    walk.refuse(
                        pair,
                        steps(field),
                        self.why(Rule::FieldRenumbered, (field, written), message, fix),
                    );
                    continue;
                }
                _ => {}
            }
            if self.safety == Safety::Wire {
                continue;
            }
            match by_name.get(written.json_name.as_str()) {
                Some(field) if field.number != written.number => {
                    let message =
                        format!("in JSON the writer's {} is read as {}", written.json_name, field.name);
                    let fix = format!("give {} another name or json_name", field.name);
                    walk.refuse(
                        pair,
                        steps(field),
                        self.why(Rule::JsonNameReused, (field, written), message, fix),
                    );
                }
                _ => {}
            }
        }
    }

    /// A oneof keeps the last of its fields: those that the writer may set at once must not meet in one.
    fn oneofs(self, walk: &mut Walk<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        let mut oneofs: BTreeMap<&str, Vec<(&Field, &Field)>> = BTreeMap::new();
        for field in &to.fields {
            if let (Some(oneof), Some(written)) = (&field.oneof, from.field(field.number)) {
                oneofs.entry(oneof).or_default().push((field, written));
            }
        }
        for (name, members) in oneofs {
            // what the writer had in one oneof is set one at a time
            let sources: BTreeSet<_> = members
                .iter()
                .map(|(_, written)| (&written.oneof, written.oneof.is_none().then_some(written.number)))
                .collect();
            let (Some((field, written)), true) = (members.last(), sources.len() > 1) else { continue };
            let names: Vec<_> = members.iter().take(8).map(|(_, written)| written.name.as_str()).collect();
            let message = format!(
                "the writer may set {} at once, and oneof {name} keeps only the last",
                names.join(" and ")
            );
            let fix =
                "leave the fields where they were, or give the oneof fields with new numbers".to_owned();
            let steps = (field.name.as_str(), written.name.as_str());
            walk.refuse(pair, steps, self.why(Rule::MovedIntoOneof, (field, written), message, fix));
        }
    }

    fn fragments(self, field: &Field, written: &Field) -> (String, String) {
        (text::of_field(self.reader, field), text::of_field(self.writer, written))
    }

    fn why(
        self,
        rule: Rule,
        (field, written): (&Field, &Field),
        message: String,
        fix: String,
    ) -> Incompatibility {
        let (reader, writer) = self.fragments(field, written);
        Incompatibility { reader, writer, message, fix, ..Incompatibility::new(rule) }
    }
}

fn json_form_differs(to: &Message, from: &Message) -> bool {
    kinds::json_form(&to.name) != kinds::json_form(&from.name)
}

fn other_json(to: &Message, from: &Message) -> Incompatibility {
    Incompatibility {
        message: format!("{} and {} have different forms in JSON", to.name, from.name),
        fix: format!("keep the type {}, or add a field with another number", from.name),
        ..Incompatibility::new(Rule::TypeChanged)
    }
}
