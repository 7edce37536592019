//! The schema registry: the rules of kulya-schema kept in a stream store's tables.
