//! A line of an export as somebody sends it back: read as it is documented, and in no other way. `ExportLine` itself has the
//! word that says what it is among its members, which serde reads through a buffer that takes lists for objects; here the
//! word stands around them.

use crate::strict::{self, Unknown};
use kulya_registry_api::administration::ExportLine;
use kulya_schema::{CodecType, Compatibility, GroupProperties, SchemaInfo, VersionInfo};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The member that says what a line is.
const WORD: &str = "line";

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

/// Reads a line.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(text: &str) -> Result<ExportLine, String> {
    let mut members: BTreeMap<String, Box<RawValue>> = strict::json(text.as_bytes(), Unknown::Refused)?;
    let word = members.remove(WORD).ok_or("member `line` is missing: it says what the line is")?;
    let members = serde_json::to_string(&members).map_err(|error| error.to_string())?;
    Ok(match strict::json(format!("{{{word}:{members}}}").as_bytes(), Unknown::Refused)? {
        Line::Begin { kulya_registry_export } => ExportLine::Begin { kulya_registry_export },
        Line::Group { namespace, group, properties, codecs, schemas, encodings } => {
            ExportLine::Group { namespace, group, properties, codecs, schemas, encodings }
        }
        Line::Schema { schema_info, version_info, compatibility, timestamp, deleted } => {
            ExportLine::Schema { schema_info, version_info, compatibility, timestamp, deleted }
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
    fn what_is_written_is_read() {
        let codec = CodecType { name: "application/x-snappy".into(), properties: BTreeMap::new() };
        for line in [
            ExportLine::Begin { kulya_registry_export: 1 },
            ExportLine::Encoding { encoding_id: 1, schema_id: 2, codec_type: codec },
            ExportLine::End { groups: 7 },
        ] {
            assert_eq!(read(&serde_json::to_string(&line).unwrap()), Ok(line));
        }
    }

    #[test]
    fn what_is_not_documented_is_refused() {
        for (wrong, why) in [
            (r#"["begin",1]"#, "sequence"),
            (r#"{"kulyaRegistryExport":1}"#, "`line` is missing"),
            (r#"{"line":"begin","kulyaRegistryExport":1,"more":2}"#, "`more`"),
            (r#"{"line":"begin","kulyaRegistryExport":1,"kulyaRegistryExport":1}"#, "twice"),
            (r#"{"line":"start","kulyaRegistryExport":1}"#, "`start`"),
            (r#"{"line":["begin"],"kulyaRegistryExport":1}"#, "key must be a string"),
            (r#"{"line":"encoding","encodingId":1,"schemaId":2,"codecType":["snappy",{}]}"#, "sequence"),
            (r#"{"line":"end","groups":1.5}"#, "groups"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
