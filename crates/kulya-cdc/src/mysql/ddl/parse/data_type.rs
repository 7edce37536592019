//! Column types: the servers' names and synonyms, and the numbers and labels behind them.

use super::super::column::{ColumnType, TypeName};
use super::super::cursor::Cursor;
use super::super::error::{DdlProblem, Parsed, SyntaxError};
use super::super::server::SqlMode;

/// Most labels of an ENUM.
const MAX_LABELS: usize = 65_535;

/// What may stand in parentheses behind a type.
enum Parameters {
    None,
    /// A number, with this default.
    Length(Option<u32>),
    /// Precision and scale of DECIMAL.
    Decimal,
    /// A precision that chooses FLOAT or DOUBLE, or digits and scale.
    Float,
    /// Labels.
    Labels,
}

/// Reads a column's type.
pub(super) fn data_type(cursor: &mut Cursor<'_>) -> Parsed<ColumnType> {
    if cursor.eat(&["NATIONAL"]) {
        return national(cursor);
    }
    if cursor.is_any(&["NCHAR", "NVARCHAR"]) {
        return national(cursor);
    }
    let oracle = eat_schema(cursor).unwrap_or_else(|| cursor.has_mode(SqlMode::ORACLE));
    let offset = cursor.offset();
    let word = match cursor.peek() {
        Some(token) => String::from_utf8_lossy(token.raw).to_uppercase(),
        None => return Err(cursor.unknown("column type")),
    };
    let Some((name, parameters)) = named(cursor, &word, oracle) else {
        return Err(cursor.unknown("column type"));
    };
    cursor.step();
    let mut column_type = ColumnType::new(name);
    match word.as_str() {
        "LONG" => long(cursor, &mut column_type),
        "DOUBLE" => _ = cursor.eat(&["PRECISION"]),
        "CHAR" | "CHARACTER" if cursor.eat(&["VARYING"]) => column_type.name = TypeName::VarChar,
        "BOOL" | "BOOLEAN" => column_type.length = Some(1),
        "SERIAL" => column_type.unsigned = true,
        "JSON" if name == TypeName::LongText => {
            column_type.charset = Some("utf8mb4".to_owned());
            column_type.collation = Some("utf8mb4_bin".to_owned());
            column_type.is_json = true;
        }
        _ => {}
    }
    read_parameters(cursor, &parameters, &mut column_type)?;
    if column_type.labels.len() > MAX_LABELS {
        let problem = DdlProblem::TooMany { what: "labels", limit: MAX_LABELS };
        return Err(SyntaxError::new(problem, offset));
    }
    Ok(column_type)
}

/// Steps over the schema that qualifies a type, as MariaDB writes it where a mode gives the name another
/// meaning; returns whether Oracle's meaning is asked for.
fn eat_schema(cursor: &mut Cursor<'_>) -> Option<bool> {
    let schemas = ["mariadb_schema", "oracle_schema", "maxdb_schema"];
    if !cursor.is_any(&schemas) || !cursor.sign_at(1, b'.') {
        return None;
    }
    let oracle = cursor.is(&["oracle_schema"]);
    cursor.step();
    cursor.step();
    Some(oracle)
}

fn named(cursor: &Cursor<'_>, word: &str, oracle: bool) -> Option<(TypeName, Parameters)> {
    use Parameters::{Decimal, Float, Labels, Length, None as NoParameters};
    let has_length = cursor.sign_at(1, b'(');
    Some(match word {
        "BIT" => (TypeName::Bit, Length(Some(1))),
        "BOOL" | "BOOLEAN" => (TypeName::TinyInt, NoParameters),
        "TINYINT" | "INT1" => (TypeName::TinyInt, Length(None)),
        "SMALLINT" | "INT2" => (TypeName::SmallInt, Length(None)),
        "MEDIUMINT" | "MIDDLEINT" | "INT3" => (TypeName::MediumInt, Length(None)),
        "INT" | "INTEGER" | "INT4" => (TypeName::Int, Length(None)),
        "BIGINT" | "INT8" => (TypeName::BigInt, Length(None)),
        "SERIAL" => (TypeName::BigInt, NoParameters),
        "DECIMAL" | "DEC" | "NUMERIC" | "FIXED" => (TypeName::Decimal, Decimal),
        "NUMBER" if has_length => (TypeName::Decimal, Decimal),
        "NUMBER" => (TypeName::Double, NoParameters),
        "REAL" if cursor.has_mode(SqlMode::REAL_AS_FLOAT) => (TypeName::Float, Float),
        "FLOAT" | "FLOAT4" => (TypeName::Float, Float),
        "DOUBLE" | "REAL" | "FLOAT8" => (TypeName::Double, Float),
        "DATE" if oracle => (TypeName::DateTime, Length(Some(0))),
        "DATE" => (TypeName::Date, NoParameters),
        "TIME" => (TypeName::Time, Length(Some(0))),
        "TIMESTAMP" if cursor.has_mode(SqlMode::MAXDB) && cursor.is_mariadb() => {
            (TypeName::DateTime, Length(Some(0)))
        }
        "TIMESTAMP" => (TypeName::Timestamp, Length(Some(0))),
        "DATETIME" => (TypeName::DateTime, Length(Some(0))),
        "YEAR" => (TypeName::Year, Length(None)),
        "CHAR" | "CHARACTER" => (TypeName::Char, Length(Some(1))),
        "VARCHAR" | "VARCHARACTER" | "VARCHAR2" => (TypeName::VarChar, Length(None)),
        "BINARY" => (TypeName::Binary, Length(Some(1))),
        "VARBINARY" | "RAW" => (TypeName::VarBinary, Length(None)),
        "TINYTEXT" => (TypeName::TinyText, NoParameters),
        "TEXT" => (TypeName::Text, Length(None)),
        "MEDIUMTEXT" | "LONG" => (TypeName::MediumText, NoParameters),
        "LONGTEXT" | "CLOB" => (TypeName::LongText, NoParameters),
        "TINYBLOB" => (TypeName::TinyBlob, NoParameters),
        "BLOB" if oracle && !has_length => (TypeName::LongBlob, NoParameters),
        "BLOB" => (TypeName::Blob, Length(None)),
        "MEDIUMBLOB" => (TypeName::MediumBlob, NoParameters),
        "LONGBLOB" => (TypeName::LongBlob, NoParameters),
        "ENUM" => (TypeName::Enum, Labels),
        "SET" => (TypeName::Set, Labels),
        "JSON" if cursor.is_mariadb() => (TypeName::LongText, NoParameters),
        "GEOMCOLLECTION" => (TypeName::GeometryCollection, NoParameters),
        "VECTOR" => (TypeName::Vector, Length(Some(2048))),
        "JSON" | "UUID" | "INET4" | "INET6" | "GEOMETRY" | "POINT" | "LINESTRING" | "POLYGON"
        | "MULTIPOINT" | "MULTILINESTRING" | "MULTIPOLYGON" | "GEOMETRYCOLLECTION" => {
            (TypeName::from_canonical(&word.to_lowercase())?, NoParameters)
        }
        _ => return None,
    })
}

