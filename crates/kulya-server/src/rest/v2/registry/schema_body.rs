//! Schemas in requests: [`SchemaBody`] accepts base64 as REST v1 does, or the schema's text.

use super::super::error::{ApiError, bad_request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_registry_api::administration::RegistryAdministration;
use kulya_schema::{Format, Reference, Rules, SchemaInfo};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A schema: its bytes in base64 (`schemaData`), or its text, as a JSON value or as a JSON string (`schema`).
/// The text of a Protobuf schema is a `.proto` source, which the registry compiles.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SchemaBody {
    #[serde(default)]
    r#type: String,
    serialization_format: Format,
    schema_data: Option<String>,
    schema: Option<Box<RawValue>>,
    properties: Option<BTreeMap<String, String>>,
    references: Option<Vec<Reference>>,
}

impl SchemaBody {
    /// Returns the schema with what it refers to in it, for calls that do not keep references.
    pub(super) async fn into_resolved(
        self,
        registry: &dyn RegistryAdministration,
    ) -> Result<SchemaInfo, ApiError> {
        let (schema, references) = self.into_parts()?;
        Ok(registry.resolve_references(schema, references).await?)
    }

    /// Returns the schema as it was sent, and its references.
    pub(super) fn into_parts(mut self) -> Result<(SchemaInfo, Vec<Reference>), ApiError> {
        let references = self.references.take().unwrap_or_default();
        Ok((self.into_schema()?, references))
    }

    fn into_schema(self) -> Result<SchemaInfo, ApiError> {
        let data = match (self.schema_data, self.schema) {
            (Some(data), None) => STANDARD
                .decode(&data)
                .map_err(|error| bad_request(format!("schemaData is not base64: {error}")))?,
            // the text in a string, or the text itself with every character as it was sent
            (None, Some(schema)) => match serde_json::from_str::<String>(schema.get()) {
                Ok(text) => text.into_bytes(),
                Err(_) => schema.get().as_bytes().to_vec(),
            },
            (None, None) => {
                return Err(bad_request("the schema is missing: send it as schema or as schemaData"));
            }
            (Some(_), Some(_)) => {
                return Err(bad_request("send the schema as schema or as schemaData, not as both"));
            }
        };
        Ok(SchemaInfo {
            type_name: self.r#type,
            format: self.serialization_format,
            data,
            properties: self.properties.unwrap_or_default(),
        })
    }
}

/// Parses rules from labels like a group's: `{"kulya.rules":"strict"}`.
pub(super) fn parse_rules(labels: &BTreeMap<String, String>) -> Result<Rules, ApiError> {
    if let Some(other) = labels.keys().find(|key| !key.starts_with("kulya.")) {
        return Err(bad_request(format!(
            "{other:.80?} is not a label of rules: those start with \"kulya.\""
        )));
    }
    Rules::from_labels(labels).map_err(|error| bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(members: &str) -> String {
        let format = r#""serializationFormat":{"serializationFormat":"Avro"}"#;
        let body: SchemaBody = serde_json::from_str(&format!("{{{format},{members}}}")).unwrap();
        String::from_utf8(body.into_schema().unwrap().data).unwrap()
    }

    #[test]
    fn references_are_parsed() {
        let body = r#"{"serializationFormat":{"serializationFormat":"Avro"},"schema":"R","references":[{"name":"R","group":"parts","id":1}]}"#;
        let body: SchemaBody = serde_json::from_str(body).unwrap();
        let (_, references) = body.into_parts().unwrap();
        assert_eq!(references, [Reference::new("R", &kulya_schema::GroupId::new("", "parts"), 1)]);
    }

    #[test]
    fn a_schema_is_stored_as_it_is_written() {
        assert_eq!(data(r#""schema":{"type":"int", "x":1.50e+400}"#), r#"{"type":"int", "x":1.50e+400}"#);
        assert_eq!(data(r#""schema":"{\"type\":\"int\"}""#), r#"{"type":"int"}"#);
        assert_eq!(data(r#""schema":["null","int"]"#), r#"["null","int"]"#);
        assert_eq!(data(r#""schema":"\"string\"""#), "\"string\"");
        assert_eq!(data(r#""schemaData":"ImludCI=""#), "\"int\"");
    }
}
