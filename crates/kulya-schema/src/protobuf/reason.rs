//! One reason why not: the rule, its place in both schemas, both fragments, and what would mend it.

use std::fmt;

/// The most reasons that are given; what follows is not looked for.
pub const MAX_REASONS: usize = 1_000;

/// One reason why a reader cannot read what a writer wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The rule that is broken.
    pub rule: Rule,
    /// Where in the reader's schema, as `shop.Order.address.zip`: the type's full name, then fields.
    pub reader_path: String,
    /// Where in the writer's schema.
    pub writer_path: String,
    /// What stands there in the reader's schema, as `int32 zip = 1`; empty for nothing.
    pub reader: String,
    /// What stands there in the writer's schema.
    pub writer: String,
    /// What is wrong there, for a person.
    pub message: String,
    /// What would mend it.
    pub fix: String,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)
    }
}

/// The rules of Protobuf's compatibility. Names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A field's number now belongs to another field, of a type that reads the old values wrongly.
    NumberReused,
    /// The writer's type cannot be read as the reader's.
    TypeChanged,
    /// A field's message became one that has nothing of it.
    MessageChanged,
    /// Singular, repeated or map became another in a way that loses values.
    LabelChanged,
    /// The reader requires what the writer need not write.
    RequiredAdded,
    /// A field of the same name has another number.
    FieldRenumbered,
    /// Fields that could be set at once are in one oneof, where only the last stays.
    MovedIntoOneof,
    /// A closed enum of the reader lacks a value of the writer.
    EnumValueRemoved,
    /// An enum value of the same name has another number.
    EnumValueRenumbered,
    /// An absent field means another value.
    DefaultChanged,
    /// JSON: the reader does not know the name that the writer writes.
    JsonNameChanged,
    /// JSON: the name that the writer writes is another field of the reader.
    JsonNameReused,
    /// JSON: the reader does not know the name of an enum's value.
    EnumNameMissing,
    /// A later schema uses a number that an earlier one reserved.
    ReservedNumberUsed,
    /// A later schema uses a name that an earlier one reserved.
    ReservedNameUsed,
    /// There is more to compare than [`MAX_COMPARISONS`](super::MAX_COMPARISONS).
    TooManyComparisons,
}

impl Rule {
    /// As in `number-reused`.
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
