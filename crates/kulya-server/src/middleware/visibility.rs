//! Registry and store as the caller of a request may see them. Handlers have neither: they have a
//! [`ProtectedRegistry`] and a [`ProtectedStore`], and get what the caller may see from
//! [`visible_to`](ProtectedRegistry::visible_to). So lists are filtered here and in `kulya_registry::Viewer`,
//! and no handler can forget it.

use super::request_context::RequestContext;
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_registry::{Registry, Viewer};
use kulya_schema::GroupId;
use kulya_store::{Result, Scope, StreamName, StreamStore};
use std::ops::Deref;
use std::sync::Arc;

/// A registry that can only be used on behalf of a caller.
#[derive(Clone)]
pub(crate) struct ProtectedRegistry(Arc<Registry>);

impl ProtectedRegistry {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }

    /// Returns the registry as the caller may see it in REST v2 and gRPC.
    pub(crate) fn visible_to(&self, context: &RequestContext) -> Registry {
        self.view(context, false)
    }

    /// Returns the registry as the caller may see it in REST v1, where permission to create a group suffices
    /// to learn whether a group of that name exists, unless reading that group is denied explicitly.
    pub(crate) fn visible_to_java_client(&self, context: &RequestContext) -> Registry {
        self.view(context, true)
    }

    fn view(&self, context: &RequestContext, is_java: bool) -> Registry {
        // an unrestricted caller sees everything, and its continuation tokens need no protection
        if context.is_unrestricted() {
            return (*self.0).clone();
        }
        let name = context.identity();
        self.0.seen_by(Arc::new(CallerView { name, context: context.clone(), is_java }))
    }
}

struct CallerView {
    name: String,
    context: RequestContext,
    is_java: bool,
}

impl Viewer for CallerView {
    fn name(&self) -> &str {
        &self.name
    }

    fn may_read(&self, group: &GroupId) -> bool {
        self.context.may_read_group(group)
    }

    fn may_see_namespace(&self, namespace: &str) -> bool {
        self.context.may_read_namespace(namespace)
    }

    fn may_make(&self, group: &GroupId) -> std::result::Result<(), String> {
        let GroupId { namespace, name } = group;
        let required = |call| operation::registry(self.context.names(), call, namespace, name);
        let (create, read) = (required(RegistryCall::CreateGroup), required(RegistryCall::ReadGroup));
        let suffices = self.is_java && !self.context.is_denied_explicitly(&read);
        // audited where the call names its group; an import names many
        let allowed = self.context.require(&create, false).and_then(|()| match suffices {
            true => Ok(()),
            false => self.context.require(&read, false),
        });
        allowed.map_err(|denied| denied.to_string())
    }
}

/// A store that can only be used on behalf of a caller.
#[derive(Clone)]
pub(crate) struct ProtectedStore(Arc<dyn StreamStore>);

impl ProtectedStore {
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> Self {
        Self(store)
    }

    /// Returns the store as the caller may see it.
    pub(crate) fn visible_to(&self, context: &RequestContext) -> VisibleStore {
        VisibleStore { store: Arc::clone(&self.0), context: context.clone() }
    }

    /// Returns the store itself, for operations whose permission has been checked.
    pub(crate) fn unfiltered(&self) -> Arc<dyn StreamStore> {
        Arc::clone(&self.0)
    }
}

/// A store whose lists contain what a caller may read. The other operations name their resource, and their
/// permission has been checked before.
#[derive(Clone)]
pub(crate) struct VisibleStore {
    store: Arc<dyn StreamStore>,
    context: RequestContext,
}

impl Deref for VisibleStore {
    type Target = dyn StreamStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl VisibleStore {
    fn is_visible(&self, call: StoreCall, scope: &Scope, name: &str) -> bool {
        self.context.is_allowed(&operation::store(self.context.names(), call, scope.as_str(), name))
    }

    /// Lists the scopes that the caller may read.
    pub(crate) async fn scopes(&self) -> Result<Vec<Scope>> {
        let mut scopes = self.store.scopes().await?;
        scopes.retain(|scope| self.is_visible(StoreCall::ReadScope, scope, ""));
        Ok(scopes)
    }

    /// Lists the streams of a scope that the caller may read.
    pub(crate) async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut names = self.store.streams(scope).await?;
        names.retain(|name| self.is_visible(StoreCall::ReadStream, scope, name.as_str()));
        Ok(names)
    }

    /// Lists the tables of a scope that the caller may read.
    pub(crate) async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut names = self.store.tables(scope).await?;
        names.retain(|name| self.is_visible(StoreCall::ReadTable, scope, name.as_str()));
        Ok(names)
    }
}
