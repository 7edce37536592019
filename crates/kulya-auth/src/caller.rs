//! The authenticated caller of a request: [`Caller`].

use crate::acl::Acl;
use crate::permission::RequiredPermission;
use std::sync::Arc;

/// The identity and the permissions of whoever sent a request. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Inner>);

/// The kind of credentials that a caller presented. A token's subject and an account of the same name are
/// different callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// An account's password.
    Password,
    /// An issuer's token.
    Token,
}

impl CredentialKind {
    /// Returns the kind's name in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }
}

#[derive(Debug)]
struct Inner {
    identity: Option<(CredentialKind, Arc<str>)>,
    /// `None` grants everything, including system resources.
    acl: Option<Arc<Acl>>,
}

impl Caller {
    /// Returns the caller of a server without authentication, who may do everything.
    pub fn anonymous() -> Self {
        Self(Arc::new(Inner { identity: None, acl: None }))
    }

    /// Creates an authenticated caller.
    pub fn new(kind: CredentialKind, name: impl Into<Arc<str>>, acl: Arc<Acl>) -> Self {
        Self(Arc::new(Inner { identity: Some((kind, name.into())), acl: Some(acl) }))
    }

    /// Returns the name; `None` for an anonymous caller.
    pub fn name(&self) -> Option<&str> {
        self.0.identity.as_ref().map(|(_, name)| &**name)
    }

    /// Returns the kind of credentials; `None` for an anonymous caller.
    pub fn credential_kind(&self) -> Option<CredentialKind> {
        self.0.identity.as_ref().map(|(kind, _)| *kind)
    }

    /// Returns credential kind and name in one text, unique per caller and empty for an anonymous one.
    pub fn identity(&self) -> String {
        self.0.identity.as_ref().map_or_else(String::new, |(kind, name)| format!("{} {name}", kind.as_str()))
    }

    /// Whether every permission is granted.
    pub fn is_unrestricted(&self) -> bool {
        self.0.acl.is_none()
    }

    /// Whether an ACL entry denies it explicitly (`NONE`), as opposed to no entry granting it.
    pub fn is_denied_explicitly(&self, required: &RequiredPermission) -> bool {
        self.0.acl.as_ref().is_some_and(|acl| acl.denies(required))
    }

    /// Whether the caller has the required permission.
    pub fn is_allowed(&self, required: &RequiredPermission) -> bool {
        self.0.acl.as_ref().is_none_or(|acl| acl.allows(required))
    }
}
