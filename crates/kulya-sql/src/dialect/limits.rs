//! Limits on the length and nesting of statements, checked on the tokens, so that no statement overflows a
//! stack or takes the parser exponential time.
//!
//! The parser, the planner and the optimizer are recursive: `a + b + c + …` is a tree as deep as it is long.
//! Statements within the limits fit the stacks of their threads; tests run statements at each limit.

use super::error::{DialectError, DialectResult, position};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use std::collections::HashMap;

/// The maximum length of a statement, in bytes.
pub(crate) const MAX_STATEMENT_BYTES: usize = 1 << 20;
/// The maximum nesting of brackets and CASE.
pub(crate) const MAX_NESTING: usize = 64;
/// The maximum number of operators in a row without a comma, including those of the enclosing brackets:
/// `a = 1 OR a = 2` has three. Planning time is superlinear in them.
pub(crate) const MAX_OPERATORS: usize = 1000;
/// The maximum nesting of subqueries in expressions (IN, EXISTS, scalar subqueries). Each level doubles the
/// planning time.
pub(crate) const MAX_SUBQUERIES: usize = 10;
/// The maximum number of UNION, INTERSECT, EXCEPT, JOIN and commas in FROM, in one statement.
pub(crate) const MAX_COMBINED: usize = 200;
/// The recursion limit of the parser, which statements within the limits above do not reach.
pub(crate) const PARSER_RECURSION: usize = 2 * MAX_NESTING + MAX_OPERATORS;
/// The maximum number of queries after common table expressions are inlined; each is planned.
const MAX_EXPANDED: usize = 1000;
/// The maximum number of SELECT in one statement.
const MAX_SELECTS: usize = 220;
/// The maximum nesting of brackets directly around brackets in FROM: where such a statement has an error,
/// each level doubles the parser's time.
const MAX_DOUBLE_BRACKETS: usize = 8;

/// The kind of a nesting level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enclosure {
    Statement,
    Bracket,
    Case,
}

/// One level of nesting.
struct Level {
    enclosure: Enclosure,
    /// Operators since the last comma.
    operators: usize,
    /// Whether the tokens are in FROM, where a comma is a join.
    is_in_from: bool,
    /// Whether the level is a relation, not a part of an expression.
    is_relation: bool,
    /// Whether the level is a relation in FROM.
    is_in_table_position: bool,
    /// Whether the level is a relation in FROM in brackets directly around which are brackets.
    is_doubled: bool,
    /// Whether the level is a subquery in an expression.
    is_subquery: bool,
    /// The name of the common table expression.
    cte_name: Option<String>,
    /// The number of queries, with common table expressions inlined.
    query_count: usize,
}

impl Level {
    fn new(enclosure: Enclosure, is_relation: bool) -> Self {
        Self {
            enclosure,
            operators: 0,
            is_in_from: false,
            is_relation,
            is_in_table_position: false,
            is_doubled: false,
            is_subquery: false,
            cte_name: None,
            query_count: 0,
        }
    }
}

