//! Where Pravega is, and how this store comes in: values only, checked when they are made.

use kulya_store::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// A controller's address: `tcp://host:port` or `tls://host:port`; several hosts stand behind each other with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerUri {
    pub(crate) tls: bool,
    /// Each `host:port`.
    pub(crate) hosts: Vec<String>,
}

impl std::str::FromStr for ControllerUri {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let bad = || {
            Error::invalid(format!("controller {text:?} must be written as tcp://host:9090, or with tls://"))
        };
        let (scheme, hosts) = text.split_once("://").ok_or_else(bad)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "tcp" | "pravega" => false,
            "tls" | "ssl" | "pravegas" => true,
            _ => return Err(bad()),
        };
        let hosts: Vec<String> =
            hosts.trim_end_matches('/').split(',').map(|host| host.trim().to_owned()).collect();
        let right = |host: &String| {
            host.rsplit_once(':').is_some_and(|(name, port)| {
                !name.is_empty() && !name.contains(['/', ' ']) && port.parse::<u16>().is_ok()
            })
        };
        if hosts.iter().all(right) { Ok(Self { tls, hosts }) } else { Err(bad()) }
    }
}

impl std::fmt::Display for ControllerUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "tls" } else { "tcp" }, self.hosts.join(","))
    }
}

/// Who we are, for a Pravega that asks: a method (`Basic`, `Bearer`) and its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The first word of the authorization header.
    pub method: String,
    /// What stands behind it; for `Basic` the base64 of `user:password`.
    pub token: String,
}

impl Credentials {
    /// A user and a password.
    pub fn basic(user: &str, password: &str) -> Self {
        use base64::Engine;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self { method: "Basic".into(), token }
    }

    /// As the Java client finds them in its environment: `pravega_client_auth_method` and `pravega_client_auth_token`.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let method = variable("pravega_client_auth_method")?;
        Some(Self { method, token: variable("pravega_client_auth_token").unwrap_or_default() })
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("method", &self.method).finish_non_exhaustive()
    }
}

/// How a store comes to its Pravega.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The controller.
    pub controller: ControllerUri,
    /// A number that nobody else uses, drawn at random by whoever opens the store: it tells this process's writes from
    /// those of others.
    pub instance: u128,
    /// Stands before the name of each scope in Pravega, so that several stores share one Pravega without meeting.
    pub namespace: String,
    /// Who we are.
    pub credentials: Option<Credentials>,
    /// A PEM file with the authorities to trust under `tls://`; without one, the system's.
    pub authorities: Option<PathBuf>,
    /// How long a call of the store may take before it fails; one that carries bytes gets a second more for each MiB.
    pub patience: Duration,
}

impl Settings {
    /// A controller, and this process's own number; the rest as usual.
    pub fn new(controller: ControllerUri, instance: u128) -> Self {
        Self {
            controller,
            instance,
            namespace: String::new(),
            credentials: None,
            authorities: None,
            patience: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_uri_is_read_as_the_article_writes_it() {
        for (text, shown) in [
            ("tcp://localhost:9090", "tcp://localhost:9090"),
            (" tls://a:9090,b:9091 ", "tls://a:9090,b:9091"),
            ("tcp://[::1]:9090/", "tcp://[::1]:9090"),
        ] {
            assert_eq!(text.parse::<ControllerUri>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "localhost:9090",
            "http://a:1",
            "tcp://a",
            "tcp://:9090",
            "tcp://a:b",
            "tcp://a:1,,b:2",
            "tcp://a/b:1",
        ] {
            let refused = bad.parse::<ControllerUri>().unwrap_err().to_string();
            assert!(refused.contains("tcp://host:9090"), "{refused}");
        }
    }

    #[test]
    fn credentials_are_found_where_the_java_client_looks() {
        let found = |pairs: &'static [(&str, &str)]| {
            Credentials::from_variables(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(found(&[]), None);
        let basic = found(&[("pravega_client_auth_method", "Basic"), ("pravega_client_auth_token", "YTpi")]);
        assert_eq!(basic, Some(Credentials::basic("a", "b")));
        assert!(!format!("{basic:?}").contains("YTpi"), "no secret in a log");
    }
}
