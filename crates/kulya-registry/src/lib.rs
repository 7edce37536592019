//! The schema registry: the rules of `kulya-schema`, kept in a stream store's tables.
//!
//! Every answer begins with the group's head in the store's table, and every change is one compare-and-set commit there, so
//! several registries on one store stay right without a leader. Each group is linearised by its head, which every change of
//! the group replaces. What is remembered ([`Registry`]'s clones share it) are things that never change: versions, schemas,
//! parsed schemas. Each change also stands in the feed, by the same commit.
//!
//! ```
//! # use std::sync::Arc;
//! # use kulya_store::{clock::SystemClock, memory::MemoryStore};
//! use kulya_registry_api::SchemaRegistry;
//! use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let registry = kulya_registry::Registry::open(Arc::new(MemoryStore::new()), Arc::new(SystemClock)).await?;
//! let group = GroupId::new("shop", "orders");
//! registry.create_group(&group, GroupProperties::new(Format::Avro, Compatibility::Backward, false)).await?;
//! let schema = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
//! let version = registry.add_schema(&group, SchemaInfo::new("Order", Format::Avro, schema)).await?;
//! assert_eq!((version.id, version.version), (0, 0));
//! # Ok::<(), kulya_registry_api::RegistryError>(()) }).unwrap();
//! ```

mod administration;
mod compute;
mod feed;
mod group;
mod groups;
mod judging;
mod keys;
mod listing;
mod memory;
mod page_token;
mod records;
mod registry;
mod search;
mod table;
mod transfer;
mod viewer;

pub use compute::{ComputeLimits, as_caller};
pub use listing::Listing;
pub use registry::Registry;
pub use viewer::Viewer;
