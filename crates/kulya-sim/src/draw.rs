//! What is thrown: steps of the model.

use kulya_store::model::{self, Event, STREAMS, Step};
use kulya_testkit::SeededRng;

/// One step; or commits that are asked for at the same time, and so share a frame.
pub(crate) fn group(dice: &mut SeededRng) -> Vec<Step> {
    if dice.once_in(4) {
        let count = 2 + dice.roll(3);
        return (0..count).map(|_| commit(dice, false)).collect();
    }
    vec![step(dice)]
}

/// One step.
pub(crate) fn step(dice: &mut SeededRng) -> Step {
    let stream = dice.roll(STREAMS.into()) as u8;
    match dice.roll(24) {
        0 => Step::Truncate(stream, dice.byte()),
        1 => Step::Seal(stream),
        2 => Step::Delete(stream),
        3..6 => Step::Create(stream, 1 + dice.roll(3) as u32),
        6..11 => Step::Transaction {
            runs: (0..dice.roll(4)).map(|_| events(dice, 6)).collect(),
            commits: !dice.once_in(3),
        },
        _ => commit(dice, true),
    }
}

fn commit(dice: &mut SeededRng, conditional: bool) -> Step {
    let events = events(dice, 5);
    let mut changes: Vec<model::Change> = Vec::new();
    for _ in 0..dice.roll(3) {
        let value = (!dice.once_in(3)).then(|| dice.byte());
        let condition = if conditional { dice.roll(3) as u8 } else { 0 };
        changes.push((dice.roll(4) as u8, value, condition));
    }
    let writer = dice.once_in(3).then(|| (dice.roll(4) as u8, dice.byte()));
    Step::Commit { events, changes, writer, synced: !dice.once_in(3) }
}

fn events(dice: &mut SeededRng, most: u64) -> Vec<Event> {
    let count = dice.roll(most);
    (0..count)
        .map(|_| {
            let length = if dice.once_in(12) { 2000 } else { 60 };
            let length = dice.roll(length) as usize;
            let event = vec![dice.byte(); length];
            (dice.roll(STREAMS.into()) as u8, dice.roll(9) as u8, event)
        })
        .collect()
}
