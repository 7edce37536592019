//! What is thrown: steps of the model.

use crate::Dice;
use kulya_store::model::{self, Event, STREAMS, Step};

impl Dice {
    /// One step; or commits that are asked for at the same time, and so share a frame.
    pub(crate) fn group(&mut self) -> Vec<Step> {
        if self.once_in(4) {
            let count = 2 + self.roll(3);
            return (0..count).map(|_| self.commit(false)).collect();
        }
        vec![self.step()]
    }

    /// One step.
    pub(crate) fn step(&mut self) -> Step {
        let stream = self.roll(STREAMS.into()) as u8;
        match self.roll(24) {
            0 => Step::Truncate(stream, self.byte()),
            1 => Step::Seal(stream),
            2 => Step::Delete(stream),
            3..6 => Step::Create(stream, 1 + self.roll(3) as u32),
            6..11 => Step::Transaction {
                runs: (0..self.roll(4)).map(|_| self.events(6)).collect(),
                commits: !self.once_in(3),
            },
            _ => self.commit(true),
        }
    }

    fn commit(&mut self, conditional: bool) -> Step {
        let events = self.events(5);
        let mut changes: Vec<model::Change> = Vec::new();
        for _ in 0..self.roll(3) {
            let value = (!self.once_in(3)).then(|| self.byte());
            let condition = if conditional { self.roll(3) as u8 } else { 0 };
            changes.push((self.roll(4) as u8, value, condition));
        }
        let writer = self.once_in(3).then(|| (self.roll(4) as u8, self.byte()));
        Step::Commit { events, changes, writer, synced: !self.once_in(3) }
    }

    fn events(&mut self, most: u64) -> Vec<Event> {
        let count = self.roll(most);
        (0..count)
            .map(|_| {
                let length = if self.once_in(12) { 2000 } else { 60 };
                let length = self.roll(length) as usize;
                let event = vec![self.byte(); length];
                (self.roll(STREAMS.into()) as u8, self.roll(9) as u8, event)
            })
            .collect()
    }
}
