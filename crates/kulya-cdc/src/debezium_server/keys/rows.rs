//! Short forms for the rows of the table.

use super::known::{Databases, Handling};

pub(super) const ALL: Databases = Databases { postgres: true, mysql: true, mariadb: true };
pub(super) const POSTGRES: Databases = Databases { postgres: true, mysql: false, mariadb: false };
pub(super) const MYSQL: Databases = Databases { postgres: false, mysql: true, mariadb: false };
pub(super) const MARIADB: Databases = Databases { postgres: false, mysql: false, mariadb: true };
pub(super) const BINLOG: Databases = Databases { postgres: false, mysql: true, mariadb: true };

/// The setting is used.
pub(super) const fn used(note: &'static str) -> Handling {
    Handling::Used(note)
}

/// Only these values are in effect.
pub(super) const fn only(accepted: &'static [&'static str], note: &'static str) -> Handling {
    Handling::Fixed { accepted, tolerated: &[], note }
}

/// The first values are in effect; the second ones are not, with the same events.
pub(super) const fn fixed(
    accepted: &'static [&'static str],
    tolerated: &'static [&'static str],
    note: &'static str,
) -> Handling {
    Handling::Fixed { accepted, tolerated, note }
}

/// The key has no purpose.
pub(super) const fn needless(note: &'static str) -> Handling {
    Handling::NotNeeded(note)
}

/// The feature is missing.
pub(super) const fn missing(note: &'static str) -> Handling {
    Handling::NotSupported(note)
}

/// Builds a constant `ROWS`: name, databases, kind, default, effect, handling.
macro_rules! rows {
    ($section:literal: $($name:literal, $databases:expr, $kind:expr, $default:literal, $effect:ident, $handling:expr;)+) => {
        /// The rows of this part of the table.
        pub(super) const ROWS: &[KnownKey] = &[$(KnownKey {
            name: concat!($section, $name),
            databases: $databases,
            kind: $kind,
            default: $default,
            effect: Effect::$effect,
            handling: $handling,
        }),+];
    };
}
pub(super) use rows;
