//! What each call asks for: tables from a call to a resource and a permission. Nothing is decided elsewhere.
//!
//! The registry's are the Java registry's, also where they are too weak: adding a codec and making an encoding change
//! something and need `READ` only. The store's are Pravega's.

use crate::acl::Permission::{self, Read, ReadUpdate};
use crate::resource::Names;
use std::fmt;

/// What a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// That somebody is known.
    Known,
    /// A right.
    Right {
        /// On what.
        resource: String,
        /// At least.
        permission: Permission,
        /// Where the resource is the system's own: how an item must begin to give a right on it.
        explicit_prefix: Option<String>,
    },
}

impl Need {
    /// A right on a resource that is nobody's in particular.
    pub fn right(resource: String, permission: Permission) -> Self {
        Self::Right { resource, permission, explicit_prefix: None }
    }

    /// A right on everything: what a call needs that no table names.
    pub fn unnamed(names: &Names) -> Self {
        Self::right(names.root(), ReadUpdate)
    }

    /// Whether it is about changing something.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Right { permission: ReadUpdate, .. })
    }
}

/// As a person reads it: `READ on prn::/scope:shop`.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Right { resource, permission, explicit_prefix } = self else {
            return f.write_str("to be known");
        };
        write!(f, "{} on {resource}", permission.as_str())?;
        match explicit_prefix {
            Some(prefix) => write!(f, ", by a right that begins with {prefix}"),
            None => Ok(()),
        }
    }
}

/// The calls of the registry, on every face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryCall {
    /// Whether somebody is there.
    Ping,
    /// The groups of a namespace; each is shown to who may read it.
    ListGroups,
    /// Makes a group.
    CreateGroup,
    /// Reads anything of a group, asks whether a schema would do, makes an encoding id.
    ReadGroup,
    /// Makes an encoding id. Java asks for reading only.
    EncodingId,
    /// Changes the group's rule.
    UpdateCompatibility,
    /// Removes a group.
    DeleteGroup,
    /// Registers a schema.
    AddSchema,
    /// Removes a schema by its id.
    DeleteSchema,
    /// Removes a schema by its type and version. Java asks for another right than by id.
    DeleteVersion,
    /// Adds a codec, over REST v1. Java asks for reading only.
    AddCodecType,
    /// Adds a codec, over our own faces.
    AddCodec,
    /// The groups that have a schema.
    AddedTo,
}

impl RegistryCall {
    /// For the audit log.
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

    /// Whether it changes what the registry keeps, whatever right it needs.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Ping | Self::ListGroups | Self::ReadGroup | Self::AddedTo)
    }
}

/// What a call of the registry needs. `group` is `""` where a call names none.
pub fn registry(names: &Names, call: RegistryCall, namespace: &str, group: &str) -> Need {
    use RegistryCall as Call;
    let (resource, permission) = match call {
        Call::Ping | Call::ListGroups => return Need::Known,
        Call::CreateGroup => (names.namespace(namespace), ReadUpdate),
        Call::AddedTo => (names.within(namespace), Read),
        Call::ReadGroup | Call::EncodingId => (names.group(namespace, group), Read),
        Call::UpdateCompatibility | Call::DeleteGroup | Call::DeleteSchema => {
            (names.group(namespace, group), ReadUpdate)
        }
        Call::AddSchema | Call::DeleteVersion => (names.schemas(namespace, group), ReadUpdate),
        Call::AddCodecType => (names.codecs(namespace, group), Read),
        Call::AddCodec => (names.codecs(namespace, group), ReadUpdate),
    };
    Need::right(resource, permission)
}

/// What a call over a whole namespace of the registry needs, or over all of it.
pub fn over(names: &Names, namespace: Option<&str>, permission: Permission) -> Need {
    let resource = namespace.map_or_else(|| names.root(), |namespace| names.namespace(namespace));
    Need::right(resource, permission)
}

