//! Random steps of the store model.

use kulya_store::model::{self, Event, STREAMS, Step};
use kulya_testkit::SeededRng;

/// Returns one step, or concurrent commits, which share a frame.
pub(crate) fn random_group(rng: &mut SeededRng) -> Vec<Step> {
    if rng.one_in(4) {
        let count = 2 + rng.u64_below(3);
        return (0..count).map(|_| commit(rng, false)).collect();
    }
    vec![random_step(rng)]
}

/// Returns one step.
pub(crate) fn random_step(rng: &mut SeededRng) -> Step {
    let stream = rng.u64_below(STREAMS.into()) as u8;
    match rng.u64_below(24) {
        0 => Step::Truncate(stream, rng.next_u8()),
        1 => Step::Seal(stream),
        2 => Step::Delete(stream),
        3..6 => Step::Create(stream, 1 + rng.u64_below(3) as u32),
        6..11 => Step::Transaction {
            runs: (0..rng.u64_below(4)).map(|_| events(rng, 6)).collect(),
            commits: !rng.one_in(3),
        },
        _ => commit(rng, true),
    }
}

fn commit(rng: &mut SeededRng, conditional: bool) -> Step {
    let events = events(rng, 5);
    let mut changes: Vec<model::Change> = Vec::new();
    for _ in 0..rng.u64_below(3) {
        let value = (!rng.one_in(3)).then(|| rng.next_u8());
        let condition = if conditional { rng.u64_below(3) as u8 } else { 0 };
        changes.push((rng.u64_below(4) as u8, value, condition));
    }
    let writer = rng.one_in(3).then(|| (rng.u64_below(4) as u8, rng.next_u8()));
    Step::Commit { events, changes, writer, synced: !rng.one_in(3) }
}

fn events(rng: &mut SeededRng, max_count: u64) -> Vec<Event> {
    let count = rng.u64_below(max_count);
    (0..count)
        .map(|_| {
            let length = if rng.one_in(12) { 2000 } else { 60 };
            let length = rng.u64_below(length) as usize;
            let event = vec![rng.next_u8(); length];
            (rng.u64_below(STREAMS.into()) as u8, rng.u64_below(9) as u8, event)
        })
        .collect()
}
