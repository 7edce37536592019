//! A blocking client of the schema registry, for programs without an async runtime: [`HttpRegistry`] owns a
//! single-threaded runtime that runs on the caller's thread.

use crate::http::RegistrySettings;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Mutex;
use std::sync::PoisonError;
use tokio::runtime::{Builder, Handle, Runtime};

/// A blocking client of a schema registry over HTTP. Calls from several threads run one after the other.
///
/// Every call inside an async runtime, whose thread it would block, fails with `InvalidInput`; the other
/// errors are those of [`crate::HttpRegistry`].
#[derive(Debug)]
pub struct HttpRegistry {
    registry: crate::HttpRegistry,
    runtime: Mutex<Option<Runtime>>,
}

impl HttpRegistry {
    /// Creates a client of the registry at a URL, without credentials and without retries. Connects at the
    /// first call.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid URL; `Failed` when no runtime can be created.
    pub fn new(url: &str) -> RegistryResult<Self> {
        Self::with_settings(RegistrySettings::new(url))
    }

    /// Creates a client from settings. Connects at the first call.
    ///
    /// # Errors
    /// `InvalidInput` names the invalid setting; `Failed` when no runtime can be created.
    pub fn with_settings(settings: RegistrySettings) -> RegistryResult<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| {
            RegistryError::new(
                RegistryErrorKind::Failed,
                "cannot create the runtime of the blocking registry client",
            )
            .because(e)
        })?;
        Ok(Self {
            registry: crate::HttpRegistry::with_settings(settings)?,
            runtime: Mutex::new(Some(runtime)),
        })
    }

    fn block_on<T>(&self, call: impl Future<Output = RegistryResult<T>>) -> RegistryResult<T> {
        if Handle::try_current().is_ok() {
            let what = "blocking call inside an async runtime: use kulya_client::HttpRegistry there";
            return Err(RegistryError::new(RegistryErrorKind::InvalidInput, what));
        }
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        match &*runtime {
            Some(runtime) => runtime.block_on(call),
            None => Err(RegistryError::new(RegistryErrorKind::Failed, "the registry client is closed")),
        }
    }
}

/// Shuts the runtime down in the background, because dropping a runtime on another runtime's thread panics.
impl Drop for HttpRegistry {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

macro_rules! blocking_methods {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl HttpRegistry {
            $($(#[$doc])*
            ///
            /// # Errors
            /// Those of [`crate::HttpRegistry`], and `InvalidInput` inside an async runtime.
            pub fn $name(&self, $($argument: $kind),*) -> RegistryResult<$result> {
                self.block_on(self.registry.$name($($argument),*))
            })*
        }
    };
}

blocking_methods! {
    /// Checks that the server responds.
    ping() -> ();
    /// Creates a group; returns `false` when it exists already.
    create_group(group: &GroupId, properties: GroupProperties) -> bool;
    /// Returns a group's properties.
    group(group: &GroupId) -> GroupProperties;
    /// Lists the groups of a namespace, in name order.
    groups(namespace: &str) -> Vec<(GroupId, GroupProperties)>;
    /// Returns a page of a namespace's groups and the token of the next page; the page after the last is
    /// empty.
    groups_page(namespace: &str, token: &str, limit: usize) -> (Vec<(GroupId, GroupProperties)>, String);
    /// Deletes a group with its schemas and encodings; succeeds when there is none.
    delete_group(group: &GroupId) -> ();
    /// Sets a group's compatibility policy; returns `false` when `from` is given and is not the current
    /// policy.
    update_compatibility(group: &GroupId, to: Compatibility, from: Option<Compatibility>) -> bool;
    /// Registers a schema, or returns its version when it is registered already.
    add_schema(group: &GroupId, schema: SchemaInfo) -> VersionInfo;
    /// Returns the version of a registered schema.
    find_schema(group: &GroupId, schema: SchemaInfo) -> VersionInfo;
    /// Returns the latest version of each type, or of one.
    latest_schemas(group: &GroupId, type_name: Option<&str>) -> Vec<SchemaWithVersion>;
    /// Lists every live version in id order, of one type or all.
    schema_versions(group: &GroupId, type_name: Option<&str>) -> Vec<SchemaWithVersion>;
    /// Returns a schema by id.
    schema(group: &GroupId, id: u32) -> SchemaInfo;
    /// Returns a schema by type and version number.
    schema_by_version(group: &GroupId, format: &str, type_name: &str, version: u32) -> SchemaInfo;
    /// Deletes a schema by id.
    delete_schema(group: &GroupId, id: u32) -> ();
    /// Deletes a schema by type and version number.
    delete_version(group: &GroupId, format: &str, type_name: &str, version: u32) -> ();
    /// Checks whether a schema could be added, by the given policy or the group's.
    validate(group: &GroupId, schema: SchemaInfo, compatibility: Option<Compatibility>) -> bool;
    /// Checks whether a reader with this schema can read the group's events, by the group's policy.
    can_read(group: &GroupId, schema: SchemaInfo) -> bool;
    /// Lists every live version with the policy in force and the time when it was added.
    history(group: &GroupId) -> Vec<HistoryRecord>;
    /// Returns the groups of a namespace that contain a schema, each with the schema's version.
    added_to(namespace: &str, schema: SchemaInfo) -> BTreeMap<String, VersionInfo>;
    /// Returns the encoding id of a schema version and a codec's name (`""`: none), allocated on first use.
    encoding_id(group: &GroupId, version: &VersionInfo, codec: &str) -> EncodingId;
    /// Returns the schema and codec of an encoding id.
    encoding(group: &GroupId, id: EncodingId) -> EncodingInfo;
    /// Lists a group's codecs.
    codec_types(group: &GroupId) -> Vec<CodecType>;
    /// Registers a codec; an existing one of the same name is not changed.
    add_codec_type(group: &GroupId, codec: CodecType) -> ();
}