/// NATIONAL CHAR and its forms: text in utf8mb3.
fn national(cursor: &mut Cursor<'_>) -> Parsed<ColumnType> {
    let varying = cursor.eat(&["NCHAR", "VARYING"])
        || cursor.eat(&["NCHAR", "VARCHAR"])
        || cursor.eat(&["NCHAR", "VARCHARACTER"])
        || cursor.eat(&["CHAR", "VARYING"])
        || cursor.eat(&["CHARACTER", "VARYING"])
        || cursor.eat_any(&["NVARCHAR", "VARCHAR", "VARCHARACTER"]);
    if !varying && !cursor.eat_any(&["NCHAR", "CHAR", "CHARACTER"]) {
        return Err(cursor.unknown("column type"));
    }
    let mut column_type = ColumnType::new(if varying { TypeName::VarChar } else { TypeName::Char });
    column_type.charset = Some("utf8mb3".to_owned());
    read_parameters(cursor, &Parameters::Length(Some(1)), &mut column_type)?;
    Ok(column_type)
}

/// The rest of LONG VARCHAR and LONG VARBINARY.
fn long(cursor: &mut Cursor<'_>, column_type: &mut ColumnType) {
    if cursor.eat(&["VARBINARY"]) {
        column_type.name = TypeName::MediumBlob;
    } else if cursor.eat_any(&["CHAR", "CHARACTER"]) {
        cursor.eat(&["VARYING"]);
    } else {
        cursor.eat_any(&["VARCHAR", "VARCHARACTER"]);
    }
}

fn read_parameters(
    cursor: &mut Cursor<'_>,
    parameters: &Parameters,
    column_type: &mut ColumnType,
) -> Parsed<()> {
    if let Parameters::Labels = parameters {
        return labels(cursor, &mut column_type.labels);
    }
    let (first, second) = numbers(cursor, parameters)?;
    match parameters {
        Parameters::None | Parameters::Labels => {}
        // widths of YEAR are historical: its values are always those of four digits
        Parameters::Length(_) if column_type.name == TypeName::Year => {}
        Parameters::Length(default) => column_type.length = first.or(*default),
        Parameters::Decimal => {
            column_type.length = first.filter(|precision| *precision > 0).or(Some(10));
            column_type.scale = Some(second.unwrap_or(0));
        }
        Parameters::Float if second.is_some() => (column_type.length, column_type.scale) = (first, second),
        Parameters::Float if first.is_some_and(|precision| precision > 24) => {
            column_type.name = TypeName::Double
        }
        Parameters::Float => {}
    }
    Ok(())
}

fn numbers(cursor: &mut Cursor<'_>, parameters: &Parameters) -> Parsed<(Option<u32>, Option<u32>)> {
    if matches!(parameters, Parameters::None) || !cursor.eat_sign(b'(') {
        return Ok((None, None));
    }
    if cursor.eat_sign(b')') {
        return Ok((None, None));
    }
    let first = cursor.number()?;
    let second = if cursor.eat_sign(b',') { Some(cursor.number()?) } else { None };
    // VARCHAR2(10 CHAR) of MariaDB's Oracle mode
    cursor.eat_any(&["CHAR", "BYTE"]);
    cursor.expect_sign(b')', ")")?;
    Ok((Some(first), second))
}

fn labels(cursor: &mut Cursor<'_>, labels: &mut Vec<String>) -> Parsed<()> {
    cursor.expect_sign(b'(', "(")?;
    loop {
        let mut label = cursor.label()?;
        // the server removes spaces at the end
        label.truncate(label.trim_end_matches(' ').len());
        labels.push(label);
        if cursor.eat_sign(b')') {
            return Ok(());
        }
        cursor.expect_sign(b',', ",")?;
    }
}
