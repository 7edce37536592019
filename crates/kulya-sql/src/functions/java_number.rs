//! Texts of floating-point numbers as Java writes them: `1.0`, `1.0E10`, `NaN`.

/// Returns the text of a DOUBLE.
pub(super) fn double_text(number: f64) -> String {
    text(
        number.is_nan(),
        number.is_infinite(),
        number < 0.0,
        number.abs(),
        format!("{number:e}"),
        format!("{number:?}"),
    )
}

/// Returns the text of a FLOAT.
pub(super) fn float_text(number: f32) -> String {
    let magnitude = f64::from(number.abs());
    text(
        number.is_nan(),
        number.is_infinite(),
        number < 0.0,
        magnitude,
        format!("{number:e}"),
        format!("{number:?}"),
    )
}

fn text(
    is_nan: bool,
    is_infinite: bool,
    is_negative: bool,
    magnitude: f64,
    scientific: String,
    plain: String,
) -> String {
    match () {
        () if is_nan => "NaN".to_owned(),
        () if is_infinite && is_negative => "-Infinity".to_owned(),
        () if is_infinite => "Infinity".to_owned(),
        () if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) => plain,
        () => {
            let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            let point = if mantissa.contains('.') { "" } else { ".0" };
            format!("{mantissa}{point}E{exponent}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_java_does() {
        for (number, expected) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123_456_789.0, "1.23456789E8"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(double_text(number), expected);
        }
        assert_eq!(float_text(1.1), "1.1");
        assert_eq!(float_text(1e10), "1.0E10");
    }
}
