//! Detection of references that form a cycle without descending into the value.

use crate::json_schema::node::{Keywords, Node};
use crate::{Error, Result};

/// Rejects schemas that refer to themselves without descending into the value: they have no meaning.
pub(super) fn reject_reference_cycles(nodes: &[Node]) -> Result<()> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Active,
        Done,
    }
    let inside = |number: usize| {
        nodes.get(number).and_then(Node::keywords).map(Keywords::in_place).unwrap_or_default()
    };
    let mut marks = vec![Mark::New; nodes.len()];
    for start in 0..nodes.len() {
        if marks.get(start) != Some(&Mark::New) {
            continue;
        }
        let mut path = vec![(start, inside(start))];
        marks[start] = Mark::Active;
        while let Some((number, pending)) = path.last_mut() {
            let Some(next) = pending.pop() else {
                marks[*number] = Mark::Done;
                path.pop();
                continue;
            };
            match marks.get(next) {
                Some(Mark::Active) => {
                    let pointer = nodes.get(next).map_or("#", |node| node.pointer.as_str());
                    return Err(Error::new(format!(
                        "{pointer}: the schema refers to itself without descending into the value"
                    )));
                }
                Some(Mark::New) => {
                    marks[next] = Mark::Active;
                    path.push((next, inside(next)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
