//! Catalogs: the stores behind them, their options, and the look-up, creation, change and removal of tables
//! and views. Scopes of a store are databases, streams with a registry group or a stored definition are
//! tables.

mod alter;
mod backend;
mod create;
mod databases;
mod ddl_labels;
mod lookup;
mod objects;
mod options;
mod remove;
mod views;

pub(crate) use alter::{NewDefinition, TableBefore, change_table, publish, rename_table, table_before};
pub use backend::CatalogBackend;
pub(crate) use backend::{DatabaseNames, NameStatus};
pub(crate) use create::{
    Creation, NewSchemas, NewTable, create_database, create_naming_table, create_table, finish,
    free_stream_name, unfinished,
};
pub(crate) use databases::{
    change_database, database_properties, forget_catalog, replace_catalog, store_catalog, stored_catalogs,
};
pub(crate) use lookup::{Found, find, unknown_name};
pub(crate) use objects::StoredCatalog;
pub(crate) use options::{CATALOG_OPTIONS, has_secret, parse_catalog_options, shown};
pub use options::{CatalogOptions, Security, StoreAddress};
pub(crate) use remove::{drop_database, drop_table, drop_unfinished};
pub(crate) use views::{create_view, drop_view, rename_view, replace_view};
