//! Linker options of the program: smaller, and faster to start.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The program is position-independent: a quarter of a million relocations are applied at each start.
    // Packed, their table is a hundredth of six megabytes, which each process would otherwise read and keep
    // in memory.
    if is_native_build() && does_loader_support_relr() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions with equal code are one: a twentieth of the program. Only lld can; a linker of the user's
    // choice may not.
    if is_native_build() && does_linker_accept("-Wl,--icf=all") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether the linker of this build accepts an argument: links an empty program with it.
fn does_linker_accept(argument: &str) -> bool {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(rustc), Some(folder)) = (variable("RUSTC"), variable("OUT_DIR")) else { return false };
    let source = std::path::Path::new(&folder).join("empty.rs");
    if std::fs::write(&source, "fn main() {}").is_err() {
        return false;
    }
    let mut link = Command::new(rustc);
    link.arg(&source)
        .arg("-o")
        .arg(source.with_extension("program"))
        .args(["-C", &format!("link-arg={argument}")]);
    if let Some(linker) = variable("RUSTC_LINKER") {
        link.args(["-C", &format!("linker={linker}")]);
    }
    let flags = variable("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    link.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    link.output().is_ok_and(|output| output.status.success())
}

fn is_native_build() -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    variable("HOST") == variable("TARGET")
        && variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
}

/// Whether glibc supports packed relocations: since 2.36; an earlier one would not start the program.
fn does_loader_support_relr() -> bool {
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.trim().rsplit(' ').next().and_then(|version| version.split_once('.'));
    let numbers = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.is_some_and(|version: (u32, u32)| version >= (2, 36))
}
