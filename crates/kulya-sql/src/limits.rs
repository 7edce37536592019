//! How long and how deep a statement may be. Measured on its tokens, and on its plan before anything recursive sees it, so
//! that no statement overflows a stack or makes a plan of exponential size.
//!
//! The parser, the planner and the optimizer walk expressions and plans recursively: `a + b + c + …` is a tree as deep as it
//! is long. What is allowed here fits the stacks of [`crate::engine`]; its tests run statements at each limit.

use crate::{SqlError, SqlResult};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use std::collections::HashMap;

/// No statement is longer, in bytes of text.
pub(crate) const MAX_STATEMENT_BYTES: usize = 1 << 20;
/// Brackets and CASE within each other.
pub(crate) const MAX_NESTING: usize = 64;
/// Operators in a row without a comma between them, those of the enclosing brackets included: `a = 1 OR a = 2` has three.
/// Planning takes time with a power of them.
pub(crate) const MAX_OPERATORS: usize = 1000;
/// Queries within each other as parts of expressions: IN, EXISTS, or a query for a value. Planning takes twice the time for
/// each more.
pub(crate) const MAX_SUBQUERIES: usize = 10;
/// UNION, INTERSECT, EXCEPT, JOIN and tables behind a comma of FROM, in one statement.
pub(crate) const MAX_COMBINED: usize = 200;
/// What the parser may call itself; unreachable by what passes the limits above.
pub(crate) const PARSER_RECURSION: usize = 2 * MAX_NESTING + MAX_OPERATORS;
/// Queries that a statement has once each name of WITH is put in for what it stands for: planning looks at each.
const MAX_EXPANDED: usize = 1000;
/// SELECT, in one statement.
const MAX_SELECTS: usize = 220;
/// Operators of a plan, each as often as it would be run.
const MAX_PLAN_NODES: usize = 20_000;
/// Operators of a plan above each other.
const MAX_PLAN_DEPTH: usize = 400;

/// What encloses a token.
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
    /// A comma is a join here.
    in_from: bool,
    /// What stands here is a relation and no part of an expression.
    is_relation: bool,
    /// It is a query within an expression.
    is_subquery: bool,
    /// The name that WITH gives to what stands here.
    name: Option<String>,
    /// Queries that it stands for.
    expanded: usize,
}

impl Level {
    fn new(enclosure: Enclosure, is_relation: bool) -> Self {
        Self {
            enclosure,
            operators: 0,
            in_from: false,
            is_relation,
            is_subquery: false,
            name: None,
            expanded: 0,
        }
    }
}

