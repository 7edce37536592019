//! The connection against a scripted server in memory.

mod login;
mod queries;
mod row_stream;
mod scripted_server;
mod stream;
