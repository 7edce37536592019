//! Opens the stores and registries that `CREATE CATALOG` names.

use crate::address::Address;
use crate::args::StoreArgs;
use crate::services::{open_services, open_store};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use kulya_auth::Credentials as HeaderCredentials;
use kulya_client::{Credentials, HttpRegistry, RegistrySettings};
use kulya_registry_api::SchemaRegistry;
use kulya_sql::{
    BackendFactory, CatalogBackend, CatalogOptions, Security, SqlError, SqlErrorKind, SqlResult, StoreAddress,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens backends for a session. The session's own folder is open already and shared.
pub(super) struct CatalogBackends {
    /// The folder of the session's store, if it is in one.
    pub(super) own_folder: Option<PathBuf>,
    /// The session's own store and registry.
    pub(super) own_backend: Option<CatalogBackend>,
}

#[async_trait]
impl BackendFactory for CatalogBackends {
    async fn open(&self, options: &CatalogOptions) -> SqlResult<CatalogBackend> {
        let sql_error = |error: anyhow::Error| SqlError::new(SqlErrorKind::Failed, format!("{error:#}"));
        let is_own = |folder: &Path| self.own_folder.as_ref().is_some_and(|own| is_same_folder(folder, own));
        let address = match &options.store {
            Some(StoreAddress::Folder(folder)) if !is_own(folder) => {
                if !folder.exists() {
                    return Err(SqlError::new(
                        SqlErrorKind::InvalidOption,
                        format!("folder {} does not exist", folder.display()),
                    ));
                }
                Some(Address::Folder(folder.clone()))
            }
            Some(StoreAddress::Url(url)) => {
                Some(address_with_security(url, &options.security).map_err(sql_error)?)
            }
            _ => None,
        };
        let mut backend = self.own_backend.clone();
        if let Some(address) = address {
            let store = open_store(address, false).await.map_err(sql_error)?;
            let services = open_services(store).await.map_err(sql_error)?;
            backend = Some(CatalogBackend::new(services.store, services.registry as Arc<dyn SchemaRegistry>));
        }
        let no_store = || {
            SqlError::new(
                SqlErrorKind::InvalidOption,
                "this session has no store of its own: give 'controller-uri'",
            )
        };
        let mut backend = backend.ok_or_else(no_store)?;
        if let Some(url) = &options.registry {
            let mut settings = RegistrySettings::new(url);
            // the option is for store and registry alike; it does not matter to one without TLS
            if ["https://", "tls://"].iter().any(|scheme| url.starts_with(scheme)) {
                settings.ca_pem = read_trust_store(&options.security).map_err(sql_error)?;
            }
            settings.credentials = match credentials(&options.security).map_err(sql_error)? {
                None => Credentials::Anonymous,
                Some(CatalogCredentials::Basic(user, password)) => Credentials::Basic { user, password },
                Some(CatalogCredentials::Token(token)) => Credentials::Token(token),
            };
            let registry = HttpRegistry::with_settings(settings)?;
            // reports a wrong address now instead of at the first query
            registry.groups("").await?;
            backend.registry = Arc::new(registry);
        }
        Ok(backend)
    }
}

/// The credentials in a catalog's options.
enum CatalogCredentials {
    Basic(String, String),
    Token(String),
}

/// Returns the method and token of the options; a token `${NAME}` is that of the environment variable.
fn authorization(security: &Security) -> Result<Option<(String, String)>> {
    let Some((method, token)) = &security.authorization else { return Ok(None) };
    let name = token.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let token = match name {
        Some(name) => std::env::var(name).with_context(|| {
            format!("security.auth-token is ${{{name}}}: set the environment variable {name}")
        })?,
        None => token.clone(),
    };
    Ok(Some((method.clone(), token)))
}

fn credentials(security: &Security) -> Result<Option<CatalogCredentials>> {
    let Some((method, token)) = authorization(security)? else { return Ok(None) };
    // messages do not repeat the token
    match method.as_str() {
        "Bearer" => Ok(Some(CatalogCredentials::Token(token))),
        "Basic" => match HeaderCredentials::parse(&format!("Basic {token}")) {
            Some(HeaderCredentials::Basic { user, password }) => {
                let password = String::from_utf8(password.reveal().to_vec())
                    .context("the password in security.auth-token is not UTF-8")?;
                Ok(Some(CatalogCredentials::Basic(user, password)))
            }
            _ => bail!("security.auth-token must be the base64 of user:password for auth-type Basic"),
        },
        other => bail!("security.auth-type {other} is not supported: use Basic or Bearer"),
    }
}

fn read_trust_store(security: &Security) -> Result<Option<String>> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        text.with_context(|| format!("cannot read security.trust-store {} (a file in PEM)", path.display()))
    };
    security.authority.as_ref().map(read).transpose()
}

fn address_with_security(url: &str, security: &Security) -> Result<Address> {
    Ok(match Address::parse(url, &StoreArgs::default())? {
        Address::Server(mut remote) => {
            if url.starts_with("https://") {
                remote.ca_pem = read_trust_store(security)?;
            }
            match credentials(security)? {
                None => {}
                Some(CatalogCredentials::Basic(user, password)) => {
                    (remote.basic, remote.token) = (Some((user, password)), None);
                }
                Some(CatalogCredentials::Token(token)) => remote.token = Some(token),
            }
            Address::Server(remote)
        }
        Address::Pravega(mut pravega) => {
            if let Some((method, token)) = authorization(security)? {
                pravega.credentials = Some(kulya_store_pravega::Credentials { method, token });
            }
            pravega.ca_file = security.authority.clone().or(pravega.ca_file);
            Address::Pravega(pravega)
        }
        other => other,
    })
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_from_the_environment() {
        let security = |token: &str| Security {
            authorization: Some(("Bearer".to_owned(), token.to_owned())),
            authority: None,
        };
        // a variable that is there in every process
        let path = std::env::var("PATH").unwrap();
        assert_eq!(authorization(&security("${PATH}")).unwrap(), Some(("Bearer".into(), path)));
        assert_eq!(authorization(&security("$PATH")).unwrap(), Some(("Bearer".into(), "$PATH".into())));
        let error = format!("{:#}", authorization(&security("${KULYA_NOT_SET}")).unwrap_err());
        assert!(error.contains("set the environment variable KULYA_NOT_SET"), "{error}");
        assert_eq!(authorization(&Security::default()).unwrap(), None);
    }
}
