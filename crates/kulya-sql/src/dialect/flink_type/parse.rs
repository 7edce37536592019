//! The parser of types. It works on sqlparser's parser, because CAST calls it inside expressions.

use super::{DayTimeFields, FlinkType, MAX_LENGTH, RowField, TypeKind, YearMonthFields};
use crate::dialect::error::not_supported;
use crate::dialect::reserved::is_reserved;
use crate::dialect::words::{accept_words, at_words, word};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token};

/// The maximum nesting of types.
const MAX_TYPE_NESTING: usize = 64;

/// Types of Flink that Kulya does not have, and those of the standard that Flink does not have.
const UNSUPPORTED: &[&str] =
    &["RAW", "VARIANT", "STRUCTURED", "REAL", "DATETIME", "BLOB", "CLOB", "UUID", "GEOMETRY", "BITMAP"];

/// Parses a type.
pub(crate) fn parse_type(parser: &mut Parser<'_>) -> Result<FlinkType, ParserError> {
    nested_type(parser, MAX_TYPE_NESTING)
}

/// Parses a type behind which NULL and NOT NULL are not a part of it.
pub(crate) fn parse_type_kind(parser: &mut Parser<'_>) -> Result<TypeKind, ParserError> {
    type_kind(parser, MAX_TYPE_NESTING)
}

fn nested_type(parser: &mut Parser<'_>, depth: usize) -> Result<FlinkType, ParserError> {
    let depth = depth.checked_sub(1).ok_or(ParserError::RecursionLimitExceeded)?;
    let kind = type_kind(parser, depth)?;
    let mut parsed = FlinkType { kind, nullable: nullability(parser)? };
    // the older forms `INT ARRAY` and `INT MULTISET`, any number of times: a loop, but the type gets deeper
    for _ in 0..depth {
        let wrap = match word(parser, 0).as_str() {
            "ARRAY" => TypeKind::Array,
            "MULTISET" => TypeKind::Multiset,
            _ => return Ok(parsed),
        };
        parser.advance_token();
        parsed = FlinkType { kind: wrap(Box::new(parsed)), nullable: nullability(parser)? };
    }
    Err(ParserError::RecursionLimitExceeded)
}

/// Parses `NULL` or `NOT NULL`, if they are next.
fn nullability(parser: &mut Parser<'_>) -> Result<bool, ParserError> {
    if accept_words(parser, &["NOT", "NULL"]) {
        return Ok(false);
    }
    accept_words(parser, &["NULL"]);
    Ok(true)
}

