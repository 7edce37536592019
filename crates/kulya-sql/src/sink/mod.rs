//! Writing of rows: the events of a statement are staged in one transaction of the store, so that readers see
//! all of them or none.

mod conversion;
mod routing;
mod transaction;

pub(crate) use conversion::convert;
pub(crate) use routing::RoutingKey;
pub(crate) use transaction::{InsertTransaction, Inserted, TargetStream};
