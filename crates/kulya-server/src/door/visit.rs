//! Somebody's request on its way through a face: [`Visit`], found in the request's extensions.

use super::asked::Asked;
use axum::http::Extensions;
use kulya_auth::audit::{AuditLog, Entry};
use kulya_auth::fair_share::{Pool, Share};
use kulya_auth::operation::{self, RegistryCall, RequiredPermission};
use kulya_auth::permission::Permission;
use kulya_auth::resource::ResourceNames;
use kulya_auth::{Caller, CredentialKind};
use kulya_schema::GroupId;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Who asks, and what was said to it. Clones are one visit.
#[derive(Clone)]
pub(crate) struct Visit(Arc<Within>);

struct Within {
    caller: Caller,
    address: Option<SocketAddr>,
    face: &'static str,
    operation: String,
    names: Arc<ResourceNames>,
    audit: Option<Arc<AuditLog>>,
    bytes: Share,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    /// What was changed or refused, and is not written down yet.
    waiting: Vec<(RequiredPermission, bool)>,
    /// What was answered. What is said afterwards, in a call that goes on, is written down at once.
    status: Option<u16>,
}

/// The caller has no right to it. The text names the right that is missing, and nothing that the request did not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denied(String);

/// So much of a missing right is told, in signs.
const SHOWN: usize = 500;

impl Denied {
    pub(super) fn new(need: &RequiredPermission) -> Self {
        let mut text = format!("the caller needs {need}");
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        Self(text)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Visit {
    pub(super) fn new(
        caller: Caller,
        address: Option<SocketAddr>,
        asked: &Asked,
        audit: Option<Arc<AuditLog>>,
        names: Arc<ResourceNames>,
        bytes: Share,
    ) -> Self {
        let (face, operation) = (asked.face, asked.operation.clone().into_owned());
        let said = Mutex::default();
        Self(Arc::new(Within { caller, address, face, operation, names, audit, bytes, said }))
    }

    /// The visit that a request is. One that came through no door is anybody's: a face that stands alone is open.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(Self::anybodys)
    }

    pub(crate) fn anybodys() -> Self {
        let within = Within {
            caller: Caller::anonymous(),
            address: None,
            face: "",
            operation: String::new(),
            names: Arc::default(),
            audit: None,
            bytes: Pool::new(usize::MAX, 100).share(None),
            said: Mutex::default(),
        };
        Self(Arc::new(within))
    }

    /// Who asks; `None` is anybody.
    pub(crate) fn caller(&self) -> Option<&str> {
        self.0.caller.name()
    }

    /// What resources are called.
    pub(crate) fn names(&self) -> &ResourceNames {
        &self.0.names
    }

    /// What the request may hold in memory.
    pub(crate) fn bytes(&self) -> &Share {
        &self.0.bytes
    }

    /// Whether nobody is refused anything and nothing is written down: then nothing need be asked.
    pub(crate) fn is_free(&self) -> bool {
        self.0.audit.is_none() && self.0.caller.is_unrestricted()
    }

    /// Whether the caller may; for what is shown or left out. Nothing is written down.
    pub(super) fn may(&self, need: &RequiredPermission) -> bool {
        self.0.caller.may(need)
    }

    /// Whether the caller is refused this by a right of their own, `NONE`, and not for want of one.
    pub(super) fn is_denied_explicitly(&self, need: &RequiredPermission) -> bool {
        self.0.caller.is_denied_explicitly(need)
    }

    /// Whether the caller is refused nothing.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.0.caller.is_unrestricted()
    }

    /// Who it is: for what is good for this caller alone.
    pub(super) fn identity(&self) -> String {
        let Within { caller, .. } = &*self.0;
        let shown = caller.credential_kind().map_or("", CredentialKind::as_str);
        format!("{shown} {}", caller.name().unwrap_or_default())
    }

    /// Whether the caller may read a group; for lists.
    pub(super) fn may_read_group(&self, group: &GroupId) -> bool {
        let GroupId { namespace, name } = group;
        self.may(&operation::registry(self.names(), RegistryCall::ReadGroup, namespace, name))
    }

    /// Whether the caller may read a namespace; for lists.
    pub(super) fn may_read_namespace(&self, namespace: &str) -> bool {
        self.may(&operation::namespace(self.names(), Some(namespace), Permission::Read))
    }

    /// Whether the caller may; for what is done or refused, which is written down with the answer's status.
    pub(crate) fn allow(&self, need: &RequiredPermission, is_change: bool) -> Result<(), Denied> {
        let allowed = self.0.caller.may(need);
        if self.0.audit.is_some() && (is_change || !allowed) {
            let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
            match said.status {
                None => said.waiting.push((need.clone(), allowed)),
                // of a call that goes on: 7 is gRPC's word for a refusal
                Some(status) => self.write(need, allowed, if allowed { status } else { 7 }),
            }
        }
        if allowed { Ok(()) } else { Err(Denied::new(need)) }
    }

    /// The answer begins.
    pub(super) fn end(&self, status: u16) {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.status = Some(status);
        for (need, allowed) in std::mem::take(&mut said.waiting) {
            self.write(&need, allowed, status);
        }
    }

    fn write(&self, need: &RequiredPermission, allowed: bool, status: u16) {
        let Within { caller, address, face, operation, audit, .. } = &*self.0;
        let Some(audit) = audit else { return };
        let (resource, permission) = match need {
            RequiredPermission::Authenticated => (None, None),
            RequiredPermission::Resource { resource, permission, .. } => {
                (Some(resource.as_str()), Some(permission.as_str()))
            }
        };
        let (caller, by) = (caller.name(), caller.credential_kind().map(CredentialKind::as_str));
        let address = *address;
        audit.write(&Entry { caller, by, address, face, operation, resource, permission, allowed, status });
    }
}
