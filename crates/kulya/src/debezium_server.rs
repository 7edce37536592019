//! `kulya cdc --config application.properties`: the settings file of a Debezium Server in place of
//! kulya.toml. Prints what has no effect, and rejects what would change the events.

use crate::args::CdcArgs;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use kulya_cdc::debezium_server::{
    Converted, DebeziumServerSettings, MAX_FILE_BYTES, Properties, Unsupported,
};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Returns whether a settings file is one of Debezium Server, by its extension.
pub(crate) fn is_properties(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("properties"))
}

/// Reads a file, with the values of the environment on top. Prints a line for each key that has no effect,
/// and for each that is wrong or not supported.
///
/// # Errors
/// An unreadable file, wrong values, and values that are not supported and would change the events.
pub(crate) fn load(file: &Path, args: &CdcArgs) -> Result<Settings> {
    let name = file.display();
    let bytes = read(file).with_context(|| format!("cannot read settings {name}"))?;
    let variables = std::env::vars_os();
    let environment: BTreeMap<String, String> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let properties = Properties::parse(&bytes, &environment).with_context(|| format!("settings {name}"))?;
    let mut converted = match DebeziumServerSettings::from_properties(&properties) {
        Ok(converted) => converted,
        Err(invalid) => {
            invalid.values.iter().for_each(|value| eprintln!("kulya: {value}"));
            bail!("settings {name} are invalid")
        }
    };
    converted.refused.retain(|refused| !is_overridden(refused, args));
    converted.warnings().for_each(|warning| eprintln!("kulya: warning: {warning}"));
    into_settings(converted).with_context(|| format!("settings {name}"))
}

/// Reads at most a byte more than a file may have.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns whether a flag replaces what is refused.
fn is_overridden(refused: &Unsupported, args: &CdcArgs) -> bool {
    match refused.key.as_str() {
        "debezium.sink.type" => {
            args.store.data.is_some() || args.store.url.is_some() || args.record.is_some()
        }
        _ => false,
    }
}

fn into_settings(converted: Converted) -> Result<Settings> {
    converted.refused.iter().for_each(|refused| eprintln!("kulya: not supported yet: {refused}"));
    match converted.refused.len() {
        0 => {
            let controller = converted.settings.sink.pravega.map(|pravega| pravega.controller);
            Ok(Settings::of_capture(converted.capture, controller.map(Into::into)))
        }
        1 => bail!("a setting is not supported yet, and the events would differ without it"),
        count => bail!("{count} settings are not supported yet, and the events would differ without them"),
    }
}
