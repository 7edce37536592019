//! Operation of captures: those that a server runs, with their endpoints of REST v2, and the commands
//! `kulya capture`.

pub(crate) mod command;
pub(crate) mod served;
mod signal;
mod text;
