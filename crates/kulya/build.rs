//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A quarter of a million addresses in its tables are written anew at each start, because it may be loaded anywhere. Packed,
    // they are a hundredth of six megabytes, which every process would else read and hold.
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