fn type_kind(parser: &mut Parser<'_>, depth: usize) -> Result<TypeKind, ParserError> {
    let name = word(parser, 0);
    let unknown = |parser: &Parser<'_>| {
        let found = parser.peek_token_ref();
        if UNSUPPORTED.contains(&name.as_str()) {
            return Err(not_supported(&format!("type {name}"), found.span.start));
        }
        parser.expected_ref("a type", found)
    };
    if name.is_empty() {
        return unknown(parser);
    }
    let length = |parser: &mut Parser<'_>, default, what| number(parser, default, 1, MAX_LENGTH, what);
    parser.advance_token();
    Ok(match name.as_str() {
        "BOOLEAN" => TypeKind::Boolean,
        "TINYINT" => TypeKind::TinyInt,
        "SMALLINT" => TypeKind::SmallInt,
        "INT" | "INTEGER" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "FLOAT" => TypeKind::Float,
        "DOUBLE" => {
            accept_words(parser, &["PRECISION"]);
            TypeKind::Double
        }
        "DECIMAL" | "DEC" | "NUMERIC" => decimal(parser)?,
        "CHAR" | "CHARACTER" if accept_words(parser, &["VARYING"]) => {
            TypeKind::Varchar(length(parser, MAX_LENGTH, "the length of VARCHAR")?)
        }
        "CHAR" | "CHARACTER" => TypeKind::Char(length(parser, 1, "the length of CHAR")?),
        "VARCHAR" => TypeKind::Varchar(length(parser, MAX_LENGTH, "the length of VARCHAR")?),
        "STRING" => TypeKind::Varchar(MAX_LENGTH),
        "BINARY" if accept_words(parser, &["VARYING"]) => {
            TypeKind::Varbinary(length(parser, MAX_LENGTH, "the length of VARBINARY")?)
        }
        "BINARY" => TypeKind::Binary(length(parser, 1, "the length of BINARY")?),
        "VARBINARY" => TypeKind::Varbinary(length(parser, MAX_LENGTH, "the length of VARBINARY")?),
        "BYTES" => TypeKind::Varbinary(MAX_LENGTH),
        "DATE" => TypeKind::Date,
        "TIME" => {
            let digits = digits(parser, 0, "the precision of TIME")?;
            accept_words(parser, &["WITHOUT", "TIME", "ZONE"]);
            TypeKind::Time(digits)
        }
        "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(digits(parser, 6, "the precision of TIMESTAMP_LTZ")?),
        "TIMESTAMP" => timestamp(parser)?,
        "INTERVAL" => interval(parser)?,
        "ARRAY" => TypeKind::Array(Box::new(parameter(parser, depth)?)),
        "MULTISET" => TypeKind::Multiset(Box::new(parameter(parser, depth)?)),
        "MAP" => {
            parser.expect_token(&Token::Lt)?;
            let key = nested_type(parser, depth)?;
            parser.expect_token(&Token::Comma)?;
            let value = nested_type(parser, depth)?;
            parser.expect_token(&Token::Gt)?;
            TypeKind::Map(Box::new(key), Box::new(value))
        }
        "ROW" => TypeKind::Row(row_fields(parser, depth)?),
        _ => {
            parser.prev_token();
            return unknown(parser);
        }
    })
}

/// Parses `<type>`.
fn parameter(parser: &mut Parser<'_>, depth: usize) -> Result<FlinkType, ParserError> {
    parser.expect_token(&Token::Lt)?;
    let parameter = nested_type(parser, depth)?;
    parser.expect_token(&Token::Gt)?;
    Ok(parameter)
}

/// Parses `<name type 'comment', …>` or the same in round brackets.
fn row_fields(parser: &mut Parser<'_>, depth: usize) -> Result<Vec<RowField>, ParserError> {
    // the tokenizer makes one token of <>
    if parser.consume_token(&Token::Neq) {
        return Ok(Vec::new());
    }
    let close = if parser.consume_token(&Token::Lt) {
        Token::Gt
    } else if parser.consume_token(&Token::LParen) {
        Token::RParen
    } else {
        return parser.expected_ref("< or ( with the fields of ROW", parser.peek_token_ref());
    };
    let mut fields = Vec::new();
    if parser.consume_token(&close) {
        return Ok(fields);
    }
    loop {
        let name = field_name(parser)?;
        let field_type = nested_type(parser, depth)?;
        let comment = match &parser.peek_token_ref().token {
            Token::SingleQuotedString(comment) => Some(comment.clone()),
            _ => None,
        };
        if comment.is_some() {
            parser.advance_token();
        }
        fields.push(RowField { name, field_type, comment });
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    parser.expect_token(&close)?;
    Ok(fields)
}

fn field_name(parser: &mut Parser<'_>) -> Result<String, ParserError> {
    let name = match &parser.peek_token_ref().token {
        Token::Word(word) if word.quote_style.is_some() || !is_reserved(&word.value) => word.value.clone(),
        _ => return parser.expected_ref("the name of a field", parser.peek_token_ref()),
    };
    parser.advance_token();
    Ok(name)
}

fn decimal(parser: &mut Parser<'_>) -> Result<TypeKind, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(TypeKind::Decimal(10, 0));
    }
    let precision = in_range(parser, 1, 38, "the precision of DECIMAL")?;
    let scale = if parser.consume_token(&Token::Comma) {
        in_range(parser, 0, precision, "the scale of DECIMAL")?
    } else {
        0
    };
    parser.expect_token(&Token::RParen)?;
    Ok(TypeKind::Decimal(precision as u8, scale as u8))
}

