//! Conversions of exports and imports: the lines, the policy for existing groups, and the import's counts.

use super::{convert_optional, convert_required, into_all, parse_enum, required, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{ExportLine, ImportSummary, OnConflict};
use kulya_schema::GroupId;
use v1::export_line::Line;

impl From<ExportLine> for v1::ExportLine {
    fn from(line: ExportLine) -> Self {
        let line = match line {
            ExportLine::Begin { kulya_registry_export: version } => Line::Begin(v1::Begin { version }),
            ExportLine::Group { namespace, group, properties, codecs, schemas, encodings } => {
                Line::Group(v1::GroupLine {
                    group: Some(GroupId::new(namespace, group).into()),
                    properties: Some(properties.into()),
                    codecs: into_all(codecs),
                    schemas,
                    encodings,
                })
            }
            ExportLine::Schema {
                schema_info,
                version_info,
                compatibility,
                timestamp,
                deleted,
                unresolved,
            } => Line::Schema(v1::SchemaLine {
                schema: Some(schema_info.into()),
                version: Some(version_info.into()),
                compatibility: Some(compatibility.into()),
                timestamp_ms: timestamp,
                deleted,
                unresolved: unresolved.map(Into::into),
            }),
            ExportLine::Encoding { encoding_id, schema_id, codec_type } => {
                let codec = Some(codec_type.into());
                Line::Encoding(v1::EncodingLine { id: encoding_id, schema: schema_id, codec })
            }
            ExportLine::End { groups } => Line::End(v1::End { groups }),
        };
        Self { line: Some(line) }
    }
}

impl TryFrom<v1::ExportLine> for ExportLine {
    type Error = RegistryError;

    fn try_from(message: v1::ExportLine) -> Result<Self, RegistryError> {
        Ok(match required(message.line, "line")? {
            Line::Begin(v1::Begin { version }) => Self::Begin { kulya_registry_export: version },
            Line::Group(v1::GroupLine { group, properties, codecs, schemas, encodings }) => {
                let v1::Group { namespace, name } = required(group, "group")?;
                let (properties, codecs) = (convert_required(properties, "properties")?, into_all(codecs));
                Self::Group { namespace, group: name, properties, codecs, schemas, encodings }
            }
            Line::Schema(line) => {
                let v1::SchemaLine { schema, version, compatibility, timestamp_ms, deleted, unresolved } =
                    line;
                Self::Schema {
                    schema_info: convert_required(schema, "schema")?,
                    version_info: required(version, "version")?.into(),
                    compatibility: convert_required(compatibility, "policy")?,
                    timestamp: timestamp_ms,
                    deleted,
                    unresolved: convert_optional(unresolved)?,
                }
            }
            Line::Encoding(v1::EncodingLine { id, schema, codec }) => {
                let codec_type = required(codec, "codec")?.into();
                Self::Encoding { encoding_id: id, schema_id: schema, codec_type }
            }
            Line::End(v1::End { groups }) => Self::End { groups },
        })
    }
}

impl From<OnConflict> for v1::ImportBegin {
    fn from(existing: OnConflict) -> Self {
        let existing = match existing {
            OnConflict::Refuse => v1::Existing::Refuse,
            OnConflict::Skip => v1::Existing::Skip,
        };
        Self { existing: existing.into() }
    }
}

impl TryFrom<v1::ImportBegin> for OnConflict {
    type Error = RegistryError;

    fn try_from(message: v1::ImportBegin) -> Result<Self, RegistryError> {
        Ok(match parse_enum(message.existing, "policy for existing groups")? {
            v1::Existing::Refuse => Self::Refuse,
            v1::Existing::Skip => Self::Skip,
        })
    }
}

impl From<ImportSummary> for v1::ImportReply {
    fn from(ImportSummary { groups, skipped, schemas, encodings }: ImportSummary) -> Self {
        Self { groups, skipped, schemas, encodings }
    }
}

impl From<v1::ImportReply> for ImportSummary {
    fn from(v1::ImportReply { groups, skipped, schemas, encodings }: v1::ImportReply) -> Self {
        Self { groups, skipped, schemas, encodings }
    }
}
