//! The incompatibilities of Protobuf schemas: rule, location in both schemas, fragments, and suggested fix.

use std::fmt;

/// The maximum number of reported reasons; the search stops after that.
pub const MAX_REASONS: usize = 1_000;

/// One reason why a reader cannot read data of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The broken rule.
    pub rule: Rule,
    /// The location in the reader's schema, such as `shop.Order.address.zip`: the type's full name, then
    /// fields.
    pub reader_path: String,
    /// The location in the writer's schema.
    pub writer_path: String,
    /// The declaration there in the reader's schema, such as `int32 zip = 1`; empty if there is none.
    pub reader: String,
    /// The declaration there in the writer's schema; empty if there is none.
    pub writer: String,
    /// A description of the problem for people.
    pub message: String,
    /// A suggested fix.
    pub fix: String,
}

impl Incompatibility {
    /// Creates a reason of a rule; the traversal adds the location.
    pub(super) fn new(rule: Rule) -> Self {
        let none = String::new;
        Self {
            rule,
            reader_path: none(),
            writer_path: none(),
            reader: none(),
            writer: none(),
            message: none(),
            fix: none(),
        }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)
    }
}

/// The rules of Protobuf compatibility. Names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A field's number now belongs to another field, of a type that misreads the old values.
    NumberReused,
    /// The writer's type cannot be read as the reader's.
    TypeChanged,
    /// A field's message became one that has no field in common with it.
    MessageChanged,
    /// A change between singular, repeated and map loses values.
    LabelChanged,
    /// The reader requires a field that the writer need not write.
    RequiredAdded,
    /// A field of the same name has another number.
    FieldRenumbered,
    /// Fields that could be set together are now in one oneof, which keeps only the last.
    MovedIntoOneof,
    /// A closed enum of the reader does not have a value of the writer.
    EnumValueRemoved,
    /// An enum value of the same name has another number.
    EnumValueRenumbered,
    /// An absent field has another value.
    DefaultChanged,
    /// JSON: the reader does not know the name that the writer writes.
    JsonNameChanged,
    /// JSON: the name that the writer writes is another field of the reader.
    JsonNameReused,
    /// JSON: the reader does not know the name of an enum value.
    EnumNameMissing,
    /// A later schema uses a number that an earlier one reserved.
    ReservedNumberUsed,
    /// A later schema uses a name that an earlier one reserved.
    ReservedNameUsed,
    /// The comparison exceeds [`MAX_COMPARISONS`](super::MAX_COMPARISONS).
    TooManyComparisons,
}

impl Rule {
    /// Returns the rule's name, such as `number-reused`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NumberReused => "number-reused",
            Self::TypeChanged => "type-changed",
            Self::MessageChanged => "message-changed",
            Self::LabelChanged => "label-changed",
            Self::RequiredAdded => "required-added",
            Self::FieldRenumbered => "field-renumbered",
            Self::MovedIntoOneof => "moved-into-oneof",
            Self::EnumValueRemoved => "enum-value-removed",
            Self::EnumValueRenumbered => "enum-value-renumbered",
            Self::DefaultChanged => "default-changed",
            Self::JsonNameChanged => "json-name-changed",
            Self::JsonNameReused => "json-name-reused",
            Self::EnumNameMissing => "enum-name-missing",
            Self::ReservedNumberUsed => "reserved-number-used",
            Self::ReservedNameUsed => "reserved-name-used",
            Self::TooManyComparisons => "too-many-comparisons",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
