//! States: the sets of literals that are asked for, their cases, and the order of the work on them.

use super::cases::Case;
use super::facts::{Doubt, Literal};
use super::recipes::Recipe;
use super::{MAX_CASES, Solver};
use serde_json::Value;
use std::rc::Rc;

/// The cases of a state that are worked on in one turn.
const CASES_PER_TURN: usize = 64;

/// The number of a state.
pub(super) type StateId = usize;

/// A set of literals, and what is known of its values.
#[derive(Debug)]
pub(super) struct State {
    pub(super) literals: Rc<[Literal]>,
    pub(super) cases: Vec<Case>,
    /// Cases of other states that need a value of this one.
    pub(super) waiting: Vec<(StateId, Case)>,
    pub(super) recipe: Option<Recipe>,
    /// The doubts without which nothing is known of it; `Some` when they count as possible.
    pub(super) possible: Option<Vec<Rc<Doubt>>>,
    pub(super) set_aside: Vec<Rc<Doubt>>,
    pub(super) is_queued: bool,
}

/// What became of a case.
pub(super) enum Outcome {
    Impossible,
    Divided(Vec<Case>),
    Waits(StateId, Box<Case>),
    /// Waits for the first of several states.
    WaitsForAny(Vec<StateId>, Box<Case>),
    Inhabited(Recipe),
    /// Not decided because of these doubts.
    Doubtful(Vec<Rc<Doubt>>),
}

impl Solver<'_, '_> {
    /// Works on all states until the first is inhabited or nothing is left to do. Returns `false` when the
    /// budget ends before that.
    pub(super) fn work(&mut self, first: StateId) -> bool {
        while let Some(id) = self.queue.pop_front() {
            self.current = id;
            if let Some(state) = self.states.get_mut(id) {
                state.is_queued = false;
            }
            for _ in 0..CASES_PER_TURN {
                if self.is_answered(id) {
                    self.drop_cases(id);
                    break;
                }
                let Some(case) = self.states.get_mut(id).and_then(|state| state.cases.pop()) else { break };
                self.case_count -= 1;
                if !self.pair.spend(1) || self.case_count > MAX_CASES {
                    return false;
                }
                let outcome = self.examine(id, case);
                self.take_outcome(id, outcome);
                if self.pair.is_exhausted() {
                    return false;
                }
            }
            if self.is_inhabited(first) {
                return true;
            }
            if self.states.get(id).is_some_and(|state| !state.cases.is_empty()) {
                self.enqueue(id);
            }
        }
        true
    }

    /// Returns whether nothing more is to be found out about a state.
    pub(super) fn is_answered(&self, id: StateId) -> bool {
        self.states
            .get(id)
            .is_some_and(|state| state.recipe.is_some() || (self.accepts_doubts && state.possible.is_some()))
    }

    pub(super) fn drop_cases(&mut self, id: StateId) {
        if let Some(state) = self.states.get_mut(id) {
            self.case_count -= state.cases.len();
            state.cases.clear();
        }
    }

    pub(super) fn enqueue(&mut self, id: StateId) {
        if let Some(state) = self.states.get_mut(id)
            && !state.is_queued
        {
            state.is_queued = true;
            self.queue.push_back(id);
        }
    }

    pub(super) fn add_case(&mut self, id: StateId, case: Case) {
        if let Some(state) = self.states.get_mut(id) {
            state.cases.push(case);
            self.case_count += 1;
        }
        self.enqueue(id);
    }

    pub(super) fn take_outcome(&mut self, id: StateId, outcome: Outcome) {
        match outcome {
            Outcome::Impossible => {}
            // the first alternative is examined first
            Outcome::Divided(cases) => cases.into_iter().rev().for_each(|case| self.add_case(id, case)),
            Outcome::Waits(on, case) => {
                self.case_count += 1;
                if let Some(state) = self.states.get_mut(on) {
                    state.waiting.push((id, *case));
                }
            }
            Outcome::WaitsForAny(on, case) => {
                self.case_count += on.len();
                for on in on {
                    if let Some(state) = self.states.get_mut(on) {
                        state.waiting.push((id, (*case).clone()));
                    }
                }
            }
            Outcome::Inhabited(recipe) => {
                if let Some(state) = self.states.get_mut(id) {
                    state.recipe = Some(recipe);
                }
                self.wake(id);
            }
            Outcome::Doubtful(doubts) => self.set_aside(id, doubts),
        }
    }

    pub(super) fn set_aside(&mut self, id: StateId, doubts: Vec<Rc<Doubt>>) {
        let accepts_doubts = self.accepts_doubts;
        let Some(state) = self.states.get_mut(id) else { return };
        for doubt in doubts {
            if state.set_aside.len() < 8 && !state.set_aside.contains(&doubt) {
                state.set_aside.push(doubt);
            }
        }
        if accepts_doubts && state.possible.is_none() {
            state.possible = Some(against_first(&state.set_aside));
            self.wake(id);
        }
    }

    /// Resumes the cases that wait for a value of this state.
    pub(super) fn wake(&mut self, id: StateId) {
        let waiting =
            self.states.get_mut(id).map(|state| std::mem::take(&mut state.waiting)).unwrap_or_default();
        self.case_count -= waiting.len();
        for (of, case) in waiting {
            if !self.is_answered(of) {
                self.add_case(of, case);
            }
        }
    }

    /// Counts doubtful cases as possible from now on.
    pub(super) fn accept_doubts(&mut self) {
        self.accepts_doubts = true;
        for id in 0..self.states.len() {
            let Some(state) = self.states.get_mut(id) else { continue };
            if state.recipe.is_none() && !state.set_aside.is_empty() {
                state.possible = Some(against_first(&state.set_aside));
                self.wake(id);
            }
        }
    }

    /// Returns the state of these literals; `None` if they contradict each other.
    pub(super) fn state(&mut self, mut literals: Vec<Literal>) -> Option<StateId> {
        literals.sort_unstable();
        literals.dedup();
        literals.retain(|literal| self.boolean(literal.class()) != Some(literal.holds()));
        let is_impossible = |literal: &Literal| self.boolean(literal.class()).is_some();
        if literals.iter().any(is_impossible)
            || literals.windows(2).any(|pair| matches!(pair, [one, other] if one.negated() == *other))
        {
            return None;
        }
        let literals: Rc<[Literal]> = literals.into();
        if let Some(id) = self.numbers.get(&literals) {
            return Some(*id);
        }
        let id = self.states.len();
        self.numbers.insert(Rc::clone(&literals), id);
        self.states.push(State {
            cases: Vec::new(),
            waiting: Vec::new(),
            recipe: literals.is_empty().then_some(Recipe::Value(Value::Null)),
            possible: None,
            set_aside: Vec::new(),
            is_queued: false,
            literals: Rc::clone(&literals),
        });
        if !literals.is_empty() {
            self.pair.spend(1 + literals.len() / 8);
            self.add_case(id, Case::new(&literals));
        }
        Some(id)
    }

    pub(super) fn is_inhabited(&self, id: StateId) -> bool {
        self.states.get(id).is_some_and(|state| state.recipe.is_some())
    }
}

/// Returns the doubts that stand against the value, or all if there are none.
fn against_first(doubts: &[Rc<Doubt>]) -> Vec<Rc<Doubt>> {
    let against: Vec<_> = doubts.iter().filter(|doubt| doubt.is_against).cloned().collect();
    if against.is_empty() { doubts.to_vec() } else { against }
}
