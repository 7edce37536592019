//! The cursor over the tokens of a statement: words, names, literals and paths, and calls of sqlparser for
//! expressions and queries.

use super::error::{DialectError, DialectResult, NodePosition, Position, position};
use super::flink_dialect::FlinkDialect;
use super::limits;
use super::options::Hint;
use super::reserved::is_reserved;
use super::tokens::{self, StatementTokens};
use super::words::{accept_words, at_words, word};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use std::collections::VecDeque;

/// A name of one to three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) parts: Vec<String>,
    pub(crate) position: NodePosition,
}

impl Path {
    /// Returns the parts with dots between them: the name, if it has one part.
    pub(crate) fn to_name(&self) -> String {
        self.parts.join(".")
    }
}

/// An expression or a query, with its text as typed.
#[derive(Debug, Clone)]
pub(crate) struct WithText<T> {
    pub(crate) value: T,
    pub(crate) text: String,
}

impl WithText<Box<ast::Expr>> {
    /// Returns the names in an expression that are not those of functions: columns, and words of
    /// the language.
    pub(crate) fn names(&self) -> Vec<String> {
        let statements = tokens::split(&self.text).unwrap_or_default();
        let of_statement = |statement: &StatementTokens<'_>| {
            let following = statement.tokens.iter().map(|token| &token.token).skip(1).chain([&Token::EOF]);
            let words =
                statement.tokens.iter().zip(following).filter_map(|(token, next)| match &token.token {
                    Token::Word(word) if *next != Token::LParen => Some(word.value.clone()),
                    _ => None,
                });
            words.collect::<Vec<_>>()
        };
        statements.iter().flat_map(of_statement).collect()
    }
}

