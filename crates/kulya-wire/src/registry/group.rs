//! Conversions of groups: names, formats, compatibility policies, rules, properties and their changes.

use super::{convert_optional, convert_required, invalid, parse_enum, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::GroupChange;
use kulya_schema::protobuf::Safety;
use kulya_schema::{
    CodecType, Compatibility, Format, GroupId, GroupProperties, Rules, StrictRules, UnknownPolicy,
    VersionInfo, VersionScope,
};
use v1::rules::Rules as RulesMessage;
use v1::side::Reach;

impl From<GroupId> for v1::Group {
    fn from(GroupId { namespace, name }: GroupId) -> Self {
        Self { namespace, name }
    }
}

/// Accepts any two texts: the registry validates group names.
impl From<v1::Group> for GroupId {
    fn from(v1::Group { namespace, name }: v1::Group) -> Self {
        Self { namespace, name }
    }
}

impl From<Format> for v1::Format {
    fn from(format: Format) -> Self {
        let kind = match format {
            Format::Avro => v1::FormatKind::Avro,
            Format::Protobuf => v1::FormatKind::Protobuf,
            Format::Json => v1::FormatKind::Json,
            Format::Any => v1::FormatKind::Any,
            Format::Custom(_) => v1::FormatKind::Custom,
        };
        let custom = if let Format::Custom(name) = format { name } else { String::new() };
        Self { kind: kind.into(), custom }
    }
}

impl TryFrom<v1::Format> for Format {
    type Error = RegistryError;

    fn try_from(v1::Format { kind, custom }: v1::Format) -> Result<Self, RegistryError> {
        let format = match parse_enum(kind, "format")? {
            v1::FormatKind::Avro => Self::Avro,
            v1::FormatKind::Protobuf => Self::Protobuf,
            v1::FormatKind::Json => Self::Json,
            v1::FormatKind::Any => Self::Any,
            v1::FormatKind::Custom => return Ok(Self::Custom(custom)),
            v1::FormatKind::Unspecified => return Err(invalid("the message has no format")),
        };
        if custom.is_empty() {
            return Ok(format);
        }
        Err(invalid(format!(
            "the message has format {format} and custom format {custom:.80?}: set one of them"
        )))
    }
}

impl From<VersionScope> for v1::Side {
    fn from(side: VersionScope) -> Self {
        let reach = match side {
            VersionScope::Latest => Reach::Latest(v1::Latest {}),
            VersionScope::Transitive => Reach::Transitive(v1::Transitive {}),
            VersionScope::Till(version) => Reach::Till(version.into()),
        };
        Self { reach: Some(reach) }
    }
}

impl TryFrom<v1::Side> for VersionScope {
    type Error = RegistryError;

    fn try_from(side: v1::Side) -> Result<Self, RegistryError> {
        Ok(match super::required(side.reach, "reach in a side of the policy")? {
            Reach::Latest(_) => Self::Latest,
            Reach::Transitive(_) => Self::Transitive,
            Reach::Till(version) => Self::Till(version.into()),
        })
    }
}

impl From<Compatibility> for v1::Compatibility {
    fn from(compatibility: Compatibility) -> Self {
        let simple = |policy: v1::Policy| Self { policy: policy.into(), backward: None, forward: None };
        match compatibility {
            Compatibility::AllowAny => simple(v1::Policy::AllowAny),
            Compatibility::DenyAll => simple(v1::Policy::DenyAll),
            Compatibility::Backward => simple(v1::Policy::Backward),
            Compatibility::Forward => simple(v1::Policy::Forward),
            Compatibility::BackwardTransitive => simple(v1::Policy::BackwardTransitive),
            Compatibility::ForwardTransitive => simple(v1::Policy::ForwardTransitive),
            Compatibility::Full => simple(v1::Policy::Full),
            Compatibility::FullTransitive => simple(v1::Policy::FullTransitive),
            Compatibility::Advanced { backward, forward } => Self {
                policy: v1::Policy::Advanced.into(),
                backward: backward.map(Into::into),
                forward: forward.map(Into::into),
            },
        }
    }
}

impl TryFrom<v1::Compatibility> for Compatibility {
    type Error = RegistryError;

    fn try_from(message: v1::Compatibility) -> Result<Self, RegistryError> {
        let v1::Compatibility { policy, backward, forward } = message;
        let policy: v1::Policy = parse_enum(policy, "policy")?;
        let has_sides = backward.is_some() || forward.is_some();
        let simple = match policy {
            v1::Policy::AllowAny => Self::AllowAny,
            v1::Policy::DenyAll => Self::DenyAll,
            v1::Policy::Backward => Self::Backward,
            v1::Policy::Forward => Self::Forward,
            v1::Policy::BackwardTransitive => Self::BackwardTransitive,
            v1::Policy::ForwardTransitive => Self::ForwardTransitive,
            v1::Policy::Full => Self::Full,
            v1::Policy::FullTransitive => Self::FullTransitive,
            v1::Policy::Advanced if has_sides => {
                return Ok(Self::Advanced {
                    backward: convert_optional(backward)?,
                    forward: convert_optional(forward)?,
                });
            }
            v1::Policy::Advanced => {
                return Err(invalid("policy Advanced needs a backward or a forward side"));
            }
            v1::Policy::Unspecified => return Err(invalid("the message has no policy")),
        };
        if has_sides {
            let policy = simple.policy();
            return Err(invalid(format!(
                "policy {policy} has no sides: remove them, or use policy Advanced"
            )));
        }
        Ok(simple)
    }
}

impl From<Rules> for v1::Rules {
    fn from(rules: Rules) -> Self {
        let rules = match rules {
            Rules::Java => RulesMessage::Java(v1::JavaRules {}),
            Rules::Strict(StrictRules { protobuf, unknown }) => {
                let protobuf = match protobuf {
                    Safety::Wire => v1::ProtobufEvents::Wire,
                    Safety::Json => v1::ProtobufEvents::Json,
                };
                let unknown = match unknown {
                    UnknownPolicy::Refuse => v1::WhenUnknown::Refuse,
                    UnknownPolicy::Allow => v1::WhenUnknown::Allow,
                };
                RulesMessage::Strict(v1::StrictRules { protobuf: protobuf.into(), unknown: unknown.into() })
            }
        };
        Self { rules: Some(rules) }
    }
}

impl TryFrom<v1::Rules> for Rules {
    type Error = RegistryError;

    fn try_from(message: v1::Rules) -> Result<Self, RegistryError> {
        let v1::StrictRules { protobuf, unknown } = match super::required(message.rules, "rules")? {
            RulesMessage::Java(_) => return Ok(Self::Java),
            RulesMessage::Strict(strict) => strict,
        };
        let protobuf = match parse_enum(protobuf, "Protobuf event encoding")? {
            v1::ProtobufEvents::Wire => Safety::Wire,
            v1::ProtobufEvents::Json => Safety::Json,
        };
        let unknown = match parse_enum(unknown, "policy for unknown compatibility")? {
            v1::WhenUnknown::Refuse => UnknownPolicy::Refuse,
            v1::WhenUnknown::Allow => UnknownPolicy::Allow,
        };
        Ok(Self::Strict(StrictRules { protobuf, unknown }))
    }
}

impl From<GroupProperties> for v1::GroupProperties {
    fn from(properties: GroupProperties) -> Self {
        Self {
            format: Some(properties.format.into()),
            compatibility: Some(properties.compatibility.into()),
            allow_multiple_types: properties.allow_multiple_types,
            labels: properties.properties,
        }
    }
}

impl TryFrom<v1::GroupProperties> for GroupProperties {
    type Error = RegistryError;

    fn try_from(message: v1::GroupProperties) -> Result<Self, RegistryError> {
        Ok(Self {
            format: convert_required(message.format, "format")?,
            compatibility: convert_required(message.compatibility, "policy")?,
            allow_multiple_types: message.allow_multiple_types,
            properties: message.labels,
        })
    }
}

/// Converts a change; the group is added by the caller.
impl From<GroupChange> for v1::ChangeGroupRequest {
    fn from(change: GroupChange) -> Self {
        Self {
            group: None,
            compatibility: change.compatibility.map(Into::into),
            labels: change.properties.map(|labels| v1::Labels { labels }),
            previous: change.previous.map(Into::into),
        }
    }
}

impl TryFrom<v1::ChangeGroupRequest> for GroupChange {
    type Error = RegistryError;

    fn try_from(message: v1::ChangeGroupRequest) -> Result<Self, RegistryError> {
        Ok(Self {
            compatibility: convert_optional(message.compatibility)?,
            properties: message.labels.map(|v1::Labels { labels }| labels),
            previous: convert_optional(message.previous)?,
        })
    }
}

impl From<VersionInfo> for v1::Version {
    fn from(VersionInfo { type_name, format, version, id }: VersionInfo) -> Self {
        Self { r#type: type_name, format, version, id }
    }
}

impl From<v1::Version> for VersionInfo {
    fn from(v1::Version { r#type, format, version, id }: v1::Version) -> Self {
        Self { type_name: r#type, format, version, id }
    }
}

impl From<CodecType> for v1::Codec {
    fn from(CodecType { name, properties }: CodecType) -> Self {
        Self { name, properties }
    }
}

impl From<v1::Codec> for CodecType {
    fn from(v1::Codec { name, properties }: v1::Codec) -> Self {
        Self { name, properties }
    }
}
