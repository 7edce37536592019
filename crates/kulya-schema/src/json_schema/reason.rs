//! The reasons why a reader's schema rejects, or may reject, a value that a writer's schema allows.

use super::decimal::{has_marked_number, unmark_numbers};
use super::schema_pair::{Role, SchemaPair, SubschemaId};
use crate::text::{truncated, truncated_json};
use serde_json::Value;
use std::fmt;

/// One reason: a keyword of the reader's schema that the writer's schema does not imply.
#[derive(Debug, Clone, PartialEq)]
pub struct Incompatibility {
    /// The broken rule.
    pub rule: Rule,
    /// The JSON pointer in the reader's schema, such as `#/properties/age/minimum`.
    pub reader_path: String,
    /// The JSON pointer in the writer's schema, to the subschema for the same part of the value.
    pub writer_path: String,
    /// The fragment there in the reader's schema, truncated.
    pub reader_fragment: String,
    /// The fragment there in the writer's schema, truncated.
    pub writer_fragment: String,
    /// A description of the problem for people.
    pub message: String,
    /// A suggested fix.
    pub suggestion: &'static str,
    /// A whole value that the writer's schema allows and the reader's rejects. A certain reason has one,
    /// unless it contains a number that `serde_json` would round; then the message shows it.
    pub witness: Option<Value>,
    /// Whether the reader's schema certainly rejects a value that the writer's allows.
    pub certain: bool,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)?;
        match &self.witness {
            Some(witness) => write!(f, "; for example {}", truncated_json(witness)),
            None => Ok(()),
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $rule:ident $name:literal $suggestion:literal;)*) => {
        /// The rules by which a reader's schema may reject a writer's value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule { $($(#[doc = $doc])* $rule,)* }

        impl Rule {
            /// Returns the rule's name, such as `type-narrowed`. Names are stable.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            pub(super) fn suggestion(self) -> &'static str {
                match self { $(Self::$rule => $suggestion,)* }
            }
        }
    };
}

rules! {
    /// `type` does not include a type that the writer may write.
    TypeNarrowed "type-narrowed" "keep every type that the writer may write";
    /// An integer of draft 4 may not be written as `1.0`; later drafts and many validators allow it.
    Draft4Integer "draft4-integer" "use draft 6 or later on both sides";
    /// `enum` or `const` does not include a value.
    ValuesNarrowed "values-narrowed" "keep every value that the writer may write";
    /// A lower bound is above the writer's.
    MinimumRaised "minimum-raised" "lower the bound to the writer's, or leave it out";
    /// An upper bound is below the writer's.
    MaximumLowered "maximum-lowered" "raise the bound to the writer's, or leave it out";
    /// Some of the writer's numbers are not a multiple.
    MultipleOfNarrowed "multiple-of-narrowed" "use a divisor of the writer's multipleOf, or leave it out";
    /// Shorter strings are rejected.
    MinLengthRaised "min-length-raised" "lower minLength to the writer's, or leave it out";
    /// Longer strings are rejected.
    MaxLengthLowered "max-length-lowered" "raise maxLength to the writer's, or leave it out";
    /// `pattern` is not one of the writer's.
    PatternChanged "pattern-changed" "keep the writer's pattern, or leave it out";
    /// `format` is not the writer's; whether it asserts is the validator's choice.
    FormatChanged "format-changed" "keep the writer's format, or leave it out";
    /// `contentEncoding` or `contentMediaType` is not the writer's.
    ContentChanged "content-changed" "keep the writer's value, or leave it out";
    /// Arrays of fewer items are rejected.
    MinItemsRaised "min-items-raised" "lower minItems to the writer's, or leave it out";
    /// Arrays of more items are rejected.
    MaxItemsLowered "max-items-lowered" "raise maxItems to the writer's, or leave it out";
    /// Arrays with duplicate items are rejected.
    UniqueItemsAdded "unique-items-added" "leave uniqueItems out";
    /// Items after the prefix are rejected.
    ItemsClosed "items-closed" "allow the items that the writer may write";
    /// `contains` requires an item that the writer need not write.
    ContainsNarrowed "contains-narrowed" "require no more than the writer's contains";
    /// A name is required that the writer need not write.
    RequiredAdded "required-added" "leave the name out of required, or require it of the writer first";
    /// A property is described that the writer leaves open: any value may be there already.
    PropertyAddedToOpenContent "property-added-to-open-content" "close the writer's content first (additionalProperties: false), or allow any value";
    /// A property of the writer's is not described in the reader's closed content.
    PropertyRemovedFromClosedContent "property-removed-from-closed-content" "keep the property, or open the content";
    /// `additionalProperties` rejects names that the writer's open content allows.
    AdditionalPropertiesClosed "additional-properties-closed" "leave the content as open as the writer's";
    /// `propertyNames` rejects a name.
    PropertyNamesNarrowed "property-names-narrowed" "allow every name that the writer may write";
    /// Objects of fewer members are rejected.
    MinPropertiesRaised "min-properties-raised" "lower minProperties to the writer's, or leave it out";
    /// Objects of more members are rejected.
    MaxPropertiesLowered "max-properties-lowered" "raise maxProperties to the writer's, or leave it out";
    /// One name requires another that the writer need not write beside it.
    DependencyAdded "dependency-added" "require no name that the writer does not require";
    /// Unevaluated members or items are rejected, and the writer may write them.
    UnevaluatedClosed "unevaluated-closed" "leave the content as open as the writer's";
    /// No alternative of `anyOf` accepts all of the writer's values.
    AnyOfNotCovered "any-of-not-covered" "add an alternative for what the writer may write";
    /// Not exactly one alternative of `oneOf` accepts the writer's values.
    OneOfNotCovered "one-of-not-covered" "add an alternative, or use anyOf if several may hold";
    /// `not` rejects what the writer may write.
    NotAdded "not-added" "exclude it from the writer's schema first";
    /// The schema `false`.
    NothingAllowed "nothing-allowed" "allow what the writer may write";
    /// The reader's schema refers to another document, which is not loaded.
    OutsideReference "outside-reference" "bring the schema into this document, under $defs";
    /// The meaning of a dynamic reference depends on the referring schema.
    DynamicReference "dynamic-reference" "use $ref";
    /// `dependencies` has no meaning after draft 7, but some validators evaluate it.
    LegacyDependencies "legacy-dependencies" "use dependentRequired or dependentSchemas";
    /// The schemas are too large or too entangled to compare.
    OverBudget "over-budget" "simplify the schemas, above all nested anyOf and oneOf";
}

