//! The store on a real Pravega, which `cargo xtask test` starts where Java and Maven are.

mod real_pravega;
