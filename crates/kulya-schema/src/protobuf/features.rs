//! The features of Protobuf editions as far as they change what is on the wire, and the defaults that give
//! proto2 and proto3 the same terms. `prost_types` decodes no features: this module decodes them on its own,
//! in messages that mirror the descriptors.
//!
//! Source: "Feature Settings for Editions" and `descriptor.proto`. UTF-8 validation, JSON's best effort and
//! the styles of names change no value that both sides accept, and are not compared.

use super::descriptor_kind::DescriptorKind;
use super::size_limits;
use crate::{Error, Result};
use prost::Message;
use prost::encoding::decode_varint;
use prost_types::FileDescriptorProto;

/// The resolved features of a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) presence: Presence,
    /// Whether unknown values of an enum are dropped from the field.
    pub(super) has_closed_enums: bool,
    /// Whether repeated numbers are packed by default.
    pub(super) is_packed: bool,
    /// Whether messages are groups on the wire.
    pub(super) is_delimited: bool,
}

/// Whether a field that is not set differs from one with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
    Required,
}

const PROTO2: Features =
    Features { presence: Presence::Explicit, has_closed_enums: true, is_packed: false, is_delimited: false };
const PROTO3: Features =
    Features { presence: Presence::Implicit, has_closed_enums: false, is_packed: true, is_delimited: false };
/// Of the editions 2023 and 2024.
const EDITIONS: Features =
    Features { presence: Presence::Explicit, has_closed_enums: false, is_packed: true, is_delimited: false };

/// The features that a declaration sets; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct FeatureSet {
    #[prost(int32, optional, tag = "1")]
    field_presence: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    enum_type: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    repeated_field_encoding: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    message_encoding: Option<i32>,
}

impl Features {
    /// Returns the features of a file.
    ///
    /// # Errors
    /// The file's syntax or edition is unknown.
    pub(super) fn of_file(file: &FileDescriptorProto, declared: Option<&FileFeatures>) -> Result<Self> {
        match file.syntax() {
            "" | "proto2" => return Ok(PROTO2),
            "proto3" => return Ok(PROTO3),
            "editions" => {}
            other => {
                return Err(Error::new(format!("{:.80} has the unknown syntax {other:.40?}", file.name())));
            }
        }
        let edition = declared.map(FileFeatures::edition).unwrap_or_default();
        if edition_year(edition).is_none() {
            return Err(Error::new(format!(
                "{:.80} has the unknown edition {edition}: supported are 2023 and 2024",
                file.name()
            )));
        }
        Ok(EDITIONS.with(declared.and_then(|declared| declared.options.as_ref()?.features)))
    }

    /// Returns the features of a declaration within this one, which sets these.
    pub(super) fn with(self, declared: Option<FeatureSet>) -> Self {
        let Some(declared) = declared else { return self };
        let presence = match declared.field_presence {
            Some(1) => Presence::Explicit,
            Some(2) => Presence::Implicit,
            Some(3) => Presence::Required,
            _ => self.presence,
        };
        let either = |declared: Option<i32>, yes, no, inherited| match declared {
            Some(value) if value == yes => true,
            Some(value) if value == no => false,
            _ => inherited,
        };
        Self {
            presence,
            has_closed_enums: either(declared.enum_type, 2, 1, self.has_closed_enums),
            is_packed: either(declared.repeated_field_encoding, 1, 2, self.is_packed),
            is_delimited: either(declared.message_encoding, 2, 1, self.is_delimited),
        }
    }
}

/// The known editions: the number in descriptors, and the name in sources.
const YEARS: [(i32, &str); 2] = [(1000, "2023"), (1001, "2024")];

/// Returns the name of an edition in sources, such as `2023`; `None` if it is unknown.
pub(super) fn edition_year(edition: i32) -> Option<&'static str> {
    YEARS.iter().find(|(number, _)| *number == edition).map(|(_, year)| *year)
}

/// Returns the number of an edition in descriptors.
pub(super) fn edition_number(year: &str) -> Option<i32> {
    YEARS.iter().find(|(_, known)| *known == year).map(|(number, _)| *number)
}

