//! The schema registry on a stream store: it applies the rules of `kulya-schema` and stores groups, schemas
//! and encodings in one table.
//!
//! Every request first reads the group's record from the table, and every change is one commit that replaces
//! this record by compare-and-set. So each group is linearizable, and any number of registries can share a
//! store without a leader. The same commit appends the change to the changelog. The caches, which the clones
//! of a [`Registry`] share, contain immutable data: versions, schemas, parsed schemas.
//!
//! ```
//! use kulya_registry::prelude::*;
//!
//! # fn main() -> RegistryResult<()> {
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let registry = Registry::open(MemoryStore::new(), SystemClock).await?;
//! let group = GroupId::new("shop", "orders");
//! let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, false);
//! registry.create_group(&group, properties.with_rules(Rules::strict())).await?;
//!
//! let schema = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
//! let version = registry.add_schema(&group, SchemaInfo::avro(schema)).await?;
//! assert_eq!((version.id, version.version), (0, 0));
//! # Ok(()) }) }
//! ```

mod administration;
mod authorization;
mod authorizer;
mod cache;
mod changelog;
mod compatibility;
mod error;
mod export_import;
mod keys;
mod lifecycle;
mod listing;
mod page_token;
mod paging;
pub mod prelude;
mod records;
mod references;
mod registry;
mod schemas;
mod search;
mod snapshot;
mod table;
mod worker_pool;

pub use authorizer::Authorizer;
pub use kulya_registry_api;
pub use kulya_schema;
pub use kulya_store;
pub use listing::Listing;
pub use registry::Registry;
pub use worker_pool::{WorkerPoolLimits, with_caller};
