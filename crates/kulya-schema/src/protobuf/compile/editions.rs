//! Editions of `.proto` sources, which the compiler library does not know: a file is parsed as proto3, whose
//! fields need no label either; its features are options that `descriptor.proto` declares; and the syntax is
//! restored in the compiled set. Defaults of fields, which proto3 does not have, are refused by the parser.

use super::scan::{Token, next_token};
use crate::protobuf::descriptor_kind::DescriptorKind;
use crate::protobuf::features;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

/// The file that declares the options.
pub(super) const DESCRIPTOR_FILE: &str = "google/protobuf/descriptor.proto";
/// What stands for a syntax in the descriptor of a file with an edition.
pub(super) const SYNTAX: &str = "editions";

/// The edition of a source, and where it says so.
pub(super) struct Edition {
    /// Its number in descriptors.
    pub(super) number: i32,
    start: usize,
    end: usize,
}

/// Finds the edition of a source; `None` if it has a syntax, or neither.
///
/// # Errors
/// The edition is unknown.
pub(super) fn find(text: &str) -> Result<Option<Edition>, String> {
    let mut place = 0;
    let mut next = || {
        let (token, start, end) = next_token(text, place)?;
        place = end;
        Some((token, start, end))
    };
    let Some((Token::Word("edition"), start, _)) = next() else { return Ok(None) };
    let (Some((Token::Symbol('='), ..)), Some((Token::Text(year), _, end))) = (next(), next()) else {
        return Ok(None);
    };
    match features::edition_number(year) {
        Some(number) => Ok(Some(Edition { number, start, end })),
        None => Err(format!("the edition {year:.20?} is unknown: supported are 2023 and 2024")),
    }
}

impl Edition {
    /// Returns the source with a syntax in the edition's place.
    pub(super) fn as_proto3(&self, text: &str) -> String {
        let (before, after) = (text.get(..self.start).unwrap_or(""), text.get(self.end..).unwrap_or(""));
        format!("{before}syntax = \"proto3\"{after}")
    }
}

/// The options that have features.
const OPTIONS: [(&str, DescriptorKind); 9] = [
    ("FileOptions", DescriptorKind::FileOptions),
    ("MessageOptions", DescriptorKind::MessageOptions),
    ("FieldOptions", DescriptorKind::FieldOptions),
    ("OneofOptions", DescriptorKind::OneofOptions),
    ("ExtensionRangeOptions", DescriptorKind::ExtensionRangeOptions),
    ("EnumOptions", DescriptorKind::EnumOptions),
    ("EnumValueOptions", DescriptorKind::ValueOptions),
    ("ServiceOptions", DescriptorKind::ServiceOptions),
    ("MethodOptions", DescriptorKind::MethodOptions),
];

/// Adds features to `descriptor.proto`, if it has none.
pub(super) fn add_features(descriptor: &mut FileDescriptorProto) {
    if descriptor.message_type.iter().any(|message| message.name() == "FeatureSet") {
        return;
    }
    for message in &mut descriptor.message_type {
        let kind = OPTIONS.iter().find(|(name, _)| *name == message.name()).map(|(_, kind)| *kind);
        if let Some(number) = kind.and_then(features::option_number).and_then(|it| i32::try_from(it).ok()) {
            message.field.push(reference("features", number, Type::Message, "FeatureSet"));
        }
    }
    descriptor.message_type.push(feature_set());
}

fn feature_set() -> DescriptorProto {
    let mut message = DescriptorProto { name: Some("FeatureSet".to_owned()), ..DescriptorProto::default() };
    for (name, number, kind, values) in features::FEATURES {
        message.field.push(reference(name, number, Type::Enum, &format!("FeatureSet.{kind}")));
        let unknown = value(&format!("{}_UNKNOWN", name.to_ascii_uppercase()), 0);
        let known = (1..).zip(values).filter(|(_, name)| !name.is_empty()).map(|(n, name)| value(name, n));
        message.enum_type.push(EnumDescriptorProto {
            name: Some(kind.to_owned()),
            value: std::iter::once(unknown).chain(known).collect(),
            ..EnumDescriptorProto::default()
        });
    }
    message
}

fn value(name: &str, number: i32) -> EnumValueDescriptorProto {
    EnumValueDescriptorProto { name: Some(name.to_owned()), number: Some(number), options: None }
}

fn reference(name: &str, number: i32, kind: Type, to: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: Some(format!(".google.protobuf.{to}")),
        ..FieldDescriptorProto::default()
    }
}
