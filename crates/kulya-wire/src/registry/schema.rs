//! Conversions of schemas with their versions, histories and encodings.

use super::{convert_required, required, v1};
use kulya_registry_api::RegistryError;
use kulya_schema::{EncodingInfo, HistoryRecord, SchemaInfo, SchemaWithVersion};

impl From<SchemaInfo> for v1::Schema {
    fn from(SchemaInfo { type_name, format, data, properties }: SchemaInfo) -> Self {
        Self { r#type: type_name, format: Some(format.into()), data: data.into(), labels: properties }
    }
}

impl TryFrom<v1::Schema> for SchemaInfo {
    type Error = RegistryError;

    fn try_from(v1::Schema { r#type, format, data, labels }: v1::Schema) -> Result<Self, RegistryError> {
        let format = convert_required(format, "format")?;
        Ok(Self { type_name: r#type, format, data: data.into(), properties: labels })
    }
}

impl From<SchemaWithVersion> for v1::SchemaWithVersion {
    fn from(SchemaWithVersion { schema, version }: SchemaWithVersion) -> Self {
        Self { schema: Some(schema.into()), version: Some(version.into()) }
    }
}

impl TryFrom<v1::SchemaWithVersion> for SchemaWithVersion {
    type Error = RegistryError;

    fn try_from(message: v1::SchemaWithVersion) -> Result<Self, RegistryError> {
        let v1::SchemaWithVersion { schema, version } = message;
        Ok(Self {
            schema: convert_required(schema, "schema")?,
            version: required(version, "version")?.into(),
        })
    }
}

impl From<HistoryRecord> for v1::HistoryRecord {
    fn from(record: HistoryRecord) -> Self {
        let HistoryRecord { schema, version, compatibility, timestamp_ms } = record;
        let (schema, version) = (Some(schema.into()), Some(version.into()));
        Self { schema, version, compatibility: Some(compatibility.into()), timestamp_ms }
    }
}

impl TryFrom<v1::HistoryRecord> for HistoryRecord {
    type Error = RegistryError;

    fn try_from(message: v1::HistoryRecord) -> Result<Self, RegistryError> {
        let v1::HistoryRecord { schema, version, compatibility, timestamp_ms } = message;
        Ok(Self {
            schema: convert_required(schema, "schema")?,
            version: required(version, "version")?.into(),
            compatibility: convert_required(compatibility, "policy")?,
            timestamp_ms,
        })
    }
}

impl From<EncodingInfo> for v1::Encoding {
    fn from(EncodingInfo { schema, version, codec }: EncodingInfo) -> Self {
        Self { schema: Some(schema.into()), version: Some(version.into()), codec: Some(codec.into()) }
    }
}

impl TryFrom<v1::Encoding> for EncodingInfo {
    type Error = RegistryError;

    fn try_from(v1::Encoding { schema, version, codec }: v1::Encoding) -> Result<Self, RegistryError> {
        Ok(Self {
            schema: convert_required(schema, "schema")?,
            version: required(version, "version")?.into(),
            codec: required(codec, "codec")?.into(),
        })
    }
}
