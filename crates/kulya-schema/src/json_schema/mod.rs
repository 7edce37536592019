//! JSON Schema: the text as numbered subschemas ([`parse`]), and whether a reader's schema takes every value that a
//! writer's allows ([`can_read`]).
//!
//! Compatibility is containment: every instance that is valid under the writer's schema is valid under the reader's.
//! That is more than can be decided, so there are three verdicts, and the first two are never guesses:
//!
//! - [`Verdict::Compatible`] is a proof by the keywords' meaning;
//! - [`Verdict::Incompatible`] has a value for each reason that was tried on both schemas;
//! - [`Verdict::Unknown`] says what could not be told, and where.
//!
//! An object's content is open unless its schema closes it. A property that the reader *adds* therefore narrows an open
//! writer, who could already write anything there, and widens a closed one.
//!
//! Not here: validation of instances for its own sake, loading of other documents, and when two schemas are the same
//! (that is [`crate::normalize`]'s).
//!
//! Taken as they are: numbers are 64-bit integers or doubles, as `serde_json` reads them; texts are counted in
//! characters; an unknown keyword says nothing; one absolute URI is the same other document on both sides. `format` and, in drafts 6 and 7, `contentEncoding` and
//! `contentMediaType` may or may not refuse a value: the same word on both sides is compatible, another is unknown.
//!
//! ```
//! use kulya_schema::json_schema::{Verdict, can_read, parse};
//! let writer = parse(r#"{"properties": {"age": {"type": "number"}}}"#)?;
//! let reader = parse(r#"{"properties": {"age": {"type": "integer"}}}"#)?;
//! assert_eq!(can_read(&writer, &reader), Verdict::Compatible);
//! let Verdict::Incompatible(reasons) = can_read(&reader, &writer) else { panic!("fractions are refused") };
//! assert_eq!(reasons[0].rule.name(), "type-narrowed");
//! assert_eq!(reasons[0].reader_path, "#/properties/age/type");
//! # Ok::<(), kulya_schema::Error>(())
//! ```

mod accept;
mod decimal;
mod list;
mod node;
mod parse;
mod pattern;
mod reason;
mod reference;
mod region;
mod sample;
mod within;
mod world;

pub(crate) use parse::shortened;
pub use parse::{MAX_BYTES, MAX_DEPTH, MAX_POINTER_BYTES, MAX_SUBSCHEMAS, parse, parse_within};
pub use reason::{Incompatibility, Rule};
pub use world::MAX_STEPS;

use crate::Budget;
use node::Node;
use reason::Finding;
use region::Region;
use within::Prover;
use world::{Id, Side, World};

/// A parsed schema: its subschemas refer to each other by number.
#[derive(Debug, Clone)]
pub struct Schema {
    draft: Draft,
    root: usize,
    nodes: Vec<Node>,
    /// As it was given: what stands at a place is looked up only to tell a reason.
    text: String,
    /// Whether a dynamic reference of another document may lead here.
    dynamic: bool,
}

/// The dialect of a document, told by its `$schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Draft {
    /// 2013; boolean `exclusiveMinimum`, no boolean schemas.
    Draft4,
    /// 2017; `const`, `contains`, `propertyNames`.
    Draft6,
    /// 2018; `if`, `then`, `else`.
    Draft7,
    /// `dependentSchemas`, `unevaluatedProperties`; keywords beside `$ref` count.
    Draft201909,
    /// `prefixItems`; what is taken when a document does not say.
    #[default]
    Draft202012,
}

impl Schema {
    /// The dialect it is written in.
    pub fn draft(&self) -> Draft {
        self.draft
    }
}

/// Whether a reader's schema takes what a writer's allows.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Every value the writer's schema allows is valid under the reader's.
    Compatible,
    /// Some are not; each reason has one as its witness. Never empty.
    Incompatible(Vec<Incompatibility>),
    /// It cannot be told; each reason says where and why. Never empty.
    Unknown(Vec<Incompatibility>),
}

/// Whether every value that is valid under `writer` is valid under `reader`.
///
/// Bounded by [`MAX_STEPS`]: what takes more is unknown, and its reason is [`Rule::OverBudget`].
pub fn can_read(reader: &Schema, writer: &Schema) -> Verdict {
    can_read_within(reader, writer, &Budget::default())
}

/// As [`can_read`], within a budget that other work shares: when it ends, the verdict is unknown.
pub fn can_read_within(reader: &Schema, writer: &Schema, budget: &Budget) -> Verdict {
    judge(reader, writer, budget).0
}

/// The verdict, and how many steps it took.
fn judge(reader: &Schema, writer: &Schema, budget: &Budget) -> (Verdict, u64) {
    if reader.text == writer.text && reader.draft == writer.draft {
        return (Verdict::Compatible, 0);
    }
    let world = World::new(reader, writer, budget);
    let reader_root = Id { side: Side::Reader, number: reader.root };
    let writer_root = Id { side: Side::Writer, number: writer.root };
    let region = Region::of(&world, writer_root);
    let judgement = Prover::new(&world).within(&region, reader_root);
    let told = |findings: Vec<Finding>| reason::told(findings, &world);
    let verdict = if !judgement.certain.is_empty() {
        Verdict::Incompatible(told(judgement.certain))
    } else if !judgement.open.is_empty() {
        Verdict::Unknown(told(judgement.open))
    } else if world.is_spent() {
        Verdict::Unknown(told(vec![Finding {
            rule: Rule::OverBudget,
            reader: reader_root,
            keyword: String::new(),
            writer: Some(writer_root),
            message: "the schemas are too large or too entangled to compare".to_owned(),
            witness: None,
        }]))
    } else {
        Verdict::Compatible
    };
    (verdict, MAX_STEPS - world.steps_left())
}

#[cfg(test)]
mod tests;
