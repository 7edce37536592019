//! Decimals as texts.

/// Writes a decimal from its unscaled digits, which may have a sign, and its scale. Java's short form, with
/// an exponent for small numbers, unless `is_plain`.
pub(in crate::arrow) fn decimal_text(unscaled: &str, scale: i8, is_plain: bool) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    let scale = i64::from(scale);
    let exponent = digits.len() as i64 - 1 - scale;
    if !is_plain && (scale < 0 || exponent < -6) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}E{exponent:+}");
    }
    if scale <= 0 {
        let zeros = if digits == "0" { 0 } else { usize::try_from(-scale).unwrap_or_default() };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let scale = usize::try_from(scale).unwrap_or_default();
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or((&padded, ""));
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::decimal_text;

    #[test]
    fn decimals_are_written_as_java_does() {
        for (unscaled, scale, short, plain) in [
            ("27", 9, "2.7E-8", "0.000000027"),
            ("1", 6, "0.000001", "0.000001"),
            ("-1", 7, "-1E-7", "-0.0000001"),
            ("0", 7, "0E-7", "0.0000000"),
            ("0", 2, "0.00", "0.00"),
            ("-1234", 2, "-12.34", "-12.34"),
            ("5", 0, "5", "5"),
            ("12", -3, "1.2E+4", "12000"),
            ("0", -3, "0E+3", "0"),
        ] {
            assert_eq!(decimal_text(unscaled, scale, false), short);
            assert_eq!(decimal_text(unscaled, scale, true), plain);
        }
    }
}
