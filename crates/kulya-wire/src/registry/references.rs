//! Conversions of references between schemas, and of schemas with references.

use super::{convert_all, convert_required, into_all, required, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{Page, Referrer, RegisteredSchema};
use kulya_schema::{GroupId, Reference, Unresolved};

impl From<Reference> for v1::Reference {
    fn from(Reference { name, namespace, group, id }: Reference) -> Self {
        Self { name, group: Some(v1::Group { namespace, name: group }), id }
    }
}

impl TryFrom<v1::Reference> for Reference {
    type Error = RegistryError;

    fn try_from(v1::Reference { name, group, id }: v1::Reference) -> Result<Self, RegistryError> {
        let v1::Group { namespace, name: group } = required(group, "group of a reference")?;
        Ok(Self { name, namespace, group, id })
    }
}

/// Converts the references of a request.
///
/// # Errors
/// `InvalidInput` when a reference has no group.
pub fn references(messages: Vec<v1::Reference>) -> Result<Vec<Reference>, RegistryError> {
    convert_all(messages)
}

impl From<Unresolved> for v1::Unresolved {
    fn from(Unresolved { schema_data, references }: Unresolved) -> Self {
        Self { schema_data: schema_data.into(), references: into_all(references) }
    }
}

impl TryFrom<v1::Unresolved> for Unresolved {
    type Error = RegistryError;

    fn try_from(message: v1::Unresolved) -> Result<Self, RegistryError> {
        let v1::Unresolved { schema_data, references } = message;
        Ok(Self { schema_data: schema_data.into(), references: convert_all(references)? })
    }
}

impl From<RegisteredSchema> for v1::RegisteredSchema {
    fn from(registered: RegisteredSchema) -> Self {
        let RegisteredSchema { schema_info, version_info, deleted, references } = registered;
        let (schema, version) = (Some(schema_info.into()), Some(version_info.into()));
        Self { schema, version, deleted, references: into_all(references) }
    }
}

impl TryFrom<v1::RegisteredSchema> for RegisteredSchema {
    type Error = RegistryError;

    fn try_from(message: v1::RegisteredSchema) -> Result<Self, RegistryError> {
        let v1::RegisteredSchema { schema, version, deleted, references } = message;
        Ok(Self {
            schema_info: convert_required(schema, "schema")?,
            version_info: required(version, "version")?.into(),
            deleted,
            references: convert_all(references)?,
        })
    }
}

impl From<Page<Referrer>> for v1::ReferencedByReply {
    fn from(Page { items, next }: Page<Referrer>) -> Self {
        let referrer = |Referrer { namespace, group, version_info }: Referrer| v1::Referrer {
            group: Some(GroupId::new(namespace, group).into()),
            version: Some(version_info.into()),
        };
        Self { referrers: items.into_iter().map(referrer).collect(), next }
    }
}

impl TryFrom<v1::ReferencedByReply> for Page<Referrer> {
    type Error = RegistryError;

    fn try_from(
        v1::ReferencedByReply { referrers, next }: v1::ReferencedByReply,
    ) -> Result<Self, RegistryError> {
        let referrer = |v1::Referrer { group, version }: v1::Referrer| {
            let v1::Group { namespace, name: group } = required(group, "group")?;
            Ok(Referrer { namespace, group, version_info: required(version, "version")?.into() })
        };
        let items = referrers.into_iter().map(referrer).collect::<Result<_, RegistryError>>()?;
        Ok(Self { items, next })
    }
}
