//! The messages of `descriptor.proto` as a decoder of raw bytes sees them: which field is a message, which
//! fields `prost_types` decodes, and how much memory it takes for them.

use prost_types::descriptor_proto::{ExtensionRange, ReservedRange};
use prost_types::source_code_info::Location;
use prost_types::uninterpreted_option::NamePart;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
    UninterpretedOption,
};

/// A message of `descriptor.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DescriptorKind {
    Set,
    File,
    Message,
    Field,
    Enum,
    Value,
    Service,
    Method,
    ExtensionRange,
    ReservedRange,
    Oneof,
    SourceInfo,
    Location,
    FileOptions,
    MessageOptions,
    FieldOptions,
    OneofOptions,
    EnumOptions,
    ValueOptions,
    ServiceOptions,
    MethodOptions,
    ExtensionRangeOptions,
    Uninterpreted,
    NamePart,
}

impl DescriptorKind {
    /// Returns the message type of a field of this number, if it is a message.
    pub(super) fn child(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Set, 1) => Self::File,
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            (Self::File, 7) | (Self::Message, 2 | 6) => Self::Field,
            (Self::File, 9) => Self::SourceInfo,
            (Self::SourceInfo, 1) => Self::Location,
            (Self::Message, 5) => Self::ExtensionRange,
            (Self::Message, 8) => Self::Oneof,
            (Self::Message, 9) | (Self::Enum, 4) => Self::ReservedRange,
            (Self::Enum, 2) => Self::Value,
            (Self::Service, 2) => Self::Method,
            (Self::File, 8) => Self::FileOptions,
            (Self::Message, 7) => Self::MessageOptions,
            (Self::Field, 8) => Self::FieldOptions,
            (Self::Oneof, 2) => Self::OneofOptions,
            (Self::Enum, 3) => Self::EnumOptions,
            (Self::Value, 3) => Self::ValueOptions,
            (Self::Service, 3) => Self::ServiceOptions,
            (Self::Method, 4) => Self::MethodOptions,
            (Self::ExtensionRange, 3) => Self::ExtensionRangeOptions,
            (options, 999) if options.is_options() => Self::Uninterpreted,
            (Self::Uninterpreted, 2) => Self::NamePart,
            _ => return None,
        })
    }

    /// Returns whether options of a descriptor are of this kind.
    pub(super) fn is_options(self) -> bool {
        use DescriptorKind as Kind;
        matches!(
            self,
            Kind::FileOptions
                | Kind::MessageOptions
                | Kind::FieldOptions
                | Kind::OneofOptions
                | Kind::EnumOptions
                | Kind::ValueOptions
                | Kind::ServiceOptions
                | Kind::MethodOptions
                | Kind::ExtensionRangeOptions
        )
    }

    /// Returns whether a field of this number occurs several times, each for an element of its own: others
    /// are merged.
    pub(super) fn is_list(self, number: u64) -> bool {
        !self.child(number).is_some_and(|child| child.is_options() || child == Self::SourceInfo)
    }

    /// Returns whether `prost_types` decodes a field of this number. It drops others: custom options, which
    /// are extensions, the edition, and the features of editions.
    pub(super) fn is_decoded(self, number: u64) -> bool {
        let known: &[u64] = match self {
            Self::Set | Self::SourceInfo => &[1],
            Self::File => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            Self::Message => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            Self::Field => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17],
            Self::Enum => &[1, 2, 3, 4, 5],
            Self::Value | Self::Service | Self::ExtensionRange => &[1, 2, 3],
            Self::Method => &[1, 2, 3, 4, 5, 6],
            Self::ReservedRange | Self::Oneof | Self::NamePart => &[1, 2],
            Self::Location => &[1, 2, 3, 4, 6],
            Self::FileOptions => {
                &[1, 8, 9, 10, 11, 16, 17, 18, 20, 23, 27, 31, 36, 37, 39, 40, 41, 42, 44, 45, 999]
            }
            Self::MessageOptions => &[1, 2, 3, 7, 999],
            Self::FieldOptions => &[1, 2, 3, 5, 6, 10, 999],
            Self::EnumOptions => &[2, 3, 999],
            Self::ValueOptions => &[1, 999],
            Self::ServiceOptions => &[33, 999],
            Self::MethodOptions => &[33, 34, 999],
            Self::OneofOptions | Self::ExtensionRangeOptions => &[999],
            Self::Uninterpreted => &[2, 3, 4, 5, 6, 7, 8],
        };
        known.contains(&number)
    }

    /// Returns the memory of a decoded message in bytes, without what it refers to. Options are stored
    /// inline, and only their repeated fields take more.
    pub(super) fn memory_bytes(self) -> usize {
        match self {
            Self::File => size_of::<FileDescriptorProto>(),
            Self::Message => size_of::<DescriptorProto>(),
            Self::Field => size_of::<FieldDescriptorProto>(),
            Self::Enum => size_of::<EnumDescriptorProto>(),
            Self::Value => size_of::<EnumValueDescriptorProto>(),
            Self::Service => size_of::<ServiceDescriptorProto>(),
            Self::Method => size_of::<MethodDescriptorProto>(),
            Self::ExtensionRange => size_of::<ExtensionRange>(),
            Self::ReservedRange => size_of::<ReservedRange>(),
            Self::Oneof => size_of::<OneofDescriptorProto>(),
            Self::Location => size_of::<Location>(),
            Self::Uninterpreted => size_of::<UninterpretedOption>(),
            Self::NamePart => size_of::<NamePart>(),
            _ => 0,
        }
    }
}
