//! Descriptor sets of messages with a table's columns, by the types of Flink's format `protobuf`, and
//! timestamps.

use super::no_type;
use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field, Fields};
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions,
    OneofDescriptorProto,
};
use std::collections::{HashMap, HashSet};

/// The full name of a table's message.
pub const PROTOBUF_MESSAGE_NAME: &str = "kulya.sql.Row";

const FILE_NAME: &str = "kulya/sql/row.proto";
const TIMESTAMP_FILE: &str = "google/protobuf/timestamp.proto";
const TIMESTAMP_TYPE: &str = ".google.protobuf.Timestamp";

/// Returns the descriptor set of a message with a table's columns, which has the name
/// [`PROTOBUF_MESSAGE_NAME`]: a field for each, numbered in their order. Fields of columns that may be null
/// are optional, rows are nested messages, and timestamps `google.protobuf.Timestamp`.
///
/// # Errors
/// `Schema` for a column whose type or name Protobuf does not have; the text names it.
pub fn protobuf_schema(columns: &Fields) -> CodecResult<Vec<u8>> {
    let (package, name) = PROTOBUF_MESSAGE_NAME.rsplit_once('.').unwrap_or(("", PROTOBUF_MESSAGE_NAME));
    let message = message(name, &format!(".{PROTOBUF_MESSAGE_NAME}"), columns)?;
    let mut files = Vec::new();
    let mut dependency = Vec::new();
    if has_timestamp(&message) {
        let known = DescriptorPool::global().get_file_by_name(TIMESTAMP_FILE);
        let known = known.ok_or_else(|| CodecError::Schema(format!("{TIMESTAMP_FILE} is not known")))?;
        files.push(known.file_descriptor_proto().clone());
        dependency.push(TIMESTAMP_FILE.to_owned());
    }
    files.push(FileDescriptorProto {
        name: Some(FILE_NAME.to_owned()),
        package: Some(package.to_owned()),
        dependency,
        message_type: vec![message],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    });
    Ok(FileDescriptorSet { file: files }.encode_to_vec())
}

fn has_timestamp(message: &DescriptorProto) -> bool {
    message.field.iter().any(|field| field.type_name() == TIMESTAMP_TYPE)
        || message.nested_type.iter().any(has_timestamp)
}

/// A message whose names are being given.
struct Names {
    path: String,
    taken: HashSet<String>,
}

