//! The report of a refused schema: the policy, and every reason with the versions that it concerns; and
//! warnings about what is accepted.

use crate::{Incompatibility, VersionInfo};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A refusal of a schema: every reason, against every version it was checked against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The type of the refused schema.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The policy's name, such as `BackwardTransitive`.
    pub policy: String,
    /// The name of the rules: `java` or `strict`.
    pub rules: String,
    /// The reasons; never empty.
    pub reasons: Vec<Reason>,
}

/// One reason of a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// The group accepts only one type, and has another.
    OtherType {
        /// A version of the other type.
        versions: Vec<VersionInfo>,
    },
    /// The policy refuses every further schema.
    Denied {
        /// The group's versions, the latest of each type.
        versions: Vec<VersionInfo>,
    },
    /// The new schema cannot read data of these versions.
    CannotRead {
        /// The versions in id order.
        versions: Vec<VersionInfo>,
        /// The incompatibility; its reader is the new schema.
        #[serde(flatten)]
        incompatibility: Incompatibility,
    },
    /// These versions cannot read data of the new schema.
    CannotBeRead {
        /// The versions in id order.
        versions: Vec<VersionInfo>,
        /// The incompatibility; its writer is the new schema.
        #[serde(flatten)]
        incompatibility: Incompatibility,
    },
    /// The new schema uses a name or number that these versions reserved.
    UsesReserved {
        /// The versions in id order.
        versions: Vec<VersionInfo>,
        /// The incompatibility; its reader is the new schema.
        #[serde(flatten)]
        incompatibility: Incompatibility,
    },
}

/// A change that the policy accepts, and that may still be a mistake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// The versions that it concerns, in id order.
    pub versions: Vec<VersionInfo>,
    /// The change; its reader is the new schema.
    #[serde(flatten)]
    pub change: Incompatibility,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (since {})", self.change, versions(&self.versions))
    }
}

impl Reason {
    /// Returns the versions in conflict.
    pub fn versions(&self) -> &[VersionInfo] {
        match self {
            Self::OtherType { versions }
            | Self::Denied { versions }
            | Self::CannotRead { versions, .. }
            | Self::CannotBeRead { versions, .. }
            | Self::UsesReserved { versions, .. } => versions,
        }
    }

    /// Returns the incompatibility of the two schemas, if that is the reason.
    pub fn incompatibility(&self) -> Option<&Incompatibility> {
        match self {
            Self::OtherType { .. } | Self::Denied { .. } => None,
            Self::CannotRead { incompatibility, .. }
            | Self::CannotBeRead { incompatibility, .. }
            | Self::UsesReserved { incompatibility, .. } => Some(incompatibility),
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

/// The maximum number of versions that a message names; the rest are counted.
const MAX_NAMED: usize = 10;

/// Formats version numbers, as `version 3` or `versions 1, 2, 3`.
fn versions(versions: &[VersionInfo]) -> String {
    let word = if versions.len() == 1 { "version" } else { "versions" };
    let numbers: Vec<String> = versions.iter().take(MAX_NAMED).map(|v| v.version.to_string()).collect();
    match versions.len().saturating_sub(MAX_NAMED) {
        0 => format!("{word} {}", numbers.join(", ")),
        more => format!("{word} {} and {more} more", numbers.join(", ")),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType { versions } => {
                let existing = versions.first().map(|v| match v.type_name.as_str() {
                    "" => format!("an unnamed one (schema id {})", v.id),
                    name => format!("{name} (schema id {})", v.id),
                });
                write!(f, "the group accepts only one type, and has {}", existing.unwrap_or_default())
            }
            Self::Denied { .. } => f.write_str("the group accepts no further schema"),
            Self::CannotRead { versions: wrote, incompatibility } if incompatibility.certain => {
                write!(f, "{incompatibility} (it cannot read what {} wrote)", versions(wrote))
            }
            Self::CannotRead { versions: wrote, incompatibility } => {
                write!(f, "{incompatibility} (unknown whether it can read what {} wrote)", versions(wrote))
            }
            Self::CannotBeRead { versions: read, incompatibility } if incompatibility.certain => {
                write!(f, "{incompatibility} ({} cannot read what it writes)", versions(read))
            }
            Self::CannotBeRead { versions: read, incompatibility } => {
                write!(f, "{incompatibility} (unknown whether {} can read what it writes)", versions(read))
            }
            Self::UsesReserved { versions: reserved, incompatibility } => {
                write!(f, "{incompatibility} (reserved by {})", versions(reserved))
            }
        }
    }
}
