//! A compact summary of a record schema, which proves most compatible pairs without a full resolution: for
//! each field its name's digest, the primitive types it accepts, and the precision and scale of a
//! decimal. Summaries of thousands of versions are
//! compared in the time of one resolution.

use super::logical;
use super::resolve::ResolutionMode;
use super::schema::{Definition, Field, Kind, Node, Primitive, Schema};
use sha2::{Digest, Sha256};

/// The maximum number of fields of a summarized record; below it, a comparison never comes near its budget.
const MAX_FIELDS: usize = 1_000;

/// The summary of a schema whose root is a record without aliases, and whose fields are primitive types or
/// unions of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSummary {
    name: u128,
    /// Sorted by the digests of the names, which are distinct.
    fields: Box<[FieldSummary]>,
}

/// The summary of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FieldSummary {
    name: u128,
    /// A bit for each primitive type.
    accepted_types: u8,
    has_default: bool,
    /// The precision and scale, if its bytes are a decimal.
    decimal: Option<(u32, u32)>,
}

impl RecordSummary {
    /// Summarizes a schema; `None` if a summary cannot represent it.
    pub fn of(schema: &Schema) -> Option<Self> {
        let Kind::Named(number) = schema.root.kind else { return None };
        let named = schema.named.get(number)?;
        let Definition::Record(fields) = &named.definition else { return None };
        if fields.len() > MAX_FIELDS || !named.aliases.is_empty() {
            return None;
        }
        let summarize = |field: &Field| {
            let accepted_types = accepted_types(&field.node).filter(|_| field.aliases.is_empty())?;
            Some(FieldSummary {
                name: digest(&field.name),
                accepted_types,
                has_default: field.default.is_some(),
                decimal: decimal(schema, &field.node),
            })
        };
        let mut fields = fields.iter().map(summarize).collect::<Option<Box<[FieldSummary]>>>()?;
        fields.sort_unstable_by_key(|field| field.name);
        let has_duplicate = fields.windows(2).any(|two| matches!(two, [one, next] if one.name == next.name));
        (!has_duplicate).then(|| Self { name: digest(&named.name.simple), fields })
    }

    /// Returns the number of fields.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Returns whether a reader of this summary certainly reads data of that writer: each common field
    /// accepts all types that were written, and each field that only the reader has has a default. `false`
    /// means undecided, and [`resolve`](super::resolve) decides: a promotion may still apply.
    pub fn certainly_reads(&self, writer: &Self, mode: ResolutionMode) -> bool {
        if mode.compares_record_names() && self.name != writer.name {
            return false;
        }
        let mut written = writer.fields.iter().peekable();
        self.fields.iter().all(|field| {
            while written.next_if(|other| other.name < field.name).is_some() {}
            match written.next_if(|other| other.name == field.name) {
                Some(other) => {
                    let is_same_decimal = match (field.decimal, other.decimal) {
                        (Some(to), Some(from)) => to == from || mode == ResolutionMode::Java,
                        _ => true,
                    };
                    is_same_decimal && other.accepted_types & !field.accepted_types == 0
                }
                None => field.has_default,
            }
        })
    }
}

fn digest(name: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let (prefix, _) = digest.split_at(16);
    prefix.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// Returns the precision and scale of the decimal among a field's types: only bytes are one here.
fn decimal(schema: &Schema, node: &Node) -> Option<(u32, u32)> {
    let members = match &node.kind {
        Kind::Union(members) => members.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let decimal = members.iter().find_map(|member| logical::decimal(schema, member))?;
    Some((decimal.precision, decimal.scale))
}

fn accepted_types(node: &Node) -> Option<u8> {
    match &node.kind {
        Kind::Primitive(primitive) => Some(type_bit(*primitive)),
        Kind::Union(members) => members.iter().try_fold(0, |all, member| match member.kind {
            Kind::Primitive(primitive) => Some(all | type_bit(primitive)),
            _ => None,
        }),
        _ => None,
    }
}

fn type_bit(primitive: Primitive) -> u8 {
    1 << match primitive {
        Primitive::Null => 0,
        Primitive::Boolean => 1,
        Primitive::Int => 2,
        Primitive::Long => 3,
        Primitive::Float => 4,
        Primitive::Double => 5,
        Primitive::Bytes => 6,
        Primitive::String => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::parse;

    fn summary(fields: &str) -> Option<RecordSummary> {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        RecordSummary::of(&parse(&text).unwrap())
    }

    #[test]
    fn certain_and_undecided_pairs() {
        let reads = |reader: &str, writer: &str| {
            let (reader, writer) = (summary(reader).unwrap(), summary(writer).unwrap());
            reader.certainly_reads(&writer, ResolutionMode::Java)
        };
        let (a, b) = (r#"{"name":"a","type":"int"}"#, r#"{"name":"b","type":"string"}"#);
        let both = format!("{a},{b}");
        let turned = format!("{b},{a}");
        let with_default = format!(r#"{a},{{"name":"b","type":"string","default":""}}"#);
        assert!(reads(a, a) && reads("", "") && reads("", a) && reads(&both, &turned));
        assert!(reads(a, &both), "a field that is ignored");
        assert!(!reads(&both, a), "a field without a default");
        assert!(reads(&with_default, a));
        let (union, wider) =
            (r#"{"name":"a","type":["null","int"]}"#, r#"{"name":"a","type":["string","int","null"]}"#);
        assert!(reads(union, a) && reads(wider, union) && !reads(union, wider) && !reads(a, union));
        assert!(!reads(r#"{"name":"a","type":"long"}"#, a), "a promotion is undecided");
        for (fields, description) in [
            (r#"{"name":"a","type":{"type":"array","items":"int"}}"#, "an array"),
            (r#"{"name":"a","type":["null","R"]}"#, "itself"),
            (r#"{"name":"a","type":"int","aliases":["b"]}"#, "an alias"),
        ] {
            assert_eq!(summary(fields), None, "{description}");
        }
    }

    #[test]
    fn record_names_count_only_by_the_specification() {
        let named = |name: &str| {
            let text = format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#);
            RecordSummary::of(&parse(&text).unwrap()).unwrap()
        };
        assert!(named("A").certainly_reads(&named("B"), ResolutionMode::Java));
        assert!(!named("A").certainly_reads(&named("B"), ResolutionMode::Specification));
        assert!(named("n.A").certainly_reads(&named("m.A"), ResolutionMode::Specification));
    }
}
