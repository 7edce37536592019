//! Operators without rows in their state: each row's weight stays with what becomes of the row.

mod change_rows;
pub(crate) mod filter;
mod project;
mod union;
mod unnest;
mod values;

pub use change_rows::ChangeRows;
pub use filter::Filter;
pub use project::Project;
pub use union::Union;
pub use unnest::{Unnest, UnnestOptions};
pub use values::Values;
