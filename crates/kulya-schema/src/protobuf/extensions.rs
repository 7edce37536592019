//! The extensions of a descriptor set by the messages that they extend: on the wire an extension is a field
//! like any other.

use super::features::{Features, FieldFeatures};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use std::collections::HashMap;

/// An extension field.
#[derive(Clone)]
pub(super) struct Extension<'a> {
    /// The package or message that declares it.
    pub(super) scope: String,
    pub(super) file: &'a FileDescriptorProto,
    pub(super) field: &'a FieldDescriptorProto,
    pub(super) features: Features,
}

/// The extensions of a set.
#[derive(Default)]
pub(super) struct Extensions<'a> {
    /// As they are declared: the extended message may be declared later.
    declared: Vec<Extension<'a>>,
    by_message: HashMap<String, Vec<Extension<'a>>>,
}

impl<'a> Extensions<'a> {
    /// Adds the extensions that a package or message declares.
    pub(super) fn declare(
        &mut self,
        scope: &str,
        file: &'a FileDescriptorProto,
        fields: &'a [FieldDescriptorProto],
        features: Features,
        declared: &[FieldFeatures],
    ) {
        for (index, field) in fields.iter().enumerate() {
            let features = features.with(declared.get(index).and_then(FieldFeatures::features));
            self.declared.push(Extension { scope: scope.to_owned(), file, field, features });
        }
    }

    /// Sorts the extensions by the messages that they extend. An extension of a message that the set does not
    /// contain extends nothing that an event may hold.
    pub(super) fn resolve(&mut self, resolve: impl Fn(&str, &str) -> Option<String>) {
        for extension in std::mem::take(&mut self.declared) {
            if let Some(extended) = resolve(extension.field.extendee(), &extension.scope) {
                self.by_message.entry(extended).or_default().push(extension);
            }
        }
    }

    /// Returns the extensions of a message, by its full name.
    pub(super) fn of(&self, message: &str) -> &[Extension<'a>] {
        self.by_message.get(message).map_or(&[], Vec::as_slice)
    }
}

/// Returns whether the extension numbers of a message may be larger than field numbers.
pub(super) fn is_message_set(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.message_set_wire_format())
}
