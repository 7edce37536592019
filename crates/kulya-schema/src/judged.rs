//! A schema made ready to be judged against others: parsed once, however often it is compared.

use crate::decide::Judge;
use crate::{
    Budget, Checker, Error, Format, Incompatibility, Normal, Result, Rules, SchemaInfo, Strict, avro,
    json_schema, normalize_within, protobuf,
};
use std::fmt;
use std::sync::Arc;

/// A schema, parsed as the rules in force read it.
pub struct Judged {
    body: Body,
}

enum Body {
    Avro(avro::Schema, Option<avro::Outline>),
    Json(json_schema::Schema),
    Protobuf(protobuf::Schema),
    Custom(SchemaInfo, Arc<dyn Checker>),
    /// Nobody judges this format.
    Opaque(Format),
    /// Registered once, but not readable by the rules now in force.
    Unreadable(Error),
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Judged").field(&self.format_name()).finish()
    }
}

impl Judged {
    /// A new schema. What cannot be read is the sender's to mend.
    ///
    /// # Errors
    /// The rules in force need more of the schema than that it can be kept.
    pub fn new(schema: &Normal, judge: &Judge, budget: &Budget) -> Result<Self> {
        let body = body(&schema.judged(), judge, budget)?;
        if let Body::Custom(schema, checker) = &body {
            checker.check(schema)?;
        }
        Ok(Self { body })
    }

    /// A schema that is registered. Java's rules read it as it was sent: of a union the whole, though a new one is judged
    /// by the member that its type names (contract §3.4). Strict ones read the member on both sides.
    ///
    /// When the budget ends meanwhile, it is as one that cannot be read: ask the budget before that is kept.
    pub fn registered(schema: &SchemaInfo, judge: &Judge, budget: &Budget) -> Self {
        let read = match judge.rules {
            Rules::Java => body(schema, judge, budget),
            Rules::Strict(_) => normalize_within(schema.clone(), budget)
                .and_then(|normal| body(&normal.judged(), judge, budget)),
        };
        Self { body: read.unwrap_or_else(Body::Unreadable) }
    }

    /// Whether schemas of one shape get one verdict by this one, in both directions.
    pub fn goes_by_shape(&self) -> bool {
        !matches!(&self.body, Body::Avro(schema, _) if schema.has_aliases())
    }

    /// Whether comparing it takes time by the schemas' sizes and no more: an Avro record of plain fields.
    pub fn is_flat(&self) -> bool {
        matches!(&self.body, Body::Avro(_, Some(_)))
    }

    pub(crate) fn is_avro(&self) -> bool {
        matches!(self.body, Body::Avro(..))
    }

