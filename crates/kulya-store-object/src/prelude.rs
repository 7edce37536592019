//! The names that most programs on a store on object storage use, for `use kulya_store_object::prelude::*`:
//! this crate's, and those of the contract of stream stores.

pub use crate::{ObjectLogStore, Settings, StoreLocation};
pub use kulya_store::prelude::*;
