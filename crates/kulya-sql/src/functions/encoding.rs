//! Functions that encode texts and bytes: digests, base 64, hexadecimal and binary digits, character sets,
//! URLs and addresses.

use super::rows::{Cell, Out, Parameter, Returns, Row, RowFunction, Scope};
use Parameter::{Bytes, Integer, Text, TextOrInteger};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::Result;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::fmt::Write;

pub(super) const FUNCTIONS: &[RowFunction] = &[
    RowFunction::new("MD5", &[Text], Returns::Text, |row, _| {
        let digest = <Md5 as md5::Digest>::digest(row.text(0));
        Ok(Out::text(hex(&digest)))
    }),
    RowFunction::new("SHA1", &[Text], Returns::Text, |row, _| Ok(digest::<Sha1>(row.text(0)))),
    RowFunction::new("SHA224", &[Text], Returns::Text, |row, _| Ok(digest::<Sha224>(row.text(0)))),
    RowFunction::new("SHA256", &[Text], Returns::Text, |row, _| Ok(digest::<Sha256>(row.text(0)))),
    RowFunction::new("SHA384", &[Text], Returns::Text, |row, _| Ok(digest::<Sha384>(row.text(0)))),
    RowFunction::new("SHA512", &[Text], Returns::Text, |row, _| Ok(digest::<Sha512>(row.text(0)))),
    RowFunction::new("SHA2", &[Text, Integer], Returns::Text, |row, scope| match row.integer(1) {
        Some(224) => Ok(digest::<Sha224>(row.text(0))),
        Some(256) => Ok(digest::<Sha256>(row.text(0))),
        Some(384) => Ok(digest::<Sha384>(row.text(0))),
        Some(512) => Ok(digest::<Sha512>(row.text(0))),
        _ => scope.invalid("the length must be 224, 256, 384 or 512"),
    }),
    RowFunction::new("TO_BASE64", &[Text], Returns::Text, |row, _| {
        Ok(Out::text(STANDARD.encode(row.text(0))))
    }),
    RowFunction::new("FROM_BASE64", &[Text], Returns::Text, |row, scope| {
        match STANDARD.decode(row.text(0)) {
            Ok(bytes) => Ok(Out::text(String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => scope.invalid(format!("{:.40?} is not base 64", row.text(0))),
        }
    }),
    RowFunction::new("BIN", &[Integer], Returns::Text, |row, _| {
        Ok(row.integer(0).map(|number| Out::text(format!("{number:b}"))).into())
    }),
    RowFunction::new("HEX", &[TextOrInteger], Returns::Text, |row, _| {
        Ok(match row.cell(0) {
            Cell::Integer(number) => Out::text(format!("{number:X}")),
            Cell::Text(text) => Out::text(hex(text.as_bytes()).to_uppercase()),
            _ => Out::Null,
        })
    }),
    RowFunction::new("UNHEX", &[Text], Returns::Bytes, |row, _| {
        let digits: Option<Vec<u8>> = row
            .text(0)
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        Ok(digits.map(|digits| Out::Bytes(from_digits(&digits).into())).into())
    }),
    RowFunction::new("ENCODE", &[Text, Text], Returns::Bytes, |row, scope| {
        let set = CharacterSet::find(row.text(1), scope)?;
        Ok(Out::Bytes(set.encode(row.text(0)).into()))
    }),
    RowFunction::new("DECODE", &[Bytes, Text], Returns::Text, |row, scope| {
        let set = CharacterSet::find(row.text(1), scope)?;
        match row.cell(0) {
            Cell::Bytes(bytes) => Ok(Out::text(set.decode(bytes))),
            _ => Ok(Out::Null),
        }
    }),
    RowFunction::new("URL_ENCODE", &[Text], Returns::Text, |row, _| Ok(Out::text(url_encode(row.text(0))))),
    RowFunction::new("URL_DECODE", &[Text], Returns::Text, |row, _| {
        Ok(url_decode(row.text(0)).map(Out::text).into())
    }),
    RowFunction::new("PARSE_URL", &[Text, Text, Text], Returns::Text, parse_url).optional(1),
    RowFunction::new("INET_ATON", &[Text], Returns::BigInt, |row, _| {
        let address: Option<std::net::Ipv4Addr> = row.text(0).parse().ok();
        Ok(address.map(|address| Out::BigInt(i64::from(u32::from(address)))).into())
    }),
    RowFunction::new("INET_NTOA", &[Integer], Returns::Text, |row, _| {
        let address = row.integer(0).and_then(|number| u32::try_from(number).ok());
        Ok(address.map(|address| Out::text(std::net::Ipv4Addr::from(address).to_string())).into())
    }),
];

fn digest<D: Digest>(text: &str) -> Out<'static> {
    Out::text(hex(&D::digest(text)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // writing to a String does not fail
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The first digit of an odd number of them is dropped for a zero byte, as in Flink.
fn from_digits(digits: &[u8]) -> Vec<u8> {
    let (first, rest) = digits.split_at(digits.len() % 2);
    let pairs = rest.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    first.iter().map(|_| 0).chain(pairs).collect()
}

/// A character set of ENCODE and DECODE.
enum CharacterSet {
    Ascii,
    Latin1,
    Utf8,
    Utf16Be,
    Utf16Le,
    /// Big-endian with a mark when written; by its mark when read.
    Utf16,
}

impl CharacterSet {
    fn find(name: &str, scope: &Scope) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" => Self::Ascii,
            "ISO-8859-1" => Self::Latin1,
            "UTF-8" => Self::Utf8,
            "UTF-16BE" => Self::Utf16Be,
            "UTF-16LE" => Self::Utf16Le,
            "UTF-16" => Self::Utf16,
            _ => {
                return scope.invalid(format!(
                    "unknown character set {name:.40?}: expected US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16"
                ));
            }
        })
    }

    fn encode(&self, text: &str) -> Vec<u8> {
        let bytes_below = |limit: u32| {
            let byte = |character: char| {
                u8::try_from(u32::from(character)).ok().filter(|_| u32::from(character) < limit)
            };
            text.chars().map(|character| byte(character).unwrap_or(b'?')).collect()
        };
        match self {
            Self::Ascii => bytes_below(128),
            Self::Latin1 => bytes_below(256),
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf16 => {
                [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect()
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> String {
        let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let units: Vec<u16> =
                bytes.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).map_or(0xfffd, unit)).collect();
            String::from_utf16_lossy(&units)
        };
        match self {
            Self::Ascii => bytes
                .iter()
                .map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' })
                .collect(),
            Self::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16Be => utf16(bytes, u16::from_be_bytes),
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Self::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] | rest => utf16(rest, u16::from_be_bytes),
            },
        }
    }
}