    pub(crate) fn is_opaque(&self) -> bool {
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

    /// Everything that keeps this schema from following, or preceding, the other in a group: from reading what it wrote.
    pub(crate) fn why_not(&self, writer: &Self, rules: &Rules, budget: &Budget) -> Vec<Incompatibility> {
        let by = match rules {
            Rules::Java => avro::Resolution::Java,
            Rules::Strict(_) => avro::Resolution::Specification,
        };
        self.cannot_read(writer, rules, by, budget)
    }

    /// The same for a schema that only reads and is not registered: Avro's records may have other names, as no reader
    /// needs them.
    pub(crate) fn why_no_reader(
        &self,
        writer: &Self,
        rules: &Rules,
        budget: &Budget,
    ) -> Vec<Incompatibility> {
        let by = match rules {
            Rules::Java => avro::Resolution::Java,
            Rules::Strict(_) => avro::Resolution::AnyRecordName,
        };
        self.cannot_read(writer, rules, by, budget)
    }

    fn cannot_read(
        &self,
        writer: &Self,
        rules: &Rules,
        by: avro::Resolution,
        budget: &Budget,
    ) -> Vec<Incompatibility> {
        if !budget.spend(1) {
            let message = "it cannot be told within the budget of one request: there are too many versions, or too large ones";
            let fix =
                "judge against fewer versions, as by a policy that ends at one, or make the schemas simpler";
            return vec![Incompatibility::unknown("schema/over-budget", message, fix)];
        }
        fn told<I: Into<Incompatibility>>(reasons: Vec<I>) -> Vec<Incompatibility> {
            reasons.into_iter().map(Into::into).collect()
        }
        let strict = match rules {
            Rules::Java => Strict::default(),
            Rules::Strict(strict) => *strict,
        };
        match (&self.body, &writer.body) {
            (Body::Avro(reader, read), Body::Avro(writer, written)) => {
                if let (Some(read), Some(written)) = (read, written)
                    && budget.spend(read.len() / 64)
                    && read.certainly_reads(written, by)
                {
                    return Vec::new();
                }
                told(avro::resolve_within(reader, writer, by, budget))
            }
            (Body::Json(reader), Body::Json(writer)) => {
                match json_schema::can_read_within(reader, writer, budget) {
                    json_schema::Verdict::Compatible => Vec::new(),
                    json_schema::Verdict::Incompatible(reasons) | json_schema::Verdict::Unknown(reasons) => {
                        told(reasons)
                    }
                }
            }
            (Body::Protobuf(reader), Body::Protobuf(writer)) => {
                told(protobuf::can_read_within(reader, writer, strict.protobuf, budget))
            }
            (Body::Custom(reader, checker), Body::Custom(writer, _)) if reader.format == writer.format => {
                checker.can_read(reader, writer)
            }
            (Body::Unreadable(error), _) | (_, Body::Unreadable(error)) => {
                let message = format!("a registered schema cannot be read by these rules: {error}");
                let fix = "delete that version, or let the group's policy begin behind it";
                vec![Incompatibility::unknown("schema/unreadable", message, fix)]
            }
            (Body::Opaque(reader), Body::Opaque(writer)) if reader == writer => Vec::new(),
            _ => {
                let (reader, writer) = (self.format_name(), writer.format_name());
                let message = format!("{writer} events cannot be read by a schema of format {reader}");
                let fix = "register the type in one format, or give the other a type of its own";
                let why = Incompatibility::unknown("schema/other-format", message, fix);
                vec![Incompatibility { certain: true, ..why }]
            }
        }
    }

    /// What this (new) schema uses of the other's that is reserved.
    pub(crate) fn reuses_reserved(&self, old: &Self, rules: &Rules, budget: &Budget) -> Vec<Incompatibility> {
        match (&self.body, &old.body, rules) {
            (Body::Protobuf(new), Body::Protobuf(old), Rules::Strict(strict)) => {
                let reasons = protobuf::reuses_reserved_within(new, old, strict.protobuf, budget);
                reasons.into_iter().map(Into::into).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn body(schema: &SchemaInfo, judge: &Judge, budget: &Budget) -> Result<Body> {
    let text = || {
        std::str::from_utf8(&schema.data)
            .map_err(|e| Error::new(format!("schema {:?} is no UTF-8 text: {e}", schema.type_name)))
    };
    let is_strict = matches!(judge.rules, Rules::Strict(_));
    Ok(match &schema.format {
        Format::Avro => {
            let schema = avro::parse_within(text()?, budget)?;
            let outline = avro::Outline::of(&schema);
            Body::Avro(schema, outline)
        }
        Format::Json if is_strict => Body::Json(json_schema::parse_within(text()?, budget)?),
        Format::Protobuf if is_strict => {
            Body::Protobuf(protobuf::parse_within(&schema.data, &schema.type_name, budget)?)
        }
        Format::Custom(name) => match judge.checkers.get(name) {
            Some(checker) => Body::Custom(schema.clone(), Arc::clone(checker)),
            None => Body::Opaque(schema.format.clone()),
        },
        Format::Json | Format::Protobuf | Format::Any => Body::Opaque(schema.format.clone()),
    })
}
