//! Character sets and collations: what a column or table inherits, and how many bytes a character takes.

/// A character set with a collation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collated {
    /// The character set, in lower case.
    pub charset: String,
    /// The collation, unless it is the character set's default.
    pub collation: Option<String>,
}

impl Collated {
    /// Creates a character set with its default collation. `utf8` is `utf8mb3`.
    pub fn new(charset: &str) -> Self {
        let charset = charset.to_lowercase();
        let charset = if charset == "utf8" { "utf8mb3".to_owned() } else { charset };
        Self { charset, collation: None }
    }

    /// Creates the character set of a collation, such as `utf8mb4_bin`.
    pub fn of_collation(collation: &str) -> Self {
        let collation = collation.to_lowercase();
        let collation = match collation.strip_prefix("utf8_") {
            Some(rest) => format!("utf8mb3_{rest}"),
            None => collation,
        };
        let charset = collation.split('_').next().unwrap_or_default().to_owned();
        Self { charset, collation: Some(collation) }
    }

    /// Resolves what a definition says: a collation implies its character set, a character set its default
    /// collation, and without both the inherited ones hold.
    pub(super) fn resolve(charset: Option<&str>, collation: Option<&str>, inherited: &Self) -> Self {
        match (charset, collation) {
            (None, None) => inherited.clone(),
            (Some(charset), None) => Self::new(charset),
            // collations of MariaDB that exist for several character sets
            (charset, Some(collation)) if collation.starts_with("uca1400_") => {
                let charset = charset.unwrap_or(&inherited.charset).to_owned();
                Self { collation: Some(format!("{charset}_{collation}")), charset }
            }
            (_, Some(collation)) => Self::of_collation(collation),
        }
    }

    /// Returns the longest character in bytes; `None` for a character set that is not known.
    pub fn max_character_bytes(&self) -> Option<u32> {
        max_bytes(&self.charset)
    }
}

/// Returns a character set's longest character in bytes; `None` if it is not known.
pub(super) fn max_bytes(charset: &str) -> Option<u32> {
    Some(match charset {
        "utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030" => 4,
        "utf8mb3" | "ujis" | "eucjpms" => 3,
        "ucs2" | "big5" | "gbk" | "gb2312" | "sjis" | "cp932" | "euckr" => 2,
        "binary" | "latin1" | "latin2" | "latin5" | "latin7" | "ascii" | "dec8" | "hp8" | "swe7"
        | "koi8r" | "koi8u" | "hebrew" | "tis620" | "greek" | "armscii8" | "keybcs2" | "macce"
        | "macroman" | "geostd8" | "cp850" | "cp852" | "cp866" | "cp1250" | "cp1251" | "cp1256"
        | "cp1257" => 1,
        _ => return None,
    })
}
