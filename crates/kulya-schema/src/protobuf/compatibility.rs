//! Compatibility of two schemas: whether the reader's reads data of the writer's, with every reason why not
//! and its location in both.

use super::reason::{Incompatibility, Rule};
use super::schema::{Field, Kind, Label, Message, Safety, Schema};
use super::traversal::{Pair, Traversal};
use super::{describe, kinds, values};
use crate::Budget;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Returns everything that keeps `reader` from reading data of `writer`; empty if it can. At most
/// [`MAX_REASONS`](super::MAX_REASONS) reasons, those nearest to the schema's own message first; a type that
/// occurs at several locations is compared at the first.
pub fn can_read(reader: &Schema, writer: &Schema, safety: Safety) -> Vec<Incompatibility> {
    can_read_with_budget(reader, writer, safety, &Budget::default())
}

/// Compares like [`can_read`], within a shared budget: when it is exhausted, the reason is
/// [`Rule::TooManyComparisons`].
pub fn can_read_with_budget(
    reader: &Schema,
    writer: &Schema,
    safety: Safety,
    budget: &Budget,
) -> Vec<Incompatibility> {
    let mut traversal = Traversal::new(reader, writer, budget);
    let comparison = Comparison { reader, writer, safety };
    if let (Some(to), Some(from)) = (reader.message(0), writer.message(0))
        && safety == Safety::Json
        && json_form_differs(to, from)
    {
        let pair = Pair::root();
        traversal.report(pair, ("", ""), json_form_changed(to, from));
    }
    while let Some(pair) = traversal.next() {
        if let (Some(to), Some(from)) = (reader.message(pair.reader), writer.message(pair.writer)) {
            comparison.compare_messages(&mut traversal, pair, to, from);
        }
    }
    traversal.into_reasons()
}

/// The comparison of a reader's schema with a writer's.
#[derive(Clone, Copy)]
struct Comparison<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    safety: Safety,
}

impl<'a> Comparison<'a> {
    fn compare_messages(self, traversal: &mut Traversal<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        // the names within a map entry are the compiler's
        let has_names = !(to.is_map_entry || from.is_map_entry);
        for field in &to.fields {
            match from.field(field.number) {
                Some(written) => self.compare_field(traversal, pair, (field, written), has_names),
                None if field.label == Label::Required => {
                    let reader = describe::field(self.reader, field);
                    let incompatibility = Incompatibility {
                        message: format!(
                            "{reader:?} is required, and the writer has no number {}",
                            field.number
                        ),
                        reader,
                        fix: format!("make {} optional", field.name),
                        ..Incompatibility::new(Rule::RequiredAdded)
                    };
                    traversal.report(pair, (&field.name, ""), incompatibility);
                }
                None => {}
            }
        }
        if has_names {
            self.compare_names(traversal, pair, to, from);
        }
        self.compare_oneofs(traversal, pair, to, from);
    }

    fn compare_field(
        self,
        traversal: &mut Traversal<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        has_names: bool,
    ) {
        let steps = (field.name.as_str(), written.name.as_str());
        let incompatibility =
            |rule, message: String, fix: String| self.incompatibility(rule, (field, written), message, fix);
        if !kinds::wire_reads(self.reader, field.kind, written.kind) {
            let is_reused = has_names && field.name != written.name;
            traversal.report(pair, steps, self.type_changed((field, written), is_reused));
            return;
        }
        if let Some((message, fix)) = self.label_change(field, written) {
            traversal.report(pair, steps, incompatibility(Rule::LabelChanged, message, fix));
        }
        if field.label == Label::Required && written.label != Label::Required {
            let message = format!("{} is required, and the writer need not write it", field.name);
            traversal.report(
                pair,
                steps,
                incompatibility(Rule::RequiredAdded, message, format!("make {} optional", field.name)),
            );
        }
        let is_singular = !field.label.is_repeated() && !written.label.is_repeated();
        if is_singular && !values::is_same_default((self.reader, field), (self.writer, written)) {
            let message =
                format!("where {} is absent, reader and writer use different defaults for it", written.name);
            traversal.report(
                pair,
                steps,
                incompatibility(Rule::DefaultChanged, message, "keep the default".to_owned()),
            );
        }
        if self.safety == Safety::Json {
            self.compare_json(traversal, pair, (field, written), has_names);
        }
        match (field.kind, written.kind) {
            (Kind::Enum(to), Kind::Enum(from)) => {
                self.compare_enums(traversal, pair, (field, written), (to, from))
            }
            (to, from) => {
                if let (Some(to), Some(from)) = (to.message(), from.message()) {
                    self.compare_nested(traversal, pair, (field, written), (to, from));
                }
            }
        }
    }

