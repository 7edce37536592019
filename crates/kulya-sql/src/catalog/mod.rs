//! Catalogs: the stores behind them, their options, and the look-up, creation and removal of tables. Scopes
//! of a store are databases, streams with a registry group or a stored definition are tables.

mod backend;
mod create;
mod ddl_labels;
mod lookup;
mod objects;
mod options;
mod remove;

pub use backend::CatalogBackend;
pub(crate) use create::{
    Creation, NewSchemas, NewTable, create_database, create_naming_table, create_table, free_stream_name,
};
pub(crate) use lookup::find_table;
pub(crate) use options::parse_catalog_options;
pub use options::{CatalogOptions, Security, StoreAddress};
pub(crate) use remove::{drop_database, drop_table};