/// Checks that a statement is not too long, too deeply nested, or has too many queries and joins.
pub(crate) fn check(text_bytes: usize, tokens: &[TokenWithSpan]) -> DialectResult<()> {
    if text_bytes > MAX_STATEMENT_BYTES {
        return Err(DialectError::too_complex(
            format!("the statement has {text_bytes} bytes of text: the limit is {MAX_STATEMENT_BYTES}"),
            tokens.first().map(position),
        ));
    }
    let (mut levels, mut enclosing, mut combined) = (vec![Level::new(Enclosure::Statement, true)], 0, 0);
    let mut previous = &Token::LParen;
    let (mut cte_query_counts, mut last_identifier, mut selects) = (HashMap::<String, usize>::new(), None, 0);
    for located in tokens {
        let token = &located.token;
        let Some(level) = levels.last_mut() else { break };
        let closes = match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                enclosing += level.operators;
                let is_relation = match previous {
                    Token::LParen => level.is_relation,
                    Token::Comma => level.is_in_from,
                    Token::Word(word) => precedes_relation(word.keyword),
                    _ => false,
                };
                let mut opened = Level::new(Enclosure::Bracket, is_relation);
                opened.is_doubled = level.is_in_table_position && *previous == Token::LParen;
                opened.is_in_table_position = is_table_position(previous, level)
                    && (level.is_in_table_position || *previous != Token::LParen);
                if matches!(previous, Token::Word(word) if word.keyword == Keyword::AS || word.keyword == Keyword::MATERIALIZED)
                {
                    opened.cte_name = last_identifier.take();
                }
                levels.push(opened);
                None
            }
            Token::RParen | Token::RBracket | Token::RBrace => Some(Enclosure::Bracket),
            Token::Comma => {
                level.operators = 0;
                combined += usize::from(level.is_in_from);
                None
            }
            Token::Word(word) => match word.keyword {
                // a common table expression may have the name of a keyword
                _ if is_table_position(previous, level) && cte_query_counts.contains_key(&word.value) => {
                    let inlined = cte_query_counts.get(&word.value).copied().unwrap_or_default();
                    level.query_count = level.query_count.saturating_add(inlined);
                    None
                }
                // literals
                Keyword::TRUE | Keyword::FALSE | Keyword::NULL => None,
                Keyword::NoKeyword => {
                    last_identifier = Some(word.value.clone());
                    None
                }
                Keyword::CASE => {
                    enclosing += level.operators;
                    levels.push(Level::new(Enclosure::Case, false));
                    None
                }
                Keyword::END => Some(Enclosure::Case),
                keyword => {
                    combined += usize::from(combines(keyword));
                    selects += usize::from(keyword == Keyword::SELECT);
                    level.query_count += usize::from(keyword == Keyword::SELECT);
                    level.is_subquery |= keyword == Keyword::SELECT && !level.is_relation;
                    match keyword {
                        Keyword::FROM if !is_metadata(previous) => level.is_in_from = true,
                        keyword if starts_clause(keyword) => level.is_in_from = false,
                        _ => {}
                    }
                    if ends_expression(keyword) {
                        level.operators = 0;
                    } else {
                        level.operators += 1;
                    }
                    None
                }
            },
            token if is_neutral(token) => None,
            _ => {
                level.operators += 1;
                None
            }
        };
        if let Some(enclosure) = closes
            && levels.len() > 1
            && levels.last().is_some_and(|level| level.enclosure == enclosure)
        {
            let closed = levels.pop();
            if let (Some(closed), Some(level)) = (closed, levels.last_mut()) {
                enclosing -= level.operators;
                match closed.cte_name {
                    // a common table expression counts where it is referenced
                    Some(name) => {
                        cte_query_counts.insert(name, closed.query_count);
                    }
                    None => level.query_count = level.query_count.saturating_add(closed.query_count),
                }
            }
        }
        previous = token;
        let too_complex = |text: String| Err(DialectError::too_complex(text, Some(position(located))));
        if levels.iter().filter(|level| level.is_subquery).count() > MAX_SUBQUERIES {
            return too_complex(format!(
                "subqueries in expressions are nested more than {MAX_SUBQUERIES} deep: use joins or WITH"
            ));
        }
        if levels.iter().filter(|level| level.is_doubled).count() > MAX_DOUBLE_BRACKETS {
            return too_complex(format!(
                "brackets around brackets in FROM are nested more than {MAX_DOUBLE_BRACKETS} deep: leave some out"
            ));
        }
        if levels.len() > MAX_NESTING {
            return too_complex(format!(
                "the statement is nested too deeply: brackets and CASE may be nested {MAX_NESTING} deep"
            ));
        }
        if enclosing + levels.last().map_or(0, |level| level.operators) > MAX_OPERATORS {
            return too_complex(format!(
                "an expression has more than {MAX_OPERATORS} operators in a row: shorten it, or use IN (…) for many values of one column"
            ));
        }
        if levels.iter().any(|level| level.query_count > MAX_EXPANDED) || selects > MAX_SELECTS {
            return too_complex(format!(
                "the statement has more than {MAX_SELECTS} queries, or more than {MAX_EXPANDED} once WITH is inlined: split it"
            ));
        }
        if combined > MAX_COMBINED {
            return too_complex(format!(
                "the statement has more than {MAX_COMBINED} set operations and joins: split it"
            ));
        }
    }
    Ok(())
}

/// Returns whether a FROM after this token names a metadata key.
fn is_metadata(previous: &Token) -> bool {
    matches!(previous, Token::Word(word) if word.value.eq_ignore_ascii_case("METADATA"))
}

/// Returns whether a keyword combines two relations.
fn combines(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::UNION
            | Keyword::INTERSECT
            | Keyword::EXCEPT
            | Keyword::MINUS
            | Keyword::JOIN
            | Keyword::APPLY
    )
}

/// Returns whether a word after this token is a table's name.
fn is_table_position(previous: &Token, level: &Level) -> bool {
    match previous {
        Token::Word(word) => matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::TABLE),
        Token::Comma => level.is_in_from,
        Token::LParen => level.is_relation,
        _ => false,
    }
}

