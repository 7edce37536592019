//! Properties of characters: `\p{Letter}`, `\p{Lu}`, `\p{Script=Greek}`, `\p{Alphabetic}`.
//!
//! ECMA-262 knows them by exact names, while `regex-syntax`, whose tables are used, also takes others. The
//! tables are those of its version of Unicode; a validator of another version may differ in characters that
//! are newer.

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// The names of general categories, short and long (ECMA-262, table 67).
const CATEGORIES: &[&str] = &[
    "L",
    "Letter",
    "LC",
    "Cased_Letter",
    "Lu",
    "Uppercase_Letter",
    "Ll",
    "Lowercase_Letter",
    "Lt",
    "Titlecase_Letter",
    "Lm",
    "Modifier_Letter",
    "Lo",
    "Other_Letter",
    "M",
    "Mark",
    "Combining_Mark",
    "Mn",
    "Nonspacing_Mark",
    "Mc",
    "Spacing_Mark",
    "Me",
    "Enclosing_Mark",
    "N",
    "Number",
    "Nd",
    "Decimal_Number",
    "digit",
    "Nl",
    "Letter_Number",
    "No",
    "Other_Number",
    "P",
    "Punctuation",
    "punct",
    "Pc",
    "Connector_Punctuation",
    "Pd",
    "Dash_Punctuation",
    "Ps",
    "Open_Punctuation",
    "Pe",
    "Close_Punctuation",
    "Pi",
    "Initial_Punctuation",
    "Pf",
    "Final_Punctuation",
    "Po",
    "Other_Punctuation",
    "S",
    "Symbol",
    "Sm",
    "Math_Symbol",
    "Sc",
    "Currency_Symbol",
    "Sk",
    "Modifier_Symbol",
    "So",
    "Other_Symbol",
    "Z",
    "Separator",
    "Zs",
    "Space_Separator",
    "Zl",
    "Line_Separator",
    "Zp",
    "Paragraph_Separator",
    "C",
    "Other",
    "Cc",
    "Control",
    "cntrl",
    "Cf",
    "Format",
    "Co",
    "Private_Use",
    "Cn",
    "Unassigned",
];

/// The names of properties that a character has or has not (ECMA-262, table 66), of those that occur.
const BINARY: &[&str] = &[
    "Any",
    "ASCII",
    "Alphabetic",
    "Alpha",
    "ASCII_Hex_Digit",
    "AHex",
    "Dash",
    "Emoji",
    "Hex_Digit",
    "Hex",
    "ID_Continue",
    "IDC",
    "ID_Start",
    "IDS",
    "Ideographic",
    "Ideo",
    "Lowercase",
    "Lower",
    "Math",
    "Uppercase",
    "Upper",
    "White_Space",
    "space",
    "XID_Continue",
    "XIDC",
    "XID_Start",
    "XIDS",
];

/// Returns the characters with a property; `None` if ECMA-262 has none of this name, or the tables lack it.
pub(super) fn class(text: &str) -> Option<ClassUnicode> {
    let query = match text.split_once('=') {
        None if CATEGORIES.contains(&text) || BINARY.contains(&text) => text.to_owned(),
        Some(("General_Category" | "gc", value)) if CATEGORIES.contains(&value) => value.to_owned(),
        Some(("Script" | "sc", value)) if is_script(value) => format!("sc={value}"),
        Some(("Script_Extensions" | "scx", value)) if is_script(value) => format!("scx={value}"),
        _ => return None,
    };
    let hir = regex_syntax::parse(&format!("\\p{{{query}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    }
}

/// Returns whether this is spelled as scripts are: each word begins with a capital letter.
fn is_script(value: &str) -> bool {
    value.split('_').all(|word| {
        let mut letters = word.chars();
        letters.next().is_some_and(|first| first.is_ascii_uppercase())
            && letters.all(|letter| letter.is_ascii_lowercase())
    })
}
