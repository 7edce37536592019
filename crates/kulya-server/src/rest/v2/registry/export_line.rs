//! Parsing a line of an import, strictly as it is documented. `ExportLine` itself is internally tagged, which
//! serde parses through a buffer that accepts arrays for objects; here the tag is moved around the members.

use crate::strict::{self, UnknownFields};
use kulya_registry_api::administration::ExportLine;
use kulya_schema::{CodecType, Compatibility, GroupProperties, SchemaInfo, Unresolved, VersionInfo};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The member that is the tag.
const TAG: &str = "line";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum Line {
    Begin {
        kulya_registry_export: u32,
    },
    Group {
        namespace: String,
        group: String,
        properties: GroupProperties,
        codecs: Vec<CodecType>,
        schemas: u32,
        encodings: u32,
    },
    Schema {
        schema_info: SchemaInfo,
        version_info: VersionInfo,
        compatibility: Compatibility,
        timestamp: u64,
        #[serde(default)]
        deleted: bool,
        unresolved: Option<Unresolved>,
    },
    Encoding {
        encoding_id: u32,
        schema_id: u32,
        codec_type: CodecType,
    },
    End {
        groups: u64,
    },
}

/// Parses a line.
///
/// # Errors
/// The line is invalid: the text says where.
pub(super) fn parse(text: &str) -> Result<ExportLine, String> {
    let mut members: BTreeMap<String, Box<RawValue>> =
        strict::from_json(text.as_bytes(), UnknownFields::Reject)?;
    let tag = members.remove(TAG).ok_or("member `line` is missing: it is the kind of the line")?;
    let members = serde_json::to_string(&members).map_err(|error| error.to_string())?;
    Ok(match strict::from_json(format!("{{{tag}:{members}}}").as_bytes(), UnknownFields::Reject)? {
        Line::Begin { kulya_registry_export } => ExportLine::Begin { kulya_registry_export },
        Line::Group { namespace, group, properties, codecs, schemas, encodings } => {
            ExportLine::Group { namespace, group, properties, codecs, schemas, encodings }
        }
        Line::Schema { schema_info, version_info, compatibility, timestamp, deleted, unresolved } => {
            ExportLine::Schema { schema_info, version_info, compatibility, timestamp, deleted, unresolved }
        }
        Line::Encoding { encoding_id, schema_id, codec_type } => {
            ExportLine::Encoding { encoding_id, schema_id, codec_type }
        }
        Line::End { groups } => ExportLine::End { groups },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_lines_are_parsed() {
        let codec = CodecType { name: "application/x-snappy".into(), properties: BTreeMap::new() };
        for line in [
            ExportLine::Begin { kulya_registry_export: 1 },
            ExportLine::Encoding { encoding_id: 1, schema_id: 2, codec_type: codec },
            ExportLine::End { groups: 7 },
        ] {
            assert_eq!(parse(&serde_json::to_string(&line).unwrap()), Ok(line));
        }
    }

    #[test]
    fn undocumented_lines_are_rejected() {
        for (invalid, message) in [
            (r#"["begin",1]"#, "sequence"),
            (r#"{"kulyaRegistryExport":1}"#, "`line` is missing"),
            (r#"{"line":"begin","kulyaRegistryExport":1,"more":2}"#, "`more`"),
            (r#"{"line":"begin","kulyaRegistryExport":1,"kulyaRegistryExport":1}"#, "twice"),
            (r#"{"line":"start","kulyaRegistryExport":1}"#, "`start`"),
            (r#"{"line":["begin"],"kulyaRegistryExport":1}"#, "key must be a string"),
            (r#"{"line":"encoding","encodingId":1,"schemaId":2,"codecType":["snappy",{}]}"#, "sequence"),
            (r#"{"line":"end","groups":1.5}"#, "groups"),
        ] {
            let error = parse(invalid).unwrap_err();
            assert!(error.contains(message), "{invalid}: {error}");
        }
    }
}
