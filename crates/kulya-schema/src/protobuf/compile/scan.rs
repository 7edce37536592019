//! A scan of `.proto` sources before a library parses them: it bounds how deeply brackets nest.

/// The maximum nesting depth of brackets, in messages and in the values of options together.
const MAX_NESTING: usize = 100;

/// A part of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A word or a number.
    Word(&'a str),
    /// The content of a text, with its escapes.
    Text(&'a str),
    Symbol(char),
}

/// Returns the next part behind white space and comments, and the bytes where it begins and ends. What is not
/// valid gives some part; the parser reports it.
pub(super) fn next_token(text: &str, from: usize) -> Option<(Token<'_>, usize, usize)> {
    let mut start = from;
    loop {
        let rest = text.get(start..)?;
        let trimmed = rest.trim_start();
        start += rest.len() - trimmed.len();
        let comment = if let Some(line) = trimmed.strip_prefix("//") {
            2 + line.find('\n').unwrap_or(line.len())
        } else if let Some(block) = trimmed.strip_prefix("/*") {
            2 + block.find("*/").map_or(block.len(), |end| end + 2)
        } else {
            break;
        };
        start += comment;
    }
    let rest = text.get(start..)?;
    let first = rest.chars().next()?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (token, length) = match first {
        '"' | '\'' => {
            let mut is_escaped = false;
            let content = rest.get(1..)?;
            let end = content.find(|c: char| {
                let ends = (c == first && !is_escaped) || c == '\n';
                is_escaped = c == '\\' && !is_escaped;
                ends
            });
            let length = end.unwrap_or(content.len());
            (Token::Text(content.get(..length)?), (length + 2).min(rest.len()))
        }
        c if is_word(c) => {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (Token::Word(rest.get(..length)?), length)
        }
        c => (Token::Symbol(c), c.len_utf8()),
    };
    Some((token, start, start + length))
}

/// Checks how deeply brackets nest: the parser recurses into them.
pub(super) fn check_nesting(text: &str) -> Result<(), String> {
    let (mut depth, mut place) = (0_usize, 0);
    while let Some((token, _, end)) = next_token(text, place) {
        match token {
            Token::Symbol('{' | '[' | '(' | '<') => depth += 1,
            Token::Symbol('}' | ']' | ')' | '>') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(format!("its brackets nest deeper than {MAX_NESTING}"));
        }
        place = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_behind_comments_and_in_texts() {
        let text = "// {\n/* { \" */ edition='20\\'23' ;/**/x.\"{";
        let (mut tokens, mut place) = (Vec::new(), 0);
        while let Some((token, _, end)) = next_token(text, place) {
            tokens.push(token);
            place = end;
        }
        let expected = [
            Token::Word("edition"),
            Token::Symbol('='),
            Token::Text("20\\'23"),
            Token::Symbol(';'),
            Token::Word("x"),
            Token::Symbol('.'),
            Token::Text("{"),
        ];
        assert_eq!(tokens, expected);
        check_nesting(&"{[(<".repeat(25)).unwrap();
        check_nesting(&"{[(<".repeat(26)).unwrap_err();
        check_nesting(&format!("\"{}\"", "{".repeat(200))).unwrap();
    }
}
