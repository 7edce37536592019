//! Authentication by password or token: [`Authenticator`].

use crate::Error;
use crate::account::Accounts;
use crate::acl::Acl;
use crate::caller::{Caller, CredentialKind};
use crate::credentials::{Credentials, Secret};
use crate::password_cache::PasswordCache;
use crate::resource::ResourceNames;
use crate::text_source::TextSource;
use crate::token::{Claims, TokenError, TokenVerifier};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Why authentication failed. For logs only: the caller is not given the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// There are no credentials, they cannot be parsed, or their kind is not accepted.
    NoCredentials,
    /// The user is unknown or the password is wrong.
    InvalidPassword,
    /// The token is invalid.
    InvalidToken(TokenError),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => f.write_str("no valid credentials"),
            Self::InvalidPassword => f.write_str("unknown user or wrong password"),
            Self::InvalidToken(error) => write!(f, "{error}"),
        }
    }
}

/// Authenticates callers by the accounts of a file and by tokens of an issuer.
pub struct Authenticator {
    names: ResourceNames,
    accounts: Option<ReloadedAccounts>,
    tokens: Option<TokenVerifier>,
    password_cache: PasswordCache,
}

impl Authenticator {
    /// Creates an authenticator without accounts; `secret` is drawn at random for this process.
    pub fn new(names: ResourceNames, secret: [u8; 32]) -> Self {
        Self { names, accounts: None, tokens: None, password_cache: PasswordCache::new(secret) }
    }

    /// Accepts the users of an account file, which is reloaded when it changes. While a changed file is
    /// invalid, the last valid accounts stay in use and the error is logged.
    ///
    /// # Errors
    /// The file cannot be read or is invalid: the message has the line number.
    pub fn with_accounts(mut self, source: impl TextSource) -> Result<Self, Error> {
        let failed = || Error::new(format!("account file {}", source.name()));
        let text = source.read_if_changed().map_err(|e| failed().because(e))?.unwrap_or_default();
        let accounts: Accounts = text.parse().map_err(|e: Error| failed().because(e))?;
        warn_of_ignored_lines(&source.name(), &accounts);
        let accounts = RwLock::new(Arc::new(accounts));
        self.accounts = Some(ReloadedAccounts { source: Box::new(source), accounts });
        Ok(self)
    }

    /// Accepts bearer tokens.
    #[must_use]
    pub fn with_tokens(mut self, tokens: TokenVerifier) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Returns the spelling of resources.
    pub fn names(&self) -> &ResourceNames {
        &self.names
    }

    /// Authenticates without hashing or I/O, if that suffices. `None` means that the password must be hashed
    /// ([`Authenticator::verify_password`]) or the token verified ([`Authenticator::verify_token`]).
    pub fn authenticate_cached(
        &self,
        credentials: Option<&Credentials>,
    ) -> Option<Result<Caller, AuthError>> {
        match credentials {
            None => Some(Err(AuthError::NoCredentials)),
            Some(Credentials::Bearer(_)) if self.tokens.is_some() => None,
            Some(Credentials::Basic { user, password }) => {
                let Some(accounts) = &self.accounts else { return Some(Err(AuthError::NoCredentials)) };
                let accounts = accounts.current();
                let account = accounts.find(user)?;
                let hash = account.hash.as_ref()?;
                let is_cached = self.password_cache.contains(user, hash, password.reveal());
                is_cached.then(|| {
                    let (user, acl) = (Arc::clone(&account.user), Arc::clone(&account.acl));
                    Ok(Caller::new(CredentialKind::Password, user, acl))
                })
            }
            Some(Credentials::Bearer(_)) => Some(Err(AuthError::NoCredentials)),
        }
    }

    /// Verifies a password. Slow by design, for unknown users too: run it on a thread for blocking work.
    ///
    /// # Errors
    /// [`AuthError::InvalidPassword`], or [`AuthError::NoCredentials`] where there is no account file.
    pub fn verify_password(&self, user: &str, password: &Secret) -> Result<Caller, AuthError> {
        let accounts = self.accounts.as_ref().ok_or(AuthError::NoCredentials)?.current();
        let (Some(account), _) = accounts.verify(user, password.reveal()) else {
            return Err(AuthError::InvalidPassword);
        };
        if let Some(hash) = &account.hash {
            self.password_cache.insert(user, hash, password.reveal());
        }
        Ok(Caller::new(CredentialKind::Password, Arc::clone(&account.user), Arc::clone(&account.acl)))
    }

    /// Verifies a token; may fetch the issuer's keys. Cancel-safe.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], or [`AuthError::NoCredentials`] where tokens are not accepted.
    pub async fn verify_token(&self, token: &Secret) -> Result<Caller, AuthError> {
        let tokens = self.tokens.as_ref().ok_or(AuthError::NoCredentials)?;
        let Claims { subject, acl } = tokens.verify(token.reveal()).await.map_err(AuthError::InvalidToken)?;
        let acl = match acl {
            Some(text) => Arc::new(text.parse().map_err(|_| AuthError::InvalidToken(TokenError::Malformed))?),
            None if tokens.rules().subject_is_account => self.acl_of(&subject),
            None => Arc::default(),
        };
        Ok(Caller::new(CredentialKind::Token, subject, acl))
    }

