//! Why a reader's schema does not take, or may not take, what a writer's schema allows.

use super::parse::shortened;
use super::world::{Id, Side, World};
use serde_json::Value;
use std::fmt;

/// One reason: a keyword of the reader's schema that the writer's schema does not keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Incompatibility {
    /// The rule that is broken.
    pub rule: Rule,
    /// JSON pointer in the reader's schema, as `#/properties/age/minimum`.
    pub reader_path: String,
    /// JSON pointer in the writer's schema, to the subschema for the same place of the value.
    pub writer_path: String,
    /// What stands there in the reader's schema, shortened.
    pub reader_fragment: String,
    /// What stands there in the writer's schema, shortened.
    pub writer_fragment: String,
    /// What is wrong there, for a person.
    pub message: String,
    /// What would mend it.
    pub suggestion: &'static str,
    /// A whole value that the writer's schema allows and the reader's does not. Without one nothing is certain.
    pub witness: Option<Value>,
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reader_path, self.message)?;
        match &self.witness {
            Some(witness) => write!(f, "; for example {}", shortened(witness)),
            None => Ok(()),
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $rule:ident $name:literal $suggestion:literal;)*) => {
        /// What a reader's schema may do to refuse a writer's value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule { $($(#[doc = $doc])* $rule,)* }

        impl Rule {
            /// A name that stays as it is, for programs.
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
    /// `type` leaves out a kind that the writer may write.
    TypeNarrowed "type-narrowed" "keep every type that the writer may write";
    /// An integer of draft 4 may not be written as `1.0`; later drafts and many validators allow it.
    Draft4Integer "draft4-integer" "use draft 6 or later on both sides";
    /// `enum` or `const` leaves out a value.
    ValuesNarrowed "values-narrowed" "keep every value that the writer may write";
    /// A lower bound is above the writer's.
    MinimumRaised "minimum-raised" "lower the bound to the writer's, or leave it out";
    /// An upper bound is below the writer's.
    MaximumLowered "maximum-lowered" "raise the bound to the writer's, or leave it out";
    /// Not every number of the writer's is a multiple.
    MultipleOfNarrowed "multiple-of-narrowed" "use a divisor of the writer's multipleOf, or leave it out";
    /// Shorter texts are refused.
    MinLengthRaised "min-length-raised" "lower minLength to the writer's, or leave it out";
    /// Longer texts are refused.
    MaxLengthLowered "max-length-lowered" "raise maxLength to the writer's, or leave it out";
    /// `pattern` is not one of the writer's.
    PatternChanged "pattern-changed" "keep the writer's pattern, or leave it out";
    /// `format` is not the writer's; whether it asserts anything is the validator's choice.
    FormatChanged "format-changed" "keep the writer's format, or leave it out";
    /// `contentEncoding` or `contentMediaType` is not the writer's.
    ContentChanged "content-changed" "keep what the writer says, or leave it out";
    /// Arrays of fewer items are refused.
    MinItemsRaised "min-items-raised" "lower minItems to the writer's, or leave it out";
    /// Arrays of more items are refused.
    MaxItemsLowered "max-items-lowered" "raise maxItems to the writer's, or leave it out";
    /// Arrays that repeat an item are refused.
    UniqueItemsAdded "unique-items-added" "leave uniqueItems out";
    /// Items behind the listed ones are refused.
    ItemsClosed "items-closed" "allow the items that the writer may write";
    /// `contains` asks for what the writer need not write.
    ContainsNarrowed "contains-narrowed" "ask for no more than the writer's contains";
    /// More objects lack the name than the writer's.
    RequiredAdded "required-added" "leave the name out of required, or require it of the writer first";
    /// A property is described that the writer leaves open: anything may stand there already.
    PropertyAddedToOpenContent "property-added-to-open-content" "close the writer's content first (additionalProperties: false), or allow any value";
    /// A property of the writer's is not in the reader's closed content.
    PropertyRemovedFromClosedContent "property-removed-from-closed-content" "keep the property, or open the content";
    /// `additionalProperties` refuses names that the writer's open content allows.
    AdditionalPropertiesClosed "additional-properties-closed" "leave the content as open as the writer's";
    /// `propertyNames` refuses a name.
    PropertyNamesNarrowed "property-names-narrowed" "allow every name that the writer may write";
    /// Objects of fewer members are refused.
    MinPropertiesRaised "min-properties-raised" "lower minProperties to the writer's, or leave it out";
    /// Objects of more members are refused.
    MaxPropertiesLowered "max-properties-lowered" "raise maxProperties to the writer's, or leave it out";
    /// One name asks for another that the writer need not write beside it.
    DependencyAdded "dependency-added" "ask for no name that the writer does not ask for";
    /// What no keyword has judged is refused, and the writer may write it.
    UnevaluatedClosed "unevaluated-closed" "leave the content as open as the writer's";
    /// No alternative of `anyOf` takes all of it.
    AnyOfNotCovered "any-of-not-covered" "add an alternative for what the writer may write";
    /// Not exactly one alternative of `oneOf` takes it.
    OneOfNotCovered "one-of-not-covered" "add an alternative, or use anyOf if several may hold";
    /// `not` refuses what the writer may write.
    NotAdded "not-added" "exclude it from the writer's schema first";
    /// The schema `false`.
    NothingAllowed "nothing-allowed" "allow what the writer may write";
    /// The reader's schema refers to another document, which is not loaded.
    OutsideReference "outside-reference" "bring the schema into this document, under $defs";
    /// What a dynamic reference means depends on who refers to it.
    DynamicReference "dynamic-reference" "use $ref";
    /// `dependencies` has no meaning after draft 7, but some validators give it one.
    LegacyDependencies "legacy-dependencies" "use dependentRequired or dependentSchemas";
    /// The schemas are too large or too entangled to compare.
    OverBudget "over-budget" "simplify the schemas, above all nested anyOf and oneOf";
}

/// A reason in the making: its place by number, its witness at the place where it was found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) reader: Id,
    /// Steps from the reader's subschema to the keyword, as `/minimum`.
    pub(super) keyword: String,
    pub(super) writer: Option<Id>,
    pub(super) message: String,
    pub(super) witness: Option<Value>,
}

