//! Permissions: what an access control list grants on a resource ([`Permission`]) and what an operation
//! requires ([`RequiredPermission`]).

use crate::Error;
use crate::resource::ResourceNames;
use std::fmt;
use std::str::FromStr;

/// A level of access to a resource. Each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// No access.
    None,
    /// Read access.
    Read,
    /// Read and write access.
    ReadUpdate,
}

impl Permission {
    /// Returns the permission as the account file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Read => "READ",
            Self::ReadUpdate => "READ_UPDATE",
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::None, Self::Read, Self::ReadUpdate]
            .into_iter()
            .find(|permission| permission.as_str() == text)
            .ok_or_else(|| Error::new(format!("permission {text:?} is none of NONE, READ, READ_UPDATE")))
    }
}

/// The permission that an operation requires of its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequiredPermission {
    /// Any authenticated caller.
    Authenticated,
    /// A permission on a resource.
    Resource {
        /// The resource, as [`ResourceNames`] spells it.
        resource: String,
        /// The least permission that suffices.
        permission: Permission,
        /// For system resources: the prefix that the pattern of a granting ACL entry must start with.
        explicit_prefix: Option<String>,
    },
}

impl RequiredPermission {
    /// Requires a permission on a resource that is not a system resource.
    pub fn on(resource: String, permission: Permission) -> Self {
        Self::Resource { resource, permission, explicit_prefix: None }
    }

    /// Requires read and write access to everything: for operations that no table lists.
    pub fn full_access(names: &ResourceNames) -> Self {
        Self::on(names.root(), Permission::ReadUpdate)
    }

    /// Whether it is a permission to change something.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Resource { permission: Permission::ReadUpdate, .. })
    }
}

/// Formats it for messages: `READ on prn::/scope:shop`.
impl fmt::Display for RequiredPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Resource { resource, permission, explicit_prefix } = self else {
            return f.write_str("authentication");
        };
        write!(f, "{} on {resource}", permission.as_str())?;
        match explicit_prefix {
            Some(prefix) => write!(f, ", granted by an ACL entry that starts with {prefix}"),
            None => Ok(()),
        }
    }
}