/// The text determines the value.
impl<T> PartialEq for WithText<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The cursor over the tokens of one statement.
pub(crate) struct Cursor<'a> {
    parser: Parser<'a>,
    statement: &'a StatementTokens<'a>,
    /// The hints that no part of the statement has taken, in order.
    hints: VecDeque<Hint>,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor at a statement's first token.
    pub(crate) fn new(
        statement: &'a StatementTokens<'a>,
        dialect: &'a FlinkDialect,
        hints: impl IntoIterator<Item = Hint>,
    ) -> Self {
        let parser = Parser::new(dialect)
            .with_recursion_limit(limits::PARSER_RECURSION)
            .with_tokens_with_locations(statement.tokens.clone());
        Self { parser, statement, hints: hints.into_iter().collect() }
    }

    /// Returns the statement's tokens.
    pub(crate) fn tokens(&self) -> &'a [TokenWithSpan] {
        &self.statement.tokens
    }

    /// Returns the position after the statement.
    pub(crate) fn end(&self) -> Position {
        self.statement.end
    }

    /// Takes all hints that are left.
    pub(crate) fn take_hints(&mut self) -> Vec<Hint> {
        self.hints.drain(..).collect()
    }

    /// Takes the hint after the last consumed token, if there is one.
    pub(crate) fn take_hint_here(&mut self) -> Option<Hint> {
        let here = self.parser.get_current_token().span.end;
        self.hints.pop_front_if(|hint| hint.anchor == here)
    }

    /// Refuses hints that no part of the statement has taken.
    pub(crate) fn expect_no_hints(&self) -> DialectResult<()> {
        match self.hints.front() {
            Some(hint) => Err(DialectError::not_supported("a hint outside of a query", hint.position)),
            None => Ok(()),
        }
    }

    /// Returns the position of the next token, or of the statement's end.
    pub(crate) fn position(&self) -> Position {
        self.position_of(self.parser.peek_token_ref())
    }

    fn position_of(&self, token: &TokenWithSpan) -> Position {
        if token.token == Token::EOF { self.statement.end } else { position(token) }
    }

    /// Returns whether all tokens are consumed.
    pub(crate) fn is_at_end(&self) -> bool {
        self.parser.peek_token_ref().token == Token::EOF
    }

    /// Returns whether the tokens end after this many.
    pub(crate) fn is_last(&self, ahead: usize) -> bool {
        self.parser.peek_nth_token_ref(ahead).token == Token::EOF
    }

    /// Consumes a token.
    pub(crate) fn advance(&mut self) {
        self.parser.advance_token();
    }

    /// Returns the error that something else was expected.
    pub(crate) fn expected<T>(&self, what: &str) -> DialectResult<T> {
        let token = self.parser.peek_token_ref();
        let text = format!("expected {what}, found {}", described(&token.token));
        Err(DialectError::syntax(text, self.position_of(token)))
    }

    /// Returns the error that a clause is not supported, at the next token.
    pub(crate) fn not_supported<T>(&self, what: &str) -> DialectResult<T> {
        Err(DialectError::not_supported(what, self.position()))
    }

    /// Returns the unquoted word that is `ahead` tokens away in upper case; empty for other tokens.
    pub(crate) fn word(&self, ahead: usize) -> String {
        word(&self.parser, ahead)
    }

    /// Returns whether these words follow each other in the statement.
    pub(crate) fn has_words(&self, words: &[&str]) -> bool {
        (0..self.statement.tokens.len().min(16)).any(|from| {
            words.iter().enumerate().all(|(ahead, wanted)| word(&self.parser, from + ahead) == *wanted)
        })
    }

    /// Returns whether these tokens are next.
    pub(crate) fn starts_with(&self, tokens: &[Token]) -> bool {
        tokens.iter().enumerate().all(|(n, token)| self.parser.peek_nth_token_ref(n).token == *token)
    }

    /// Returns whether a string literal is next.
    pub(crate) fn is_string(&self) -> bool {
        matches!(self.parser.peek_token_ref().token, Token::SingleQuotedString(_))
    }

    /// Returns the unquoted word or number that is next, as typed; empty for other tokens.
    pub(crate) fn raw_word(&self) -> String {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_none() => word.value.clone(),
            Token::Number(number, _) => number.clone(),
            _ => String::new(),
        }
    }

    /// Returns the last consumed token, for messages.
    pub(crate) fn previous(&self) -> String {
        described(&self.parser.get_current_token().token)
    }

    /// Consumes the other tokens and returns their text.
    pub(crate) fn rest(&mut self) -> String {
        let from = self.next_index();
        while !self.is_at_end() {
            self.advance();
        }
        self.statement.text(from, self.statement.tokens.len()).to_owned()
    }

    /// Returns whether these words are next.
    pub(crate) fn at(&self, words: &[&str]) -> bool {
        at_words(&self.parser, words)
    }

    /// Consumes these words if they are next.
    pub(crate) fn accept(&mut self, words: &[&str]) -> bool {
        accept_words(&mut self.parser, words)
    }

    /// Consumes these words.
    pub(crate) fn expect(&mut self, words: &[&str]) -> DialectResult<()> {
        for word in words {
            if !self.accept(&[word]) {
                return self.expected(word);
            }
        }
        Ok(())
    }

    /// Consumes a token if it is next.
    pub(crate) fn accept_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Returns whether a token is next.
    pub(crate) fn at_token(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> DialectResult<()> {
        if self.accept_token(token) { Ok(()) } else { self.expected(&token.to_string()) }
    }

    /// Parses a name: in backticks, or a word that is not reserved.
    pub(crate) fn name(&mut self, what: &str) -> DialectResult<String> {
        match self.parser.peek_token_ref().token.clone() {
            Token::Word(word) if word.quote_style.is_some() || !is_reserved(&word.value) => {
                self.parser.advance_token();
                Ok(word.value)
            }
            Token::Word(word) => {
                let text = format!(
                    "expected {what}, found {word}, which is a reserved word: quote it in backticks if it is a name"
                );
                Err(DialectError::syntax(text, self.position()))
            }
            _ => self.expected(what),
        }
    }

    /// Parses a name with up to `max_parts` parts.
    pub(crate) fn path(&mut self, max_parts: usize) -> DialectResult<Path> {
        let position = self.position();
        let mut parts = vec![self.name("a name")?];
        while self.accept_token(&Token::Period) {
            parts.push(self.name("a name")?);
        }
        if parts.len() > max_parts {
            let text = format!("{} has too many parts: quote a name with dots in backticks", parts.join("."));
            return Err(DialectError::syntax(text, position));
        }
        Ok(Path { parts, position: position.into() })
    }

    /// Parses a string literal.
    pub(crate) fn string(&mut self) -> DialectResult<String> {
        match self.parser.peek_token_ref().token.clone() {
            Token::SingleQuotedString(text) => {
                self.parser.advance_token();
                Ok(text)
            }
            _ => self.expected("a string literal in single quotes"),
        }
    }

    /// Parses an unsigned integer of 32 bits.
    pub(crate) fn number(&mut self, what: &str) -> DialectResult<u32> {
        let parsed = match &self.parser.peek_token_ref().token {
            Token::Number(text, false) => text.parse().ok(),
            _ => None,
        };
        match parsed {
            Some(number) => {
                self.parser.advance_token();
                Ok(number)
            }
            None => self.expected(what),
        }
    }

    /// Parses `COMMENT 'text'` if it is next.
    pub(crate) fn comment(&mut self) -> DialectResult<Option<String>> {
        if self.accept(&["COMMENT"]) { self.string().map(Some) } else { Ok(None) }
    }

    /// Consumes `()` if it is next.
    pub(crate) fn accept_brackets(&mut self) -> bool {
        self.parser.consume_tokens(&[Token::LParen, Token::RParen])
    }

    /// Parses `(item, …)`, of at least one item.
    pub(crate) fn bracketed<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> DialectResult<T>,
    ) -> DialectResult<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.accept_token(&Token::Comma) {
            items.push(item(self)?);
        }
        if !self.accept_token(&Token::RParen) {
            return self.expected(", or )");
        }
        Ok(items)
    }

    /// Parses `(name, …)`.
    pub(crate) fn names(&mut self) -> DialectResult<Vec<String>> {
        self.bracketed(|cursor| cursor.name("a column name"))
    }

    pub(crate) fn expression(&mut self) -> DialectResult<WithText<Box<ast::Expr>>> {
        self.with_text(|parser| parser.parse_expr().map(Box::new))
    }

    pub(crate) fn query(&mut self) -> DialectResult<WithText<Box<ast::Query>>> {
        self.with_text(Parser::parse_query)
    }

    /// Calls sqlparser, and returns the text of what it has parsed too.
    pub(crate) fn with_text<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> DialectResult<WithText<T>> {
        let from = self.next_index();
        let value = self.parse_with(parse)?;
        Ok(WithText { value, text: self.statement.text(from, self.next_index()).to_owned() })
    }

    /// Calls sqlparser.
    pub(crate) fn parse_with<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> DialectResult<T> {
        parse(&mut self.parser).map_err(|error| DialectError::from_parser(error, self.statement.end))
    }

    /// Returns the index of the next token.
    fn next_index(&self) -> usize {
        // the parser says where the last consumed token is, and 0 before the first
        let next = self.parser.peek_token_ref().span;
        let index = self.parser.get_current_index();
        match self.statement.tokens.get(index) {
            Some(token) if token.span == next => index,
            _ => (index + 1).min(self.statement.tokens.len()),
        }
    }

    pub(crate) fn expect_end(&self) -> DialectResult<()> {
        if self.is_at_end() { Ok(()) } else { self.expected("the end of the statement") }
    }
}

/// Returns a token for messages.
fn described(token: &Token) -> String {
    match token {
        Token::EOF => "the end of the statement".to_owned(),
        other => other.to_string(),
    }
}
