//! Schemas prepared for comparison: parsed once, however often they are compared.

use super::context::CompatibilityContext;
use crate::{
    Budget, CanonicalSchema, Checker, Error, Format, Incompatibility, Result, Rules, SchemaInfo, StrictRules,
    VersionInfo, avro, canonicalize_with_budget, json_schema, protobuf,
};
use std::fmt;
use std::sync::Arc;

/// A schema that was parsed by the rules in force.
pub struct PreparedSchema {
    body: Body,
}

enum Body {
    Avro(avro::Schema, Option<avro::RecordSummary>),
    Json(json_schema::Schema),
    Protobuf(protobuf::Schema),
    Custom(SchemaInfo, Arc<dyn Checker>),
    /// A format without a compatibility checker.
    Opaque(Format),
    /// A registered schema that cannot be parsed by the rules now in force.
    Unreadable(Error),
}

/// Registered versions of equal compatibility fingerprint, which get the same verdict.
#[derive(Debug, Clone)]
pub struct EquivalentVersions {
    /// The versions in id order; never empty.
    pub versions: Vec<VersionInfo>,
    /// The prepared schema of one of them.
    pub schema: Arc<PreparedSchema>,
}

impl fmt::Debug for PreparedSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedSchema").field(&self.format_name()).finish()
    }
}

impl PreparedSchema {
    /// Prepares a new schema.
    ///
    /// # Errors
    /// The schema is invalid under the rules in force, or by its custom checker, or the budget is exhausted.
    pub fn new(schema: &CanonicalSchema, context: &CompatibilityContext, budget: &Budget) -> Result<Self> {
        Self::unregistered(schema, context, resolution_mode(&context.rules), budget)
    }

