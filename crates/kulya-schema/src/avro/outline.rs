//! What a record says at first sight, so close together in memory that thousands of versions are looked through while one of
//! them would be compared: of each field its name's digest, and which primitive types it takes.

use super::resolve::Resolution;
use super::{Kind, Node, Primitive, Schema, Shape};
use sha2::{Digest, Sha256};

/// A record of more fields is not looked at this way; within, a comparison never comes near its budget.
const MOST_FIELDS: usize = 1_000;

/// A schema whose root is a record of fields with primitive types, or unions of them, and without aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    name: u128,
    /// By their names' digests, no two of which are the same.
    fields: Box<[Told]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    name: u128,
    /// A bit for each primitive type.
    takes: u8,
    has_default: bool,
}

impl Outline {
    /// `None` for a schema of which this is not all that there is to say.
    pub fn of(schema: &Schema) -> Option<Self> {
        let Kind::Named(number) = schema.root.kind else { return None };
        let named = schema.named.get(number)?;
        let Shape::Record(fields) = &named.shape else { return None };
        if fields.len() > MOST_FIELDS || !named.aliases.is_empty() {
            return None;
        }
        let told = |field: &super::Field| {
            let takes = takes(&field.node).filter(|_| field.aliases.is_empty())?;
            Some(Told { name: digest(&field.name), takes, has_default: field.default.is_some() })
        };
        let mut fields = fields.iter().map(told).collect::<Option<Box<[Told]>>>()?;
        fields.sort_unstable_by_key(|field| field.name);
        let is_twice = fields.windows(2).any(|two| matches!(two, [one, next] if one.name == next.name));
        (!is_twice).then(|| Self { name: digest(&named.name.simple), fields })
    }

    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether a reader of this outline certainly reads what a writer of that one wrote: each field that both have takes all
    /// that was written in it, and each that only the reader has, has a default. When not, [`resolve`](super::resolve) tells;
    /// by promotion it may still be read.
    pub fn certainly_reads(&self, writer: &Self, by: Resolution) -> bool {
        if by.compares_record_names() && self.name != writer.name {
            return false;
        }
        let mut written = writer.fields.iter().peekable();
        self.fields.iter().all(|field| {
            while written.next_if(|other| other.name < field.name).is_some() {}
            match written.next_if(|other| other.name == field.name) {
                Some(other) => other.takes & !field.takes == 0,
                None => field.has_default,
            }
        })
    }
}

fn digest(name: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let (half, _) = digest.split_at(16);
    half.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn takes(node: &Node) -> Option<u8> {
    match &node.kind {
        Kind::Primitive(primitive) => Some(bit(*primitive)),
        Kind::Union(members) => members.iter().try_fold(0, |all, member| match member.kind {
            Kind::Primitive(primitive) => Some(all | bit(primitive)),
            _ => None,
        }),
        _ => None,
    }
}

fn bit(primitive: Primitive) -> u8 {
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

    fn outline(fields: &str) -> Option<Outline> {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        Outline::of(&parse(&text).unwrap())
    }

    #[test]
    fn what_is_certain_and_what_wants_a_closer_look() {
        let reads = |reader: &str, writer: &str| {
            let (reader, writer) = (outline(reader).unwrap(), outline(writer).unwrap());
            reader.certainly_reads(&writer, Resolution::Java)
        };
        let (a, b) = (r#"{"name":"a","type":"int"}"#, r#"{"name":"b","type":"string"}"#);
        let both = format!("{a},{b}");
        let turned = format!("{b},{a}");
        let with_default = format!(r#"{a},{{"name":"b","type":"string","default":""}}"#);
        assert!(reads(a, a) && reads("", "") && reads("", a) && reads(&both, &turned));
        assert!(reads(a, &both), "a field that is not wanted");
        assert!(!reads(&both, a), "a field without a default");
        assert!(reads(&with_default, a));
        let (union, wider) =
            (r#"{"name":"a","type":["null","int"]}"#, r#"{"name":"a","type":["string","int","null"]}"#);
        assert!(reads(union, a) && reads(wider, union) && !reads(union, wider) && !reads(a, union));
        assert!(!reads(r#"{"name":"a","type":"long"}"#, a), "a promotion is looked at");
        for (fields, why) in [
            (r#"{"name":"a","type":{"type":"array","items":"int"}}"#, "an array"),
            (r#"{"name":"a","type":["null","R"]}"#, "itself"),
            (r#"{"name":"a","type":"int","aliases":["b"]}"#, "an alias"),
        ] {
            assert_eq!(outline(fields), None, "{why}");
        }
    }

    #[test]
    fn names_count_by_the_specification_alone() {
        let named = |name: &str| {
            let text = format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#);
            Outline::of(&parse(&text).unwrap()).unwrap()
        };
        assert!(named("A").certainly_reads(&named("B"), Resolution::Java));
        assert!(!named("A").certainly_reads(&named("B"), Resolution::Specification));
        assert!(named("n.A").certainly_reads(&named("m.A"), Resolution::Specification));
    }
}
