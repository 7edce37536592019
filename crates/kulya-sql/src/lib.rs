//! Catalog and SQL: scopes are databases, streams with their schemas are tables. The only crate that knows DataFusion.
