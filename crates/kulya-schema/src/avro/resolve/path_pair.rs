//! Locations in both schemas of a resolution.

use crate::avro::schema::Schema;

/// The maximum number of path steps that are shown, counted from the end.
const MAX_STEPS: usize = 100;

/// A location in both schemas: a linked list back to the roots, formatted only for a reason.
#[derive(Clone, Copy)]
pub(super) struct PathPair<'p> {
    parent: Option<&'p PathPair<'p>>,
    pub(super) reader: Step<'p>,
    pub(super) writer: Step<'p>,
}

/// One step of a path in one of the schemas.
#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    /// No step in this schema.
    Unchanged,
    Field(&'p str),
    Items,
    Values,
    Member(usize),
}

impl<'p> PathPair<'p> {
    pub(super) const ROOT: PathPair<'static> =
        PathPair { parent: None, reader: Step::Unchanged, writer: Step::Unchanged };

    pub(super) fn step(&'p self, reader: Step<'p>, writer: Step<'p>) -> Self {
        Self { parent: Some(self), reader, writer }
    }

    pub(super) fn both(&'p self, step: Step<'p>) -> Self {
        self.step(step, step)
    }

    /// Formats the path, such as `Order.lines[].quantity`; a long path is cut at its start.
    pub(super) fn format(&self, schema: &Schema, side: fn(&Self) -> Step<'p>) -> String {
        let mut steps = Vec::new();
        let mut next = Some(self);
        while let Some(location) = next {
            if !matches!(side(location), Step::Unchanged) {
                steps.push(side(location));
            }
            if steps.len() >= MAX_STEPS {
                break;
            }
            next = location.parent;
        }
        let mut path = if next.is_none() { schema.root_name().1 } else { "…".to_owned() };
        for step in steps.into_iter().rev() {
            match step {
                Step::Unchanged => {}
                Step::Field(name) => {
                    path.push('.');
                    path += &crate::text::truncated(name);
                }
                Step::Items => path += "[]",
                Step::Values => path += "{}",
                Step::Member(number) => path += &format!("[{number}]"),
            }
        }
        path
    }
}
