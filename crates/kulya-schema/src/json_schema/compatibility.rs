//! The compatibility of two schemas, with a verdict and its reasons.

use super::containment::{ContainmentResult, Prover};
use super::explanation::explain;
use super::reason::{Finding, Incompatibility, to_incompatibilities};
use super::region::Region;
use super::schema::Schema;
use super::schema_pair::{MAX_STEPS, Role, SchemaPair, SubschemaId};
use super::solver::{Answer, Solver};
use crate::Budget;

/// The steps that are kept for reasons with their witnesses, after the decision.
const REASON_STEPS: u64 = 120_000;

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
/// Bounded by [`MAX_STEPS`]: a comparison that takes more is unknown, for the rule `over-budget`.
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
    pair.keep(REASON_STEPS);
    let answer = Solver::new(&pair).decide(writer_root, reader_root);
    let report = |findings: Vec<Finding>| to_incompatibilities(findings, &pair);
    let verdict = match answer {
        Answer::Contained => Verdict::Compatible,
        Answer::Refuted(witness) => {
            pair.keep(pair.remaining_steps().saturating_sub(REASON_STEPS));
            let mut reasons = reasons(&pair, reader_root, writer_root).refuted;
            if reasons.is_empty() {
                pair.keep(0);
                reasons.push(explain(&pair, reader_root, writer_root, &witness));
            }
            Verdict::Incompatible(report(reasons))
        }
        Answer::Unknown(doubts) => {
            pair.keep(pair.remaining_steps().saturating_sub(REASON_STEPS));
            let found = reasons(&pair, reader_root, writer_root);
            if !found.refuted.is_empty() {
                Verdict::Incompatible(report(found.refuted))
            } else if found.is_proven() && !pair.is_exhausted() {
                Verdict::Compatible
            } else {
                Verdict::Unknown(report(doubts))
            }
        }
    };
    pair.keep(0);
    (verdict, MAX_STEPS - pair.remaining_steps())
}

/// Collects the keywords of the reader's schema that the writer's does not imply, with a witness for each
/// where one is found.
fn reasons(pair: &SchemaPair<'_>, reader: SubschemaId, writer: SubschemaId) -> ContainmentResult {
    Prover::new(pair).check(&Region::of(pair, writer), reader)
}
