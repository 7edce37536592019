//! The faces of the registry: REST v1.
