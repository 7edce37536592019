//! Plans from SQL, as ticks of rows: at each tick the sum of the output is what the bounded query gives over
//! the same rows, also after a restart.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod drawn;
mod harness;
mod nodes;
mod speed;
mod windows;
