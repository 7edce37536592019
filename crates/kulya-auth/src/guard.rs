//! Who is calling: [`Guard`] makes a [`Caller`] of what was shown.

use crate::Error;
use crate::account::Accounts;
use crate::acl::Acl;
use crate::credentials::{Credentials, Secret};
use crate::document::Document;
use crate::operation::Need;
use crate::resource::Names;
use crate::token::{Claims, Refusal, Tokens};
use crate::verified::Verified;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Somebody who calls, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Known>);

/// What somebody showed to be known. A token's subject and an account may have one name, and be two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// An account's password.
    Password,
    /// An issuer's token.
    Token,
}

impl Shown {
    /// For the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
        }
    }
}

#[derive(Debug)]
struct Known {
    who: Option<(Shown, Arc<str>)>,
    /// `None`: everything, the system's own included.
    acl: Option<Arc<Acl>>,
}

impl Caller {
    /// Whoever comes where nobody guards the door: they may do everything.
    pub fn anybody() -> Self {
        Self(Arc::new(Known { who: None, acl: None }))
    }

    /// Somebody by name.
    pub fn new(shown: Shown, name: impl Into<Arc<str>>, acl: Arc<Acl>) -> Self {
        Self(Arc::new(Known { who: Some((shown, name.into())), acl: Some(acl) }))
    }

    /// The name; `None` where nobody guards the door.
    pub fn name(&self) -> Option<&str> {
        self.0.who.as_ref().map(|(_, name)| &**name)
    }

    /// What they showed; `None` where nobody guards the door.
    pub fn shown(&self) -> Option<Shown> {
        self.0.who.as_ref().map(|(shown, _)| *shown)
    }

    /// Whether no right need be asked for.
    pub fn may_everything(&self) -> bool {
        self.0.acl.is_none()
    }

    /// Whether a right of theirs, `NONE`, refuses them this; not having a right is another thing.
    pub fn is_refused(&self, need: &Need) -> bool {
        self.0.acl.as_ref().is_some_and(|acl| acl.refuses(need))
    }

    /// Whether they may do what needs this.
    pub fn may(&self, need: &Need) -> bool {
        self.0.acl.as_ref().is_none_or(|acl| acl.allows(need))
    }
}

/// Why somebody is not let in. For the log: who calls is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLetIn {
    /// They show nothing, or nothing that can be read, or of a kind that is not taken.
    NothingShown,
    /// No such user, or another password.
    WrongPassword,
    /// A token that is not believed.
    Token(Refusal),
}

impl fmt::Display for NotLetIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingShown => f.write_str("no credentials that can be read"),
            Self::WrongPassword => f.write_str("no such user, or a wrong password"),
            Self::Token(refusal) => write!(f, "{refusal}"),
        }
    }
}

/// Knows callers by accounts and by tokens.
pub struct Guard {
    names: Names,
    accounts: Option<Book>,
    tokens: Option<Tokens>,
    verified: Verified,
}

/// The accounts, and where they are read again.
struct Book {
    from: Box<dyn Document>,
    accounts: RwLock<Arc<Accounts>>,
}

impl Guard {
    /// A guard who knows nobody yet; `secret` is drawn at random for this process.
    pub fn new(names: Names, secret: [u8; 32]) -> Self {
        Self { names, accounts: None, tokens: None, verified: Verified::new(secret) }
    }

    /// Knows the users of an account file, and reads it again when it changes. A file that became wrong is said, and the last
    /// right one goes on.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong: the line is named.
    pub fn with_accounts(mut self, document: impl Document) -> Result<Self, Error> {
        let wrong = || Error::new(format!("account file {}", document.name()));
        let text = document.changed().map_err(|e| wrong().because(e))?.unwrap_or_default();
        let accounts: Accounts = text.parse().map_err(|e: Error| wrong().because(e))?;
        say(&document.name(), &accounts);
        self.accounts = Some(Book { from: Box::new(document), accounts: RwLock::new(Arc::new(accounts)) });
        Ok(self)
    }

    /// Believes tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// What resources are called.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// What can be said at once: `None` means that a password must be hashed ([`Guard::verify`]) or a token read
    /// ([`Guard::believe`]).
    pub fn recall(&self, credentials: Option<&Credentials>) -> Option<Result<Caller, NotLetIn>> {
        match credentials {
            None => Some(Err(NotLetIn::NothingShown)),
            Some(Credentials::Bearer(_)) if self.tokens.is_some() => None,
            Some(Credentials::Basic { user, password }) => {
                let Some(book) = &self.accounts else { return Some(Err(NotLetIn::NothingShown)) };
                let accounts = book.accounts();
                let account = accounts.of(user)?;
                let hash = account.hash.as_ref()?;
                let is_known = self.verified.knows(user, hash, password.reveal());
                is_known.then(|| {
                    Ok(Caller::new(Shown::Password, Arc::clone(&account.user), Arc::clone(&account.acl)))
                })
            }
            Some(Credentials::Bearer(_)) => Some(Err(NotLetIn::NothingShown)),
        }
    }

    /// Looks at a password. Slow on purpose, and as slow for users that there are not: not for a thread that others wait for.
    pub fn verify(&self, user: &str, password: &Secret) -> Result<Caller, NotLetIn> {
        let accounts = self.accounts.as_ref().ok_or(NotLetIn::NothingShown)?.accounts();
        let (Some(account), _) = accounts.enter(user, password.reveal()) else {
            return Err(NotLetIn::WrongPassword);
        };
        if let Some(hash) = &account.hash {
            self.verified.remember(user, hash, password.reveal());
        }
        Ok(Caller::new(Shown::Password, Arc::clone(&account.user), Arc::clone(&account.acl)))
    }

