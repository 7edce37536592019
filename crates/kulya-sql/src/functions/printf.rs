//! PRINTF with Java's formats: `%[position$][flags][width][.precision]conversion` of `d o x X e E f s S
//! b B c`,
//! `%%` and `%n`. A format that does not fit its arguments gives null, as in Flink.

use super::java_number::double_text;
use super::rows::{Cell, Out, Parameter, Returns, Row, RowFunction, Scope};
use datafusion::common::Result;
use std::iter::Peekable;
use std::str::Chars;

/// The maximum width of a value, and the maximum number of its digits.
const MAX_WIDTH: usize = 1 << 16;

pub(super) const FUNCTIONS: &[RowFunction] =
    &[RowFunction::new("PRINTF", &[Parameter::Text, Parameter::Any], Returns::Text, printf)
        .optional(1)
        .repeats()
        .passes_nulls()];

fn printf<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let Some(format) = row.some_text(0) else { return Ok(Out::Null) };
    let (mut text, mut next) = (String::new(), 1);
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let Some(specifier) = Specifier::parse(&mut characters) else { return Ok(Out::Null) };
        match specifier.conversion {
            'n' => text.push('\n'),
            '%' => text.push_str(&specifier.padded("%".to_owned())),
            _ => {
                let position = specifier.position.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                if position == 0 || position >= row.len() {
                    return Ok(Out::Null);
                }
                match specifier.write(row.cell(position)) {
                    Some(written) => text.push_str(&written),
                    None => return Ok(Out::Null),
                }
            }
        }
        scope.check_bytes(text.len())?;
    }
    Ok(Out::text(text))
}

#[derive(Debug, Default)]
struct Specifier {
    /// The argument, where the format names it.
    position: Option<usize>,
    is_left: bool,
    shows_plus: bool,
    leaves_space: bool,
    fills_zeros: bool,
    groups: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

impl Specifier {
    fn parse(characters: &mut Peekable<Chars<'_>>) -> Option<Self> {
        let mut specifier = Self::default();
        let number = |characters: &mut Peekable<Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = characters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            if digits.is_empty() {
                Some(None)
            } else {
                digits.parse().ok().filter(|it| *it <= MAX_WIDTH).map(Some)
            }
        };
        // a width may be the position of an argument, if a $ follows
        let starts_with_zero = characters.peek() == Some(&'0');
        let mut leading = if starts_with_zero { None } else { number(characters)? };
        if leading.is_some() && characters.next_if_eq(&'$').is_some() {
            specifier.position = leading.take();
        }
        if leading.is_none() {
            while let Some(flag) = characters.next_if(|flag| "-+ 0,".contains(*flag)) {
                match flag {
                    '-' => specifier.is_left = true,
                    '+' => specifier.shows_plus = true,
                    ' ' => specifier.leaves_space = true,
                    '0' => specifier.fills_zeros = true,
                    _ => specifier.groups = true,
                }
            }
            leading = number(characters)?;
        }
        specifier.width = leading.unwrap_or(0);
        if characters.next_if_eq(&'.').is_some() {
            specifier.precision = Some(number(characters)??);
        }
        specifier.conversion = characters.next()?;
        Some(specifier)
    }

    /// Returns the text of a value; `None` if it does not fit the conversion.
    fn write(&self, value: Cell<'_>) -> Option<String> {
        let is_upper = self.conversion.is_ascii_uppercase();
        let text = match (self.conversion.to_ascii_lowercase(), value) {
            ('b', value) => {
                let is_true = !matches!(value, Cell::Null | Cell::Boolean(false));
                self.cut(is_true.to_string())
            }
            (_, Cell::Null) => self.cut("null".to_owned()),
            ('s', Cell::Text(text)) => self.cut(text.to_owned()),
            ('s', Cell::Integer(number)) => self.cut(number.to_string()),
            ('s', Cell::Number(number)) => self.cut(double_text(number)),
            ('s', Cell::Boolean(value)) => self.cut(value.to_string()),
            ('c', Cell::Integer(code)) => char::from_u32(u32::try_from(code).ok()?)?.to_string(),
            ('d', Cell::Integer(number)) => {
                return Some(self.number(number < 0, number.unsigned_abs().to_string()));
            }
            ('x', Cell::Integer(number)) => self.zeros(format!("{number:x}")),
            ('o', Cell::Integer(number)) => self.zeros(format!("{number:o}")),
            ('f', Cell::Number(number)) => {
                let digits = format!("{:.*}", self.precision.unwrap_or(6), number.abs());
                return Some(self.number(number < 0.0, digits));
            }
            ('e', Cell::Number(number)) => {
                let text = format!("{:.*e}", self.precision.unwrap_or(6), number.abs());
                let (mantissa, exponent) = text.split_once('e')?;
                let exponent: i32 = exponent.parse().ok()?;
                let sign = if exponent < 0 { '-' } else { '+' };
                let text = format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
                self.number(number < 0.0, text)
            }
            _ => return None,
        };
        let text = if is_upper { text.to_uppercase() } else { text };
        Some(self.padded(text))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text,
        }
    }

    /// Fills digits up with zeros to the width.
    fn zeros(&self, digits: String) -> String {
        let missing = if self.fills_zeros { self.width.saturating_sub(digits.chars().count()) } else { 0 };
        "0".repeat(missing) + &digits
    }

    /// Returns a number with its sign.
    fn number(&self, is_negative: bool, digits: String) -> String {
        let sign = match () {
            () if is_negative => "-",
            () if self.shows_plus => "+",
            () if self.leaves_space => " ",
            () => "",
        };
        let digits = if self.groups { grouped(&digits) } else { digits };
        let missing = self.width.saturating_sub(sign.len() + digits.chars().count());
        let zeros = if self.fills_zeros && !self.is_left { "0".repeat(missing) } else { String::new() };
        self.padded(format!("{sign}{zeros}{digits}"))
    }

    fn padded(&self, text: String) -> String {
        let spaces = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.is_left { text + &spaces } else { spaces + &text }
    }
}

/// Separates thousands by commas.
fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}
