//! Access control lists: patterns over resources, in the syntax of the Pravega account file.
//!
//! A list has `pattern,PERMISSION` entries separated by `;`. `*` matches any text, including none; a pattern
//! must match the whole resource; the first matching entry decides. A resource that no entry matches is
//! denied.
//!
//! The Java servers turn `*` into `.*` and hand the pattern to a regular expression. Here every other
//! character is literal, so that a `.` in a scope's name does not match its neighbours. Characters that have
//! a meaning only in regular expressions cannot occur in a resource and are rejected, since they must have
//! been meant as an expression.

use crate::Error;
use crate::permission::{Permission, RequiredPermission};
use std::str::FromStr;

/// The access control list of one caller. The default list is empty and denies everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pattern: String,
    permission: Permission,
}

/// Longest list that is accepted, in bytes.
const MAX_ACL_BYTES: usize = 256 * 1024;

impl Acl {
    /// Returns a list that grants everything except system resources.
    pub fn full_access() -> Self {
        Self(vec![Entry { pattern: "*".to_owned(), permission: Permission::ReadUpdate }])
    }

    /// Whether the list grants the required permission.
    pub fn allows(&self, required: &RequiredPermission) -> bool {
        match required {
            RequiredPermission::Authenticated => true,
            RequiredPermission::Resource { resource, permission, explicit_prefix } => {
                self.permission(resource, explicit_prefix.as_deref()) >= *permission
            }
        }
    }

    /// Whether an entry denies it explicitly: the first match says `NONE`.
    pub fn denies(&self, required: &RequiredPermission) -> bool {
        match required {
            RequiredPermission::Authenticated => false,
            RequiredPermission::Resource { resource, explicit_prefix, .. } => {
                self.first_match(resource, explicit_prefix.as_deref()) == Some(Permission::None)
            }
        }
    }

    /// The permission on a resource. With a prefix, only entries that start with the prefix grant anything.
    fn permission(&self, resource: &str, explicit_prefix: Option<&str>) -> Permission {
        self.first_match(resource, explicit_prefix).unwrap_or(Permission::None)
    }

    fn first_match(&self, resource: &str, explicit_prefix: Option<&str>) -> Option<Permission> {
        let applies = |entry: &&Entry| {
            entry.permission == Permission::None
                || explicit_prefix.is_none_or(|prefix| entry.pattern.starts_with(prefix))
        };
        let found = self.0.iter().filter(applies).find(|entry| is_match(&entry.pattern, resource));
        found.map(|entry| entry.permission)
    }
}

impl FromStr for Acl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_ACL_BYTES {
            return Err(Error::new(format!("an access control list has at most {MAX_ACL_BYTES} bytes")));
        }
        let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
        items.map(parse_entry).collect::<Result<_, _>>().map(Self)
    }
}

fn parse_entry(item: &str) -> Result<Entry, Error> {
    let invalid = || Error::new(format!("ACL entry {item:?} is not written pattern,PERMISSION"));
    let (pattern, permission) = item.split_once(',').ok_or_else(invalid)?;
    let pattern = pattern.trim();
    if pattern.is_empty() {
        return Err(invalid());
    }
    if let Some(character) = pattern.chars().find(|character| r"\^$?()[]{}|".contains(*character)) {
        return Err(Error::new(format!(
            "ACL entry {item:?} has {character:?}: only * is a wildcard, write one entry per pattern"
        )));
    }
    // the Java server's own expansion of `*` may also be written out
    Ok(Entry { pattern: pattern.replace(".*", "*"), permission: permission.trim().parse()? })
}

/// Whether a pattern matches the whole text. Takes at most the product of both lengths in steps.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // the last star, and how much of the text it matches
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == text.get(read) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((star_at, matched)) = star {
            star = Some((star_at, matched + 1));
            (at, read) = (star_at + 1, matched + 1);
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(acl: &str, resource: &str) -> Permission {
        acl.parse::<Acl>().unwrap().permission(resource, None)
    }

    #[test]
    fn stars_are_wildcards_and_other_characters_are_literal() {
        for (pattern, text, expected) in [
            ("prn::/*", "prn::/", true),
            ("prn::/*", "prn::/scope:s/stream:t", true),
            ("prn::/", "prn::/scope:s", false),
            ("prn::/scope:a.b", "prn::/scope:aXb", false),
            ("*/stream:t", "prn::/scope:s/stream:t", true),
            ("*/stream:t", "prn::/scope:s/stream:tt", false),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
            ("prn::/namespace:my+ns", "prn::/namespace:my+ns", true),
            // a star in a group's name is not encoded: it is text on this side
            ("prn::/namespace:/group:a*b", "prn::/namespace:/group:a*b", true),
        ] {
            assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_match_in_bounded_time() {
        let pattern = format!("{}b", "a*".repeat(5000));
        assert!(!is_match(&pattern, &"a".repeat(20_000)));
    }

    #[test]
    fn the_first_match_decides() {
        assert_eq!(permission("prn::/a,READ;prn::/*,READ_UPDATE", "prn::/a"), Permission::Read);
        assert_eq!(permission("prn::/*,READ_UPDATE;prn::/a,NONE", "prn::/a"), Permission::ReadUpdate);
        assert_eq!(permission("prn::/a,NONE;prn::/*,READ", "prn::/a"), Permission::None);
        assert_eq!(permission("", "prn::/a"), Permission::None);
        assert_eq!(permission("prn::*,READ_UPDATE;", "prn::/a"), Permission::ReadUpdate);
        assert_eq!(permission(" prn::/.* , READ ", "prn::/a"), Permission::Read);
    }

    #[test]
    fn system_resources_need_an_entry_that_names_them() {
        let system = |acl: &str| {
            let acl: Acl = acl.parse().unwrap();
            acl.permission("prn::/scope:_schemaregistry/key-value-table:registry", Some("prn::/scope:_"))
        };
        assert_eq!(system("prn::*,READ_UPDATE"), Permission::None);
        assert_eq!(system("*,READ_UPDATE;prn::/scope:_schemaregistry*,READ"), Permission::Read);
        assert_eq!(system("prn::/scope:_*,READ_UPDATE"), Permission::ReadUpdate);
        assert_eq!(
            system("*,NONE;prn::/scope:_schemaregistry*,READ"),
            Permission::None,
            "an explicit NONE wins"
        );
    }

    #[test]
    fn invalid_entries_are_rejected() {
        for bad in
            ["prn::/a", "prn::/a,WRITE", "prn::/a,read", ",READ", "prn::/(a|b),READ", "prn::/a,READ,NONE"]
        {
            assert!(bad.parse::<Acl>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_backtracking_matcher(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|matched| slow(rest, &text[matched..])),
                    Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
                }
            }
            proptest::prop_assert_eq!(is_match(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_text_is_parsed_or_rejected(text in "\\PC{0,60}") {
            let _ = text.parse::<Acl>();
        }
    }
}
