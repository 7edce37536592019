//! The names that most programs on an embedded store use, for `use kulya_store_embedded::prelude::*`:
//! this crate's, and those of the contract of stream stores.

pub use crate::{EmbeddedStore, Options};
pub use kulya_store::prelude::*;