impl Names {
    /// Returns a name that nothing else of the message has.
    fn free(&mut self, mut name: String) -> String {
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// `path` is the full name, with a dot in front.
fn message(name: &str, path: &str, columns: &Fields) -> CodecResult<DescriptorProto> {
    let taken = columns.iter().map(|field| field.name().clone()).collect();
    let mut names = Names { path: path.to_owned(), taken };
    let mut message = DescriptorProto { name: Some(name.to_owned()), ..DescriptorProto::default() };
    let mut letters_of_names: HashMap<String, &str> = HashMap::new();
    for (number, column) in (1..).zip(columns) {
        if !is_name(column.name()) {
            let reason = "its name must start with a letter or _ and have only letters, digits and _";
            return Err(no_type("Protobuf", column.name(), reason));
        }
        // the names of fields in JSON must differ in more than case and _
        let letters = column.name().replace('_', "").to_ascii_lowercase();
        if let Some(other) = letters_of_names.insert(letters, column.name()) {
            let reason = format!("its name and that of column {other} differ only in case and _");
            return Err(no_type("Protobuf", column.name(), &reason));
        }
        let field = field(column, number, &mut names, &mut message)?;
        message.field.push(field);
    }
    // oneofs of optional fields follow all others, of which there are none
    for field in &mut message.field {
        if field.proto3_optional() {
            let name = names.free(format!("_{}", field.name()));
            field.oneof_index = i32::try_from(message.oneof_decl.len()).ok();
            message.oneof_decl.push(OneofDescriptorProto { name: Some(name), options: None });
        }
    }
    Ok(message)
}

fn field(
    column: &Field,
    number: i32,
    names: &mut Names,
    message: &mut DescriptorProto,
) -> CodecResult<FieldDescriptorProto> {
    let column_name = column.name();
    let refused = |reason: &str| no_type("Protobuf", column_name, reason);
    let mut field = FieldDescriptorProto {
        name: Some(column_name.clone()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        ..FieldDescriptorProto::default()
    };
    match column.data_type() {
        DataType::List(item) => {
            field.label = Some(Label::Repeated.into());
            value(&mut field, column_name, item.data_type(), names, message)?;
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(parts) = entries.data_type() else { return Err(refused("it is no map")) };
            let [key, item] = &parts[..] else { return Err(refused("it is no map")) };
            let entry_name = format!("{}Entry", camel_case(column_name));
            if !names.taken.insert(entry_name.clone()) {
                return Err(refused(&format!(
                    "the message of its entries would be {entry_name}, which another column has"
                )));
            }
            let mut entry = DescriptorProto {
                name: Some(entry_name.clone()),
                options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
                ..DescriptorProto::default()
            };
            for (name, number, part) in [("key", 1, key), ("value", 2, item)] {
                let mut of_part = FieldDescriptorProto {
                    name: Some(name.to_owned()),
                    number: Some(number),
                    label: Some(Label::Optional.into()),
                    ..FieldDescriptorProto::default()
                };
                // a row in a map has its message beside that of the entries
                value(&mut of_part, column_name, part.data_type(), names, message)?;
                let is_key =
                    !matches!(of_part.r#type(), Type::Float | Type::Double | Type::Bytes | Type::Message);
                if name == "key" && !is_key {
                    return Err(refused("the keys of a map must be strings, whole numbers or BOOLEAN"));
                }
                entry.field.push(of_part);
            }
            message.nested_type.push(entry);
            field.label = Some(Label::Repeated.into());
            field.r#type = Some(Type::Message.into());
            field.type_name = Some(format!("{}.{entry_name}", names.path));
        }
        other => {
            value(&mut field, column_name, other, names, message)?;
            if column.is_nullable() && field.r#type() != Type::Message {
                field.proto3_optional = Some(true);
            }
        }
    }
    Ok(field)
}

/// Sets the type of a field that is not repeated, or of an item.
fn value(
    field: &mut FieldDescriptorProto,
    column: &str,
    data_type: &DataType,
    names: &mut Names,
    message_of: &mut DescriptorProto,
) -> CodecResult<()> {
    let refused = |reason: &str| Err(no_type("Protobuf", column, reason));
    let found = match data_type {
        DataType::Boolean => Type::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 => Type::Int32,
        DataType::Int64 => Type::Int64,
        DataType::Float32 => Type::Float,
        DataType::Float64 => Type::Double,
        DataType::Utf8 => Type::String,
        DataType::Binary => Type::Bytes,
        DataType::Timestamp(..) => {
            field.type_name = Some(TIMESTAMP_TYPE.to_owned());
            Type::Message
        }
        DataType::Struct(fields) => {
            let name = names.free(format!("{}Row", camel_case(column)));
            let path = format!("{}.{name}", names.path);
            message_of.nested_type.push(message(&name, &path, fields)?);
            field.type_name = Some(path);
            Type::Message
        }
        DataType::List(_) | DataType::Map(..) => {
            return refused("an array or a map cannot be in an array or a map, but in a row in it");
        }
        DataType::Decimal128(..) => return refused("DECIMAL cannot be written: STRING and DOUBLE can"),
        DataType::Date32 => return refused("DATE cannot be written: TIMESTAMP and STRING can"),
        DataType::Time32(_) | DataType::Time64(_) => {
            return refused("TIME cannot be written: TIMESTAMP and STRING can");
        }
        other => return refused(&format!("{other} cannot be written")),
    };
    field.r#type = Some(found.into());
    Ok(())
}

/// Returns the name of a message for a field, as compilers make it for maps.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = true;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first == '_' || first.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::message_descriptor;
    use arrow::datatypes::TimeUnit;
    use kulya_schema::{Format, SchemaInfo};
    use std::sync::Arc;

    fn map(key: DataType, value: DataType) -> DataType {
        let parts = vec![Field::new("key", key, false), Field::new("value", value, true)];
        DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts.into()), false)), false)
    }

    #[test]
    fn messages_have_the_columns() {
        let row = DataType::Struct(Fields::from(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, false),
        ]));
        let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = Fields::from(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("some_row", row.clone(), true),
            Field::new("SomeRowRow", DataType::Boolean, true),
            Field::new("at", moment.clone(), true),
            Field::new("list", DataType::new_list(row.clone(), true), true),
            Field::new("by_name", map(DataType::Utf8, row), true),
            Field::new("times", map(DataType::Int64, moment), true),
            Field::new("_name", DataType::Utf8, true),
        ]);
        let set = protobuf_schema(&columns).unwrap();
        let schema = SchemaInfo::new(PROTOBUF_MESSAGE_NAME, Format::Protobuf, set);
        let message = message_descriptor(&schema).unwrap();
        let fields: Vec<(String, u32, bool)> = message
            .fields()
            .map(|field| (field.name().to_owned(), field.number(), field.supports_presence()))
            .collect();
        let expected = [
            ("id", 1, false),
            ("some_row", 2, true),
            ("SomeRowRow", 3, true),
            ("at", 4, true),
            ("list", 5, false),
            ("by_name", 6, false),
            ("times", 7, false),
            ("_name", 8, true),
        ];
        assert_eq!(fields, expected.map(|(name, number, presence)| (name.to_owned(), number, presence)));
        assert!(message.get_field_by_name("by_name").unwrap().is_map());
    }

    #[test]
    fn types_that_protobuf_does_not_have_are_named() {
        for (name, data_type, expected) in [
            ("d", DataType::Decimal128(10, 2), "column d has no type in Protobuf: DECIMAL"),
            ("d", DataType::Date32, "column d has no type in Protobuf: DATE"),
            ("t", DataType::Time32(TimeUnit::Millisecond), "TIME cannot be written"),
            (
                "l",
                DataType::new_list(DataType::new_list(DataType::Utf8, true), true),
                "cannot be in an array",
            ),
            ("m", map(DataType::Float64, DataType::Utf8), "the keys of a map"),
            ("a b", DataType::Utf8, "its name must start with a letter"),
        ] {
            let columns = Fields::from(vec![Field::new(name, data_type, true)]);
            let error = protobuf_schema(&columns).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let columns = ["id", "_Id"].map(|name| Field::new(name, DataType::Int32, true));
        let error = protobuf_schema(&Fields::from(columns.to_vec())).unwrap_err().to_string();
        assert!(error.contains("column _Id") && error.contains("that of column id"), "{error}");
    }
}
