//! The same registry for programs that have no async runtime: [`HttpRegistry`] has one of its own, of one thread that is the
//! caller's.

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

/// A registry at a URL. Calls wait for their answer; those of several threads come one after the other.
///
/// Every call refuses to be made inside an async runtime, whose thread it would stop.
#[derive(Debug)]
pub struct HttpRegistry {
    registry: crate::HttpRegistry,
    runtime: Mutex<Option<Runtime>>,
}

impl HttpRegistry {
    /// A registry at a URL, asked once by nobody in particular. Connects at the first call.
    pub fn new(url: &str) -> RegistryResult<Self> {
        Self::with(RegistrySettings::new(url))
    }

    /// A registry by its settings. Connects at the first call.
    pub fn with(settings: RegistrySettings) -> RegistryResult<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| {
            RegistryError::new(RegistryErrorKind::Failed, "cannot make a runtime for a blocking registry")
                .because(e)
        })?;
        Ok(Self { registry: crate::HttpRegistry::with(settings)?, runtime: Mutex::new(Some(runtime)) })
    }

    fn wait<T>(&self, call: impl Future<Output = RegistryResult<T>>) -> RegistryResult<T> {
        if Handle::try_current().is_ok() {
            let what = "a blocking registry was asked inside an async runtime: take kulya_client::HttpRegistry there";
            return Err(RegistryError::new(RegistryErrorKind::InvalidInput, what));
        }
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        match &*runtime {
            Some(runtime) => runtime.block_on(call),
            None => Err(RegistryError::new(RegistryErrorKind::Failed, "the registry is closed")),
        }
    }
}

/// A runtime may not be dropped on another one's thread while it waits for its own.
impl Drop for HttpRegistry {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

macro_rules! waiting {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $given:ty;)*) => {
        impl HttpRegistry {
            $($(#[$doc])*
            pub fn $name(&self, $($argument: $kind),*) -> RegistryResult<$given> {
                self.wait(self.registry.$name($($argument),*))
            })*
        }
    };
}

waiting! {
    /// Whether somebody answers.
    ping() -> ();
    /// Makes a group; `false` when there was one of that name.
    create_group(group: &GroupId, properties: GroupProperties) -> bool;
    /// A group's properties.
    group(group: &GroupId) -> GroupProperties;
    /// Every group of a namespace, in name order.
    groups(namespace: &str) -> Vec<(GroupId, GroupProperties)>;
    /// A page of a namespace's groups, and the token of the next; the page behind the last is empty.
    groups_page(namespace: &str, token: &str, limit: usize) -> (Vec<(GroupId, GroupProperties)>, String);
    /// Removes a group with all it has; also fine when there is none.
    delete_group(group: &GroupId) -> ();
    /// Changes a group's rule; `false` when `from` is given and is not the rule that it has.
    update_compatibility(group: &GroupId, to: Compatibility, from: Option<Compatibility>) -> bool;
    /// Registers a schema, or finds it again.
    add_schema(group: &GroupId, schema: SchemaInfo) -> VersionInfo;
    /// The version of a schema that was registered.
    find_schema(group: &GroupId, schema: SchemaInfo) -> VersionInfo;
    /// The latest version of each type, or of one.
    latest_schemas(group: &GroupId, type_name: Option<&str>) -> Vec<SchemaWithVersion>;
    /// Every live version in id order, of one type or all.
    schema_versions(group: &GroupId, type_name: Option<&str>) -> Vec<SchemaWithVersion>;
    /// A schema by its id.
    schema(group: &GroupId, id: u32) -> SchemaInfo;
    /// A schema by its type and its number among those of the type.
    schema_by_version(group: &GroupId, format: &str, type_name: &str, version: u32) -> SchemaInfo;
    /// Removes a schema by its id.
    delete_schema(group: &GroupId, id: u32) -> ();
    /// Removes a schema by its type and its number among those of the type.
    delete_version(group: &GroupId, format: &str, type_name: &str, version: u32) -> ();
    /// Whether a schema could be added, by a rule or by the group's.
    validate(group: &GroupId, schema: SchemaInfo, by: Option<Compatibility>) -> bool;
    /// Whether this schema may read what the group holds, by the group's rule.
    can_read(group: &GroupId, schema: SchemaInfo) -> bool;
    /// Every live version with the rule and the time at which it was added.
    history(group: &GroupId) -> Vec<HistoryRecord>;
    /// The groups of a namespace that have this very schema, each with its version.
    added_to(namespace: &str, schema: SchemaInfo) -> BTreeMap<String, VersionInfo>;
    /// The encoding id of a schema version and a codec's name (`""`: none), made on first use.
    encoding_id(group: &GroupId, version: &VersionInfo, codec: &str) -> EncodingId;
    /// What an encoding id stands for.
    encoding(group: &GroupId, id: EncodingId) -> EncodingInfo;
    /// The codecs a group's readers must know.
    codec_types(group: &GroupId) -> Vec<CodecType>;
    /// Adds a codec; one of the same name stays as it was.
    add_codec_type(group: &GroupId, codec: CodecType) -> ();
}