/// Returns whether a bracket after this keyword contains a relation.
fn precedes_relation(keyword: Keyword) -> bool {
    combines(keyword)
        || matches!(
            keyword,
            Keyword::FROM | Keyword::AS | Keyword::ALL | Keyword::LATERAL | Keyword::DISTINCT
        )
}

/// Returns whether a keyword ends the FROM clause.
fn starts_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT
    )
}

/// Returns whether a keyword ends an expression. FROM, GROUP and ORDER do not: `IS DISTINCT FROM` and
/// `WITHIN GROUP` are parts of expressions.
fn ends_expression(keyword: Keyword) -> bool {
    combines(keyword)
        || matches!(
            keyword,
            Keyword::SELECT
                | Keyword::WHERE
                | Keyword::HAVING
                | Keyword::WHEN
                | Keyword::THEN
                | Keyword::ELSE
                | Keyword::VALUES
        )
}

/// Returns whether a token does not deepen an expression: literals, dots and spaces.
fn is_neutral(token: &Token) -> bool {
    matches!(
        token,
        Token::Period
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::tokens;

    fn check_text(text: &str) -> DialectResult<()> {
        tokens::split(text).map(drop)
    }

    /// Each common table expression references the previous one twice.
    fn doubled(times: usize) -> String {
        let one =
            |n: usize| format!(", a{n} AS (SELECT * FROM a{m} UNION ALL SELECT * FROM a{m})", m = n - 1);
        let more: String = (1..times).map(one).collect();
        format!("WITH a0 AS (SELECT 1){more} SELECT * FROM a{}", times - 1)
    }

    #[test]
    fn long_statements_are_accepted() {
        let values = vec!["'x'"; 20_000].join(", ");
        for text in [
            format!("SELECT * FROM t WHERE a IN ({values})"),
            format!("SELECT {}", vec!["a + 1 AS b"; 5000].join(", ")),
            format!("SELECT 1 {}", "+ (1)".repeat(MAX_OPERATORS)),
            format!("SELECT {}1{}", "(".repeat(MAX_NESTING - 1), ")".repeat(MAX_NESTING - 1)),
            format!("SELECT CASE {} END", "WHEN a = 1 AND b = 2 THEN 3 ".repeat(5000)),
            format!("SELECT 1 {}", "UNION SELECT 1 + 1 ".repeat(MAX_COMBINED)),
            doubled(8),
            "WITH a AS (SELECT a.x, a.y, a.z FROM t AS a) SELECT a.x, a.y FROM a AS a WHERE a.x = a.y"
                .to_owned(),
            "SELECT a FROM b, c WHERE substring(d FROM 1) = f(1, 2)".to_owned(),
            format!("SELECT * FROM {}", "(SELECT * FROM ".repeat(60)),
            format!("WITH a AS (SELECT * FROM {}", "(SELECT a FROM b, (SELECT 1 UNION (".repeat(20)),
            ") END ] SELECT".to_owned(),
            format!("CREATE TABLE t ({})", vec!["a INT METADATA FROM 'a'"; 500].join(", ")),
        ] {
            assert!(check_text(&text).is_ok(), "{:.60}", text);
        }
    }

    #[test]
    fn deep_statements_are_rejected() {
        let n = MAX_OPERATORS + 1;
        for (text, expected) in [
            (format!("SELECT 1{}", "+1".repeat(n)), "1000 operators"),
            (format!("SELECT {} true", "NOT ".repeat(n)), "1000 operators"),
            (format!("SELECT 1{}", " IS DISTINCT FROM 1".repeat(n)), "1000 operators"),
            (format!("SELECT {}", "1 - (".repeat(60) + &"1 - ".repeat(n - 60)), "1000 operators"),
            (format!("SELECT {}", "CASE WHEN a THEN ".repeat(65)), "64 deep"),
            (format!("SELECT f{}", "[1".repeat(65)), "64 deep"),
            (format!("SELECT CAST(a AS {}", "ARRAY<".repeat(n)), "1000 operators"),
            (doubled(20), "more than 1000 once"),
            (format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(201)), "more than 200"),
            (format!("SELECT 1 FROM t{}", ", t".repeat(201)), "more than 200"),
            (format!("SELECT 1 FROM t{}", " JOIN t ON true".repeat(201)), "more than 200"),
            (format!("SELECT 1 WHERE 1 IN {}", "(SELECT 1 WHERE 1 IN ".repeat(11)), "10 deep"),
            (format!("SELECT {}", "(SELECT 1 + ".repeat(11)), "10 deep"),
            (format!("SELECT '{}'", "x".repeat(MAX_STATEMENT_BYTES)), "the limit is 1048576"),
            (format!("SELECT * FROM {}", "((SELECT * FROM ".repeat(9)), "8 deep"),
        ] {
            let error = check_text(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
