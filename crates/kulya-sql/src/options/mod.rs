//! The options of tables: what keys there are, their values, defaults and meaning. One table of them is the
//! source of validation and of the documentation.

mod connector;
mod formats;
mod spec;

pub(crate) use connector::CONNECTOR;
pub(crate) use formats::{
    FORMATS, FormatName, FormatOptions, format_options, is_format, json_options, known_formats,
};
pub(crate) use spec::{OptionKind, OptionSpec, Options};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::METADATA_KEYS;
    use crate::settings::SETTINGS;
    use std::fmt::Write as _;
    use std::path::Path;

    /// Returns the rows of a table of options.
    fn table(title: &str, prefix: &str, specs: &[&'static OptionSpec]) -> String {
        let mut text = format!("### {title}\n\n| key | default | meaning |\n|---|---|---|\n");
        for OptionSpec { key, kind, default, meaning } in specs {
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            let values = match kind {
                OptionKind::Choice(values) => format!(" ({})", values.join(", ")),
                _ => String::new(),
            };
            let _ = writeln!(text, "| `{prefix}{key}` | {default} | {meaning}{values} |");
        }
        text + "\n"
    }

    /// `KULYA_REGENERATE=1` writes the tables.
    #[test]
    fn options_are_documented() {
        let mut text = table("Options of tables", "", &CONNECTOR.iter().collect::<Vec<_>>());
        for format in FORMATS {
            text += &table(&format!("Format {}", format.name), &format!("{}.", format.name), format.options);
        }
        text += "### Metadata\n\n| key | type |\n|---|---|\n";
        for (key, _, data_type) in METADATA_KEYS.iter() {
            let _ = writeln!(text, "| `{key}` | {} |", crate::data_types::type_name(data_type));
        }
        text += "\n";
        text += &table("Settings", "", &SETTINGS.iter().collect::<Vec<_>>());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sql.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (start, rest) = page.split_once("<!-- options -->\n").unwrap();
        let (found, end) = rest.split_once("<!-- end of options -->").unwrap();
        if std::env::var_os("KULYA_REGENERATE").is_some() {
            let page = format!("{start}<!-- options -->\n{text}<!-- end of options -->{end}");
            std::fs::write(&path, page).unwrap();
        } else {
            assert_eq!(found, text);
        }
    }
}
