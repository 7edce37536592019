//! The schema registry over HTTP (REST v1), behind the same trait as the one in process.
