//! The parser of CREATE TABLE.

use super::columns::table_elements;
use crate::dialect::cursor::Cursor;
use crate::dialect::error::{DialectError, DialectResult};
use crate::dialect::option_list::with_options;
use crate::dialect::query;
use crate::dialect::statement::{
    CreateTable, Distribution, Like, LikeFeature, LikePart, Merging, StatementKind, TableElements,
};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Parses what follows `CREATE … TABLE`.
pub(super) fn create_table(
    cursor: &mut Cursor<'_>,
    temporary: bool,
    or_replace: bool,
) -> DialectResult<StatementKind> {
    let if_not_exists = cursor.accept(&["IF", "NOT", "EXISTS"]);
    let path = cursor.path(3)?;
    let position = cursor.position();
    let elements =
        if cursor.at_token(&Token::LParen) { table_elements(cursor)? } else { TableElements::default() };
    let comment = cursor.comment()?;
    let distribution = distribution(cursor)?;
    let partitioned = if cursor.accept(&["PARTITIONED", "BY"]) { cursor.names()? } else { Vec::new() };
    let options = with_options(cursor)?;
    let like = if cursor.accept(&["LIKE"]) { Some(like(cursor)?) } else { None };
    let query = if like.is_none() && cursor.accept(&["AS"]) { Some(query::query(cursor)?) } else { None };
    if !elements.names.is_empty() && query.is_none() {
        let text = "a column has no type: only CREATE TABLE … AS takes names alone";
        return Err(DialectError::syntax(text, position));
    }
    let table = CreateTable {
        path,
        temporary,
        if_not_exists,
        or_replace,
        elements,
        comment,
        partitioned,
        distribution,
        options,
        like,
        query,
    };
    Ok(StatementKind::CreateTable(Box::new(table)))
}

/// Parses `DISTRIBUTED BY HASH(columns) INTO n BUCKETS` if it is next.
fn distribution(cursor: &mut Cursor<'_>) -> DialectResult<Option<Distribution>> {
    let position = cursor.position().into();
    if !cursor.accept(&["DISTRIBUTED"]) {
        return Ok(None);
    }
    let (mut kind, mut columns) = (None, Vec::new());
    if cursor.accept(&["BY"]) {
        let word = cursor.word(0);
        if cursor.accept(&["HASH"]) || cursor.accept(&["RANGE"]) {
            kind = Some(word);
        }
        columns = cursor.names()?;
    } else if !cursor.at(&["INTO"]) {
        return cursor.expected("BY or INTO");
    }
    let buckets = if cursor.accept(&["INTO"]) {
        let buckets = cursor.number("the number of buckets")?;
        cursor.expect(&["BUCKETS"])?;
        Some(buckets)
    } else {
        None
    };
    Ok(Some(Distribution { kind, columns, buckets, position }))
}

/// Parses what follows LIKE.
fn like(cursor: &mut Cursor<'_>) -> DialectResult<Like> {
    let path = cursor.path(3)?;
    let mut features: Vec<LikeFeature> = Vec::new();
    if cursor.accept_token(&Token::LParen) {
        loop {
            let position = cursor.position();
            let feature = like_feature(cursor)?;
            if features.iter().any(|other| other.part == feature.part) {
                let text = "a part of the table is named twice in LIKE";
                return Err(DialectError::syntax(text, position));
            }
            features.push(feature);
            if cursor.accept_token(&Token::RParen) {
                break;
            }
        }
    }
    Ok(Like { path, features })
}

fn like_feature(cursor: &mut Cursor<'_>) -> DialectResult<LikeFeature> {
    let merging = match cursor.word(0).as_str() {
        "INCLUDING" => Merging::Including,
        "EXCLUDING" => Merging::Excluding,
        "OVERWRITING" => Merging::Overwriting,
        _ => return cursor.expected("INCLUDING, EXCLUDING or OVERWRITING"),
    };
    let part = match cursor.word(1).as_str() {
        "GENERATED" => LikePart::Generated,
        "METADATA" => LikePart::Metadata,
        "OPTIONS" => LikePart::Options,
        "PARTITIONS" => LikePart::Partitions,
        "WATERMARKS" => LikePart::Watermarks,
        "ALL" => LikePart::All,
        "CONSTRAINTS" => LikePart::Constraints,
        "DISTRIBUTION" => LikePart::Distribution,
        _ => {
            cursor.advance();
            return cursor.expected(
                "ALL, CONSTRAINTS, DISTRIBUTION, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS",
            );
        }
    };
    let is_indivisible =
        !matches!(part, LikePart::Generated | LikePart::Metadata | LikePart::Options | LikePart::Watermarks);
    if merging == Merging::Overwriting && is_indivisible {
        let text = format!("{} cannot be overwritten: use INCLUDING or EXCLUDING", cursor.word(1));
        return Err(DialectError::syntax(text, cursor.position()));
    }
    cursor.advance();
    cursor.advance();
    Ok(LikeFeature { merging, part })
}
