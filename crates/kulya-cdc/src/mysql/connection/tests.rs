//! The connection against a scripted server in memory.

mod login;
mod queries;
mod scripted_server;
mod stream;