/// The features: name, number, the name of its type, and the values of that from 1 on.
pub(super) const FEATURES: [(&str, i32, &str, &[&str]); 6] = [
    ("field_presence", 1, "FieldPresence", &["EXPLICIT", "IMPLICIT", "LEGACY_REQUIRED"]),
    ("enum_type", 2, "EnumType", &["OPEN", "CLOSED"]),
    ("repeated_field_encoding", 3, "RepeatedFieldEncoding", &["PACKED", "EXPANDED"]),
    // 1 was given up before the first release
    ("utf8_validation", 4, "Utf8Validation", &["", "VERIFY", "NONE"]),
    ("message_encoding", 5, "MessageEncoding", &["LENGTH_PREFIXED", "DELIMITED"]),
    ("json_format", 6, "JsonFormat", &["ALLOW", "LEGACY_BEST_EFFORT"]),
];

/// The number of the features among the options of each kind of descriptor.
pub(super) fn option_number(kind: DescriptorKind) -> Option<u32> {
    Some(match kind {
        DescriptorKind::FileOptions | DescriptorKind::ExtensionRangeOptions => 50,
        DescriptorKind::MessageOptions => 12,
        DescriptorKind::FieldOptions => 21,
        DescriptorKind::OneofOptions => 1,
        DescriptorKind::EnumOptions => 7,
        DescriptorKind::ValueOptions => 2,
        DescriptorKind::ServiceOptions => 34,
        DescriptorKind::MethodOptions => 35,
        _ => return None,
    })
}

/// Returns the name and value of a feature, from its raw field.
pub(super) fn name_of(number: u64, mut field: &[u8]) -> Option<(&'static str, &'static str)> {
    decode_varint(&mut field).ok()?;
    let value = usize::try_from(decode_varint(&mut field).ok()?).ok()?;
    let (name, _, _, values) = FEATURES.iter().find(|(_, known, ..)| u64::try_from(*known) == Ok(number))?;
    let value = values.get(value.checked_sub(1)?)?;
    Some((name, value))
}

/// Decodes the features of a descriptor set, file by file; none if no file uses an edition.
///
/// # Errors
/// The bytes are not a descriptor set.
pub(super) fn decode(bytes: &[u8], files: &[FileDescriptorProto]) -> Result<Vec<FileFeatures>> {
    if !files.iter().any(|file| file.syntax() == "editions") {
        return Ok(Vec::new());
    }
    SetFeatures::decode(bytes).map(|set| set.file).map_err(|error| size_limits::not_a_set(&error))
}

#[derive(Clone, PartialEq, Message)]
struct SetFeatures {
    #[prost(message, repeated, tag = "1")]
    file: Vec<FileFeatures>,
}

/// The edition of a file, and the features that it and its declarations set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileFeatures {
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<EnumFeatures>,
    #[prost(message, repeated, tag = "7")]
    pub(super) extension: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "8")]
    options: Option<FileOptions>,
    #[prost(int32, optional, tag = "14")]
    pub(super) edition: Option<i32>,
}

/// The features that a message and its declarations set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageFeatures {
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<FieldFeatures>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<MessageFeatures>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<EnumFeatures>,
    #[prost(message, repeated, tag = "6")]
    pub(super) extension: Vec<FieldFeatures>,
    #[prost(message, optional, tag = "7")]
    options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<OneofFeatures>,
}

impl MessageFeatures {
    pub(super) fn features(&self) -> Option<FeatureSet> {
        self.options.as_ref()?.features
    }
}

macro_rules! declaration {
    ($name:ident, $options:ident, $tag:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, PartialEq, Message)]
        pub(super) struct $name {
            #[prost(message, optional, tag = $tag)]
            options: Option<$options>,
        }

        impl $name {
            pub(super) fn features(&self) -> Option<FeatureSet> {
                self.options.as_ref()?.features
            }
        }
    };
}

macro_rules! options {
    ($name:ident, $tag:literal) => {
        #[derive(Clone, PartialEq, Message)]
        struct $name {
            #[prost(message, optional, tag = $tag)]
            features: Option<FeatureSet>,
        }
    };
}

declaration!(FieldFeatures, FieldOptions, "8", "The features that a field sets.");
declaration!(OneofFeatures, OneofOptions, "2", "The features that a oneof sets.");
declaration!(EnumFeatures, EnumOptions, "3", "The features that an enum sets.");
options!(FileOptions, "50");
options!(MessageOptions, "12");
options!(FieldOptions, "21");
options!(OneofOptions, "1");
options!(EnumOptions, "7");
