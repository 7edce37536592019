//! Rows as lines of comma-separated values, with the options of Flink's format `csv`.

mod decoder;
mod encoder;
mod text;

pub use decoder::CsvPayloads;
pub use encoder::CsvEncoder;

/// The options of lines. The default is Flink's. Delimiters and quotes are ASCII characters.
#[derive(Debug, Clone)]
pub struct CsvOptions {
    /// `field-delimiter`.
    pub field_delimiter: u8,
    /// `quote-character`; `None` with `disable-quote-character`.
    pub quote: Option<u8>,
    /// `escape-character`.
    pub escape: Option<u8>,
    /// `array-element-delimiter`, between the items of an array and the fields of a nested row.
    pub array_element_delimiter: String,
    /// `null-literal`, the text of a null. Without one a null is written as an empty text, and an empty text
    /// is read as null in columns that are not texts.
    pub null_literal: Option<String>,
    /// `allow-comments`: a line that starts with `#` is no row.
    pub allow_comments: bool,
    /// `ignore-parse-errors`: a value that cannot be read is null, a line that cannot be read no row.
    pub ignore_parse_errors: bool,
    /// Without `write-bigdecimal-in-scientific-notation`: decimals have no exponents.
    pub plain_decimals: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            field_delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            array_element_delimiter: ";".to_owned(),
            null_literal: None,
            allow_comments: false,
            ignore_parse_errors: false,
            plain_decimals: false,
        }
    }
}
