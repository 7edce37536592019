//! The settings file: what `kulya serve` and the other commands do when no flag and no variable says otherwise.

use anyhow::{Context, Result};
use kulya_cdc::PostgresSettings;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "kulya.toml";
const DEFAULT_DATA: &str = "kulya-data";
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9092);

/// A settings file.
///
/// ```toml
/// data = "/var/lib/kulya"
/// listen = "127.0.0.1:9092"
///
/// [[cdc]]
/// name = "shop"
/// url = "postgres://kulya:secret@db:5432/shop"
/// tables = ["public.*"]
/// ```
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// The store's folder.
    data: Option<PathBuf>,
    /// Where the registry answers.
    listen: Option<SocketAddr>,
    /// The databases whose changes `kulya serve` captures.
    #[serde(default)]
    pub(crate) cdc: Vec<PostgresSettings>,
}

impl Settings {
    /// The store's folder: flag or variable, else file, else the default.
    pub(crate) fn data(&self, given: Option<PathBuf>) -> PathBuf {
        given.or_else(|| self.data.clone()).unwrap_or_else(|| DEFAULT_DATA.into())
    }

    /// The registry's address, likewise.
    pub(crate) fn listen(&self, given: Option<SocketAddr>) -> SocketAddr {
        given.or(self.listen).unwrap_or(DEFAULT_LISTEN)
    }
}

/// Reads the named file, or the default one if it is there.
pub(crate) fn load(file: Option<&Path>) -> Result<Settings> {
    let path = match file {
        Some(path) => path,
        None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return Ok(Settings::default()),
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read settings {}", path.display()))?;
    parse(&text).with_context(|| format!("settings {}", path.display()))
}

fn parse(text: &str) -> Result<Settings> {
    // toml's own message spans lines and draws arrows; one line is promised
    toml::from_str(text).map_err(|e| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("line {line}: {}", e.message())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_one_wins() {
        let file = parse("data = \"/from/file\"\nlisten = \"127.0.0.1:1\"").unwrap();
        assert_eq!(file.data(None), Path::new("/from/file"));
        assert_eq!(file.data(Some("/from/flag".into())), Path::new("/from/flag"));
        assert_eq!(file.listen(None).port(), 1);
        assert_eq!(Settings::default().data(None), Path::new("kulya-data"));
        assert_eq!(Settings::default().listen(None).port(), 9092);
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let refused = parse("data = \"x\"\nlisen = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(refused.contains("line 2") && refused.contains("lisen"), "{refused}");
    }
}
