//! One directory is one stream store: a shared append-only commit log with group commit.