    fn acl_of(&self, user: &str) -> Arc<Acl> {
        let accounts = self.accounts.as_ref().map(ReloadedAccounts::current);
        accounts
            .and_then(|accounts| accounts.find(user).map(|account| Arc::clone(&account.acl)))
            .unwrap_or_default()
    }
}

/// The accounts of a source that may change.
struct ReloadedAccounts {
    source: Box<dyn TextSource>,
    accounts: RwLock<Arc<Accounts>>,
}

impl ReloadedAccounts {
    fn current(&self) -> Arc<Accounts> {
        let name = || self.source.name();
        let changed = match self.source.read_if_changed() {
            Ok(None) => None,
            Ok(Some(text)) => match text.parse() {
                Ok(accounts) => Some(accounts),
                Err(error) => {
                    tracing::error!("account file {} is invalid, keeping the last accounts: {error}", name());
                    None
                }
            },
            Err(error) => {
                tracing::debug!("cannot read account file {}, keeping the last accounts: {error}", name());
                None
            }
        };
        if let Some(accounts) = changed {
            warn_of_ignored_lines(&name(), &accounts);
            *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
        }
        Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn warn_of_ignored_lines(name: &str, accounts: &Accounts) {
    if accounts.ignored_lines > 0 {
        let lines = accounts.ignored_lines;
        tracing::warn!("account file {name}: {lines} lines after the first empty line are ignored");
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
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
    struct StubSource(Mutex<Option<String>>);

    impl TextSource for Arc<StubSource> {
        fn read_if_changed(&self) -> std::io::Result<Option<String>> {
            Ok(self.0.lock().unwrap().take())
        }

        fn name(&self) -> String {
            "source".to_owned()
        }
    }

    fn line(user: &str, password: &str, acl: &str) -> String {
        let hash = PasswordHash::new(password.as_bytes(), [1; 32], NonZeroU32::MIN);
        account::format_line(user, &hash, acl).unwrap()
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.to_owned(), password: Secret::new(password) }
    }

    fn authenticate(authenticator: &Authenticator, credentials: &Credentials) -> Result<Caller, AuthError> {
        match (authenticator.authenticate_cached(Some(credentials)), credentials) {
            (Some(result), _) => result,
            (None, Credentials::Basic { user, password }) => authenticator.verify_password(user, password),
            (None, Credentials::Bearer(_)) => Err(AuthError::NoCredentials),
        }
    }

    #[test]
    fn accounts_are_authenticated_cached_and_reloaded() {
        let source = Arc::new(StubSource(Mutex::new(Some(line("anna", "pw", "*,READ")))));
        let authenticator =
            Authenticator::new(ResourceNames::default(), [9; 32]).with_accounts(Arc::clone(&source)).unwrap();
        let required = registry(authenticator.names(), RegistryCall::ReadGroup, "", "g");
        assert!(matches!(authenticator.authenticate_cached(None), Some(Err(AuthError::NoCredentials))));
        assert!(matches!(
            authenticator.authenticate_cached(Some(&Credentials::Bearer(Secret::new("x")))),
            Some(Err(_))
        ));
        for (user, password) in [("anna", "wrong"), ("nobody", "pw"), ("", "")] {
            assert_eq!(
                authenticate(&authenticator, &basic(user, password)).unwrap_err(),
                AuthError::InvalidPassword,
                "{user}"
            );
        }
        assert!(authenticator.authenticate_cached(Some(&basic("anna", "pw"))).is_none(), "not cached yet");
        let anna = authenticate(&authenticator, &basic("anna", "pw")).unwrap();
        assert!(anna.is_allowed(&required) && anna.name() == Some("anna"));
        assert!(matches!(authenticator.authenticate_cached(Some(&basic("anna", "pw"))), Some(Ok(_))));
        assert!(authenticator.authenticate_cached(Some(&basic("anna", "wrong"))).is_none());
        // another password and fewer permissions
        *source.0.lock().unwrap() = Some(line("anna", "new", ""));
        assert_eq!(
            authenticate(&authenticator, &basic("anna", "pw")).unwrap_err(),
            AuthError::InvalidPassword
        );
        assert!(!authenticate(&authenticator, &basic("anna", "new")).unwrap().is_allowed(&required));
        // an invalid file changes nothing
        *source.0.lock().unwrap() = Some("anna".to_owned());
        assert!(authenticate(&authenticator, &basic("anna", "new")).is_ok());
        *source.0.lock().unwrap() = Some(String::new());
        assert!(authenticate(&authenticator, &basic("anna", "new")).is_err());
        assert!(Caller::anonymous().is_allowed(&required));
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let source = Arc::new(StubSource(Mutex::new(Some(line("anna", "hidden", "*,READ")))));
        let authenticator =
            Authenticator::new(ResourceNames::default(), [9; 32]).with_accounts(source).unwrap();
        let caller = authenticate(&authenticator, &basic("anna", "hidden")).unwrap();
        let printed = format!("{authenticator:?} {caller:?} {:?}", basic("anna", "hidden"));
        assert!(
            !printed.contains("hidden") && !printed.contains("68696464656e") && !printed.contains("9, 9"),
            "{printed}"
        );
    }
}
