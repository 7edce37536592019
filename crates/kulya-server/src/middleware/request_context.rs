//! The context of a request, which handlers find in the request's extensions: [`RequestContext`].

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;
use kulya_auth::authorization::{Authorization, Denied};
use kulya_auth::fair_share::{Pool, Share};
use kulya_auth::operation::{self, RegistryCall};
use kulya_auth::permission::{Permission, RequiredPermission};
use kulya_auth::resource::ResourceNames;
use kulya_schema::GroupId;
use std::convert::Infallible;
use std::sync::Arc;

/// The caller of a request, its permissions, and the memory that the request may use. Clones are one context.
#[derive(Clone)]
pub(crate) struct RequestContext(Arc<Inner>);

struct Inner {
    authorization: Authorization,
    bytes: Share,
}

impl RequestContext {
    pub(super) fn new(authorization: Authorization, bytes: Share) -> Self {
        Self(Arc::new(Inner { authorization, bytes }))
    }

    /// Returns the context of a request. Without the middleware, as when a router is used alone, everything
    /// is allowed.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::permissive)
    }

    /// Returns a context that allows everything.
    pub(crate) fn permissive() -> Self {
        Self::new(Authorization::permissive(), Pool::new(usize::MAX, 100).share(None))
    }

    /// Returns the caller's name; `None` for an anonymous caller.
    pub(super) fn caller(&self) -> Option<&str> {
        self.0.authorization.caller().name()
    }

    /// Returns the spelling of resources.
    pub(crate) fn names(&self) -> &ResourceNames {
        self.0.authorization.names()
    }

    /// Returns the memory that the request may use.
    pub(crate) fn bytes(&self) -> &Share {
        &self.0.bytes
    }

    /// Whether permission checks can be skipped.
    pub(crate) fn is_permissive(&self) -> bool {
        self.0.authorization.is_permissive()
    }

    /// Whether the caller has a permission, for filtering lists. Not audited.
    pub(super) fn is_allowed(&self, required: &RequiredPermission) -> bool {
        self.0.authorization.caller().is_allowed(required)
    }

    /// Whether an ACL entry denies it explicitly, as opposed to no entry granting it.
    pub(super) fn is_denied_explicitly(&self, required: &RequiredPermission) -> bool {
        self.0.authorization.caller().is_denied_explicitly(required)
    }

    /// Whether the caller has every permission.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.0.authorization.caller().is_unrestricted()
    }

    /// Returns the caller's identity, for tokens that only this caller may use.
    pub(super) fn identity(&self) -> String {
        self.0.authorization.caller().identity()
    }

    /// Whether the caller may read a group, for filtering lists.
    pub(super) fn may_read_group(&self, group: &GroupId) -> bool {
        let GroupId { namespace, name } = group;
        self.is_allowed(&operation::registry(self.names(), RegistryCall::ReadGroup, namespace, name))
    }

    /// Whether the caller may read a namespace, for filtering lists.
    pub(super) fn may_read_namespace(&self, namespace: &str) -> bool {
        self.is_allowed(&operation::namespace(self.names(), Some(namespace), Permission::Read))
    }

    /// Checks a permission. A change and a denial are audited with the response's status.
    pub(crate) fn require(&self, required: &RequiredPermission, is_change: bool) -> Result<(), Denied> {
        self.0.authorization.require(required, is_change)
    }

    /// Writes the audit records: the response starts.
    pub(super) fn complete(&self, status: u16) {
        self.0.authorization.complete(status);
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
