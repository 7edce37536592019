//! Who is calling, and what they may do. The faces of `kulya-server` ask; this crate answers with values: a [`Caller`], a
//! yes or a no, how long to wait. It has no socket, takes time from a [`Clock`], and reads no file but those that are
//! handed in as a [`Document`].
//!
//! - [`account`]: the account file of the Java servers, to the letter: users, password hashes, rights.
//! - [`token`]: bearer tokens (JWT) against an issuer's key set.
//! - [`acl`]: rights as patterns over resources; the first that matches decides, and nothing matching is a no.
//! - [`resource`] and [`operation`]: what each call of the registry and of the store asks for. Pure tables.
//! - [`Guard`]: all of it together.
//! - [`login`]: whose password is hashed next.
//! - [`limit`], [`share`], [`audit`] and [`access`]: how much one may ask, and hold at a time, and what is written down of it.
//!
//! ```
//! use kulya_auth::acl::{Acl, Permission};
//! use kulya_auth::operation::{StoreCall, store};
//! use kulya_auth::resource::Names;
//! let acl: Acl = "prn::/scope:shop/*,READ".parse()?;
//! let need = store(&Names::default(), StoreCall::ReadStream, "shop", "orders");
//! assert!(acl.allows(&need));
//! assert!(!acl.allows(&store(&Names::default(), StoreCall::WriteStream, "shop", "orders")));
//! # Ok::<(), kulya_auth::Error>(())
//! ```

pub mod access;
pub mod account;
pub mod acl;
pub mod audit;
mod bounded;
mod credentials;
pub mod document;
mod error;
mod guard;
pub mod limit;
pub mod login;
pub mod operation;
mod password;
pub mod resource;
pub mod share;
pub mod token;
mod verified;

pub use bounded::bounded;
pub use credentials::{Credentials, Secret};
pub use document::Document;
pub use error::Error;
pub use guard::{Caller, Guard, NotLetIn, Shown};
#[cfg(doc)]
use kulya_store::clock::Clock;
pub use password::{ITERATIONS, PasswordHash};
