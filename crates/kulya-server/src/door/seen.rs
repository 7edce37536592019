//! Registry and store as the caller of a request sees them. A face holds neither: it holds a [`GuardedRegistry`] and a
//! [`GuardedStore`], and has what it asks from [`seen_by`](GuardedRegistry::seen_by). So what lists leave out is decided
//! here and in `kulya_registry::Viewer`, and no face can forget it.

use super::visit::Visit;
use kulya_auth::operation::{self, RegistryCall, StoreCall};
use kulya_registry::{Registry, Viewer};
use kulya_schema::GroupId;
use kulya_store::{Result, Scope, StreamName, StreamStore};
use std::ops::Deref;
use std::sync::Arc;

/// A registry that is asked on behalf of somebody.
#[derive(Clone)]
pub(crate) struct GuardedRegistry(Arc<Registry>);

impl GuardedRegistry {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self(registry)
    }

    /// As the caller sees it on our own faces.
    pub(crate) fn seen_by(&self, visit: &Visit) -> Registry {
        self.as_seen(visit, false)
    }

    /// As the caller sees it on the Java registry's face, where the right to make a group is enough to learn whether there
    /// is one of that name, unless that very group is refused.
    pub(crate) fn seen_by_java(&self, visit: &Visit) -> Registry {
        self.as_seen(visit, true)
    }

    fn as_seen(&self, visit: &Visit, is_java: bool) -> Registry {
        // where nobody is guarded there is nothing to leave out, and nothing to hide in a token
        if visit.is_unrestricted() {
            return (*self.0).clone();
        }
        self.0.seen_by(Arc::new(Caller { name: visit.identity(), visit: visit.clone(), is_java }))
    }
}

struct Caller {
    name: String,
    visit: Visit,
    is_java: bool,
}

impl Viewer for Caller {
    fn name(&self) -> &str {
        &self.name
    }

    fn may_read(&self, group: &GroupId) -> bool {
        self.visit.may_read_group(group)
    }

    fn may_see_namespace(&self, namespace: &str) -> bool {
        self.visit.may_read_namespace(namespace)
    }

    fn may_make(&self, group: &GroupId) -> std::result::Result<(), String> {
        let GroupId { namespace, name } = group;
        let call = |call| operation::registry(self.visit.names(), call, namespace, name);
        let (make, read) = (call(RegistryCall::CreateGroup), call(RegistryCall::ReadGroup));
        let is_enough = self.is_java && !self.visit.is_denied_explicitly(&read);
        // making it is asked for where the call names its group; an import names many
        let allowed = self.visit.allow(&make, false).and_then(|()| match is_enough {
            true => Ok(()),
            false => self.visit.allow(&read, false),
        });
        allowed.map_err(|denied| denied.to_string())
    }
}

/// A store that is asked on behalf of somebody.
#[derive(Clone)]
pub(crate) struct GuardedStore(Arc<dyn StreamStore>);

impl GuardedStore {
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> Self {
        Self(store)
    }

    pub(crate) fn seen_by(&self, visit: &Visit) -> SeenStore {
        SeenStore { store: Arc::clone(&self.0), visit: visit.clone() }
    }

    /// For a call whose right on what it names was asked before.
    pub(crate) fn named(&self) -> Arc<dyn StreamStore> {
        Arc::clone(&self.0)
    }
}

/// A store as somebody sees it: its lists show what they may read. The other operations name what they are about, and their
/// right was asked before.
#[derive(Clone)]
pub(crate) struct SeenStore {
    store: Arc<dyn StreamStore>,
    visit: Visit,
}

impl Deref for SeenStore {
    type Target = dyn StreamStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl SeenStore {
    fn sees(&self, call: StoreCall, scope: &Scope, name: &str) -> bool {
        self.visit.may(&operation::store(self.visit.names(), call, scope.as_str(), name))
    }

    /// The scopes that the caller may read.
    pub(crate) async fn scopes(&self) -> Result<Vec<Scope>> {
        let mut scopes = self.store.scopes().await?;
        scopes.retain(|scope| self.sees(StoreCall::ReadScope, scope, ""));
        Ok(scopes)
    }

    /// The streams of a scope that the caller may read.
    pub(crate) async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut names = self.store.streams(scope).await?;
        names.retain(|name| self.sees(StoreCall::ReadStream, scope, name.as_str()));
        Ok(names)
    }

    /// The tables of a scope that the caller may read.
    pub(crate) async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut names = self.store.tables(scope).await?;
        names.retain(|name| self.sees(StoreCall::ReadTable, scope, name.as_str()));
        Ok(names)
    }
}
