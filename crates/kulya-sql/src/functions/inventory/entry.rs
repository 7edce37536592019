//! The entries of the table of functions.

/// Functions of one kind.
#[cfg_attr(not(test), expect(dead_code, reason = "the documentation has the titles"))]
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) entries: &'static [Entry],
}

/// Functions that are done in the same way.
#[cfg_attr(not(test), expect(dead_code, reason = "the documentation has the notes"))]
pub(super) struct Entry {
    /// How the documentation names them.
    pub(super) shown: &'static str,
    pub(super) names: Names,
    pub(super) how: How,
    /// What differs from Flink.
    pub(super) note: &'static str,
}

/// The names of functions in calls.
pub(super) enum Names {
    /// Those that are shown: what stands between commas and is a name.
    AsListed,
    These(&'static [&'static str]),
}

impl Entry {
    /// Returns the names in calls.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let (shown, these) = match self.names {
            Names::AsListed => (self.shown, &[][..]),
            Names::These(names) => ("", names),
        };
        let is_name = |text: &&str| {
            text.starts_with(|c: char| c.is_ascii_uppercase())
                && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        shown.split(", ").filter(is_name).chain(these.iter().copied())
    }
}

/// How a function is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// DataFusion's function is as Flink's.
    DataFusion,
    /// A function of this crate.
    Own,
    /// It becomes another expression.
    Rewritten,
    NotSupported,
}
