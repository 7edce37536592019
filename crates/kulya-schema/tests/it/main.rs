//! The registry's rules from outside: pairs of schemas kept as data, and what must hold of any.

mod json_schema_any;
mod json_schema_pairs;
