//! Rights: patterns over resources, in the words of the Java account file.
//!
//! `pattern,PERMISSION` items with `;` between them; `*` stands for any text, also none; the whole resource must match; the
//! first item that matches decides. What matches nothing is not allowed.
//!
//! The Java servers hand the pattern to a regular expression after making `*` to `.*`. Here every other sign stands for
//! itself: a `.` in a scope's name gives no right to its neighbour. Signs that only a regular expression has a use for are
//! refused, because they cannot be in a resource, and so were meant as one.

use crate::Error;
use crate::operation::Need;
use std::str::FromStr;

/// What one may do with a resource. The later one includes the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing.
    None,
    /// Look.
    Read,
    /// Look and change.
    ReadUpdate,
}

impl Permission {
    /// As the account file has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Read => "READ",
            Self::ReadUpdate => "READ_UPDATE",
        }
    }
}

impl FromStr for Permission {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::None, Self::Read, Self::ReadUpdate]
            .into_iter()
            .find(|permission| permission.as_str() == text)
            .ok_or_else(|| Error::new(format!("permission {text:?} is none of NONE, READ, READ_UPDATE")))
    }
}

/// The rights of one caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pattern: String,
    permission: Permission,
}

/// Longest list of rights that is read, in bytes.
const MAX_ACL_BYTES: usize = 256 * 1024;

impl Acl {
    /// Everything that is not the system's own.
    pub fn everything() -> Self {
        Self(vec![Entry { pattern: "*".to_owned(), permission: Permission::ReadUpdate }])
    }

    /// Whether these rights suffice.
    pub fn allows(&self, need: &Need) -> bool {
        match need {
            Need::Known => true,
            Need::Right { resource, permission, explicit_prefix } => {
                self.permission(resource, explicit_prefix.as_deref()) >= *permission
            }
        }
    }

    /// Whether an item refuses this: the first that matches says `NONE`.
    pub fn refuses(&self, need: &Need) -> bool {
        match need {
            Need::Known => false,
            Need::Right { resource, explicit_prefix, .. } => {
                self.first(resource, explicit_prefix.as_deref()) == Some(Permission::None)
            }
        }
    }

    /// What is permitted on a resource. With a prefix only items that name the prefix in full give a right.
    fn permission(&self, resource: &str, explicit_prefix: Option<&str>) -> Permission {
        self.first(resource, explicit_prefix).unwrap_or(Permission::None)
    }

    fn first(&self, resource: &str, explicit_prefix: Option<&str>) -> Option<Permission> {
        let is_heard = |entry: &&Entry| {
            entry.permission == Permission::None
                || explicit_prefix.is_none_or(|prefix| entry.pattern.starts_with(prefix))
        };
        let found = self.0.iter().filter(is_heard).find(|entry| matches(&entry.pattern, resource));
        found.map(|entry| entry.permission)
    }
}

impl FromStr for Acl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_ACL_BYTES {
            return Err(Error::new(format!("a list of rights has at most {MAX_ACL_BYTES} bytes")));
        }
        let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
        items.map(entry).collect::<Result<_, _>>().map(Self)
    }
}

fn entry(item: &str) -> Result<Entry, Error> {
    let wrong = || Error::new(format!("right {item:?} is not written pattern,PERMISSION"));
    let (pattern, permission) = item.split_once(',').ok_or_else(wrong)?;
    let pattern = pattern.trim();
    if pattern.is_empty() {
        return Err(wrong());
    }
    if let Some(sign) = pattern.chars().find(|sign| r"\^$?()[]{}|".contains(*sign)) {
        let what =
            format!("right {item:?} has {sign:?}: only * stands for other text, write one right for each");
        return Err(Error::new(what));
    }
    // what the Java server makes of `*` may also be written out
    Ok(Entry { pattern: pattern.replace(".*", "*"), permission: permission.trim().parse()? })
}

/// Whether a pattern matches all of a text. Steps: at most the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // the last star, and how much of the text it has taken
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == text.get(read) {
            (at, read) = (at + 1, read + 1);
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (at, read) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|sign| *sign == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permission(acl: &str, resource: &str) -> Permission {
        acl.parse::<Acl>().unwrap().permission(resource, None)
    }

    #[test]
    fn stars_stand_for_any_text_and_the_rest_for_itself() {
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
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let pattern = format!("{}b", "a*".repeat(5000));
        assert!(!matches(&pattern, &"a".repeat(20_000)));
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
    fn the_systems_own_needs_a_right_that_names_it() {
        let own = |acl: &str| {
            let acl: Acl = acl.parse().unwrap();
            acl.permission("prn::/scope:_schemaregistry/key-value-table:registry", Some("prn::/scope:_"))
        };
        assert_eq!(own("prn::*,READ_UPDATE"), Permission::None);
        assert_eq!(own("*,READ_UPDATE;prn::/scope:_schemaregistry*,READ"), Permission::Read);
        assert_eq!(own("prn::/scope:_*,READ_UPDATE"), Permission::ReadUpdate);
        assert_eq!(own("*,NONE;prn::/scope:_schemaregistry*,READ"), Permission::None, "a no is a no");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in
            ["prn::/a", "prn::/a,WRITE", "prn::/a,read", ",READ", "prn::/(a|b),READ", "prn::/a,READ,NONE"]
        {
            assert!(bad.parse::<Acl>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn as_a_slow_matcher_would(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
                    Some((sign, rest)) => text.first() == Some(sign) && slow(rest, &text[1..]),
                }
            }
            proptest::prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = text.parse::<Acl>();
        }
    }
}
