//! The connection of a `kulya registry` command: over gRPC to a server, or to the registry on a store that
//! this process opens.

use crate::address::Address;
use crate::args::StoreArgs;
use crate::services::{open_services, open_store};
use crate::settings::Settings;
use anyhow::Result;
use kulya_client::RemoteRegistry;
use kulya_registry_api::RegistryResult;
use kulya_registry_api::administration::{Page, PageRequest, RegistryAdministration};
use kulya_store::StreamStore;
use std::sync::Arc;

/// Items of one page.
const PAGE_ITEMS: usize = 500;

/// Where the registry is; nothing is opened yet.
pub(super) struct RegistryTarget {
    pub(super) store: StoreArgs,
    pub(super) settings: Settings,
}

/// An open registry, and its store if this process opened that.
pub(super) struct RegistryConnection {
    pub(super) registry: Arc<dyn RegistryAdministration>,
    store: Option<Arc<dyn StreamStore>>,
}

impl RegistryTarget {
    /// Connects to a server, or opens the store; a folder that does not exist is created if `create` is set.
    ///
    /// # Errors
    /// A wrong address, and what the server or the store reports.
    pub(super) async fn open(self, create: bool) -> Result<RegistryConnection> {
        match Address::resolve(self.store, &self.settings)? {
            Address::Server(remote) => {
                let registry = Arc::new(RemoteRegistry::connect(remote).await?);
                Ok(RegistryConnection { registry, store: None })
            }
            address => {
                let services = open_services(open_store(address, create).await?).await?;
                Ok(RegistryConnection { registry: services.registry, store: Some(services.store) })
            }
        }
    }
}

impl RegistryConnection {
    /// Closes the store, if this process opened it.
    pub(super) async fn close(self) -> Result<()> {
        if let Some(store) = self.store {
            store.close().await?;
        }
        Ok(())
    }
}

/// Calls `handle` for each item of a paged list, page by page.
///
/// # Errors
/// The first page or item that fails.
pub(super) async fn for_each_item<T>(
    mut fetch_page: impl AsyncFnMut(PageRequest) -> RegistryResult<Page<T>>,
    mut handle: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut request = PageRequest::first(PAGE_ITEMS);
    loop {
        let page = fetch_page(request.clone()).await?;
        page.items.into_iter().try_for_each(&mut handle)?;
        match page.next {
            Some(next) => request.after = next,
            None => return Ok(()),
        }
    }
}
