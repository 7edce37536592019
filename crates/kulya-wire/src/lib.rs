//! The contracts of the stream store and of the schema registry as gRPC messages: `proto/`, what is generated of it ([`v1`]
//! the store's, [`registry::v1`] the registry's), and the conversions between its messages and the contracts' values, in
//! both directions. Both ends of a connection use it: `kulya-server` answers, `kulya-client` asks. It has no socket and
//! keeps nothing.
//!
//! What comes in is checked where it is converted: a name, a cut or a pointer that exists is right.
//!
//! ```
//! use kulya_store::{Error, ErrorKind, StreamId};
//! use kulya_wire::{error, v1};
//! let orders = StreamId::new("shop", "orders")?;
//! let message = v1::Stream::from(&orders);
//! assert_eq!(StreamId::try_from(message)?, orders);
//! // a store's error crosses as it is, whatever the gRPC code
//! let status = error::status(&Error::not_found("stream shop/orders"));
//! assert_eq!(error::carried(&status).map(|e| e.kind()), Some(ErrorKind::NotFound));
//! # Ok::<(), Error>(())
//! ```

mod commit;
mod envelope;
pub mod error;
mod name;
mod read;
pub mod registry;
mod stream;
mod transaction;

pub use commit::{MAX_COMMIT_BYTES, changes_of, check_message, check_size, events_of};
pub use name::id_of;
pub use transaction::{Asked, Told};

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
    include!("../generated/kulya.store.v1.rs");
}

/// The store's proto file as a descriptor set, for gRPC reflection.
pub const DESCRIPTOR: &[u8] = include_bytes!("../generated/kulya.store.v1.bin");

/// The largest message that either end takes, in bytes. It has room for a commit of [`MAX_COMMIT_BYTES`] with its names
/// and keys.
pub const MAX_MESSAGE_BYTES: usize = MAX_COMMIT_BYTES + (16 << 20);

/// What must be there in a message.
fn given<T>(field: Option<T>, what: &str) -> kulya_store::Result<T> {
    field.ok_or_else(|| kulya_store::Error::invalid(format!("the message names no {what}")))
}
