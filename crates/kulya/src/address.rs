//! The address of a store: a folder, object storage, a server or Pravega, as flags, environment variables and
//! the settings file name it.

use crate::args::StoreArgs;
use crate::credentials::ClientCredentials;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use kulya_client::{RemoteSettings, random_id};
use kulya_store_object::StoreLocation;
use kulya_store_pravega::{Credentials, Settings as PravegaSettings};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long requests to a server are retried; a person at a terminal waits for them.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a store is.
#[derive(Debug)]
pub(crate) enum Address {
    /// In a folder, which this process then owns.
    Folder(PathBuf),
    /// On object storage, which any number of processes share.
    Objects(StoreLocation),
    /// Behind a server.
    Server(RemoteSettings),
    /// In Pravega.
    Pravega(PravegaSettings),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Objects(location) => write!(f, "{location}"),
            Self::Server(remote) => f.write_str(&remote.url),
            Self::Pravega(pravega) => write!(f, "Pravega at {}", pravega.controller),
        }
    }
}

impl Address {
    /// Returns the address that `--url` gives, else `--data`, else the settings file.
    ///
    /// # Errors
    /// Text that is no address, and credentials that cannot be read.
    pub(crate) fn resolve(args: StoreArgs, settings: &Settings) -> Result<Self> {
        match (&args.url, &args.data) {
            (Some(url), _) => Self::parse_option("--url", url, &args),
            (None, Some(data)) => Self::parse_option("--data", data, &args),
            (None, None) => Self::parse_option("the settings file's data", &settings.data(None), &args),
        }
    }

    /// Returns the folder of captures' unfinished transactions, if the store is in a folder.
    pub(crate) fn spool_folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(path) => Some(path.join("spool")),
            Self::Objects(_) | Self::Server(_) | Self::Pravega(_) => None,
        }
    }

    /// Parses the value of `option`, which messages name. `--url` and `--data` accept the same.
    fn parse_option(option: &str, text: &Path, args: &StoreArgs) -> Result<Self> {
        match text.to_str() {
            Some(text) if option == "--url" && !text.contains('/') => {
                bail!(
                    "--url {text:?} is neither a URL nor a path: write http://host:port, or ./{text} for a folder"
                )
            }
            Some(text) => Self::parse(text, args).with_context(|| format!("invalid {option}")),
            // not UTF-8, so no URL
            None => Ok(Self::Folder(text.to_owned())),
        }
    }

    /// Parses an address: `tcp://` and `tls://` for Pravega, `s3://` and `file://` for object storage,
    /// `http://` and `https://` for a server; without a scheme it is a folder.
    ///
    /// # Errors
    /// An unknown scheme, a misspelt URL, a secret in the URL, and credentials that cannot be read.
    pub(crate) fn parse(text: &str, args: &StoreArgs) -> Result<Self> {
        let ca = &args.ca;
        let url = text.trim();
        let scheme = scheme(url).map(str::to_ascii_lowercase);
        let Some(scheme) = scheme else {
            check_not_misspelt_url(text)?;
            return Ok(Self::Folder(text.into()));
        };
        check_no_secrets(url)?;
        match scheme.as_str() {
            "s3" | "file" | "memory" => {
                if ca.is_some() {
                    bail!(
                        "--ca is for servers and Pravega: for object storage the certificate authorities of this machine are trusted"
                    );
                }
                Ok(Self::Objects(StoreLocation::from_url(url, |name| std::env::var(name).ok())?))
            }
            "tcp" | "tls" => {
                let mut pravega = PravegaSettings::new(url.parse()?, random_id());
                pravega.credentials = Credentials::from_variables(|name| std::env::var(name).ok());
                pravega.ca_file = ca.clone();
                Ok(Self::Pravega(pravega))
            }
            "http" | "https" => {
                let ClientCredentials { ca_pem, basic, token } = ClientCredentials::read(args)?;
                let mut remote = RemoteSettings::new(url);
                (remote.retry_timeout, remote.ca_pem, remote.basic, remote.token) =
                    (RETRY_TIMEOUT, ca_pem, basic, token);
                Ok(Self::Server(remote))
            }
            other => bail!("unsupported scheme {other}:// for a store: {EXPECTED}"),
        }
    }
}

/// The forms of an address, for messages.
const EXPECTED: &str = "give a folder, http://host:port or https://host:port of a kulya serve, tcp://controller:9090 or tls:// of Pravega, s3://bucket/prefix, or file:///folder";

/// Returns the scheme of a URL; a folder has none.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|sign| sign.is_ascii_alphanumeric() || "+-.".contains(sign));
    is_scheme.then_some(scheme)
}

/// Rejects a folder name that was meant as a URL, before such a folder is created.
fn check_not_misspelt_url(text: &str) -> Result<()> {
    let first = text.trim().split('/').next().unwrap_or_default();
    let Some((name, rest)) = first.split_once(':') else { return Ok(()) };
    let is_port = !rest.is_empty() && rest.bytes().all(|digit| digit.is_ascii_digit());
    let is_known_scheme = ["tcp", "tls", "http", "https", "s3", "file", "memory", "pravega"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    if is_port || is_known_scheme || rest.is_empty() {
        bail!("{text:?} looks like a URL but is not one; {EXPECTED} (and ./{text} if it is a folder)");
    }
    Ok(())
}

/// Rejects a URL where only a folder is allowed.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    let Some(text) = path.to_str() else { return Ok(()) };
    if let Some(scheme) = scheme(text) {
        bail!("expected a folder on this machine, got a URL ({scheme}://…)");
    }
    check_not_misspelt_url(text)
}

/// Rejects a URL that contains a password or a key, without repeating it: process lists and shell histories
/// would show it.
fn check_no_secrets(url: &str) -> Result<()> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        bail!(
            "the URL contains a user: give --user with --password-file or KULYA_PASSWORD, or a token, instead"
        );
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
    if ["secret", "password", "token", "access_key", "credential"].iter().any(|word| query.contains(word)) {
        bail!(
            "the URL contains a secret: give it by an environment variable or a file, as AWS_SECRET_ACCESS_KEY"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String> {
        Ok(match Address::parse(text, &StoreArgs::default())? {
            Address::Folder(path) => format!("folder {}", path.display()),
            Address::Objects(_) => "objects".to_owned(),
            Address::Server(remote) => format!("server {}", remote.url),
            Address::Pravega(_) => "pravega".to_owned(),
        })
    }

    #[tokio::test]
    async fn scheme_selects_the_kind_of_store() {
        for (text, expected) in [
            ("kulya-data", "folder kulya-data"),
            ("/var/lib/kulya", "folder /var/lib/kulya"),
            ("a/b:1", "folder a/b:1"),
            ("./localhost:9092", "folder ./localhost:9092"),
            ("HTTP://h:1", "server HTTP://h:1"),
            (" https://h:1 ", "server https://h:1"),
            ("tcp://h:1", "pravega"),
            ("TLS://h:1", "pravega"),
            ("memory://", "objects"),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn misspelt_urls_and_secrets_are_rejected() {
        for text in
            ["tcp:/h:1", "tcp:h", "http:", "localhost:9092", "h:1/x", "file:/x", "S3:bucket", "kafka:"]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("http://host:port"), "{error}");
        }
        assert!(parse("kafka://h:1").unwrap_err().to_string().contains("unsupported scheme kafka://"));
        for text in ["http://me:hidden@h:1", "tcp://hidden@h:1", "s3://b/p?secret_access_key=hidden"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
