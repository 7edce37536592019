//! Parser of a line of COPY's text format: tab-separated fields, `\N` for null, `\` as escape character
//! (PostgreSQL documentation, COPY, "Text Format").

use super::pgoutput::Cell;

/// The size of the memory that is kept for the next line, in bytes.
const MAX_KEPT_BYTES: usize = 256 << 10;

/// A parsed line. One value is used for line after line, so that its memory is allocated once.
#[derive(Debug, Default)]
pub(crate) struct CopyLine {
    /// The fields with escapes, without them.
    unescaped: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Null,
    /// A part of the line.
    Plain(usize, usize),
    /// A part of `unescaped`.
    Unescaped(usize, usize),
}

impl CopyLine {
    /// Returns the memory of a large line.
    pub(crate) fn release_large(&mut self) {
        if self.unescaped.capacity() > MAX_KEPT_BYTES {
            self.unescaped = Vec::new();
        }
    }

    /// Parses a line; returns its cells.
    pub(crate) fn parse<'a>(&'a mut self, line: &'a [u8]) -> Vec<Cell<'a>> {
        self.unescaped.clear();
        self.fields.clear();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let mut start = 0;
        for field in line.split(|byte| *byte == b'\t') {
            let end = start + field.len();
            self.fields.push(match field {
                b"\\N" => Field::Null,
                field if field.contains(&b'\\') => {
                    let from = self.unescaped.len();
                    unescape(field, &mut self.unescaped);
                    Field::Unescaped(from, self.unescaped.len())
                }
                _ => Field::Plain(start, end),
            });
            start = end + 1;
        }
        let cells = self.fields.iter().map(|field| match *field {
            Field::Null => Cell::Null,
            Field::Plain(start, end) => Cell::Text(line.get(start..end).unwrap_or_default()),
            Field::Unescaped(start, end) => Cell::Text(self.unescaped.get(start..end).unwrap_or_default()),
        });
        cells.collect()
    }
}

fn unescape(field: &[u8], out: &mut Vec<u8>) {
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
                None => b'\\',
            },
            byte => *byte,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_split_and_unescaped() {
        let mut line = CopyLine::default();
        let text = Cell::Text;
        assert_eq!(
            line.parse(b"1\t\\N\t\ta\\tb\\\\N\n"),
            [text(b"1"), Cell::Null, text(b""), text(b"a\tb\\N")]
        );
        assert_eq!(line.parse(b"\\\\x00ff\n"), [text(b"\\x00ff")]);
        assert_eq!(line.parse(b"\n"), [text(b"")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(bytes: Vec<u8>) {
            let tabs = bytes.iter().filter(|byte| **byte == b'\t').count();
            prop_assert_eq!(CopyLine::default().parse(&bytes).len(), tabs + 1);
        }
    }
}
