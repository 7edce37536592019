//! What a refused writer is told: the policy, and every reason with the versions that it concerns.

use crate::{Incompatibility, VersionInfo};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a schema may not follow: every reason, against every version it was judged against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The type that was refused.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The policy it was judged by, as `BackwardTransitive`.
    pub policy: String,
    /// By whose rules: `java` or `strict`.
    pub rules: String,
    /// Never empty.
    pub reasons: Vec<Reason>,
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The group takes one type only, and holds another.
    OtherType {
        /// A version of the other type.
        versions: Vec<VersionInfo>,
    },
    /// The policy refuses every further schema.
    Denied {
        /// The versions there are, the latest of each type.
        versions: Vec<VersionInfo>,
    },
    /// The new schema cannot read what versions wrote.
    CannotRead {
        /// Those versions, in id order.
        versions: Vec<VersionInfo>,
        /// What stands in the way; its reader is the new schema.
        #[serde(flatten)]
        why: Incompatibility,
    },
    /// Versions cannot read what the new schema writes.
    CannotBeRead {
        /// Those versions, in id order.
        versions: Vec<VersionInfo>,
        /// What stands in the way; its writer is the new schema.
        #[serde(flatten)]
        why: Incompatibility,
    },
    /// The new schema uses what versions reserved.
    UsesReserved {
        /// Those versions, in id order.
        versions: Vec<VersionInfo>,
        /// What it uses; its reader is the new schema.
        #[serde(flatten)]
        why: Incompatibility,
    },
}

impl Reason {
    /// The versions in conflict.
    pub fn versions(&self) -> &[VersionInfo] {
        match self {
            Self::OtherType { versions }
            | Self::Denied { versions }
            | Self::CannotRead { versions, .. }
            | Self::CannotBeRead { versions, .. }
            | Self::UsesReserved { versions, .. } => versions,
        }
    }

    /// What two schemas disagree about, where that is the reason.
    pub fn why(&self) -> Option<&Incompatibility> {
        match self {
            Self::OtherType { .. } | Self::Denied { .. } => None,
            Self::CannotRead { why, .. }
            | Self::CannotBeRead { why, .. }
            | Self::UsesReserved { why, .. } => Some(why),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schema {} is refused by policy {}:", self.type_name, self.policy)?;
        for reason in &self.reasons {
            write!(f, "\n- {reason}")?;
        }
        Ok(())
    }
}

/// So many versions are named, and the rest are counted.
const NAMED: usize = 10;

/// Version numbers, as `version 3` or `versions 1, 2, 3`.
fn versions(versions: &[VersionInfo]) -> String {
    let word = if versions.len() == 1 { "version" } else { "versions" };
    let numbers: Vec<String> = versions.iter().take(NAMED).map(|v| v.version.to_string()).collect();
    match versions.len().saturating_sub(NAMED) {
        0 => format!("{word} {}", numbers.join(", ")),
        more => format!("{word} {} and {more} more", numbers.join(", ")),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType { versions } => {
                let has = versions.first().map(|v| match v.type_name.as_str() {
                    "" => format!("one without a name (schema id {})", v.id),
                    name => format!("{name} (schema id {})", v.id),
                });
                write!(f, "the group takes one type only, and has {}", has.unwrap_or_default())
            }
            Self::Denied { .. } => f.write_str("the group takes no further schema"),
            Self::CannotRead { versions: wrote, why } if why.certain => {
                write!(f, "{why} (it cannot read what {} wrote)", versions(wrote))
            }
            Self::CannotRead { versions: wrote, why } => {
                write!(f, "{why} (it cannot be told whether it reads what {} wrote)", versions(wrote))
            }
            Self::CannotBeRead { versions: read, why } if why.certain => {
                write!(f, "{why} ({} cannot read what it writes)", versions(read))
            }
            Self::CannotBeRead { versions: read, why } => {
                write!(f, "{why} (it cannot be told whether {} can read what it writes)", versions(read))
            }
            Self::UsesReserved { versions: reserved, why } => {
                write!(f, "{why} (reserved by {})", versions(reserved))
            }
        }
    }
}