    fn type_changed(self, (field, written): (&Field, &Field), is_reused: bool) -> Incompatibility {
        let (to, from) =
            (describe::field_type(self.reader, field), describe::field_type(self.writer, written));
        if is_reused {
            let message = format!("number {} is the writer's {from} {}", field.number, written.name);
            let fix = format!("give {} a number of its own, and reserve {}", field.name, field.number);
            return self.incompatibility(Rule::NumberReused, (field, written), message, fix);
        }
        let message = format!("{from} cannot be read as {to}");
        let fix = format!("keep the type {from}, or add a field with another number");
        self.incompatibility(Rule::TypeChanged, (field, written), message, fix)
    }

    fn compare_json(
        self,
        traversal: &mut Traversal<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        has_names: bool,
    ) {
        let steps = (field.name.as_str(), written.name.as_str());
        if !kinds::json_reads(field.kind, written.kind) {
            let (to, from) =
                (describe::field_type(self.reader, field), describe::field_type(self.writer, written));
            let message = format!("the JSON of {from} cannot be read as {to}");
            let fix = format!("keep the type {from}, or add a field with another number");
            traversal.report(
                pair,
                steps,
                self.incompatibility(Rule::TypeChanged, (field, written), message, fix),
            );
        }
        let reader_names = [field.json_name.as_str(), field.name.as_str()];
        if has_names && !reader_names.contains(&written.json_name.as_str()) {
            let message =
                format!("JSON has the name {:?}, which the reader does not have", written.json_name);
            let fix = format!("keep the name, or add [json_name = {:?}]", written.json_name);
            traversal.report(
                pair,
                steps,
                self.incompatibility(Rule::JsonNameChanged, (field, written), message, fix),
            );
        }
    }

    /// Returns a message and a fix if a change between singular, repeated and map loses values.
    fn label_change(self, field: &Field, written: &Field) -> Option<(String, String)> {
        let is_map = self.reader.entry(field).is_some();
        let was_map = self.writer.entry(written).is_some();
        let (is_repeated, was_repeated) = (field.label.is_repeated(), written.label.is_repeated());
        let is_json = self.safety == Safety::Json;
        let keep = |what: &str| format!("keep {} {what}, or add a field with another number", written.name);
        if is_map != was_map && !(is_repeated && was_repeated) {
            return Some(("a map is not read as one value, nor the other way".to_owned(), keep("as it is")));
        }
        if is_map != was_map && is_json {
            return Some((
                "in JSON a map is an object, and a repeated field a list".to_owned(),
                keep("as it is"),
            ));
        }
        if is_repeated == was_repeated {
            return None;
        }
        if is_json {
            let message = "in JSON a repeated field is a list, and a singular one is not".to_owned();
            return Some((message, keep(if was_repeated { "repeated" } else { "singular" })));
        }
        match written.label {
            Label::Repeated { is_packed: true } => {
                Some(("packed numbers cannot be read as one".to_owned(), keep("repeated")))
            }
            _ => None,
        }
    }

