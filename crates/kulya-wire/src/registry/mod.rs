//! The schema registry's contract as gRPC messages: `proto/kulya/registry/v1/registry.proto`, what is generated of it
//! ([`v1`]), and the conversions between its messages and the values of both traits that every registry has.
//!
//! ```
//! use kulya_registry_api::RegistryErrorKind;
//! use kulya_schema::GroupId;
//! use kulya_wire::registry::v1;
//! let orders = GroupId::new("shop", "orders");
//! let message = v1::Group::from(orders.clone());
//! assert_eq!(GroupId::from(message), orders);
//! // what comes from outside is read, or refused with its name
//! let odd = v1::Format { kind: 77, custom: String::new() };
//! let refused = kulya_schema::Format::try_from(odd).unwrap_err();
//! assert_eq!(refused.kind(), RegistryErrorKind::InvalidInput);
//! assert!(refused.to_string().contains("77"));
//! ```

mod change;
pub mod error;
mod group;
mod judgement;
mod page;
mod schema;
mod transfer;

use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};

/// Messages, client and server as tonic generates them. `cargo test -p kulya-wire` compares them with the proto file.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::str_to_string,
    clippy::unwrap_used,
    reason = "generated"
)]
pub mod v1 {
    include!("../../generated/kulya.registry.v1.rs");
}

/// The proto file as a descriptor set, for gRPC reflection.
pub const DESCRIPTOR: &[u8] = include_bytes!("../../generated/kulya.registry.v1.bin");

/// The largest request that a server takes, in bytes, and the largest message of an import: as REST v1, an 8 MiB schema
/// and what stands around it.
pub const MAX_REQUEST_BYTES: usize = 12 << 20;
/// The largest reply that a client takes: two schemas, and what changed between them.
pub const MAX_REPLY_BYTES: usize = 64 << 20;

/// What must be there in a message.
pub fn given<T>(field: Option<T>, what: &str) -> RegistryResult<T> {
    field.ok_or_else(|| wrong(format!("the message names no {what}")))
}

/// An enum by its number.
fn known<E: TryFrom<i32>>(number: i32, what: &str) -> RegistryResult<E> {
    let unknown =
        |_| wrong(format!("the message names a {what} by the number {number}, which means none here"));
    E::try_from(number).map_err(unknown)
}

fn wrong(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// Values of values.
fn all<T, M>(messages: Vec<M>) -> RegistryResult<Vec<T>>
where
    T: TryFrom<M, Error = RegistryError>,
{
    messages.into_iter().map(T::try_from).collect()
}

fn into_all<M, T: Into<M>>(values: Vec<T>) -> Vec<M> {
    values.into_iter().map(Into::into).collect()
}

/// A value that may be absent.
fn maybe<T, M>(message: Option<M>) -> RegistryResult<Option<T>>
where
    T: TryFrom<M, Error = RegistryError>,
{
    message.map(T::try_from).transpose()
}

/// A value that must be there.
fn must<T, M>(message: Option<M>, what: &str) -> RegistryResult<T>
where
    T: TryFrom<M, Error = RegistryError>,
{
    given(message, what)?.try_into()
}
