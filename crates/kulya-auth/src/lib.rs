//! Authentication, authorization, rate limiting and audit logging for servers, independent of the protocol.
//!
//! The crate has no socket and no HTTP types: a listener hands in credentials and addresses and gets back
//! values (a [`Caller`], an allowed or denied permission, a time to wait). Time comes from a [`Clock`]; files
//! are read only through the [`TextSource`]s that the caller hands in.
//!
//! - [`account`]: the account file of the Pravega servers: users, password hashes, access control lists.
//! - [`token`]: bearer tokens (JWT), verified with an issuer's key set.
//! - [`acl`] and [`permission`]: access control lists over resources. The first matching entry decides; the
//!   default is to deny.
//! - [`resource`] and [`operation`]: the permission that each operation of the registry and of the store
//!   requires.
//! - [`Authenticator`]: verifies passwords and tokens.
//! - [`admission`]: what every request passes first: authentication, login throttling, the caller's rate
//!   limit.
//! - [`authorization`]: permission checks during a request and their audit records.
//! - [`tls`]: TLS with certificates that are reloaded.
//! - [`login_queue`]: the order in which passwords are hashed.
//! - [`rate_limit`] and [`fair_share`]: requests per second, and requests, connections and bytes at a time.
//! - [`audit`] and [`access_log`]: log files.
//!
//! ```
//! use kulya_auth::acl::Acl;
//! use kulya_auth::operation::{StoreCall, store};
//! use kulya_auth::resource::ResourceNames;
//! let acl: Acl = "prn::/scope:shop/*,READ".parse()?;
//! let required = store(&ResourceNames::default(), StoreCall::ReadStream, "shop", "orders");
//! assert!(acl.allows(&required));
//! assert!(!acl.allows(&store(&ResourceNames::default(), StoreCall::WriteStream, "shop", "orders")));
//! # Ok::<(), kulya_auth::Error>(())
//! ```

pub mod access_log;
pub mod account;
pub mod acl;
pub mod admission;
pub mod audit;
mod authenticator;
pub mod authorization;
mod caller;
mod credentials;
mod error;
pub mod fair_share;
pub mod login_queue;
mod login_throttle;
pub mod operation;
mod password;
mod password_cache;
pub mod permission;
pub mod rate_limit;
pub mod resource;
pub mod text_source;
pub mod tls;
pub mod token;
mod truncate;

pub use authenticator::{AuthError, Authenticator};
pub use caller::{Caller, CredentialKind};
pub use credentials::{Credentials, Secret};
pub use error::Error;
#[cfg(doc)]
use kulya_store::clock::Clock;
pub use password::{ITERATIONS, PasswordHash};
pub use text_source::TextSource;
pub use truncate::truncate;
