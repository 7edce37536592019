//! Settings become a door: certificates, accounts, an issuer's keys, limits, and the audit log.

use crate::args::{AccessLogFormat, DoorArgs};
use crate::settings::{Auth, Settings, Tls};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use kulya_auth::Guard;
use kulya_auth::access::{AccessLog, Format};
use kulya_auth::audit::{AppendedFile, Audit};
use kulya_auth::document::File;
use kulya_auth::token::{KeySource, Refreshing, Rules, Tokens};
use kulya_client::random_id;
use kulya_server::{Browsers, Door, Limits};
use kulya_store::clock::{Clock, SystemClock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// No key set is longer, in bytes.
const MAX_KEY_SET_BYTES: usize = 1 << 20;

/// What stands in front of the server.
pub(crate) struct Front {
    pub(crate) door: Door,
    is_guarded: bool,
    is_tls: bool,
}

impl Front {
    /// Where the server is, for people.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// What whoever listens there should know.
    pub(crate) fn warning(&self, address: SocketAddr) -> Option<&'static str> {
        match (address.ip().is_loopback(), self.is_guarded, self.is_tls) {
            (true, ..) | (false, true, true) => None,
            (false, false, _) => Some(
                "whoever reaches it may do everything: give --accounts or --jwks, or listen on 127.0.0.1",
            ),
            (false, true, false) => Some(
                "passwords and tokens go over the network as they are: give --tls-certificate and --tls-key",
            ),
        }
    }
}

/// The door that flags, variables and the file describe, in this order.
pub(crate) async fn of(args: DoorArgs, settings: &Settings) -> Result<Front> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let limits = limits(settings.limits.clone(), &args.limits)?;
    let given = |flags: Vec<String>, file: &[String]| if flags.is_empty() { file.to_vec() } else { flags };
    let browsers = Browsers {
        allowed_hosts: given(args.allowed_hosts, &settings.http.allowed_hosts),
        allowed_origins: given(args.allowed_origins, &settings.http.allowed_origins),
    };
    let mut door = Door::open_to_all(Arc::clone(&clock)).with_limits(limits).with_browsers(browsers);
    let proxies =
        if args.trusted_proxies.is_empty() { settings.trusted_proxies.clone() } else { args.trusted_proxies };
    door = door.behind_proxies(proxies);
    let tls = Tls {
        certificate: args.tls_certificate.or_else(|| settings.tls.certificate.clone()),
        private_key: args.tls_key.or_else(|| settings.tls.private_key.clone()),
    };
    let is_tls = match (tls.certificate, tls.private_key) {
        (None, None) => false,
        (Some(certificate), Some(key)) => {
            let tls = kulya_server::Tls::new(File::new(certificate), File::new(key));
            door = door.with_tls(tls.context("TLS")?);
            true
        }
        _ => bail!("TLS needs a certificate and its private key: give both"),
    };
    let mut auth = settings.auth.clone();
    auth.accounts = args.accounts.or(auth.accounts);
    auth.jwks = args.jwks.or(auth.jwks);
    auth.issuer = args.issuer.or(auth.issuer);
    auth.audience = args.audience.or(auth.audience);
    let guard = guard(auth, &clock).await?;
    let is_guarded = guard.is_some();
    if let Some(guard) = guard {
        door = door.guarded_by(guard);
    }
    if let Some(path) = args.audit_log.or_else(|| settings.audit_log.clone()) {
        let file = AppendedFile::open(&path);
        let file = file.with_context(|| format!("cannot write the audit log {}", path.display()))?;
        door = door.with_audit(Audit::new(file, Arc::clone(&clock)));
    }
    let format = match args.access_log.or(settings.access_log) {
        None | Some(AccessLogFormat::Off) => None,
        Some(AccessLogFormat::Common) => Some(Format::Common),
        Some(AccessLogFormat::Json) => Some(Format::Json),
    };
    if let Some(format) = format {
        let log = match args.access_log_file.or_else(|| settings.access_log_file.clone()) {
            None => AccessLog::new(format, std::io::stderr(), clock),
            Some(path) => {
                let file = AppendedFile::open(&path);
                let file = file.with_context(|| format!("cannot write the access log {}", path.display()))?;
                AccessLog::new(format, file, clock)
            }
        };
        door = door.with_access_log(log);
    }
    Ok(Front { door, is_guarded, is_tls })
}

