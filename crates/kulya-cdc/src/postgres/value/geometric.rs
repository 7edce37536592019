//! Writing of points, and of other geometric types as Debezium prints them.

use crate::debezium::json::{write, write_base64, write_null};

/// Writes a point, with its well-known binary (little-endian, type 1).
pub(super) fn write_point(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    write_coordinates(x.parse().ok()?, y.parse().ok()?, out);
    Some(())
}

/// Writes the point with these coordinates.
pub(super) fn write_coordinates(x: f64, y: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"x\":");
    write_coordinate(x, out);
    out.extend_from_slice(b",\"y\":");
    write_coordinate(y, out);
    out.extend_from_slice(b",\"wkb\":");
    write_base64(out, &[&[1, 1, 0, 0, 0][..], &x.to_le_bytes(), &y.to_le_bytes()].concat());
    out.extend_from_slice(b",\"srid\":");
    write_null(out);
    out.push(b'}');
}

fn write_coordinate(number: f64, out: &mut Vec<u8>) {
    match number {
        f64::INFINITY => write(out, "Infinity"),
        f64::NEG_INFINITY => write(out, "-Infinity"),
        number if number.is_nan() => write(out, "NaN"),
        number => write(out, &number),
    };
}

/// Returns the text of a geometric value with its numbers printed as by Java.
pub(super) fn with_java_numbers(text: &[u8]) -> Vec<u8> {
    let mut printed = Vec::with_capacity(text.len() * 2);
    let is_number = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    let mut rest = text;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|byte| is_number(byte)).count();
        let (token, after) = rest.split_at(length);
        let number = std::str::from_utf8(token).ok().and_then(|token| token.parse::<f64>().ok());
        match number {
            Some(number) => printed.extend_from_slice(java_number(number).as_bytes()),
            None => printed.extend_from_slice(token),
        }
        rest = after;
        if length == 0 {
            printed.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    printed
}

/// Prints a number as Java's `Double.toString`.
fn java_number(number: f64) -> String {
    if !number.is_finite() {
        let name = if number > 0.0 { "Infinity" } else { "-Infinity" };
        return if number.is_nan() { "NaN".to_owned() } else { name.to_owned() };
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        // with a point, even for whole numbers
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{fraction}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_by_java() {
        for (text, expected) in [
            ("{1,2,-3}", "{1.0,2.0,-3.0}"),
            ("(1,1),(0,-0)", "(1.0,1.0),(0.0,-0.0)"),
            ("<(1.5,0.001),1e-05>", "<(1.5,0.001),1.0E-5>"),
            ("[(10000000,9999999),(1.25e+100,Infinity)]", "[(1.0E7,9999999.0),(1.25E100,Infinity)]"),
        ] {
            assert_eq!(String::from_utf8(with_java_numbers(text.as_bytes())).unwrap(), expected);
        }
    }
}
