//! Schemas as a compiler makes them, judged, and the verdicts put to the test on messages.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod protobuf;