/// Parses what follows TIMESTAMP.
fn timestamp(parser: &mut Parser<'_>) -> Result<TypeKind, ParserError> {
    let digits = digits(parser, 6, "the precision of TIMESTAMP")?;
    if accept_words(parser, &["WITH", "LOCAL", "TIME", "ZONE"]) {
        return Ok(TypeKind::TimestampLtz(digits));
    }
    if at_words(parser, &["WITH", "TIME", "ZONE"]) {
        let location = parser.peek_token_ref().span.start;
        return Err(not_supported("TIMESTAMP WITH TIME ZONE", location));
    }
    accept_words(parser, &["WITHOUT", "TIME", "ZONE"]);
    Ok(TypeKind::Timestamp(digits))
}

/// Parses what follows INTERVAL.
fn interval(parser: &mut Parser<'_>) -> Result<TypeKind, ParserError> {
    let first = word(parser, 0);
    if !matches!(first.as_str(), "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "SECOND") {
        return parser.expected_ref("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND", parser.peek_token_ref());
    }
    parser.advance_token();
    let leading = match first.as_str() {
        "YEAR" => number(parser, 2, 1, 4, "the precision of YEAR")? as u8,
        "DAY" => number(parser, 2, 1, 6, "the precision of DAY")? as u8,
        "SECOND" => digits(parser, 6, "the precision of SECOND")?,
        _ => 2,
    };
    let mut last = String::new();
    let mut fraction = 6;
    if accept_words(parser, &["TO"]) {
        last = word(parser, 0);
        parser.advance_token();
        if last == "SECOND" {
            fraction = digits(parser, 6, "the precision of SECOND")?;
        }
    }
    let day_time = |fields| TypeKind::IntervalDayTime(fields, leading, fraction);
    Ok(match (first.as_str(), last.as_str()) {
        ("YEAR", "") => TypeKind::IntervalYearMonth(YearMonthFields::Year, leading),
        ("YEAR", "MONTH") => TypeKind::IntervalYearMonth(YearMonthFields::YearToMonth, leading),
        ("MONTH", "") => TypeKind::IntervalYearMonth(YearMonthFields::Month, leading),
        ("DAY", "") => day_time(DayTimeFields::Day),
        ("DAY", "HOUR") => day_time(DayTimeFields::DayToHour),
        ("DAY", "MINUTE") => day_time(DayTimeFields::DayToMinute),
        ("DAY", "SECOND") => day_time(DayTimeFields::DayToSecond),
        ("HOUR", "") => day_time(DayTimeFields::Hour),
        ("HOUR", "MINUTE") => day_time(DayTimeFields::HourToMinute),
        ("HOUR", "SECOND") => day_time(DayTimeFields::HourToSecond),
        ("MINUTE", "") => day_time(DayTimeFields::Minute),
        ("MINUTE", "SECOND") => day_time(DayTimeFields::MinuteToSecond),
        ("SECOND", "") => TypeKind::IntervalDayTime(DayTimeFields::Second, 2, leading),
        _ => {
            parser.prev_token();
            return parser.expected_ref("a smaller unit of the interval", parser.peek_token_ref());
        }
    })
}

/// Parses `(digits)` of fractions of a second.
fn digits(parser: &mut Parser<'_>, default: u32, what: &str) -> Result<u8, ParserError> {
    number(parser, default, 0, 9, what).map(|digits| digits as u8)
}

/// Parses `(number)` if it is next.
fn number(parser: &mut Parser<'_>, default: u32, min: u32, max: u32, what: &str) -> Result<u32, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(default);
    }
    let number = in_range(parser, min, max, what)?;
    parser.expect_token(&Token::RParen)?;
    Ok(number)
}

fn in_range(parser: &mut Parser<'_>, min: u32, max: u32, what: &str) -> Result<u32, ParserError> {
    let token = parser.next_token();
    let Token::Number(text, false) = &token.token else {
        return parser.expected(what, token);
    };
    match text.parse::<u32>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(out_of_range(text, min, max, what, token.span.start)),
    }
}

