//! Authorization of a call by what its message names: [`CallAuthorization`].

use crate::middleware::{ProtectedRegistry, ProtectedStore, RequestContext, VisibleStore};
use kulya_auth::authorization::Denied;
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_auth::permission::Permission;
use kulya_registry::Registry;
use kulya_schema::GroupId;
use kulya_store::{Append, Scope, StreamId, TableChange, TableId};
use std::collections::BTreeSet;
use tonic::{Request, Status};

/// The permissions of a call's caller.
#[derive(Clone)]
pub(super) struct CallAuthorization(RequestContext);

impl CallAuthorization {
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        // tonic keeps the extensions of the HTTP request
        Self(request.extensions().get().cloned().unwrap_or_else(RequestContext::permissive))
    }

    fn require(&self, call: StoreCall, scope: &str, name: &str) -> Result<(), Status> {
        if self.0.is_permissive() {
            return Ok(());
        }
        let required = operation::store(self.0.names(), call, scope, name);
        self.0.require(&required, call.is_change()).map_err(denied)
    }

    /// Checks an operation of the registry on a group.
    pub(super) fn registry_call(&self, call: RegistryCall, group: &GroupId) -> Result<(), Status> {
        if self.0.is_permissive() {
            return Ok(());
        }
        let required = operation::registry(self.0.names(), call, &group.namespace, &group.name);
        self.0.require(&required, call.is_change()).map_err(denied)
    }

    /// Checks a permission on a namespace, or on the whole registry.
    pub(super) fn namespace(&self, namespace: Option<&str>, permission: Permission) -> Result<(), Status> {
        let required = operation::namespace(self.0.names(), namespace, permission);
        self.0.require(&required, required.is_change()).map_err(denied)
    }

    /// Returns the request's context.
    pub(super) fn context(&self) -> &RequestContext {
        &self.0
    }

    /// Returns the registry as the caller may see it.
    pub(super) fn registry(&self, registry: &ProtectedRegistry) -> Registry {
        registry.visible_to(&self.0)
    }

    /// Returns the store as the caller may see it.
    pub(super) fn store(&self, store: &ProtectedStore) -> VisibleStore {
        store.visible_to(&self.0)
    }

    pub(super) fn read_scope(&self, scope: &Scope) -> Result<(), Status> {
        self.require(StoreCall::ReadScope, scope.as_str(), "")
    }

    /// Checks creation or deletion, whose response reveals whether it existed.
    pub(super) fn change_scopes(&self, scope: &Scope) -> Result<(), Status> {
        self.require(StoreCall::ChangeScopes, scope.as_str(), "")?;
        self.read_scope(scope)
    }

    /// Checks creation or deletion, whose response reveals whether it existed.
    pub(super) fn change_stream(&self, stream: &StreamId) -> Result<(), Status> {
        self.require(StoreCall::ChangeStreams, stream.scope.as_str(), stream.name.as_str())?;
        self.read(stream)
    }

    pub(super) fn read(&self, stream: &StreamId) -> Result<(), Status> {
        self.require(StoreCall::ReadStream, stream.scope.as_str(), stream.name.as_str())
    }

    pub(super) fn write(&self, stream: &StreamId) -> Result<(), Status> {
        self.require(StoreCall::WriteStream, stream.scope.as_str(), stream.name.as_str())
    }

    /// Checks creation or deletion, whose response reveals whether it existed.
    pub(super) fn change_table(&self, table: &TableId) -> Result<(), Status> {
        self.require(StoreCall::ChangeTables, table.scope.as_str(), table.name.as_str())?;
        self.read_table(table)
    }

    pub(super) fn read_table(&self, table: &TableId) -> Result<(), Status> {
        self.require(StoreCall::ReadTable, table.scope.as_str(), table.name.as_str())
    }

    pub(super) fn write_table(&self, table: &TableId) -> Result<(), Status> {
        self.require(StoreCall::WriteTable, table.scope.as_str(), table.name.as_str())
    }

    /// Checks each stream once, whatever the number of its events.
    pub(super) fn append(&self, appends: &[Append]) -> Result<(), Status> {
        if self.0.is_permissive() {
            return Ok(());
        }
        let streams: BTreeSet<&StreamId> = appends.iter().map(|append| &append.stream).collect();
        streams.into_iter().try_for_each(|stream| self.write(stream))
    }

    /// Checks each table once.
    pub(super) fn change(&self, changes: &[TableChange]) -> Result<(), Status> {
        if self.0.is_permissive() {
            return Ok(());
        }
        let tables: BTreeSet<&TableId> = changes.iter().map(|change| &change.table).collect();
        tables.into_iter().try_for_each(|table| self.write_table(table))
    }
}

fn denied(denied: Denied) -> Status {
    Status::permission_denied(denied.to_string())
}
