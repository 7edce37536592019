//! Catalogs: the stores behind them, their options, and the look-up of tables. Scopes of a store are
//! databases, streams with a registry group are tables.

mod backend;
mod lookup;
mod options;

pub use backend::CatalogBackend;
pub(crate) use lookup::find_table;
pub(crate) use options::parse_catalog_options;
pub use options::{CatalogOptions, Security, StoreAddress};