/// Refuses a statement that is too long, too deep, or combines too many tables.
pub(crate) fn check(text: &str, tokens: &[TokenWithSpan]) -> SqlResult<()> {
    if text.len() > MAX_STATEMENT_BYTES {
        return Err(SqlError::new(format!(
            "the statement has {} bytes of text: the most is {MAX_STATEMENT_BYTES}",
            text.len()
        )));
    }
    let (mut levels, mut enclosing, mut combined) = (vec![Level::new(Enclosure::Statement, true)], 0, 0);
    let mut before = &Token::LParen;
    let (mut named, mut last_name, mut selects) = (HashMap::<String, usize>::new(), None, 0);
    for token in tokens.iter().map(|token| &token.token) {
        let Some(level) = levels.last_mut() else { break };
        let leaves = match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                enclosing += level.operators;
                let is_relation = match before {
                    Token::LParen => level.is_relation,
                    Token::Comma => level.in_from,
                    Token::Word(word) => precedes_relation(word.keyword),
                    _ => false,
                };
                let mut opened = Level::new(Enclosure::Bracket, is_relation);
                if matches!(before, Token::Word(word) if word.keyword == Keyword::AS || word.keyword == Keyword::MATERIALIZED)
                {
                    opened.name = last_name.take();
                }
                levels.push(opened);
                None
            }
            Token::RParen | Token::RBracket | Token::RBrace => Some(Enclosure::Bracket),
            Token::Comma => {
                level.operators = 0;
                combined += usize::from(level.in_from);
                None
            }
            Token::Word(word) => match word.keyword {
                // a name that is a keyword, too, may be a table's
                _ if refers(before, level) && named.contains_key(&word.value) => {
                    let stands_for = named.get(&word.value).copied().unwrap_or_default();
                    level.expanded = level.expanded.saturating_add(stands_for);
                    None
                }
                // literals
                Keyword::TRUE | Keyword::FALSE | Keyword::NULL => None,
                Keyword::NoKeyword => {
                    last_name = Some(word.value.clone());
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
                    level.expanded += usize::from(keyword == Keyword::SELECT);
                    level.is_subquery |= keyword == Keyword::SELECT && !level.is_relation;
                    match keyword {
                        Keyword::FROM => level.in_from = true,
                        keyword if begins_clause(keyword) => level.in_from = false,
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
        if let Some(enclosure) = leaves
            && levels.len() > 1
            && levels.last().is_some_and(|level| level.enclosure == enclosure)
        {
            let closed = levels.pop();
            if let (Some(closed), Some(level)) = (closed, levels.last_mut()) {
                enclosing -= level.operators;
                match closed.name {
                    // it counts where it is named
                    Some(name) => {
                        named.insert(name, closed.expanded);
                    }
                    None => level.expanded = level.expanded.saturating_add(closed.expanded),
                }
            }
        }
        if !matches!(token, Token::Whitespace(_)) {
            before = token;
        }
        if levels.iter().filter(|level| level.is_subquery).count() > MAX_SUBQUERIES {
            return Err(SqlError::new(format!(
                "queries stand within each other's expressions more than {MAX_SUBQUERIES} deep: join their tables, or name them by WITH"
            )));
        }
        if levels.len() > MAX_NESTING {
            return Err(SqlError::new(format!(
                "the statement is nested too deep: brackets and CASE may stand {MAX_NESTING} deep within each other"
            )));
        }
        if enclosing + levels.last().map_or(0, |level| level.operators) > MAX_OPERATORS {
            return Err(SqlError::new(format!(
                "an expression has more than {MAX_OPERATORS} operators in a row: shorten it, or use IN (…) for many values of one column"
            )));
        }
        if levels.iter().any(|level| level.expanded > MAX_EXPANDED) || selects > MAX_SELECTS {
            return Err(SqlError::new(format!(
                "the statement has more than {MAX_SELECTS} queries, or more than {MAX_EXPANDED} once the names of WITH are put in: split it"
            )));
        }
        if combined > MAX_COMBINED {
            return Err(SqlError::new(format!(
                "the statement combines more than {MAX_COMBINED} queries and tables by UNION, JOIN and the like: split it"
            )));
        }
    }
    Ok(())
}

/// Refuses a plan that would take exponential time or a deep stack, as of common table expressions that use each other twice.
pub(crate) fn check_plan(plan: &LogicalPlan) -> SqlResult<()> {
    let mut nodes = 0;
    let visited = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > MAX_PLAN_NODES { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited?;
    if nodes > MAX_PLAN_NODES {
        return Err(SqlError::new(format!(
            "the query has more than {MAX_PLAN_NODES} steps once its common table expressions are put in: split it"
        )));
    }
    if depth(plan) > MAX_PLAN_DEPTH {
        return Err(SqlError::new(format!(
            "the query has more than {MAX_PLAN_DEPTH} steps on top of each other: split it"
        )));
    }
    Ok(())
}

/// How many operators stand above each other; called on plans of few nodes alone.
fn depth(plan: &LogicalPlan) -> usize {
    1 + plan.inputs().into_iter().map(depth).max().unwrap_or_default()
}

/// Whether a keyword makes one relation of two.
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

/// Whether a word behind this token is a table's name.
fn refers(before: &Token, level: &Level) -> bool {
    match before {
        Token::Word(word) => matches!(word.keyword, Keyword::FROM | Keyword::JOIN | Keyword::TABLE),
        Token::Comma => level.in_from,
        Token::LParen => level.is_relation,
        _ => false,
    }
}

/// Whether a bracket behind this keyword holds a relation.
fn precedes_relation(keyword: Keyword) -> bool {
    combines(keyword)
        || matches!(
            keyword,
            Keyword::FROM | Keyword::AS | Keyword::ALL | Keyword::LATERAL | Keyword::DISTINCT
        )
}

/// Whether the tables of FROM end here.
fn begins_clause(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT | Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT
    )
}

/// Whether no expression goes on behind this keyword. FROM, GROUP and ORDER do not belong here: `IS DISTINCT FROM` and
/// `WITHIN GROUP` stand within one.
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

/// Whether a token makes no expression deeper: literals, dots and spaces.
fn is_neutral(token: &Token) -> bool {
    matches!(
        token,
        Token::Whitespace(_)
            | Token::Period
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
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    fn checked(text: &str) -> SqlResult<()> {
        check(text, &Tokenizer::new(&GenericDialect {}, text).tokenize_with_location().unwrap())
    }

    /// Each name of WITH stands for the one before it twice.
    fn doubled(times: usize) -> String {
        let one =
            |n: usize| format!(", a{n} AS (SELECT * FROM a{m} UNION ALL SELECT * FROM a{m})", m = n - 1);
        let more: String = (1..times).map(one).collect();
        format!("WITH a0 AS (SELECT 1){more} SELECT * FROM a{}", times - 1)
    }

    #[test]
    fn long_is_not_deep() {
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
        ] {
            assert!(checked(&text).is_ok(), "{:.60}", text);
        }
    }

    #[test]
    fn deep_is_refused_whatever_makes_it_so() {
        let n = MAX_OPERATORS + 1;
        for (text, says) in [
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
            (format!("SELECT '{}'", "x".repeat(MAX_STATEMENT_BYTES)), "the most is 1048576"),
        ] {
            let refused = checked(&text).unwrap_err().to_string();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