/// The calls of the store, on every face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreCall {
    /// Who answers; the scopes, of which each is shown to who may read it; what became of a writer's or a transaction's
    /// number, which only their owner can name.
    Known,
    /// Sees a scope and what is in it.
    ReadScope,
    /// Makes or removes a scope.
    ChangeScopes,
    /// Makes or removes streams of a scope.
    ChangeStreams,
    /// Makes or removes tables of a scope.
    ChangeTables,
    /// Reads, describes and follows a stream.
    ReadStream,
    /// Appends, seals, truncates, updates a stream.
    WriteStream,
    /// Reads a table's entries.
    ReadTable,
    /// Changes a table's entries.
    WriteTable,
}

/// What a call of the store needs; `name` is the stream's or the table's, `""` where a call names none.
///
/// A system scope, whose name begins with `_`, needs a right that names it: one on everything is not enough.
pub fn store(names: &Names, call: StoreCall, scope: &str, name: &str) -> Need {
    use StoreCall as Call;
    let is_system = scope.starts_with('_');
    let (resource, permission) = match call {
        Call::Known => return Need::Known,
        Call::ReadScope => (names.scope(scope), Read),
        Call::ChangeScopes if is_system => (names.scope(scope), ReadUpdate),
        Call::ChangeScopes => (names.root(), ReadUpdate),
        Call::ChangeStreams | Call::ChangeTables => (names.scope(scope), ReadUpdate),
        Call::ReadStream => (names.stream(scope, name), Read),
        Call::WriteStream => (names.stream(scope, name), ReadUpdate),
        Call::ReadTable => (names.table(scope, name), Read),
        Call::WriteTable => (names.table(scope, name), ReadUpdate),
    };
    Need::Right { resource, permission, explicit_prefix: is_system.then(|| names.system_scopes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registrys_calls_need() {
        use RegistryCall as Call;
        let names = Names::default();
        let need = |call, namespace| match registry(&names, call, namespace, "g") {
            Need::Known => "known".to_owned(),
            Need::Right { resource, permission, .. } => format!("{resource} {}", permission.as_str()),
        };
        for (call, expected) in [
            (Call::Ping, "known"),
            (Call::ListGroups, "known"),
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
            assert_eq!(need(call, "n"), expected, "{call:?}");
        }
        assert_eq!(need(Call::CreateGroup, ""), "prn::/ READ_UPDATE");
        assert_eq!(need(Call::AddedTo, ""), "prn::/namespace: READ");
        assert_eq!(need(Call::ReadGroup, ""), "prn::/namespace:/group:g READ");
    }

    #[test]
    fn what_the_stores_calls_need() {
        use StoreCall as Call;
        let names = Names::default();
        let need = |call, scope| match store(&names, call, scope, "t") {
            Need::Known => "known".to_owned(),
            Need::Right { resource, permission, explicit_prefix } => {
                let mark = if explicit_prefix.is_some() { " by name" } else { "" };
                format!("{resource} {}{mark}", permission.as_str())
            }
        };
        for (call, expected) in [
            (Call::Known, "known"),
            (Call::ReadScope, "prn::/scope:s READ"),
            (Call::ChangeScopes, "prn::/ READ_UPDATE"),
            (Call::ChangeStreams, "prn::/scope:s READ_UPDATE"),
            (Call::ChangeTables, "prn::/scope:s READ_UPDATE"),
            (Call::ReadStream, "prn::/scope:s/stream:t READ"),
            (Call::WriteStream, "prn::/scope:s/stream:t READ_UPDATE"),
            (Call::ReadTable, "prn::/scope:s/key-value-table:t READ"),
            (Call::WriteTable, "prn::/scope:s/key-value-table:t READ_UPDATE"),
        ] {
            assert_eq!(need(call, "s"), expected, "{call:?}");
        }
        assert_eq!(need(Call::ReadTable, "_x"), "prn::/scope:_x/key-value-table:t READ by name");
        assert_eq!(need(Call::ChangeScopes, "_x"), "prn::/scope:_x READ_UPDATE by name");
    }
}
