//! The account file of the Pravega servers: one `user:hash:acl` per line, `#` starts a comment line, and
//! reading stops at the first empty line.
//!
//! Lines that the Java servers silently skip (a line without a colon, an invalid ACL entry) are rejected here
//! with their line number: skipping one would grant or deny something that its author did not intend.

use crate::acl::Acl;
use crate::password::simulate_verification;
use crate::{Error, PasswordHash};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

/// Longest account file that is accepted, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// A user's account.
#[derive(Debug)]
pub struct Account {
    /// The user's name.
    pub user: Arc<str>,
    /// The password's hash; `None` for an account that can be used with a token only.
    pub hash: Option<PasswordHash>,
    /// The user's permissions.
    pub acl: Arc<Acl>,
}

/// The accounts of a file.
#[derive(Debug, Default)]
pub struct Accounts {
    by_user: HashMap<Arc<str>, Account>,
    /// The number of lines after the first empty one, which are ignored.
    pub ignored_lines: usize,
}

impl Accounts {
    /// Returns a user's account.
    pub fn find(&self, user: &str) -> Option<&Account> {
        self.by_user.get(user)
    }

    /// Returns the number of accounts.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there are no accounts.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Returns the account of a user with this password, and the work that verifying took. Each failure takes
    /// the work of the costliest account, so that its timing reveals neither whether the user exists nor how
    /// a password is hashed.
    pub(crate) fn verify(&self, user: &str, password: &[u8]) -> (Option<&Account>, u64) {
        let costliest =
            self.by_user.values().filter_map(|account| account.hash.as_ref()).map(PasswordHash::work).max();
        let account = self.find(user);
        let hash = account.and_then(|account| account.hash.as_ref());
        let work = hash.map_or(0, PasswordHash::work);
        if hash.is_some_and(|hash| hash.verify(password)) {
            return (account, work);
        }
        let padding = costliest.unwrap_or_default().saturating_sub(work);
        (None, work + simulate_verification(padding, password))
    }
}

impl FromStr for Accounts {
    type Err = Error;

    /// Parses a file's text. Of two lines with the same user the later one wins.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_FILE_BYTES {
            return Err(Error::new(format!("an account file has at most {MAX_FILE_BYTES} bytes")));
        }
        let mut accounts = Self::default();
        let mut lines = text.lines().enumerate();
        for (number, line) in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            if line.starts_with('#') {
                continue;
            }
            let account = parse_account(line).map_err(|e| Error::new(format!("line {}: {e}", number + 1)))?;
            accounts.by_user.insert(Arc::clone(&account.user), account);
        }
        accounts.ignored_lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).count();
        Ok(accounts)
    }
}

fn parse_account(line: &str) -> Result<Account, Error> {
    // messages never quote the line: it contains a hash
    let mut fields = line.splitn(3, ':');
    let (user, hash) = match (fields.next(), fields.next()) {
        (Some(user), Some(hash)) if !user.is_empty() => (user, hash),
        _ => return Err(Error::new("an account is written user:hash:acl")),
    };
    let acl = fields.next().unwrap_or_default().parse()?;
    // an account for tokens only has no password, written -
    let hash = if hash == "-" { None } else { Some(hash.parse()?) };
    Ok(Account { user: user.into(), hash, acl: Arc::new(acl) })
}

