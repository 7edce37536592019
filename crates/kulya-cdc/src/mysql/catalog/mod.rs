//! What a server's catalog says: its settings that give statements their meaning, its collations, its tables,
//! and which of them are captured. From the tables' own statements it builds the schema history.
//!
//! It reads definitions, no rows and no log.

mod cascades;
mod definitions;
mod server;
mod tables;

pub(crate) use cascades::warn_of_cascades;
pub(crate) use definitions::{Definitions, read_definitions, read_table};
pub(crate) use server::ServerFacts;
pub(crate) use tables::{CapturedTables, TableInfo, is_system};

#[cfg(test)]
mod statement_effects;
#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::server::tests::facts;
    pub(crate) use super::tables::tests::table;
}
