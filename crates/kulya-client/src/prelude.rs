//! The names that most clients use, for `use kulya_client::prelude::*`: this crate's, and those of the
//! registry's contract, of schemas and of stream stores.

pub use crate::{Credentials, HttpRegistry, RegistrySettings, RemoteRegistry, RemoteSettings, RemoteStore};
pub use kulya_registry_api::prelude::*;
pub use kulya_store::prelude::*;
