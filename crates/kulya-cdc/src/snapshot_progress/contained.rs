//! What the rows of a snapshot contain of a change in the log.

use crate::debezium::envelope::Operation;

/// A part of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contained {
    Nothing,
    /// That the old row is gone. The new one is not contained.
    Old,
    /// The new row. That the old one is gone is not contained.
    New,
    All,
}

impl Contained {
    pub(crate) fn of(is_contained: bool) -> Self {
        if is_contained { Self::All } else { Self::Nothing }
    }

    /// Returns the operation of what is not contained; `None` for nothing.
    pub(crate) fn rest_of(self, operation: Operation) -> Option<Operation> {
        match self {
            Self::Nothing => Some(operation),
            Self::Old => Some(Operation::Create),
            Self::New => Some(Operation::Delete),
            Self::All => None,
        }
    }

    /// Combines whether the old and the new row of a change are contained; `None` for a row that it has not.
    pub(crate) fn of_rows(old: Option<bool>, new: Option<bool>) -> Self {
        match (old, new) {
            (Some(true), Some(false)) => Self::Old,
            (Some(false), Some(true)) => Self::New,
            (old, new) => Self::of(old.or(new).unwrap_or(false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_of_an_update_is_a_create_or_a_delete() {
        let update = Operation::Update;
        let rest =
            [Contained::Nothing, Contained::Old, Contained::New, Contained::All].map(|c| c.rest_of(update));
        assert_eq!(rest, [Some(update), Some(Operation::Create), Some(Operation::Delete), None]);
    }

    #[test]
    fn rows_are_contained_each_for_itself() {
        for (old, new, expected) in [
            (None, Some(true), Contained::All),
            (Some(false), None, Contained::Nothing),
            (Some(true), Some(true), Contained::All),
            (Some(false), Some(false), Contained::Nothing),
            (Some(true), Some(false), Contained::Old),
            (Some(false), Some(true), Contained::New),
        ] {
            assert_eq!(Contained::of_rows(old, new), expected, "{old:?} {new:?}");
        }
    }
}
