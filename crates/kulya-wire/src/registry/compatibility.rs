//! Conversions of compatibility results: verdicts, refusals with their reasons, and comparisons of two
//! schemas.

use super::{convert_all, convert_optional, convert_required, into_all, invalid, required, v1};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{Comparison, Verdict};
use kulya_schema::compatibility::{Reason, Refusal, Warning};
use kulya_schema::{ChangedField, Difference, Field, Incompatibility, VersionInfo};
use v1::reason::Reason as ReasonMessage;

impl From<Incompatibility> for v1::Incompatibility {
    fn from(why: Incompatibility) -> Self {
        Self {
            rule: why.rule,
            reader_path: why.reader_path,
            writer_path: why.writer_path,
            reader: why.reader,
            writer: why.writer,
            message: why.message,
            fix: why.fix,
            witness: why.witness.map(|witness| witness.to_string()),
            certain: why.certain,
        }
    }
}

impl TryFrom<v1::Incompatibility> for Incompatibility {
    type Error = RegistryError;

    fn try_from(message: v1::Incompatibility) -> Result<Self, RegistryError> {
        let value = |text: String| {
            serde_json::from_str(&text)
                .map_err(|e| invalid("the witness in the message is not JSON").because(e))
        };
        Ok(Self {
            rule: message.rule,
            reader_path: message.reader_path,
            writer_path: message.writer_path,
            reader: message.reader,
            writer: message.writer,
            message: message.message,
            fix: message.fix,
            witness: message.witness.map(value).transpose()?,
            certain: message.certain,
        })
    }
}

fn to_conflict(versions: Vec<VersionInfo>, why: Incompatibility) -> v1::Conflict {
    v1::Conflict { versions: into_all(versions), why: Some(why.into()) }
}

fn from_conflict(message: v1::Conflict) -> Result<(Vec<VersionInfo>, Incompatibility), RegistryError> {
    Ok((into_all(message.versions), convert_required(message.why, "incompatibility")?))
}

impl From<Reason> for v1::Reason {
    fn from(reason: Reason) -> Self {
        let versions = |versions| v1::Versions { versions: into_all(versions) };
        let reason = match reason {
            Reason::OtherType { versions: others } => ReasonMessage::OtherType(versions(others)),
            Reason::Denied { versions: latest } => ReasonMessage::Denied(versions(latest)),
            Reason::CannotRead { versions, incompatibility } => {
                ReasonMessage::CannotRead(to_conflict(versions, incompatibility))
            }
            Reason::CannotBeRead { versions, incompatibility } => {
                ReasonMessage::CannotBeRead(to_conflict(versions, incompatibility))
            }
            Reason::UsesReserved { versions, incompatibility } => {
                ReasonMessage::UsesReserved(to_conflict(versions, incompatibility))
            }
        };
        Self { reason: Some(reason) }
    }
}

impl TryFrom<v1::Reason> for Reason {
    type Error = RegistryError;

    fn try_from(message: v1::Reason) -> Result<Self, RegistryError> {
        Ok(match required(message.reason, "reason")? {
            ReasonMessage::OtherType(others) => Self::OtherType { versions: into_all(others.versions) },
            ReasonMessage::Denied(latest) => Self::Denied { versions: into_all(latest.versions) },
            ReasonMessage::CannotRead(message) => {
                let (versions, incompatibility) = from_conflict(message)?;
                Self::CannotRead { versions, incompatibility }
            }
            ReasonMessage::CannotBeRead(message) => {
                let (versions, incompatibility) = from_conflict(message)?;
                Self::CannotBeRead { versions, incompatibility }
            }
            ReasonMessage::UsesReserved(message) => {
                let (versions, incompatibility) = from_conflict(message)?;
                Self::UsesReserved { versions, incompatibility }
            }
        })
    }
}

impl From<Refusal> for v1::Refusal {
    fn from(Refusal { type_name, policy, rules, reasons }: Refusal) -> Self {
        Self { r#type: type_name, policy, rules, reasons: into_all(reasons) }
    }
}

impl TryFrom<v1::Refusal> for Refusal {
    type Error = RegistryError;

    fn try_from(message: v1::Refusal) -> Result<Self, RegistryError> {
        let v1::Refusal { r#type, policy, rules, reasons } = message;
        Ok(Self { type_name: r#type, policy, rules, reasons: convert_all(reasons)? })
    }
}

impl From<Warning> for v1::Warning {
    fn from(Warning { versions, change }: Warning) -> Self {
        Self { versions: into_all(versions), change: Some(change.into()) }
    }
}

impl TryFrom<v1::Warning> for Warning {
    type Error = RegistryError;

    fn try_from(message: v1::Warning) -> Result<Self, RegistryError> {
        let v1::Warning { versions, change } = message;
        Ok(Self { versions: into_all(versions), change: convert_required(change, "the warning's change")? })
    }
}

impl From<Verdict> for v1::Verdict {
    fn from(Verdict { compatible, registered, refusal, warnings }: Verdict) -> Self {
        let (registered, refusal) = (registered.map(Into::into), refusal.map(Into::into));
        Self { compatible, registered, refusal, warnings: into_all(warnings) }
    }
}

impl TryFrom<v1::Verdict> for Verdict {
    type Error = RegistryError;

    fn try_from(message: v1::Verdict) -> Result<Self, RegistryError> {
        let v1::Verdict { compatible, registered, refusal, warnings } = message;
        let (registered, refusal) = (registered.map(Into::into), convert_optional(refusal)?);
        Ok(Self { compatible, registered, refusal, warnings: convert_all(warnings)? })
    }
}

impl From<Field> for v1::Field {
    fn from(Field { path, kind }: Field) -> Self {
        Self { path, r#type: kind }
    }
}

impl From<v1::Field> for Field {
    fn from(v1::Field { path, r#type }: v1::Field) -> Self {
        Self { path, kind: r#type }
    }
}

impl From<ChangedField> for v1::ChangedField {
    fn from(ChangedField { path, from, to }: ChangedField) -> Self {
        Self { path, from, to }
    }
}

impl From<v1::ChangedField> for ChangedField {
    fn from(v1::ChangedField { path, from, to }: v1::ChangedField) -> Self {
        Self { path, from, to }
    }
}

impl From<Difference> for v1::Difference {
    fn from(Difference { added, removed, changed }: Difference) -> Self {
        Self { added: into_all(added), removed: into_all(removed), changed: into_all(changed) }
    }
}

impl From<v1::Difference> for Difference {
    fn from(v1::Difference { added, removed, changed }: v1::Difference) -> Self {
        Self { added: into_all(added), removed: into_all(removed), changed: into_all(changed) }
    }
}

impl From<Comparison> for v1::Comparison {
    fn from(Comparison { from, to, fields, backward, forward }: Comparison) -> Self {
        Self {
            from: Some(from.into()),
            to: Some(to.into()),
            fields: Some(fields.into()),
            backward: into_all(backward),
            forward: into_all(forward),
        }
    }
}

impl TryFrom<v1::Comparison> for Comparison {
    type Error = RegistryError;

    fn try_from(message: v1::Comparison) -> Result<Self, RegistryError> {
        let v1::Comparison { from, to, fields, backward, forward } = message;
        Ok(Self {
            from: convert_required(from, "earlier schema")?,
            to: convert_required(to, "later schema")?,
            fields: required(fields, "difference")?.into(),
            backward: convert_all(backward)?,
            forward: convert_all(forward)?,
        })
    }
}
