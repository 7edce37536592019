//! Layers: a crate depends on crates of lower layers only, and a heavy dependency has one owner.

use anyhow::{Context, Result};
use serde_json::Value;
use std::process::Command;

/// Each crate and its layer; a crate may depend only on crates of lower layers.
const LAYERS: &[(&str, u8)] = &[
    ("kulya-testkit", 0),
    ("kulya-incremental", 0),
    ("kulya-schema", 0),
    ("kulya-store", 0),
    ("kulya-store-embedded", 1),
    ("kulya-store-pravega", 1),
    ("kulya-store-object", 1),
    ("kulya-registry-api", 1),
    ("kulya-auth", 1),
    ("kulya-codec", 2),
    ("kulya-wire", 2),
    ("kulya-registry", 2),
    ("kulya-client", 3),
    ("kulya-cdc", 2),
    ("kulya-sql", 3),
    ("kulya-server", 3),
    ("kulya-sim", 4),
    ("kulya", 4),
    ("xtask", 5),
];

/// Heavy dependencies and the one crate that may have each.
const OWNERS: &[(&str, &str)] = &[
    ("datafusion", "kulya-sql"),
    ("axum", "kulya-server"),
    ("jsonwebtoken", "kulya-auth"),
    ("tonic-reflection", "kulya-server"),
    ("tonic-health", "kulya-server"),
    ("reqwest", "kulya-client"),
    ("postgres-protocol", "kulya-cdc"),
    ("tokio-postgres", "kulya-cdc"),
    ("apache-avro", "kulya-codec"),
    ("arrow-avro", "kulya-codec"),
    ("clap", "kulya"),
];

/// Adds every dependency that breaks a rule to `findings`.
pub(super) fn check(findings: &mut Vec<String>) -> Result<()> {
    let metadata = Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).context("cargo metadata gives JSON")?;
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        check_package(package, findings);
    }
    Ok(())
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, layer)| *layer)
}

fn check_package(package: &Value, findings: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(own) = layer(name) else {
        findings.push(format!(
            "{name}: crate without a layer: add it to xtask/src/tidy/layers.rs and to ARCHITECTURE.md"
        ));
        return;
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        // tests may depend on any crate
        if dependency["kind"].as_str() == Some("dev") {
            continue;
        }
        let used = dependency["name"].as_str().unwrap_or_default();
        if layer(used).is_some_and(|other| other >= own) {
            findings.push(format!("{name} (layer {own}) depends on {used}, which is not in a lower layer"));
        }
        if let Some((_, owner)) = OWNERS.iter().find(|(heavy, owner)| *heavy == used && *owner != name) {
            findings.push(format!("{name} depends on {used}, which is reserved for {owner}"));
        }
    }
}
