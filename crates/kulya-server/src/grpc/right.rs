//! The rights of a call of the store or the registry: what its message names, asked of the [`Visit`] that brought it.

use crate::door::{Denied, GuardedRegistry, GuardedStore, SeenStore, Visit};
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_auth::permission::Permission;
use kulya_registry::Registry;
use kulya_schema::GroupId;
use kulya_store::{Append, Scope, StreamId, TableChange, TableId};
use std::collections::BTreeSet;
use tonic::{Request, Status};

/// What a call may do.
#[derive(Clone)]
pub(super) struct Rights(Visit);

impl From<Denied> for Status {
    fn from(denied: Denied) -> Self {
        Self::permission_denied(denied.to_string())
    }
}

impl Rights {
    pub(super) fn of<T>(request: &Request<T>) -> Self {
        // tonic keeps what the door put into the HTTP request
        Self(request.extensions().get().cloned().unwrap_or_else(Visit::anybodys))
    }

    fn ask(&self, call: StoreCall, scope: &str, name: &str) -> Result<(), Denied> {
        if self.0.is_free() {
            return Ok(());
        }
        let is_change = !matches!(
            call,
            StoreCall::Known | StoreCall::ReadScope | StoreCall::ReadStream | StoreCall::ReadTable
        );
        self.0.allow(&operation::store(self.0.names(), call, scope, name), is_change)
    }

    /// A call of the registry that names a group.
    pub(super) fn of_group(&self, call: RegistryCall, group: &GroupId) -> Result<(), Denied> {
        if self.0.is_free() {
            return Ok(());
        }
        let need = operation::registry(self.0.names(), call, &group.namespace, &group.name);
        self.0.allow(&need, call.changes())
    }

    /// A call over a namespace, or over all of the registry.
    pub(super) fn over(&self, namespace: Option<&str>, permission: Permission) -> Result<(), Denied> {
        let need = operation::namespace(self.0.names(), namespace, permission);
        self.0.allow(&need, need.is_change())
    }

    /// The visit itself.
    pub(super) fn visit(&self) -> &Visit {
        &self.0
    }

    /// The registry as the caller sees it.
    pub(super) fn registry(&self, registry: &GuardedRegistry) -> Registry {
        registry.seen_by(&self.0)
    }

    /// The store as the caller sees it.
    pub(super) fn store(&self, store: &GuardedStore) -> SeenStore {
        store.seen_by(&self.0)
    }

    pub(super) fn read_scope(&self, scope: &Scope) -> Result<(), Denied> {
        self.ask(StoreCall::ReadScope, scope.as_str(), "")
    }

    /// Makes or removes it, and so learns whether it is there.
    pub(super) fn change_scopes(&self, scope: &Scope) -> Result<(), Denied> {
        self.ask(StoreCall::ChangeScopes, scope.as_str(), "")?;
        self.read_scope(scope)
    }

    /// Makes or removes it, and so learns whether it is there.
    pub(super) fn change_stream(&self, stream: &StreamId) -> Result<(), Denied> {
        self.ask(StoreCall::ChangeStreams, stream.scope.as_str(), stream.name.as_str())?;
        self.read(stream)
    }

    pub(super) fn read(&self, stream: &StreamId) -> Result<(), Denied> {
        self.ask(StoreCall::ReadStream, stream.scope.as_str(), stream.name.as_str())
    }

    pub(super) fn write(&self, stream: &StreamId) -> Result<(), Denied> {
        self.ask(StoreCall::WriteStream, stream.scope.as_str(), stream.name.as_str())
    }

    /// Makes or removes it, and so learns whether it is there.
    pub(super) fn change_table(&self, table: &TableId) -> Result<(), Denied> {
        self.ask(StoreCall::ChangeTables, table.scope.as_str(), table.name.as_str())?;
        self.read_table(table)
    }

    pub(super) fn read_table(&self, table: &TableId) -> Result<(), Denied> {
        self.ask(StoreCall::ReadTable, table.scope.as_str(), table.name.as_str())
    }

    pub(super) fn write_table(&self, table: &TableId) -> Result<(), Denied> {
        self.ask(StoreCall::WriteTable, table.scope.as_str(), table.name.as_str())
    }

    /// Each stream once, whatever the number of its events.
    pub(super) fn append(&self, appends: &[Append]) -> Result<(), Denied> {
        if self.0.is_free() {
            return Ok(());
        }
        let streams: BTreeSet<&StreamId> = appends.iter().map(|append| &append.stream).collect();
        streams.into_iter().try_for_each(|stream| self.write(stream))
    }

    /// Each table once.
    pub(super) fn change(&self, changes: &[TableChange]) -> Result<(), Denied> {
        if self.0.is_free() {
            return Ok(());
        }
        let tables: BTreeSet<&TableId> = changes.iter().map(|change| &change.table).collect();
        tables.into_iter().try_for_each(|table| self.write_table(table))
    }
}
