//! The permission that each operation requires: tables from an operation to a resource and a permission.
//!
//! The registry's table is the Java registry's, including its weak spots: adding a codec type and creating an
//! encoding id change state and require only `READ`. The store's table is Pravega's.

use crate::permission::Permission::{self, Read, ReadUpdate};
use crate::permission::RequiredPermission;
use crate::resource::ResourceNames;

/// The operations of the registry, in every API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryCall {
    /// Checks that the server responds.
    Ping,
    /// Lists the groups of a namespace; each is listed for callers that may read it.
    ListGroups,
    /// Creates a group.
    CreateGroup,
    /// Reads anything of a group, or checks a schema against it.
    ReadGroup,
    /// Gets or creates an encoding id. The Java registry requires read permission only.
    EncodingId,
    /// Changes the group's compatibility policy.
    UpdateCompatibility,
    /// Deletes a group.
    DeleteGroup,
    /// Registers a schema.
    AddSchema,
    /// Deletes a schema by its id.
    DeleteSchema,
    /// Deletes a schema by its type and version. The Java registry requires another permission than by id.
    DeleteVersion,
    /// Adds a codec type over REST v1. The Java registry requires read permission only.
    AddCodecType,
    /// Adds a codec type over REST v2 or gRPC.
    AddCodec,
    /// Lists the groups that contain a schema.
    AddedTo,
}

impl RegistryCall {
    /// Returns the operation's name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::ListGroups => "listGroups",
            Self::CreateGroup => "createGroup",
            Self::ReadGroup => "readGroup",
            Self::EncodingId => "encodingId",
            Self::UpdateCompatibility => "updateCompatibility",
            Self::DeleteGroup => "deleteGroup",
            Self::AddSchema => "addSchema",
            Self::DeleteSchema => "deleteSchema",
            Self::DeleteVersion => "deleteVersion",
            Self::AddCodecType | Self::AddCodec => "addCodecType",
            Self::AddedTo => "addedTo",
        }
    }

    /// Whether it changes stored state, whatever permission it requires.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Ping | Self::ListGroups | Self::ReadGroup | Self::AddedTo)
    }
}

/// Returns what an operation of the registry requires. `group` is `""` where the operation names none.
pub fn registry(
    names: &ResourceNames,
    call: RegistryCall,
    namespace: &str,
    group: &str,
) -> RequiredPermission {
    use RegistryCall as Call;
    let (resource, permission) = match call {
        Call::Ping | Call::ListGroups => return RequiredPermission::Authenticated,
        Call::CreateGroup => (names.namespace(namespace), ReadUpdate),
        Call::AddedTo => (names.qualified_namespace(namespace), Read),
        Call::ReadGroup | Call::EncodingId => (names.group(namespace, group), Read),
        Call::UpdateCompatibility | Call::DeleteGroup | Call::DeleteSchema => {
            (names.group(namespace, group), ReadUpdate)
        }
        Call::AddSchema | Call::DeleteVersion => (names.schemas(namespace, group), ReadUpdate),
        Call::AddCodecType => (names.codecs(namespace, group), Read),
        Call::AddCodec => (names.codecs(namespace, group), ReadUpdate),
    };
    RequiredPermission::on(resource, permission)
}

/// Returns what an operation over a whole namespace of the registry requires; `None` is the whole registry.
pub fn namespace(
    names: &ResourceNames,
    namespace: Option<&str>,
    permission: Permission,
) -> RequiredPermission {
    let resource = namespace.map_or_else(|| names.root(), |namespace| names.namespace(namespace));
    RequiredPermission::on(resource, permission)
}

/// The operations of the store, in every API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreCall {
    /// Describes the server, lists scopes (each for callers that may read it), or looks up a writer's or a
    /// transaction's id, which only its owner knows.
    Authenticated,
    /// Reads a scope and lists what it contains.
    ReadScope,
    /// Creates or deletes a scope.
    ChangeScopes,
    /// Creates or deletes streams of a scope.
    ChangeStreams,
    /// Creates or deletes tables of a scope.
    ChangeTables,
    /// Reads, describes or tails a stream.
    ReadStream,
    /// Appends to, seals, truncates or updates a stream.
    WriteStream,
    /// Reads a table's entries.
    ReadTable,
    /// Changes a table's entries.
    WriteTable,
}

impl StoreCall {
    /// Whether it changes stored state.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Authenticated | Self::ReadScope | Self::ReadStream | Self::ReadTable)
    }
}

