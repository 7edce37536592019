//! References between schemas: reading what a new schema refers to ([`resolution`]), and the index of the
//! versions that refer to one ([`referrers`]).
//!
//! A version with references is stored twice: in its self-contained form, which is what everybody reads,
//! compares and identifies, and as it was sent. So no read needs another group, and nothing that is deleted
//! by force makes an event unreadable.
//!
//! The commit that adds a version with references also replaces the record of each group that it refers to,
//! by an equal one: if a version of that group was deleted meanwhile, the commit fails, and a concurrent
//! deletion fails if this commit comes first. References lead to versions that exist, so they have no cycles.

pub(crate) mod referrers;
pub(crate) mod resolution;
