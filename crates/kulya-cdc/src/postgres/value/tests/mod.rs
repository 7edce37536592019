//! Tests of values in all modes: tables of cases, and comparison with the conversion through trees.

mod defaults;
mod kinds;
mod modes;
mod recorded;
mod slow;
