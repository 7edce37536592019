//! The schema history after a statement, compared with the server's own catalog: for each statement of the
//! corpus, and for the scripts of a folder, that the server accepts. Needs a server.

mod comparison;
mod corpus;
mod examples;
mod missing;
mod script;

/// Only one test at a time has databases on a server.
static SERVER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