    fn compare_enums(
        self,
        traversal: &mut Traversal<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        numbers: (usize, usize),
    ) {
        let (Some(to), Some(from)) = (self.reader.enumeration(numbers.0), self.writer.enumeration(numbers.1))
        else {
            return;
        };
        if !traversal.visit_enums(pair, numbers) {
            return;
        }
        for (value, incompatibility) in values::enum_reasons(to, from, self.safety) {
            let steps = (format!("{}.{value}", field.name), format!("{}.{value}", written.name));
            traversal.report(pair, (&steps.0, &steps.1), incompatibility);
        }
    }

    fn compare_nested(
        self,
        traversal: &mut Traversal<'a>,
        pair: Pair,
        (field, written): (&'a Field, &'a Field),
        numbers: (usize, usize),
    ) {
        let (Some(to), Some(from)) = (self.reader.message(numbers.0), self.writer.message(numbers.1)) else {
            return;
        };
        let steps = (field.name.as_str(), written.name.as_str());
        if self.safety == Safety::Json && json_form_differs(to, from) {
            let incompatibility = json_form_changed(to, from);
            let (reader, writer) = self.fragments(field, written);
            traversal.report(pair, steps, Incompatibility { reader, writer, ..incompatibility });
        }
        let has_common_field = || from.fields.iter().any(|field| to.field(field.number).is_some());
        let is_without_fields = to.fields.is_empty() || from.fields.is_empty();
        if to.name != from.name && !is_without_fields && !has_common_field() {
            let message = format!("message {} has no field of the writer's {}", to.name, from.name);
            let fix = format!("keep the type {}, or add a field with another number", from.name);
            traversal.report(
                pair,
                steps,
                self.incompatibility(Rule::MessageChanged, (field, written), message, fix),
            );
            return;
        }
        traversal.enqueue(pair, steps, numbers);
    }

    /// Compares fields of equal name: one whose number changed, and in JSON one whose name is now another
    /// field's.
    fn compare_names(self, traversal: &mut Traversal<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        let mut by_name: HashMap<&str, &Field> = HashMap::new();
        for field in &to.fields {
            if self.safety == Safety::Json {
                by_name.entry(field.json_name.as_str()).or_insert(field);
            }
        }
        // a field's name takes precedence over another's JSON name
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
                    traversal.report(
                        pair,
                        steps(field),
                        self.incompatibility(Rule::FieldRenumbered, (field, written), message, fix),
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
                    traversal.report(
                        pair,
                        steps(field),
                        self.incompatibility(Rule::JsonNameReused, (field, written), message, fix),
                    );
                }
                _ => {}
            }
        }
    }

    /// Compares oneofs: a oneof keeps only the last of its fields, so fields that the writer may set together
    /// must not be in one.
    fn compare_oneofs(self, traversal: &mut Traversal<'a>, pair: Pair, to: &'a Message, from: &'a Message) {
        let mut oneofs: BTreeMap<&str, Vec<(&Field, &Field)>> = BTreeMap::new();
        for field in &to.fields {
            if let (Some(oneof), Some(written)) = (&field.oneof, from.field(field.number)) {
                oneofs.entry(oneof).or_default().push((field, written));
            }
        }
        for (name, members) in oneofs {
            // fields of one oneof of the writer are set one at a time
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
            traversal.report(
                pair,
                steps,
                self.incompatibility(Rule::MovedIntoOneof, (field, written), message, fix),
            );
        }
    }

    fn fragments(self, field: &Field, written: &Field) -> (String, String) {
        (describe::field(self.reader, field), describe::field(self.writer, written))
    }

    fn incompatibility(
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

fn json_form_changed(to: &Message, from: &Message) -> Incompatibility {
    Incompatibility {
        message: format!("{} and {} have different forms in JSON", to.name, from.name),
        fix: format!("keep the type {}, or add a field with another number", from.name),
        ..Incompatibility::new(Rule::TypeChanged)
    }
}
