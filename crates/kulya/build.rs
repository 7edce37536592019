//! How the program is linked.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A quarter of a million addresses in its tables are written anew at each start, because it may be loaded anywhere.
    // Packed, they are a hundredth of six megabytes, which every process would else read and hold.
    if is_for_this_machine() && is_loader_able_to_unpack() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn is_for_this_machine() -> bool {
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    of("HOST") == of("TARGET") && of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu"
}

/// glibc unpacks since 2.36; an earlier one would not start the program.
fn is_loader_able_to_unpack() -> bool {
    let Ok(told) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let version = text.trim().rsplit(' ').next().and_then(|version| version.split_once('.'));
    let numbers = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.is_some_and(|version: (u32, u32)| version >= (2, 36))
}