/// Returns what an operation of the store requires; `name` is the stream's or the table's, `""` where there
/// is none.
///
/// A system scope, whose name starts with `_`, requires an ACL entry that names it: an entry for everything
/// is not enough.
pub fn store(names: &ResourceNames, call: StoreCall, scope: &str, name: &str) -> RequiredPermission {
    use StoreCall as Call;
    let is_system = scope.starts_with('_');
    let (resource, permission) = match call {
        Call::Authenticated => return RequiredPermission::Authenticated,
        Call::ReadScope => (names.scope(scope), Read),
        Call::ChangeScopes if is_system => (names.scope(scope), ReadUpdate),
        Call::ChangeScopes => (names.root(), ReadUpdate),
        Call::ChangeStreams | Call::ChangeTables => (names.scope(scope), ReadUpdate),
        Call::ReadStream => (names.stream(scope, name), Read),
        Call::WriteStream => (names.stream(scope, name), ReadUpdate),
        Call::ReadTable => (names.table(scope, name), Read),
        Call::WriteTable => (names.table(scope, name), ReadUpdate),
    };
    let explicit_prefix = is_system.then(|| names.system_scopes());
    RequiredPermission::Resource { resource, permission, explicit_prefix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_operations_require_the_java_permissions() {
        use RegistryCall as Call;
        let names = ResourceNames::default();
        let required = |call, namespace| match registry(&names, call, namespace, "g") {
            RequiredPermission::Authenticated => "authenticated".to_owned(),
            RequiredPermission::Resource { resource, permission, .. } => {
                format!("{resource} {}", permission.as_str())
            }
        };
        for (call, expected) in [
            (Call::Ping, "authenticated"),
            (Call::ListGroups, "authenticated"),
            (Call::CreateGroup, "prn::/namespace:n READ_UPDATE"),
            (Call::ReadGroup, "prn::/namespace:n/group:g READ"),
            (Call::EncodingId, "prn::/namespace:n/group:g READ"),
            (Call::UpdateCompatibility, "prn::/namespace:n/group:g READ_UPDATE"),
            (Call::DeleteGroup, "prn::/namespace:n/group:g READ_UPDATE"),
            (Call::DeleteSchema, "prn::/namespace:n/group:g READ_UPDATE"),
            (Call::AddSchema, "prn::/namespace:n/group:g/schemas:* READ_UPDATE"),
            (Call::DeleteVersion, "prn::/namespace:n/group:g/schemas:* READ_UPDATE"),
            (Call::AddCodecType, "prn::/namespace:n/group:g/codecs:* READ"),
            (Call::AddedTo, "prn::/namespace:n READ"),
        ] {
            assert_eq!(required(call, "n"), expected, "{call:?}");
        }
        assert_eq!(required(Call::CreateGroup, ""), "prn::/ READ_UPDATE");
        assert_eq!(required(Call::AddedTo, ""), "prn::/namespace: READ");
        assert_eq!(required(Call::ReadGroup, ""), "prn::/namespace:/group:g READ");
    }

    #[test]
    fn store_operations_require_pravegas_permissions() {
        use StoreCall as Call;
        let names = ResourceNames::default();
        let required = |call, scope| match store(&names, call, scope, "t") {
            RequiredPermission::Authenticated => "authenticated".to_owned(),
            RequiredPermission::Resource { resource, permission, explicit_prefix } => {
                let suffix = if explicit_prefix.is_some() { " explicitly" } else { "" };
                format!("{resource} {}{suffix}", permission.as_str())
            }
        };
        for (call, expected) in [
            (Call::Authenticated, "authenticated"),
            (Call::ReadScope, "prn::/scope:s READ"),
            (Call::ChangeScopes, "prn::/ READ_UPDATE"),
            (Call::ChangeStreams, "prn::/scope:s READ_UPDATE"),
            (Call::ChangeTables, "prn::/scope:s READ_UPDATE"),
            (Call::ReadStream, "prn::/scope:s/stream:t READ"),
            (Call::WriteStream, "prn::/scope:s/stream:t READ_UPDATE"),
            (Call::ReadTable, "prn::/scope:s/key-value-table:t READ"),
            (Call::WriteTable, "prn::/scope:s/key-value-table:t READ_UPDATE"),
        ] {
            assert_eq!(required(call, "s"), expected, "{call:?}");
        }
        assert_eq!(required(Call::ReadTable, "_x"), "prn::/scope:_x/key-value-table:t READ explicitly");
        assert_eq!(required(Call::ChangeScopes, "_x"), "prn::/scope:_x READ_UPDATE explicitly");
    }
}
