//! Tests of values in all modes: tables of cases, and comparison with the conversion through trees.

mod defaults;
mod modes;
mod slow;
