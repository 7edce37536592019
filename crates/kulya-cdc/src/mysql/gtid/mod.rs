//! Global transaction ids: MySQL's sets ([`GtidSet`]) with their text and binary forms, and MariaDB's
//! positions ([`MariadbPosition`]). Values only: which transactions a server still has is for the caller to
//! ask.

mod binary;
mod error;
mod intervals;
mod mariadb;
mod set;
mod source;
mod text;

pub use error::GtidError;
pub use intervals::{Interval, MAX_NUMBER};
pub use mariadb::{MariadbGtid, MariadbPosition};
pub use set::{Gtid, GtidSet};
pub use source::{GtidSource, MAX_TAG_BYTES, ServerUuid, Tag};
