//! Words of the next tokens, compared without regard to case. They are functions on sqlparser's parser,
//! because it calls us for parts of expressions.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Returns the unquoted word that is `ahead` tokens away in upper case; empty for other tokens.
pub(crate) fn word(parser: &Parser<'_>, ahead: usize) -> String {
    match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// Returns whether these words are next.
pub(crate) fn at_words(parser: &Parser<'_>, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(ahead, wanted)| match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    })
}

/// Consumes these words if they are next.
pub(crate) fn accept_words(parser: &mut Parser<'_>, words: &[&str]) -> bool {
    let are_next = at_words(parser, words);
    if are_next {
        words.iter().for_each(|_| parser.advance_token());
    }
    are_next
}