/// A reason under construction: its location by number, its witness at the location where it was found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) reader: SubschemaId,
    /// The path from the reader's subschema to the keyword, such as `/minimum`.
    pub(super) keyword: String,
    pub(super) writer: Option<SubschemaId>,
    pub(super) message: String,
    pub(super) witness: Option<Value>,
}

/// Converts findings to incompatibilities, with the fragments at their locations. The documents are parsed
/// again for that, one after the other: they are large, and fragments are seldom needed.
pub(super) fn to_incompatibilities(findings: Vec<Finding>, pair: &SchemaPair<'_>) -> Vec<Incompatibility> {
    let location = |id: Option<SubschemaId>| {
        id.and_then(|id| pair.node(id)).map_or("#", |node| node.pointer.as_str()).to_owned()
    };
    let mut incompatibilities: Vec<Incompatibility> = Vec::with_capacity(findings.len());
    let mut roles = Vec::with_capacity(findings.len());
    for finding in findings {
        roles.push((finding.reader.role, finding.writer.map(|id| id.role)));
        let certain = finding.witness.is_some();
        let mut message = finding.message;
        let witness = finding.witness.filter(|witness| {
            let is_exact = !has_marked_number(witness);
            if !is_exact {
                let example = unmark_numbers(&witness.to_string());
                message = format!("{message}; for example {}", truncated(&example));
            }
            is_exact
        });
        incompatibilities.push(Incompatibility {
            rule: finding.rule,
            reader_fragment: String::new(),
            writer_fragment: String::new(),
            reader_path: format!("{}{}", location(Some(finding.reader)), finding.keyword),
            writer_path: location(finding.writer),
            message,
            suggestion: finding.rule.suggestion(),
            witness,
            certain,
        });
    }
    for role in [Role::Reader, Role::Writer] {
        let document: Value = serde_json::from_str(&pair.schema(role).text).unwrap_or_default();
        let fragment = |path: &str| {
            document.pointer(path.trim_start_matches('#')).map(truncated_json).unwrap_or_default()
        };
        for (reason, (reader, writer)) in incompatibilities.iter_mut().zip(&roles) {
            if *reader == role {
                reason.reader_fragment = fragment(&reason.reader_path);
            }
            if *writer == Some(role) {
                reason.writer_fragment = fragment(&reason.writer_path);
            }
        }
    }
    incompatibilities
}
