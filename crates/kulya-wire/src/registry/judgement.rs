//! Verdicts, refusals with their reasons, and comparisons.

use super::{all, given, into_all, maybe, must, v1, wrong};
use kulya_registry_api::RegistryError;
use kulya_registry_api::administration::{Comparison, Verdict};
use kulya_schema::decide::{Reason, Refusal};
use kulya_schema::{Changed, Difference, Field, Incompatibility, VersionInfo};
use v1::reason::Reason as Told;

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
            serde_json::from_str(&text).map_err(|e| wrong("the message's witness is no JSON text").because(e))
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

fn conflict(versions: Vec<VersionInfo>, why: Incompatibility) -> v1::Conflict {
    v1::Conflict { versions: into_all(versions), why: Some(why.into()) }
}

fn of_conflict(message: v1::Conflict) -> Result<(Vec<VersionInfo>, Incompatibility), RegistryError> {
    Ok((into_all(message.versions), must(message.why, "incompatibility")?))
}

impl From<Reason> for v1::Reason {
    fn from(reason: Reason) -> Self {
        let versions = |versions| v1::Versions { versions: into_all(versions) };
        let reason = match reason {
            Reason::OtherType { versions: others } => Told::OtherType(versions(others)),
            Reason::Denied { versions: latest } => Told::Denied(versions(latest)),
            Reason::CannotRead { versions, why } => Told::CannotRead(conflict(versions, why)),
            Reason::CannotBeRead { versions, why } => Told::CannotBeRead(conflict(versions, why)),
            Reason::UsesReserved { versions, why } => Told::UsesReserved(conflict(versions, why)),
        };
        Self { reason: Some(reason) }
    }
}

impl TryFrom<v1::Reason> for Reason {
    type Error = RegistryError;

    fn try_from(message: v1::Reason) -> Result<Self, RegistryError> {
        Ok(match given(message.reason, "reason")? {
            Told::OtherType(others) => Self::OtherType { versions: into_all(others.versions) },
            Told::Denied(latest) => Self::Denied { versions: into_all(latest.versions) },
            Told::CannotRead(message) => {
                let (versions, why) = of_conflict(message)?;
                Self::CannotRead { versions, why }
            }
            Told::CannotBeRead(message) => {
                let (versions, why) = of_conflict(message)?;
                Self::CannotBeRead { versions, why }
            }
            Told::UsesReserved(message) => {
                let (versions, why) = of_conflict(message)?;
                Self::UsesReserved { versions, why }
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
        Ok(Self { type_name: r#type, policy, rules, reasons: all(reasons)? })
    }
}

impl From<Verdict> for v1::Verdict {
    fn from(Verdict { compatible, registered, refusal }: Verdict) -> Self {
        Self { compatible, registered: registered.map(Into::into), refusal: refusal.map(Into::into) }
    }
}

impl TryFrom<v1::Verdict> for Verdict {
    type Error = RegistryError;

    fn try_from(message: v1::Verdict) -> Result<Self, RegistryError> {
        let v1::Verdict { compatible, registered, refusal } = message;
        Ok(Self { compatible, registered: registered.map(Into::into), refusal: maybe(refusal)? })
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

impl From<Changed> for v1::ChangedField {
    fn from(Changed { path, from, to }: Changed) -> Self {
        Self { path, from, to }
    }
}

impl From<v1::ChangedField> for Changed {
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
            from: must(from, "earlier schema")?,
            to: must(to, "later schema")?,
            fields: given(fields, "difference")?.into(),
            backward: all(backward)?,
            forward: all(forward)?,
        })
    }
}
