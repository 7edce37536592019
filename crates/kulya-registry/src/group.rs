//! One group's state at one moment: its head as read, and what is needed to change it if nobody else did.

use crate::keys;
use crate::records::{self, Head, SchemaRecord};
use crate::table::Table;
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{Format, GroupId, SchemaInfo, SchemaWithVersion, VersionInfo};
use kulya_store::{Condition, TableChange, Version};

pub(crate) struct Group<'a> {
    table: &'a Table,
    pub(crate) id: &'a GroupId,
    pub(crate) head: Head,
    version: Version,
}

/// The kind under which a schema's identity is kept.
pub(crate) fn kind(format: &Format) -> &str {
    if let Format::Custom(_) = format { "Custom" } else { format.full_name() }
}

impl<'a> Group<'a> {
    pub(crate) async fn read(table: &'a Table, id: &'a GroupId) -> RegistryResult<Self> {
        match table.record(&format!("group {id}"), &keys::group(id)).await? {
            Some((head, version)) => Ok(Self { table, id, head, version }),
            None => Err(not_found(format!("group {id} does not exist: create it first"))),
        }
    }

    /// A change that puts the (changed) head in the place of the one that was read.
    pub(crate) fn put_head(&self) -> TableChange {
        let condition = Condition::At(self.version);
        TableChange::put(&self.table.id, keys::group(self.id), condition, records::write(&self.head))
    }

    pub(crate) async fn schema(&self, id: u32) -> RegistryResult<SchemaRecord> {
        let what = format!("schema {id} of group {}", self.id);
        let found = self.table.record(&what, &keys::schema(self.head.incarnation, id)).await?;
        found.map(|(record, _)| record).ok_or_else(|| not_found(format!("{what} does not exist")))
    }

    pub(crate) async fn schemas(&self, versions: Vec<VersionInfo>) -> RegistryResult<Vec<SchemaWithVersion>> {
        let mut schemas = Vec::with_capacity(versions.len());
        for version in versions {
            schemas.push(SchemaWithVersion { schema: self.schema(version.id).await?.schema, version });
        }
        Ok(schemas)
    }

    /// The live version that is this very schema.
    pub(crate) async fn find(
        &self,
        schema: &SchemaInfo,
        fingerprint: &[u8; 32],
    ) -> RegistryResult<Option<VersionInfo>> {
        let key =
            keys::fingerprint(self.head.incarnation, fingerprint, kind(&schema.format), &schema.type_name);
        let found = self.table.record::<u32>("a fingerprint", &key).await?;
        let found = found.and_then(|(id, _)| self.head.versions.get(id as usize));
        Ok(found.filter(|version| !version.deleted).map(|version| version.version.clone()))
    }
}

pub(crate) fn not_found(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::NotFound, what)
}
