//! The generated code in the repository matches the proto files.
//! `KULYA_REGENERATE=1 cargo test -p kulya-wire` regenerates it: change the proto file first, then
//! regenerate, and only then change the Rust code that uses it (this test needs a crate that compiles).

use std::path::{Path, PathBuf};

/// The protobuf packages, one file each.
const PACKAGES: [&str; 2] = ["store", "registry"];

/// Generates the files of a package: path and expected content.
fn generate(package: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = root.join("proto");
    // a protobuf compiler in Rust, so that protoc is not needed
    let descriptor = protox::compile([format!("kulya/{package}/v1/{package}.proto")], [&proto]).unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    std::fs::create_dir_all(&out).unwrap();
    let name = format!("kulya.{package}.v1");
    let set = out.join(format!("{name}.bin"));
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .btree_map(".")
        .out_dir(&out)
        .compile_fds(descriptor.clone())
        .unwrap();
    // reflection needs no comments
    let mut stripped = descriptor;
    stripped.file.iter_mut().for_each(|file| file.source_code_info = None);
    std::fs::write(&set, prost::Message::encode_to_vec(&stripped)).unwrap();
    ["rs", "bin"]
        .map(|ending| format!("{name}.{ending}"))
        .map(|name| (root.join("generated").join(&name), std::fs::read(out.join(&name)).unwrap()))
        .to_vec()
}

#[test]
fn generated_code_is_up_to_date() {
    for (path, generated) in PACKAGES.into_iter().flat_map(generate) {
        if std::env::var_os("KULYA_REGENERATE").is_some() {
            std::fs::write(&path, generated).unwrap();
        } else {
            let is_same = std::fs::read(&path).is_ok_and(|current| current == generated);
            assert!(is_same, "{}: set KULYA_REGENERATE=1 and run this test again", path.display());
        }
    }
}
