//! The fields of a Protobuf message by path.

use super::describe;
use super::schema::Schema;
use crate::field_collector::{FieldCollector, MAX_DEPTH, child_path};

impl Schema {
    pub(crate) fn collect_fields(&self, collector: &mut FieldCollector<'_>) {
        self.collect_message(0, "", &mut Vec::new(), collector);
    }

    fn collect_message(
        &self,
        number: usize,
        path: &str,
        ancestors: &mut Vec<usize>,
        collector: &mut FieldCollector<'_>,
    ) {
        let Some(message) = self.message(number) else { return };
        if !collector.visit() || ancestors.len() > MAX_DEPTH || ancestors.contains(&number) {
            return;
        }
        ancestors.push(number);
        for field in &message.fields {
            let Some(path) = child_path(path, &field.name) else { continue };
            collector.add(&path, describe::field(self, field));
            let steps = if self.entry(field).is_some() {
                "{}"
            } else if field.label.is_repeated() {
                "[]"
            } else {
                ""
            };
            let value = self.entry(field).and_then(|entry| entry.fields.get(1)).unwrap_or(field);
            if let Some(below) = value.kind.message() {
                self.collect_message(below, &format!("{path}{steps}"), ancestors, collector);
            }
        }
        ancestors.pop();
    }
}