/// The form of `application/x-www-form-urlencoded`.
fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            // writing to a String does not fail
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

fn url_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_url<'a>(row: &Row<'a>, _: &Scope) -> Result<Out<'a>> {
    let part = url_part(row.text(0), row.text(1));
    let Some(key) = row.some_text(2) else { return Ok(part.map(Out::text).into()) };
    if row.text(1) != "QUERY" {
        return Ok(Out::Null);
    }
    let value = part.and_then(|query| {
        query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
    });
    Ok(value.map(Out::text).into())
}

/// Returns a part of `protocol://user@host:port/path?query#ref`.
fn url_part<'a>(url: &'a str, part: &str) -> Option<&'a str> {
    let (protocol, rest) = url.split_once(':')?;
    let is_protocol = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    if !is_protocol(protocol) {
        return None;
    }
    let (rest, reference) = match rest.split_once('#') {
        Some((rest, reference)) => (rest, Some(reference)),
        None => (rest, None),
    };
    let (authority, file) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, file) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
            (Some(authority), file)
        }
        None => (None, rest),
    };
    let (path, query) = match file.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (file, None),
    };
    let (user, host) = match authority?.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority?),
    };
    match part {
        "PROTOCOL" => Some(protocol),
        "AUTHORITY" => authority,
        "USERINFO" => user,
        "HOST" => match host.find(']') {
            Some(end) => host.get(..=end),
            None => host.split(':').next(),
        },
        "PATH" => Some(path),
        "QUERY" => query,
        "FILE" => Some(file),
        "REF" => reference,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls_are_found() {
        let url = "https://u:p@[::1]:80/a/b?c=d&e=f#g";
        for (part, expected) in [
            ("PROTOCOL", Some("https")),
            ("AUTHORITY", Some("u:p@[::1]:80")),
            ("USERINFO", Some("u:p")),
            ("HOST", Some("[::1]")),
            ("PATH", Some("/a/b")),
            ("QUERY", Some("c=d&e=f")),
            ("FILE", Some("/a/b?c=d&e=f")),
            ("REF", Some("g")),
            ("X", None),
        ] {
            assert_eq!(url_part(url, part), expected, "{part}");
        }
        assert_eq!(url_part("no url", "HOST"), None);
        assert_eq!(url_part(":x", "HOST"), None);
    }

    #[test]
    fn urls_are_encoded_and_decoded() {
        let text = "a b/é%+*";
        assert_eq!(url_encode(text), "a+b%2F%C3%A9%25%2B*");
        assert_eq!(url_decode(&url_encode(text)).as_deref(), Some(text));
        assert_eq!(url_decode("%4"), None);
        assert_eq!(url_decode("%é"), None);
    }

    #[test]
    fn an_odd_number_of_digits_loses_the_first() {
        assert_eq!(from_digits(&[1, 2, 3]), [0, 0x23]);
        assert!(from_digits(&[]).is_empty());
    }
}
