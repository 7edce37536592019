//! Permission checks during one request and their audit records: [`Authorization`].

use crate::audit::{AuditLog, Entry};
use crate::caller::{Caller, CredentialKind};
use crate::permission::RequiredPermission;
use crate::resource::ResourceNames;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Characters of the missing permission that the error's text contains.
const MAX_MESSAGE_CHARACTERS: usize = 500;

/// The caller lacks a permission. The text names the permission and nothing that the request did not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(String);

impl Denied {
    /// Creates the error for a missing permission.
    pub fn new(required: &RequiredPermission) -> Self {
        let mut text = format!("the caller needs {required}");
        if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE_CHARACTERS) {
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

impl std::error::Error for Denied {}

/// The operation that a request asks for, as the audit log names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditedOperation {
    /// The API: `registry`, `store`, …
    pub api: &'static str,
    /// The operation's name.
    pub operation: String,
    /// The status that is recorded for a permission denied after the response has started.
    pub denied_status: u16,
}

/// The caller of one request, what it may do, and what the audit log is to record of it.
pub struct Authorization {
    caller: Caller,
    address: Option<SocketAddr>,
    operation: AuditedOperation,
    names: Arc<ResourceNames>,
    audit: Option<Arc<AuditLog>>,
    state: Mutex<AuditState>,
}

#[derive(Default)]
struct AuditState {
    /// Changes and denials that are recorded once the response's status is known.
    pending: Vec<(RequiredPermission, bool)>,
    /// The response's status. Later checks, in a streaming call, are recorded at once.
    status: Option<u16>,
}

impl Authorization {
    /// Creates the authorization of a request.
    pub fn new(
        caller: Caller,
        address: Option<SocketAddr>,
        operation: AuditedOperation,
        names: Arc<ResourceNames>,
        audit: Option<Arc<AuditLog>>,
    ) -> Self {
        Self { caller, address, operation, names, audit, state: Mutex::default() }
    }

    /// Returns the authorization of an anonymous caller without an audit log: everything is allowed.
    pub fn permissive() -> Self {
        Self::new(Caller::anonymous(), None, AuditedOperation::default(), Arc::default(), None)
    }

    /// Returns the caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the spelling of resources.
    pub fn names(&self) -> &ResourceNames {
        &self.names
    }

    /// Whether checks can be skipped: everything is allowed and nothing is audited.
    pub fn is_permissive(&self) -> bool {
        self.audit.is_none() && self.caller.is_unrestricted()
    }

    /// Checks a permission for an operation. A change and a denial are recorded in the audit log, with the
    /// response's status.
    ///
    /// # Errors
    /// The caller lacks the permission.
    pub fn require(&self, required: &RequiredPermission, is_change: bool) -> Result<(), Denied> {
        let is_allowed = self.caller.is_allowed(required);
        if self.audit.is_some() && (is_change || !is_allowed) {
            let mut state = self.state();
            match state.status {
                None => state.pending.push((required.clone(), is_allowed)),
                Some(status) => {
                    let status = if is_allowed { status } else { self.operation.denied_status };
                    self.record(required, is_allowed, status);
                }
            }
        }
        if is_allowed { Ok(()) } else { Err(Denied::new(required)) }
    }

    /// Records the pending checks with the status of the response, which starts now.
    pub fn complete(&self, status: u16) {
        let mut state = self.state();
        state.status = Some(status);
        for (required, is_allowed) in std::mem::take(&mut state.pending) {
            self.record(&required, is_allowed, status);
        }
    }

    fn state(&self) -> MutexGuard<'_, AuditState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, required: &RequiredPermission, allowed: bool, status: u16) {
        let Some(audit) = &self.audit else { return };
        let (resource, permission) = match required {
            RequiredPermission::Authenticated => (None, None),
            RequiredPermission::Resource { resource, permission, .. } => {
                (Some(resource.as_str()), Some(permission.as_str()))
            }
        };
        let AuditedOperation { api, operation, .. } = &self.operation;
        audit.write(&Entry {
            caller: self.caller.name(),
            by: self.caller.credential_kind().map(CredentialKind::as_str),
            address: self.address,
            api,
            operation,
            resource,
            permission,
            allowed,
            status,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{StoreCall, store};
    use kulya_store::clock::ManualClock;
    use std::io::{self, Write};
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn changes_and_denials_are_audited_with_the_status_of_the_response() {
        let lines = Lines::default();
        let audit = AuditLog::new(lines.clone(), Arc::new(ManualClock::at(Duration::from_secs(1))));
        let acl = Arc::new("prn::/scope:s/stream:t,READ_UPDATE".parse().unwrap());
        let caller = Caller::new(CredentialKind::Password, "anna", acl);
        let operation = AuditedOperation { api: "store", operation: "Commit".to_owned(), denied_status: 7 };
        let authorization =
            Authorization::new(caller, None, operation, Arc::default(), Some(Arc::new(audit)));
        let required = |call, stream| store(&ResourceNames::default(), call, "s", stream);
        assert!(authorization.require(&required(StoreCall::ReadStream, "t"), false).is_ok());
        assert!(authorization.require(&required(StoreCall::WriteStream, "t"), true).is_ok());
        assert!(lines.0.lock().unwrap().is_empty(), "the status is not known yet");
        authorization.complete(200);
        let denied = authorization.require(&required(StoreCall::ReadStream, "u"), false).unwrap_err();
        assert_eq!(denied.to_string(), "the caller needs READ on prn::/scope:s/stream:u");
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains(r#""allowed":true,"status":200"#), "{text}");
        assert!(lines[1].contains(r#""allowed":false,"status":7"#), "{text}");
    }
}