fn out_of_range(text: &str, min: u32, max: u32, what: &str, location: Location) -> ParserError {
    ParserError::ParserError(format!("{what} is {text}: it must be from {min} to {max}{location}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::error::{DialectError, Position};
    use crate::dialect::flink_dialect::FlinkDialect;
    use crate::dialect::tokens;

    fn parse(text: &str) -> Result<FlinkType, DialectError> {
        let statements = tokens::split(text)?;
        let statement = &statements[0];
        let dialect = FlinkDialect::new(10);
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(statement.tokens.clone());
        let parsed = parse_type(&mut parser).and_then(|parsed| match parser.peek_token_ref().token {
            Token::EOF => Ok(parsed),
            _ => parser.expected_ref("the end", parser.peek_token_ref()),
        });
        parsed.map_err(|error| DialectError::from_parser(error, statement.end))
    }

    #[test]
    fn types_are_printed_canonically_and_parsed_again() {
        for (text, short, long) in [
            ("boolean", "BOOLEAN", "BOOLEAN"),
            ("TINYINT NOT NULL", "TINYINT NOT NULL", "TINYINT NOT NULL"),
            ("SMALLINT NULL", "SMALLINT", "SMALLINT"),
            ("INTEGER", "INT", "INT"),
            ("BIGINT", "BIGINT", "BIGINT"),
            ("FLOAT", "FLOAT", "FLOAT"),
            ("DOUBLE PRECISION", "DOUBLE", "DOUBLE"),
            ("DEC", "DECIMAL(10, 0)", "DECIMAL(10, 0)"),
            ("NUMERIC(5)", "DECIMAL(5, 0)", "DECIMAL(5, 0)"),
            ("decimal(38,38)", "DECIMAL(38, 38)", "DECIMAL(38, 38)"),
            ("CHAR", "CHAR(1)", "CHAR(1)"),
            ("CHARACTER VARYING(9)", "VARCHAR(9)", "VARCHAR(9)"),
            ("VARCHAR", "STRING", "VARCHAR(2147483647)"),
            ("VARBINARY", "BYTES", "VARBINARY(2147483647)"),
            ("CHARACTER VARYING", "STRING", "VARCHAR(2147483647)"),
            ("string", "STRING", "VARCHAR(2147483647)"),
            ("VARCHAR(2147483647)", "STRING", "VARCHAR(2147483647)"),
            ("BINARY(3)", "BINARY(3)", "BINARY(3)"),
            ("BINARY VARYING(3)", "VARBINARY(3)", "VARBINARY(3)"),
            ("BYTES", "BYTES", "VARBINARY(2147483647)"),
            ("DATE", "DATE", "DATE"),
            ("TIME", "TIME(0)", "TIME(0)"),
            ("TIME(3) WITHOUT TIME ZONE", "TIME(3)", "TIME(3)"),
            ("TIMESTAMP", "TIMESTAMP(6)", "TIMESTAMP(6)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)", "TIMESTAMP(3)"),
            ("TIMESTAMP WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(6)", "TIMESTAMP(6) WITH LOCAL TIME ZONE"),
            ("TIMESTAMP_LTZ(3)", "TIMESTAMP_LTZ(3)", "TIMESTAMP(3) WITH LOCAL TIME ZONE"),
            ("INTERVAL YEAR", "INTERVAL YEAR(2)", "INTERVAL YEAR(2)"),
            ("INTERVAL YEAR(4) TO MONTH", "INTERVAL YEAR(4) TO MONTH", "INTERVAL YEAR(4) TO MONTH"),
            ("INTERVAL MONTH", "INTERVAL MONTH", "INTERVAL MONTH"),
            ("INTERVAL DAY(3) TO SECOND(9)", "INTERVAL DAY(3) TO SECOND(9)", "INTERVAL DAY(3) TO SECOND(9)"),
            ("INTERVAL DAY TO MINUTE", "INTERVAL DAY(2) TO MINUTE", "INTERVAL DAY(2) TO MINUTE"),
            ("INTERVAL HOUR TO SECOND", "INTERVAL HOUR TO SECOND(6)", "INTERVAL HOUR TO SECOND(6)"),
            ("INTERVAL MINUTE", "INTERVAL MINUTE", "INTERVAL MINUTE"),
            ("INTERVAL SECOND(3)", "INTERVAL SECOND(3)", "INTERVAL SECOND(3)"),
            ("ARRAY<INT NOT NULL> NOT NULL", "ARRAY<INT NOT NULL> NOT NULL", "ARRAY<INT NOT NULL> NOT NULL"),
            ("INT NOT NULL ARRAY MULTISET", "MULTISET<ARRAY<INT NOT NULL>>", "MULTISET<ARRAY<INT NOT NULL>>"),
            ("MULTISET<STRING>", "MULTISET<STRING>", "MULTISET<VARCHAR(2147483647)>"),
            (
                "MAP<STRING,ARRAY<ROW<a INT 'x''y',`b c` BYTES>>>",
                "MAP<STRING, ARRAY<ROW<`a` INT 'x''y', `b c` BYTES>>>",
                "MAP<VARCHAR(2147483647), ARRAY<ROW<`a` INT 'x''y', `b c` VARBINARY(2147483647)>>>",
            ),
            (
                "ROW(a INT, b ROW<c DATE>)",
                "ROW<`a` INT, `b` ROW<`c` DATE>>",
                "ROW<`a` INT, `b` ROW<`c` DATE>>",
            ),
            ("ROW<>", "ROW<>", "ROW<>"),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(
                (parsed.to_string().as_str(), format!("{parsed:#}").as_str()),
                (short, long),
                "{text}"
            );
            assert_eq!((parse(short).as_ref(), parse(long).as_ref()), (Ok(&parsed), Ok(&parsed)), "{text}");
        }
    }

    #[test]
    fn wrong_types_are_refused_with_their_position() {
        let deep = format!("{}INT", "ARRAY<".repeat(70));
        for (text, expected) in [
            ("WITH", "expected a type, found WITH at line 1, column 1"),
            ("`INT`", "expected a type, found `INT` at line 1, column 1"),
            ("TEXT", "expected a type, found TEXT at line 1, column 1"),
            (
                "ARRAY<
TEXT>",
                "expected a type, found TEXT at line 2, column 1",
            ),
            ("ARRAY", "expected <, found the end of the statement at line 1, column 6"),
            ("MAP<INT>", "expected ,, found > at line 1, column 8"),
            (
                "ROW",
                "expected < or ( with the fields of ROW, found the end of the statement at line 1, column 4",
            ),
            ("ROW<a>", "expected a type, found > at line 1, column 6"),
            ("ROW<timestamp INT>", "expected the name of a field, found timestamp at line 1, column 5"),
            ("DECIMAL(39)", "the precision of DECIMAL is 39: it must be from 1 to 38 at line 1, column 9"),
            ("DECIMAL(3,4)", "the scale of DECIMAL is 4: it must be from 0 to 3 at line 1, column 11"),
            ("CHAR(0)", "the length of CHAR is 0: it must be from 1 to 2147483647 at line 1, column 6"),
            ("VARCHAR(x)", "expected the length of VARCHAR, found x at line 1, column 9"),
            (
                "TIMESTAMP(10)",
                "the precision of TIMESTAMP is 10: it must be from 0 to 9 at line 1, column 11",
            ),
            ("TIME(10)", "the precision of TIME is 10: it must be from 0 to 9 at line 1, column 6"),
            (
                "INTERVAL WEEK",
                "expected YEAR, MONTH, DAY, HOUR, MINUTE or SECOND, found WEEK at line 1, column 10",
            ),
            (
                "INTERVAL DAY TO YEAR",
                "expected a smaller unit of the interval, found YEAR at line 1, column 17",
            ),
            (
                "TIMESTAMP WITH TIME ZONE",
                "TIMESTAMP WITH TIME ZONE is not supported yet at line 1, column 11",
            ),
            ("RAW('a', 'b')", "type RAW is not supported yet at line 1, column 1"),
            ("INT INT", "expected the end, found INT at line 1, column 5"),
            (&deep, "the statement is nested too deeply: split it at line 1, column 424"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
        let error = parse("VARIANT").unwrap_err();
        let position = Some(Position { line: 1, column: 1 });
        assert_eq!(
            (error.kind, error.position),
            (crate::dialect::error::DialectErrorKind::NotSupported, position)
        );
    }
}
