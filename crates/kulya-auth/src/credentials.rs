//! The credentials that a caller presents, and the parser of an HTTP-style `Authorization` value.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use std::fmt;
use zeroize::Zeroizing;

/// Longest value that is parsed, in bytes.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Decodes as Java does: padding is optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Secret bytes: not printed by `Debug`, and zeroed on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Wraps secret bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// Returns the bytes.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a caller presents to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user name and a password.
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token signed by an issuer.
    Bearer(Secret),
}

impl Credentials {
    /// Parses `<scheme> <token>`. Returns `None` for any other text, including invalid base64. The scheme is
    /// case-sensitive, as in the Java servers.
    pub fn parse(header: &str) -> Option<Self> {
        if header.len() > MAX_HEADER_BYTES {
            return None;
        }
        let (scheme, token) = header.split_once(char::is_whitespace)?;
        let token = token.trim();
        match scheme {
            "Basic" => {
                let decoded = Zeroizing::new(BASE64.decode(token).ok()?);
                let colon = decoded.iter().position(|byte| *byte == b':')?;
                let (user, password) = (decoded.get(..colon)?, decoded.get(colon + 1..)?);
                let user = String::from_utf8(user.to_vec()).ok()?;
                Some(Self::Basic { user, password: Secret::new(password) })
            }
            "Bearer" if !token.is_empty() => Some(Self::Bearer(Secret::new(token))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_parsed_or_rejected() {
        let basic = |user: &str, password: &str| {
            Some(Credentials::Basic { user: user.to_owned(), password: Secret::new(password) })
        };
        for (header, expected) in [
            ("Basic YTpi", basic("a", "b")),
            ("Basic   YTpi ", basic("a", "b")),
            ("Basic YTpiOmM=", basic("a", "b:c")),
            ("Basic YTpiOmM", basic("a", "b:c")),
            ("Basic YTo=", basic("a", "")),
            ("basic YTpi", None),
            ("BASIC YTpi", None),
            ("Basic", None),
            ("Basic !!!!", None),
            ("Basic YWI=", None),
            ("Bearer a.b.c", Some(Credentials::Bearer(Secret::new("a.b.c")))),
            ("bearer a.b.c", None),
            ("Bearer ", None),
            ("Digest x", None),
            ("", None),
        ] {
            assert_eq!(Credentials::parse(header), expected, "{header}");
        }
        assert_eq!(Credentials::parse(&format!("Bearer {}", "a".repeat(20_000))), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed =
            format!("{:?} {:?}", Credentials::parse("Basic dXNlcjpoaWRkZW4="), Secret::new("hidden"));
        assert!(
            printed.contains("user") && !printed.contains("hidden") && !printed.contains("104"),
            "{printed}"
        );
    }
}
