//! Size limits of a request (contract §1.3).

/// The maximum size of a schema, in bytes.
pub const MAX_SCHEMA_BYTES: usize = 8 * 1024 * 1024;
