//! Credentials that a client sends to a server: the authority it trusts, and a user's password or a token.

use crate::args::StoreArgs;
use anyhow::{Context, Result, bail};
use kulya_client::{HttpRegistry, Login, RegistrySettings};
use std::io::IsTerminal;
use std::path::PathBuf;

/// The credentials for one server.
pub(crate) struct ClientCredentials {
    /// Certificate of the authority that signed the server's, in PEM.
    pub(crate) ca_pem: Option<String>,
    /// User and password.
    pub(crate) basic: Option<(String, String)>,
    pub(crate) token: Option<String>,
}

impl ClientCredentials {
    /// Reads what flags, environment variables and files name; asks for a missing password on a terminal.
    ///
    /// # Errors
    /// An unreadable file, or a user without a password.
    pub(crate) fn read(args: &StoreArgs) -> Result<Self> {
        let StoreArgs { ca, token_file, user, password_file, .. } = args;
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        // there is no flag for the secret itself: process lists would show it
        let secret = |file: &Option<PathBuf>, variable: &str| {
            let text = file.as_ref().map(read).transpose()?.or_else(|| std::env::var(variable).ok());
            anyhow::Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()))
        };
        let (mut basic, mut token) = (None, None);
        match user {
            Some(user) => {
                let password = match secret(password_file, "KULYA_PASSWORD")? {
                    Some(password) => password,
                    None => prompt_for_password(user)?,
                };
                basic = Some((user.clone(), password));
            }
            None => token = secret(token_file, "KULYA_TOKEN")?.map(|token| token.trim().to_owned()),
        }
        Ok(Self { ca_pem: ca.as_ref().map(read).transpose()?, basic, token })
    }
}

/// Asks for a password on the terminal.
fn prompt_for_password(user: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("a user needs a password: give --password-file or KULYA_PASSWORD");
    }
    rpassword::prompt_password(format!("Password of {user}: ")).context("cannot ask for a password")
}

/// Connects to a registry that speaks REST v1: Kulya's or the Java one.
pub(crate) fn rest_v1_registry(url: String, args: &StoreArgs) -> Result<HttpRegistry> {
    let ClientCredentials { ca_pem, basic, token } = ClientCredentials::read(args)?;
    let login = match (basic, token) {
        (Some((user, password)), _) => Login::Basic { user, password },
        (None, Some(token)) => Login::Token(token),
        (None, None) => Login::Nobody,
    };
    let settings = RegistrySettings { ca_pem, login, ..RegistrySettings::new(url) };
    Ok(HttpRegistry::with(settings)?)
}