async fn guard(auth: Auth, clock: &Arc<dyn Clock>) -> Result<Option<Guard>> {
    let Auth { accounts, jwks, jwks_ca, issuer, audience, leeway_seconds, acl_claim, .. } = auth;
    if accounts.is_none() && jwks.is_none() {
        if issuer.is_some() || audience.is_some() {
            bail!("an issuer or an audience is named, but no key set: give --jwks too");
        }
        return Ok(None);
    }
    let mut secret = [0; 32];
    for half in secret.chunks_exact_mut(16) {
        half.copy_from_slice(&random_id().to_be_bytes());
    }
    let mut guard = Guard::new(auth.resources.into(), secret);
    if let Some(path) = accounts {
        guard = guard.with_accounts(File::new(path))?;
    }
    if let Some(jwks) = jwks {
        let (Some(issuer), Some(audience)) = (issuer, audience) else {
            bail!("tokens need an issuer and an audience: give --issuer and --audience");
        };
        let is_url = ["https://", "http://"].iter().any(|scheme| jwks.starts_with(scheme));
        let read = |path: PathBuf| {
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let keys = if is_url {
            Refreshing::new(KeyUrl { url: jwks, ca: jwks_ca.map(read).transpose()? })
        } else {
            Refreshing::of_document(File::new(jwks))
        };
        let mut rules = Rules::new(issuer, audience);
        rules.leeway = leeway_seconds.map_or(rules.leeway, Duration::from_secs);
        rules.acl_claim = acl_claim.or(rules.acl_claim);
        rules.subject_is_account = auth.subject_is_account;
        let tokens = Tokens::new(rules, keys, Arc::clone(clock));
        match tokens.prepare().await {
            // an issuer that is away now may be there when the first token comes
            Err(error) if is_url => eprintln!("kulya: warning: {}", crate::line(&anyhow::Error::from(error))),
            other => other?,
        }
        guard = guard.with_tokens(tokens);
    }
    Ok(Some(guard))
}

/// A key set on the web.
struct KeyUrl {
    url: String,
    ca: Option<String>,
}

#[async_trait]
impl KeySource for KeyUrl {
    async fn key_set(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Ok(kulya_client::fetch(&self.url, self.ca.as_deref(), MAX_KEY_SET_BYTES).await?)
    }

    fn name(&self) -> String {
        self.url.clone()
    }
}

/// The file's limits, changed by `name=value`.
fn limits(file: crate::settings::Limits, given: &[String]) -> Result<Limits> {
    let mut limits = file;
    for pair in given {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("limit {pair:?} is not name=number"))?;
        let number = value.trim().parse().with_context(|| format!("limit {pair:?} is not name=number"))?;
        let place = limits.of(name.trim());
        *place
            .with_context(|| format!("there is no limit {name:?}: {}", crate::settings::Limits::NAMES))? =
            Some(number);
    }
    limits.into_limits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_changed_by_name() {
        let usual = Limits::default();
        let given = |pairs: &[&str]| {
            let pairs: Vec<_> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
            limits(toml::from_str("connections = 7").unwrap(), &pairs)
        };
        assert_eq!(given(&[]).unwrap(), Limits { connections: 7, ..usual.clone() });
        let changed = given(&["connections=8", "megabytes=2", "requests-per-second=5"]).unwrap();
        let expected = Limits { connections: 8, bytes: 2 << 20, requests_per_second: 5, burst: 10, ..usual };
        assert_eq!(changed, expected, "without its own word the burst is two seconds");
        for bad in
            ["connections", "connections=x", "conections=1", "requests=-1", "requests=0", "megabytes=0"]
        {
            assert!(given(&[bad]).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_is_given_by_half_is_refused() {
        let refused = async |toml: &str| {
            let settings: Settings = toml::from_str(toml).unwrap();
            crate::line(&of(DoorArgs::default(), &settings).await.err().unwrap())
        };
        assert!(refused("[tls]\ncertificate = \"x\"").await.contains("give both"));
        assert!(refused("[auth]\nissuer = \"x\"").await.contains("--jwks"));
        assert!(refused("[auth]\njwks = \"x\"").await.contains("--issuer"));
        assert!(refused("[auth]\naccounts = \"/nowhere/accounts\"").await.contains("/nowhere/accounts"));
        assert!(
            refused("[auth]\njwks = \"/nowhere/k\"\nissuer = \"i\"\naudience = \"a\"")
                .await
                .contains("/nowhere/k")
        );
        let front = of(DoorArgs::default(), &Settings::default()).await.unwrap();
        let (here, there) = ("127.0.0.1:1".parse().unwrap(), "10.0.0.1:1".parse().unwrap());
        assert_eq!(front.url(here), "http://127.0.0.1:1");
        assert!(front.warning(here).is_none() && front.warning(there).unwrap().contains("--accounts"));
    }
}
