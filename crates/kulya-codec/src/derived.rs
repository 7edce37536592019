//! Avro schemas of Rust types.

use crate::{CodecError, CodecResult};
use apache_avro::AvroSchema;
use kulya_schema::{Format, SchemaInfo};

/// Returns the Avro schema of a Rust type that derives
/// [`AvroSchema`](https://docs.rs/apache-avro/latest/apache_avro/trait.AvroSchema.html). The derive macro is
/// in `apache-avro` 0.22 with its feature `derive`, which the deriving crate depends on.
///
/// # Errors
/// `Schema` when the derived schema cannot be used, for example because two types have the same name.
///
/// ```
/// use kulya_codec::schema_of;
///
/// #[derive(apache_avro::AvroSchema, serde::Serialize, serde::Deserialize)]
/// #[avro(namespace = "shop")]
/// struct Order {
///     id: i64,
///     note: Option<String>,
/// }
///
/// let schema = schema_of::<Order>()?;
/// assert_eq!(schema.type_name, "shop.Order");
/// # Ok::<(), kulya_codec::CodecError>(())
/// ```
pub fn schema_of<T: AvroSchema>() -> CodecResult<SchemaInfo> {
    let schema = T::get_schema();
    let type_name = schema.name().map(|name| name.fullname(None)).unwrap_or_default();
    let text = serde_json::to_string(&schema)
        .map_err(|e| CodecError::Schema(format!("the schema of type {type_name} cannot be written: {e}")))?;
    let schema = SchemaInfo::new(type_name, Format::Avro, text);
    crate::schema::parse_avro(&schema)?;
    Ok(schema)
}
