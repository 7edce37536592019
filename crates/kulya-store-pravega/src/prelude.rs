//! The names that most programs on a store on Pravega use, for `use kulya_store_pravega::prelude::*`:
//! this crate's, and those of the contract of stream stores.

pub use crate::{ControllerUri, Credentials, PravegaStore, Settings};
pub use kulya_store::prelude::*;
