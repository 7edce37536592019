//! The account file of the Java servers, to the letter: one `user:hash:rights` a line, `#` before a comment, and reading
//! stops at the first empty line.
//!
//! What the Java servers pass over in silence (a line without a colon, a right that is none) is refused here by its line
//! number: it would be a right less, or a refusal less, than its writer meant.

use crate::acl::Acl;
use crate::password::spend;
use crate::{Error, PasswordHash};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

/// Longest account file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// A user's line.
#[derive(Debug)]
pub struct Account {
    /// The name.
    pub user: Arc<str>,
    /// What is kept of the password; `None` when the line has none that can be used, so that only a token opens the account.
    pub hash: Option<PasswordHash>,
    /// What the user may do.
    pub acl: Arc<Acl>,
}

/// The accounts of a file.
#[derive(Debug, Default)]
pub struct Accounts {
    by_user: HashMap<Arc<str>, Account>,
    /// Lines behind the first empty one, which nobody reads.
    pub unread_lines: usize,
}

impl Accounts {
    /// A user's account.
    pub fn of(&self, user: &str) -> Option<&Account> {
        self.by_user.get(user)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// The account of a user with this password, and the work that looking took. Each no takes the work of the costliest
    /// account: so nobody learns from it whether there is such a user, or how a password is kept.
    pub(crate) fn enter(&self, user: &str, password: &[u8]) -> (Option<&Account>, u64) {
        let costliest =
            self.by_user.values().filter_map(|account| account.hash.as_ref()).map(PasswordHash::work).max();
        let account = self.of(user);
        let hash = account.and_then(|account| account.hash.as_ref());
        let work = hash.map_or(0, PasswordHash::work);
        if hash.is_some_and(|hash| hash.is_of(password)) {
            return (account, work);
        }
        (None, work + spend(costliest.unwrap_or_default().saturating_sub(work), password))
    }
}

impl FromStr for Accounts {
    type Err = Error;

    /// Reads a file's text. Of two lines with one user the later counts.
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
            let account = account(line).map_err(|e| Error::new(format!("line {}: {e}", number + 1)))?;
            accounts.by_user.insert(Arc::clone(&account.user), account);
        }
        accounts.unread_lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).count();
        Ok(accounts)
    }
}

fn account(line: &str) -> Result<Account, Error> {
    // the line itself is not shown: it has a hash
    let mut fields = line.splitn(3, ':');
    let (user, hash) = match (fields.next(), fields.next()) {
        (Some(user), Some(hash)) if !user.is_empty() => (user, hash),
        _ => return Err(Error::new("an account is written user:hash:rights")),
    };
    let acl = fields.next().unwrap_or_default().parse()?;
    // an account that only tokens open has no password, written -
    let hash = if hash == "-" { None } else { Some(hash.parse()?) };
    Ok(Account { user: user.into(), hash, acl: Arc::new(acl) })
}

/// A line for the file.
///
/// # Errors
/// A user's name that no line can hold, and rights that cannot be read.
pub fn line(user: &str, hash: &PasswordHash, acl: &str) -> Result<String, Error> {
    if user.is_empty() || user.starts_with('#') || user.contains([':', '\n', '\r']) {
        let what = format!("user {user:?} cannot be kept: no colon, no line break, no # at the beginning");
        return Err(Error::new(what));
    }
    if acl.contains(['\n', '\r']) {
        return Err(Error::new("rights have no line breaks"));
    }
    acl.parse::<Acl>()?;
    Ok(format!("{user}:{hash}:{acl}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{StoreCall, store};
    use crate::resource::Names;
    use std::num::NonZeroU32;

    fn hash(password: &str) -> PasswordHash {
        PasswordHash::new(password.as_bytes(), [1; 32], NonZeroU32::MIN)
    }

    #[test]
    fn a_file_is_read_as_the_java_servers_do() {
        let text = format!(
            "# users\nadmin:{}:prn::*,READ_UPDATE;\nanna:{}:prn::/scope:s/*,READ;prn::/scope:s,READ\nlast:{}\ntoken:-:*,READ\n\nhidden:{}:*,READ\n# no\n",
            hash("a"),
            hash("b"),
            hash("c"),
            hash("d"),
        );
        let accounts: Accounts = text.parse().unwrap();
        assert_eq!((accounts.len(), accounts.unread_lines), (4, 1));
        let read = store(&Names::default(), StoreCall::ReadStream, "s", "t");
        let may = |user: &str| accounts.of(user).is_some_and(|account| account.acl.allows(&read));
        assert!(may("admin") && may("anna") && !may("last") && !may("hidden") && may("token"));
        let is_of = |user: &str, password: &[u8]| {
            accounts.of(user).and_then(|a| a.hash.as_ref()).is_some_and(|hash| hash.is_of(password))
        };
        assert!(is_of("admin", b"a") && is_of("last", b"c") && !is_of("admin", b"b") && !is_of("token", b""));
    }

    #[test]
    fn wrong_lines_are_named_and_not_shown() {
        let good = hash("x");
        for (line, says) in [
            ("nobody", "user:hash:rights"),
            (":x:", "user:hash:rights"),
            ("a:plaintext-password:*,READ", "hexadecimal"),
            (&format!("a:{good}:prn::/x,WRITE"), "WRITE"),
        ] {
            let refused = format!("# c\n{line}\n").parse::<Accounts>().unwrap_err().to_string();
            assert!(refused.contains("line 2") && refused.contains(says), "{refused}");
            assert!(!refused.contains("plaintext") && !refused.contains(&good.to_string()), "{refused}");
        }
    }

    /// In iterations, which are what takes the time.
    #[test]
    fn every_no_costs_the_same() {
        let hashed = |iterations| PasswordHash::new(b"pw", [1; 32], NonZeroU32::new(iterations).unwrap());
        let text = format!("cheap:{}:\ndear:{}:\ntoken:-:*,READ\n", hashed(5), hashed(700));
        let accounts: Accounts = text.parse().unwrap();
        for user in ["cheap", "dear", "token", "nobody", ""] {
            let (found, work) = accounts.enter(user, b"wrong");
            assert!(found.is_none());
            assert_eq!(work, 1400, "{user}");
        }
        for (user, work) in [("cheap", 10), ("dear", 1400)] {
            let (found, took) = accounts.enter(user, b"pw");
            assert_eq!((found.map(|account| &*account.user), took), (Some(user), work));
        }
        assert!(accounts.enter("token", b"").0.is_none());
        assert_eq!(Accounts::default().enter("nobody", b"pw").1, 0);
    }

    #[test]
    fn a_line_is_read_back() {
        let made = line("eva", &hash("pw"), "prn::*,READ").unwrap();
        let accounts: Accounts = made.parse().unwrap();
        assert_eq!(accounts.of("eva").and_then(|a| a.hash.clone()), Some(hash("pw")));
        for bad in ["a:b", "", "#a", "a\nb"] {
            assert!(line(bad, &hash("pw"), "").is_err(), "{bad}");
        }
        assert!(line("a", &hash("pw"), "x\ny:z").is_err() && line("a", &hash("pw"), "x").is_err());
    }
}
