//! Expressions in values, as SmallRye Config expands them: `${name}`, `${name:default}`, nested in both
//! parts; `$$` and `\$` are a plain `$`, and so is a `$` that no brace follows.
//!
//! Parsing is separate from expansion, so that a default is expanded only where it is needed.

use super::error::ExpressionError;

/// Maximum depth of expressions within expressions, and of keys that refer to other keys.
pub const MAX_DEPTH: usize = 32;

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Reference { name: Vec<Part>, default: Option<Vec<Part>> },
}

/// Parses a value.
pub(super) fn parse(value: &str) -> Result<Vec<Part>, ExpressionError> {
    // one escape for both spellings
    let value = value.replace("\\$", "$$");
    let mut parser = Parser { rest: &value };
    parser.parts(Within::Value, 0)
}

/// What is parsed, which determines the characters that end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Value,
    Name,
    Default,
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn parts(&mut self, within: Within, depth: usize) -> Result<Vec<Part>, ExpressionError> {
        if depth > MAX_DEPTH {
            return Err(ExpressionError::TooDeep);
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(next) = self.rest.chars().next() {
            match (next, within) {
                ('}', Within::Name | Within::Default) => break,
                // `::` belongs to a name: it separates a handler of secrets from the secret
                (':', Within::Name) if self.accept("::") => text.push_str("::"),
                (':', Within::Name) => break,
                ('$', _) if self.accept("$$") => text.push('$'),
                ('$', _) if self.accept("${") => {
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(self.reference(depth + 1)?);
                }
                _ => {
                    text.push(next);
                    self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(parts)
    }

    /// Parses what follows `${`. The end of the value ends it too.
    fn reference(&mut self, depth: usize) -> Result<Part, ExpressionError> {
        let name = self.parts(Within::Name, depth)?;
        let default = if self.accept(":") { Some(self.parts(Within::Default, depth)?) } else { None };
        self.accept("}");
        Ok(Part::Reference { name, default })
    }

    fn accept(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}