    /// Prepares the schema of a reader, which is not registered: its names are not checked.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_reader(
        schema: &CanonicalSchema,
        context: &CompatibilityContext,
        budget: &Budget,
    ) -> Result<Self> {
        Self::unregistered(schema, context, reader_resolution_mode(&context.rules), budget)
    }

    fn unregistered(
        schema: &CanonicalSchema,
        context: &CompatibilityContext,
        mode: avro::ResolutionMode,
        budget: &Budget,
    ) -> Result<Self> {
        let body = parse(&schema.canonical_info(), context, budget)?;
        match &body {
            Body::Avro(schema, _) => schema.check_new(mode, budget)?,
            Body::Custom(schema, checker) => checker.check(schema)?,
            _ => {}
        }
        Ok(Self { body })
    }

    /// Prepares a registered schema. Java's rules parse it as it was sent: the whole of a union, though of a
    /// new one only the member that its type names (contract §3.4). Strict rules parse the member on both
    /// sides.
    ///
    /// If the budget is exhausted, the result is the same as for an invalid schema: check the budget before
    /// caching it.
    pub fn from_registered(schema: &SchemaInfo, context: &CompatibilityContext, budget: &Budget) -> Self {
        let parsed = match context.rules {
            Rules::Java => parse(schema, context, budget),
            Rules::Strict(_) => canonicalize_with_budget(schema.clone(), budget)
                .and_then(|canonical| parse(&canonical.canonical_info(), context, budget)),
        };
        Self { body: parsed.unwrap_or_else(Body::Unreadable) }
    }

    /// Returns whether schemas of equal compatibility fingerprint get the same verdict against this one, in
    /// both directions.
    pub fn can_group_by_fingerprint(&self) -> bool {
        !matches!(&self.body, Body::Avro(schema, _) if schema.has_aliases())
    }

    /// Returns whether a comparison takes time linear in the sizes of the schemas: for an Avro record of
    /// primitive fields.
    pub fn is_flat(&self) -> bool {
        matches!(&self.body, Body::Avro(_, Some(_)))
    }

    fn is_avro(&self) -> bool {
        matches!(self.body, Body::Avro(..))
    }

    /// Rejects a comparison of Avro with another format, as the Java registry does (contract §3.4).
    pub(super) fn check_comparable(&self, old: &Self, rules: &Rules) -> Result<()> {
        if *rules == Rules::Java && self.is_avro() && !old.is_avro() {
            return Err(Error::new("All schemas to compare against should be avro."));
        }
        Ok(())
    }

    pub(super) fn is_opaque(&self) -> bool {
        matches!(self.body, Body::Opaque(_))
    }

    fn format_name(&self) -> &str {
        match &self.body {
            Body::Avro(..) => "Avro",
            Body::Json(_) => "Json",
            Body::Protobuf(_) => "Protobuf",
            Body::Custom(schema, _) => schema.format.full_name(),
            Body::Opaque(format) => format.full_name(),
            Body::Unreadable(_) => "unreadable",
        }
    }

    /// Returns everything that keeps this schema from reading data of the other, both being registered in a
    /// group.
    pub(super) fn incompatibilities(
        &self,
        writer: &Self,
        rules: &Rules,
        budget: &Budget,
    ) -> Vec<Incompatibility> {
        self.unreadable_reasons(writer, rules, resolution_mode(rules), budget)
    }

    /// Returns the same for a reader's schema that is not registered: its Avro records may have other names,
    /// which no reader needs.
    pub(super) fn reader_incompatibilities(
        &self,
        writer: &Self,
        rules: &Rules,
        budget: &Budget,
    ) -> Vec<Incompatibility> {
        self.unreadable_reasons(writer, rules, reader_resolution_mode(rules), budget)
    }

    fn unreadable_reasons(
        &self,
        writer: &Self,
        rules: &Rules,
        mode: avro::ResolutionMode,
        budget: &Budget,
    ) -> Vec<Incompatibility> {
        if !budget.spend(1) {
            let message = "compatibility is unknown within the budget of one request: there are too many versions, or too large ones";
            let fix = "check against fewer versions, for example by a policy that ends at one, or make the schemas simpler";
            return vec![Incompatibility::unknown("schema/over-budget", message, fix)];
        }
        fn convert<I: Into<Incompatibility>>(reasons: Vec<I>) -> Vec<Incompatibility> {
            reasons.into_iter().map(Into::into).collect()
        }
        let strict = match rules {
            Rules::Java => StrictRules::default(),
            Rules::Strict(strict) => *strict,
        };
        match (&self.body, &writer.body) {
            (Body::Avro(reader, read), Body::Avro(writer, written)) => {
                if let (Some(read), Some(written)) = (read, written)
                    && budget.spend(read.len() / 64)
                    && read.certainly_reads(written, mode)
                {
                    return Vec::new();
                }
                convert(avro::resolve_with_budget(reader, writer, mode, budget))
            }
            (Body::Json(reader), Body::Json(writer)) => {
                match json_schema::can_read_with_budget(reader, writer, budget) {
                    json_schema::Verdict::Compatible => Vec::new(),
                    json_schema::Verdict::Incompatible(reasons) | json_schema::Verdict::Unknown(reasons) => {
                        convert(reasons)
                    }
                }
            }
            (Body::Protobuf(reader), Body::Protobuf(writer)) => {
                convert(protobuf::can_read_with_budget(reader, writer, strict.protobuf, budget))
            }
            (Body::Custom(reader, checker), Body::Custom(writer, _)) if reader.format == writer.format => {
                checker.can_read(reader, writer)
            }
            (Body::Unreadable(error), _) | (_, Body::Unreadable(error)) => {
                let message = format!("a registered schema is invalid under these rules: {error}");
                let fix = "delete that version, or let the group's policy start after it";
                vec![Incompatibility::unknown("schema/unreadable", message, fix)]
            }
            (Body::Opaque(reader), Body::Opaque(writer)) if reader == writer => Vec::new(),
            _ => {
                let (reader, writer) = (self.format_name(), writer.format_name());
                let message = format!("{writer} events cannot be read by a schema of format {reader}");
                let fix = "register the type in one format, or register the other under another type";
                let reason = Incompatibility::unknown("schema/other-format", message, fix);
                vec![Incompatibility { certain: true, ..reason }]
            }
        }
    }

    /// Returns the changes that the rules allow and that may give data of the other schema another meaning:
    /// changed logical types of Avro.
    pub(super) fn warnings(&self, writer: &Self, budget: &Budget) -> Vec<Incompatibility> {
        match (&self.body, &writer.body) {
            (Body::Avro(reader, _), Body::Avro(writer, _))
                if reader.has_logical_types() || writer.has_logical_types() =>
            {
                let changes = avro::logical_type_changes(reader, writer, budget);
                changes.into_iter().map(Into::into).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the names and numbers that this (new) schema uses and the other reserved.
    pub(super) fn reuses_reserved(&self, old: &Self, rules: &Rules, budget: &Budget) -> Vec<Incompatibility> {
        match (&self.body, &old.body, rules) {
            (Body::Protobuf(new), Body::Protobuf(old), Rules::Strict(strict)) => {
                let reasons = protobuf::reuses_reserved_with_budget(new, old, strict.protobuf, budget);
                reasons.into_iter().map(Into::into).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// Returns the rules of resolution between registered Avro schemas.
fn resolution_mode(rules: &Rules) -> avro::ResolutionMode {
    match rules {
        Rules::Java => avro::ResolutionMode::Java,
        Rules::Strict(_) => avro::ResolutionMode::Specification,
    }
}

/// Returns the rules of resolution for a reader that is not registered.
fn reader_resolution_mode(rules: &Rules) -> avro::ResolutionMode {
    match rules {
        Rules::Java => avro::ResolutionMode::Java,
        Rules::Strict(_) => avro::ResolutionMode::AnyRecordName,
    }
}

/// Parses a schema by the rules of the context.
fn parse(schema: &SchemaInfo, context: &CompatibilityContext, budget: &Budget) -> Result<Body> {
    let text = || {
        std::str::from_utf8(&schema.data)
            .map_err(|e| Error::new(format!("schema {:?} is not UTF-8 text: {e}", schema.type_name)))
    };
    let is_strict = matches!(context.rules, Rules::Strict(_));
    Ok(match &schema.format {
        Format::Avro => {
            let schema = avro::parse_with_budget(text()?, budget)?;
            let summary = avro::RecordSummary::of(&schema);
            Body::Avro(schema, summary)
        }
        Format::Json if is_strict => Body::Json(json_schema::parse_with_budget(text()?, budget)?),
        Format::Protobuf if is_strict => {
            Body::Protobuf(protobuf::parse_with_budget(&schema.data, &schema.type_name, budget)?)
        }
        Format::Custom(name) => match context.checkers.get(name) {
            Some(checker) => Body::Custom(schema.clone(), Arc::clone(checker)),
            None => Body::Opaque(schema.format.clone()),
        },
        Format::Json | Format::Protobuf | Format::Any => Body::Opaque(schema.format.clone()),
    })
}
