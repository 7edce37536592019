//! The compatibility of two schemas, with a verdict and its reasons.

use super::containment::Prover;
use super::reason::{Finding, Incompatibility, Rule, to_incompatibilities};
use super::region::Region;
use super::schema::Schema;
use super::schema_pair::{MAX_STEPS, Role, SchemaPair, SubschemaId};
use crate::Budget;

/// The verdict on whether a reader's schema accepts what a writer's allows.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Every value the writer's schema allows is valid under the reader's.
    Compatible,
    /// Some values are not accepted; each reason has one as its witness. Never empty.
    Incompatible(Vec<Incompatibility>),
    /// Undecided; each reason says where and why. Never empty.
    Unknown(Vec<Incompatibility>),
}

/// Returns whether every value that is valid under `writer` is valid under `reader`.
///
/// Bounded by [`MAX_STEPS`]: a comparison that takes more is unknown, and its reason is [`Rule::OverBudget`].
pub fn can_read(reader: &Schema, writer: &Schema) -> Verdict {
    can_read_with_budget(reader, writer, &Budget::default())
}

/// Compares like [`can_read`], within a shared budget: when it is exhausted, the verdict is unknown.
pub fn can_read_with_budget(reader: &Schema, writer: &Schema, budget: &Budget) -> Verdict {
    compare(reader, writer, budget).0
}

/// Returns the verdict and the number of steps it took.
pub(super) fn compare(reader: &Schema, writer: &Schema, budget: &Budget) -> (Verdict, u64) {
    if reader.text == writer.text && reader.draft == writer.draft {
        return (Verdict::Compatible, 0);
    }
    let pair = SchemaPair::new(reader, writer, budget);
    let reader_root = SubschemaId { role: Role::Reader, number: reader.root };
    let writer_root = SubschemaId { role: Role::Writer, number: writer.root };
    let region = Region::of(&pair, writer_root);
    let result = Prover::new(&pair).check(&region, reader_root);
    let report = |findings: Vec<Finding>| to_incompatibilities(findings, &pair);
    let verdict = if !result.refuted.is_empty() {
        Verdict::Incompatible(report(result.refuted))
    } else if !result.undecided.is_empty() {
        Verdict::Unknown(report(result.undecided))
    } else if pair.is_exhausted() {
        Verdict::Unknown(report(vec![Finding {
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
    (verdict, MAX_STEPS - pair.remaining_steps())
}