/// Findings with what stands at their places. The documents are read again for it, one after the other: they are large, and
/// seldom asked for.
pub(super) fn told(findings: Vec<Finding>, world: &World<'_>) -> Vec<Incompatibility> {
    let place = |id: Option<Id>| {
        id.and_then(|id| world.node(id)).map_or("#", |node| node.pointer.as_str()).to_owned()
    };
    let mut told: Vec<Incompatibility> = Vec::with_capacity(findings.len());
    let mut sides = Vec::with_capacity(findings.len());
    for finding in findings {
        sides.push((finding.reader.side, finding.writer.map(|id| id.side)));
        told.push(Incompatibility {
            rule: finding.rule,
            reader_fragment: String::new(),
            writer_fragment: String::new(),
            reader_path: format!("{}{}", place(Some(finding.reader)), finding.keyword),
            writer_path: place(finding.writer),
            message: finding.message,
            suggestion: finding.rule.suggestion(),
            witness: finding.witness,
        });
    }
    for side in [Side::Reader, Side::Writer] {
        let document: Value = serde_json::from_str(&world.schema(side).text).unwrap_or_default();
        let fragment =
            |path: &str| document.pointer(path.trim_start_matches('#')).map(shortened).unwrap_or_default();
        for (why, (reader, writer)) in told.iter_mut().zip(&sides) {
            if *reader == side {
                why.reader_fragment = fragment(&why.reader_path);
            }
            if *writer == Some(side) {
                why.writer_fragment = fragment(&why.writer_path);
            }
        }
    }
    told
}