/// Formats a line of the file.
///
/// # Errors
/// The user's name cannot be written in a line, or the access control list is invalid.
pub fn format_line(user: &str, hash: &PasswordHash, acl: &str) -> Result<String, Error> {
    if user.is_empty() || user.starts_with('#') || user.contains([':', '\n', '\r']) {
        let what = format!("invalid user name {user:?}: no colon, no line break, no # at the start");
        return Err(Error::new(what));
    }
    if acl.contains(['\n', '\r']) {
        return Err(Error::new("an access control list has no line breaks"));
    }
    acl.parse::<Acl>()?;
    Ok(format!("{user}:{hash}:{acl}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{StoreCall, store};
    use crate::resource::ResourceNames;
    use std::num::NonZeroU32;

    fn hash(password: &str) -> PasswordHash {
        PasswordHash::new(password.as_bytes(), [1; 32], NonZeroU32::MIN)
    }

    #[test]
    fn a_file_is_parsed_as_the_java_servers_do() {
        let text = format!(
            "# users\nadmin:{}:prn::*,READ_UPDATE;\nanna:{}:prn::/scope:s/*,READ;prn::/scope:s,READ\nlast:{}\ntoken:-:*,READ\n\nhidden:{}:*,READ\n# no\n",
            hash("a"),
            hash("b"),
            hash("c"),
            hash("d"),
        );
        let accounts: Accounts = text.parse().unwrap();
        assert_eq!((accounts.len(), accounts.ignored_lines), (4, 1));
        let read = store(&ResourceNames::default(), StoreCall::ReadStream, "s", "t");
        let is_allowed = |user: &str| accounts.find(user).is_some_and(|account| account.acl.allows(&read));
        assert!(
            is_allowed("admin")
                && is_allowed("anna")
                && !is_allowed("last")
                && !is_allowed("hidden")
                && is_allowed("token")
        );
        let is_password = |user: &str, password: &[u8]| {
            accounts.find(user).and_then(|a| a.hash.as_ref()).is_some_and(|hash| hash.verify(password))
        };
        assert!(
            is_password("admin", b"a")
                && is_password("last", b"c")
                && !is_password("admin", b"b")
                && !is_password("token", b"")
        );
    }

    #[test]
    fn invalid_lines_are_numbered_and_not_quoted() {
        let good = hash("x");
        for (line, message) in [
            ("nobody", "user:hash:acl"),
            (":x:", "user:hash:acl"),
            ("a:plaintext-password:*,READ", "hexadecimal"),
            (&format!("a:{good}:prn::/x,WRITE"), "WRITE"),
        ] {
            let error = format!("# c\n{line}\n").parse::<Accounts>().unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(message), "{error}");
            assert!(!error.contains("plaintext") && !error.contains(&good.to_string()), "{error}");
        }
    }

    /// Work is counted in iterations, which dominate the time.
    #[test]
    fn every_failed_verification_takes_the_same_work() {
        let hash_with = |iterations| PasswordHash::new(b"pw", [1; 32], NonZeroU32::new(iterations).unwrap());
        let text = format!("cheap:{}:\ncostly:{}:\ntoken:-:*,READ\n", hash_with(5), hash_with(700));
        let accounts: Accounts = text.parse().unwrap();
        for user in ["cheap", "costly", "token", "nobody", ""] {
            let (found, work) = accounts.verify(user, b"wrong");
            assert!(found.is_none());
            assert_eq!(work, 1400, "{user}");
        }
        for (user, work) in [("cheap", 10), ("costly", 1400)] {
            let (found, took) = accounts.verify(user, b"pw");
            assert_eq!((found.map(|account| &*account.user), took), (Some(user), work));
        }
        assert!(accounts.verify("token", b"").0.is_none());
        assert_eq!(Accounts::default().verify("nobody", b"pw").1, 0);
    }

    #[test]
    fn a_formatted_line_is_parsed_back() {
        let made = format_line("eva", &hash("pw"), "prn::*,READ").unwrap();
        let accounts: Accounts = made.parse().unwrap();
        assert_eq!(accounts.find("eva").and_then(|a| a.hash.clone()), Some(hash("pw")));
        for bad in ["a:b", "", "#a", "a\nb"] {
            assert!(format_line(bad, &hash("pw"), "").is_err(), "{bad}");
        }
        assert!(
            format_line("a", &hash("pw"), "x\ny:z").is_err() && format_line("a", &hash("pw"), "x").is_err()
        );
    }
}
