//! Writing of rows: the events of a statement are staged in one transaction of the store, so that readers see
//! all of them or none.

mod conflicts;
mod constraints;
mod conversion;
mod lengths;
mod nested;
mod routing;
mod transaction;

pub(crate) use conflicts::Conflicts;
pub(crate) use constraints::Constraints;
pub(crate) use routing::RoutingKey;
pub(crate) use transaction::{InsertTransaction, Inserted, TargetStream};
