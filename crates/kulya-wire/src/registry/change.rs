//! Conversions of the registry's change events.

use super::{convert_required, required, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{Change, ChangeEvent};
use kulya_schema::EncodingId;
use v1::change::What;

impl From<Change> for v1::Change {
    fn from(Change { namespace, group, timestamp, event }: Change) -> Self {
        let what = match event {
            ChangeEvent::GroupCreated { properties } => What::GroupCreated(properties.into()),
            ChangeEvent::GroupImported { properties, schemas } => {
                What::GroupImported(v1::GroupImported { properties: Some(properties.into()), schemas })
            }
            ChangeEvent::GroupChanged { properties } => What::GroupChanged(properties.into()),
            ChangeEvent::GroupDeleted => What::GroupDeleted(v1::GroupDeleted {}),
            ChangeEvent::SchemaAdded { version_info } => What::SchemaAdded(version_info.into()),
            ChangeEvent::SchemaDeleted { version_info } => What::SchemaDeleted(version_info.into()),
            ChangeEvent::CodecAdded { codec_type } => What::CodecAdded(codec_type.into()),
            ChangeEvent::EncodingAdded { encoding_id, schema_id, codec } => {
                What::EncodingAdded(v1::EncodingAdded { id: encoding_id.0, schema: schema_id, codec })
            }
        };
        let group = Some(v1::Group { namespace, name: group });
        Self { group, timestamp_ms: timestamp, what: Some(what) }
    }
}

impl TryFrom<v1::Change> for Change {
    type Error = RegistryError;

    fn try_from(v1::Change { group, timestamp_ms, what }: v1::Change) -> Result<Self, RegistryError> {
        let v1::Group { namespace, name } = required(group, "group")?;
        let event = match required(what, "change")? {
            What::GroupCreated(properties) => {
                ChangeEvent::GroupCreated { properties: properties.try_into()? }
            }
            What::GroupImported(v1::GroupImported { properties, schemas }) => ChangeEvent::GroupImported {
                properties: convert_required(properties, "properties")?,
                schemas,
            },
            What::GroupChanged(properties) => {
                ChangeEvent::GroupChanged { properties: properties.try_into()? }
            }
            What::GroupDeleted(_) => ChangeEvent::GroupDeleted,
            What::SchemaAdded(version) => ChangeEvent::SchemaAdded { version_info: version.into() },
            What::SchemaDeleted(version) => ChangeEvent::SchemaDeleted { version_info: version.into() },
            What::CodecAdded(codec) => ChangeEvent::CodecAdded { codec_type: codec.into() },
            What::EncodingAdded(v1::EncodingAdded { id, schema, codec }) => {
                ChangeEvent::EncodingAdded { encoding_id: EncodingId(id), schema_id: schema, codec }
            }
        };
        Ok(Self { namespace, group: name, timestamp: timestamp_ms, event })
    }
}
