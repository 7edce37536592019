//! The rules of schema resolution, and the reasons why a reader cannot read data of a writer.

use std::fmt;

/// The rules by which schemas are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResolutionMode {
    /// Avro Java's rules, with its gaps: a record of any name is read as one of any other, and a symbol that
    /// the reader's enum does not have is not noticed before an event contains it.
    #[default]
    Java,
    /// The Avro specification's "Schema Resolution": names are compared without their namespaces, also in
    /// unions, with the reader's aliases; every symbol of a writer's enum must be in the reader's, unless
    /// that has a default; and decimals must have the same precision and scale.
    Specification,
    /// As `Specification`, but names of records are not compared at any depth: fields are matched by their
    /// own names. For a reader whose schema was derived from its columns, as Flink's is: it names every
    /// record itself.
    AnyRecordName,
}

impl ResolutionMode {
    /// Returns whether every symbol of a writer's enum must be in the reader's.
    pub(super) fn compares_symbols(self) -> bool {
        self != Self::Java
    }

    /// Returns whether decimals are read only as decimals of the same precision and scale.
    pub(super) fn compares_decimals(self) -> bool {
        self != Self::Java
    }

    /// Returns whether the members of unions that are equal on both sides are not compared further.
    pub(super) fn skips_equal_unions(self) -> bool {
        self != Self::Specification
    }

    /// Returns whether a record is read only as one of the same simple name.
    pub(crate) fn compares_record_names(self) -> bool {
        self == Self::Specification
    }
}

/// One reason why a reader cannot read data of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The broken rule.
    pub rule: Rule,
    /// The location in the reader's schema, such as `Order.lines[].quantity`.
    pub reader_path: String,
    /// The location in the writer's schema.
    pub writer_path: String,
    /// The type there in the reader's schema, truncated.
    pub reader: String,
    /// The type there in the writer's schema, truncated; empty if there is none.
    pub writer: String,
    /// A description of the problem for people.
    pub message: String,
}

/// The rules of schema resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The writer's type cannot be promoted to the reader's.
    TypeMismatch,
    /// The reader has a field that the writer does not have, and no default for it.
    MissingDefault,
    /// Enums or fixed (and by the specification also records) of different names.
    NameMismatch,
    /// Fixed of different sizes.
    SizeMismatch,
    /// No member of the reader's union accepts the writer's type.
    MissingUnionMember,
    /// The writer's enum has symbols that the reader's does not have, and the reader's has no default.
    EnumSymbolMissing,
    /// Decimals of different precisions or scales: by the specification they do not match.
    DecimalMismatch,
    /// A type's logical type changed, so that the same value means something else. It is only a warning: by
    /// the specification the schemas match.
    LogicalTypeChanged,
    /// Aliases would give two of the writer's fields, or of a union's members, the same name.
    AliasClash,
    /// The schemas are too large or too deep to compare, so that their compatibility is unknown.
    OverBudget,
}

impl Rule {
    /// Returns the rule's name, such as `missing-default`. Names are stable.
    pub fn name(self) -> &'static str {
        match self {
            Self::TypeMismatch => "type-mismatch",
            Self::MissingDefault => "missing-default",
            Self::NameMismatch => "name-mismatch",
            Self::SizeMismatch => "size-mismatch",
            Self::MissingUnionMember => "missing-union-member",
            Self::EnumSymbolMissing => "enum-symbol-missing",
            Self::DecimalMismatch => "decimal-mismatch",
            Self::LogicalTypeChanged => "logical-type-changed",
            Self::AliasClash => "alias-clash",
            Self::OverBudget => "over-budget",
        }
    }

    /// Returns a suggested fix.
    pub fn fix(self) -> &'static str {
        match self {
            Self::TypeMismatch => {
                "keep the type, or use one that it is promoted to: int to long, float or double"
            }
            Self::MissingDefault => "give the field a default, or an alias that is the written field's name",
            Self::NameMismatch => "keep the name, or give the reader's type the other as an alias",
            Self::SizeMismatch => "keep the size, or add a field of the new type under another name",
            Self::MissingUnionMember => "keep every member that was written in the union",
            Self::EnumSymbolMissing => "keep the symbols, or give the enum a default",
            Self::DecimalMismatch => {
                "keep the precision and scale, or add a field of the new type under another name"
            }
            Self::LogicalTypeChanged => {
                "keep the logical type, or add a field of the new one under another name"
            }
            Self::AliasClash => "leave out an alias that is the name of another field or member",
            Self::OverBudget => "make the schemas smaller, or nest them less",
        }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)
    }
}