    /// Reads a token. May ask its issuer for keys; can be cancelled at any await.
    pub async fn believe(&self, token: &Secret) -> Result<Caller, NotLetIn> {
        let tokens = self.tokens.as_ref().ok_or(NotLetIn::NothingShown)?;
        let Claims { subject, acl } = tokens.check(token.reveal()).await.map_err(NotLetIn::Token)?;
        let acl = match acl {
            Some(text) => Arc::new(text.parse().map_err(|_| NotLetIn::Token(Refusal::Malformed))?),
            None if tokens.rules().subject_is_account => self.rights_of(&subject),
            None => Arc::default(),
        };
        Ok(Caller::new(Shown::Token, subject, acl))
    }

    fn rights_of(&self, user: &str) -> Arc<Acl> {
        let accounts = self.accounts.as_ref().map(Book::accounts);
        accounts
            .and_then(|accounts| accounts.of(user).map(|account| Arc::clone(&account.acl)))
            .unwrap_or_default()
    }
}

impl Book {
    fn accounts(&self) -> Arc<Accounts> {
        let changed = match self.from.changed() {
            Ok(None) => None,
            Ok(Some(text)) => match text.parse() {
                Ok(accounts) => Some(accounts),
                Err(error) => {
                    tracing::error!(
                        "account file {}: {error}; going on with the last accounts",
                        self.from.name()
                    );
                    None
                }
            },
            Err(error) => {
                tracing::debug!(
                    "account file {}: {error}; going on with the last accounts",
                    self.from.name()
                );
                None
            }
        };
        if let Some(accounts) = changed {
            say(&self.from.name(), &accounts);
            *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        }
        Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn say(name: &str, accounts: &Accounts) {
    if accounts.unread_lines > 0 {
        let lines = accounts.unread_lines;
        tracing::warn!("account file {name}: {lines} lines behind the first empty one are not read");
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("names", &self.names)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{RegistryCall, registry};
    use crate::{PasswordHash, account};
    use std::num::NonZeroU32;
    use std::sync::Mutex;

    /// A text that a test changes.
    struct Page(Mutex<Option<String>>);

    impl Document for Arc<Page> {
        fn changed(&self) -> std::io::Result<Option<String>> {
            Ok(self.0.lock().unwrap().take())
        }

        fn name(&self) -> String {
            "page".to_owned()
        }
    }

    fn line(user: &str, password: &str, acl: &str) -> String {
        let hash = PasswordHash::new(password.as_bytes(), [1; 32], NonZeroU32::MIN);
        account::line(user, &hash, acl).unwrap()
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.to_owned(), password: Secret::new(password) }
    }

    fn enter(guard: &Guard, shown: &Credentials) -> Result<Caller, NotLetIn> {
        match (guard.recall(Some(shown)), shown) {
            (Some(known), _) => known,
            (None, Credentials::Basic { user, password }) => guard.verify(user, password),
            (None, Credentials::Bearer(_)) => Err(NotLetIn::NothingShown),
        }
    }

    #[test]
    fn accounts_are_known_remembered_and_read_again() {
        let page = Arc::new(Page(Mutex::new(Some(line("anna", "pw", "*,READ")))));
        let guard = Guard::new(Names::default(), [9; 32]).with_accounts(Arc::clone(&page)).unwrap();
        let need = registry(guard.names(), RegistryCall::ReadGroup, "", "g");
        assert!(matches!(guard.recall(None), Some(Err(NotLetIn::NothingShown))));
        assert!(matches!(guard.recall(Some(&Credentials::Bearer(Secret::new("x")))), Some(Err(_))));
        for (user, password) in [("anna", "wrong"), ("nobody", "pw"), ("", "")] {
            assert_eq!(enter(&guard, &basic(user, password)).unwrap_err(), NotLetIn::WrongPassword, "{user}");
        }
        assert!(guard.recall(Some(&basic("anna", "pw"))).is_none(), "not yet");
        let anna = enter(&guard, &basic("anna", "pw")).unwrap();
        assert!(anna.may(&need) && anna.name() == Some("anna"));
        assert!(matches!(guard.recall(Some(&basic("anna", "pw"))), Some(Ok(_))));
        assert!(guard.recall(Some(&basic("anna", "wrong"))).is_none());
        // another password and fewer rights
        *page.0.lock().unwrap() = Some(line("anna", "new", ""));
        assert_eq!(enter(&guard, &basic("anna", "pw")).unwrap_err(), NotLetIn::WrongPassword);
        assert!(!enter(&guard, &basic("anna", "new")).unwrap().may(&need));
        // a mistake changes nothing
        *page.0.lock().unwrap() = Some("anna".to_owned());
        assert!(enter(&guard, &basic("anna", "new")).is_ok());
        *page.0.lock().unwrap() = Some(String::new());
        assert!(enter(&guard, &basic("anna", "new")).is_err());
        assert!(Caller::anybody().may(&need));
    }

    #[test]
    fn nothing_of_a_guard_shows_a_secret() {
        let page = Arc::new(Page(Mutex::new(Some(line("anna", "hidden", "*,READ")))));
        let guard = Guard::new(Names::default(), [9; 32]).with_accounts(page).unwrap();
        let caller = enter(&guard, &basic("anna", "hidden")).unwrap();
        let shown = format!("{guard:?} {caller:?} {:?}", basic("anna", "hidden"));
        assert!(
            !shown.contains("hidden") && !shown.contains("68696464656e") && !shown.contains("9, 9"),
            "{shown}"
        );
    }
}
