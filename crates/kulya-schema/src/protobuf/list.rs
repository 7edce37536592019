//! The fields of a Protobuf message, by name.

use super::{Schema, text};
use crate::fields::{List, MAX_DEPTH, below};

impl Schema {
    pub(crate) fn list(&self, list: &mut List<'_>) {
        self.list_message(0, "", &mut Vec::new(), list);
    }

    fn list_message(&self, number: usize, path: &str, on_the_way: &mut Vec<usize>, list: &mut List<'_>) {
        let Some(message) = self.message(number) else { return };
        if !list.may_go_on() || on_the_way.len() > MAX_DEPTH || on_the_way.contains(&number) {
            return;
        }
        on_the_way.push(number);
        for field in &message.fields {
            let Some(path) = below(path, &field.name) else { continue };
            list.add(&path, text::of_field(self, field));
            let steps = if self.entry(field).is_some() {
                "{}"
            } else if field.label.is_repeated() {
                "[]"
            } else {
                ""
            };
            let value = self.entry(field).and_then(|entry| entry.fields.get(1)).unwrap_or(field);
            if let Some(below) = value.kind.message() {
                self.list_message(below, &format!("{path}{steps}"), on_the_way, list);
            }
        }
        on_the_way.pop();
    }
}
