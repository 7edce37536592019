//! The settings with which a process opens a store on Pravega.

use kulya_store::{Error, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The address of the controller: `tcp://host:port` or `tls://host:port`; several hosts are separated by
/// commas.
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
        let invalid = || {
            Error::invalid(format!(
                "invalid controller address {text:?}: write tcp://host:9090 or tls://host:9090"
            ))
        };
        let (scheme, hosts) = text.split_once("://").ok_or_else(invalid)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "tcp" | "pravega" => false,
            "tls" | "ssl" | "pravegas" => true,
            _ => return Err(invalid()),
        };
        let hosts: Vec<String> =
            hosts.trim_end_matches('/').split(',').map(|host| host.trim().to_owned()).collect();
        let is_valid = |host: &String| {
            host.rsplit_once(':').is_some_and(|(name, port)| {
                !name.is_empty() && !name.contains(['/', ' ']) && port.parse::<u16>().is_ok()
            })
        };
        if hosts.iter().all(is_valid) { Ok(Self { tls, hosts }) } else { Err(invalid()) }
    }
}

impl std::fmt::Display for ControllerUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "tls" } else { "tcp" }, self.hosts.join(","))
    }
}

/// The credentials for a Pravega with authentication: a method (`Basic`, `Bearer`) and its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The method: the first word of the authorization header.
    pub method: String,
    /// The token; for `Basic` the base64 of `user:password`.
    pub token: String,
}

impl Credentials {
    /// Returns credentials from user and password.
    pub fn basic(user: &str, password: &str) -> Self {
        use base64::Engine;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self { method: "Basic".into(), token }
    }

    /// Reads credentials from the environment variables of the Java client: `pravega_client_auth_method` and
    /// `pravega_client_auth_token`.
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

/// The settings of a store.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the controller.
    pub controller: ControllerUri,
    /// The id of this process: a random number, drawn for each opening, that distinguishes its writes from
    /// those of others.
    pub instance: u128,
    /// The prefix of all scope names in Pravega, so that several stores can share one Pravega.
    pub namespace: String,
    /// The credentials, if Pravega requires authentication.
    pub credentials: Option<Credentials>,
    /// A PEM file with the certificate authorities to trust under `tls://`; the system's without one.
    pub ca_file: Option<PathBuf>,
    /// The timeout of a call, plus one second per MiB of payload.
    pub timeout: Duration,
}

impl Settings {
    /// Returns default settings for a controller and this process's id.
    pub fn new(controller: ControllerUri, instance: u128) -> Self {
        Self {
            controller,
            instance,
            namespace: String::new(),
            credentials: None,
            ca_file: None,
            timeout: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_uri_is_parsed() {
        for (text, displayed) in [
            ("tcp://localhost:9090", "tcp://localhost:9090"),
            (" tls://a:9090,b:9091 ", "tls://a:9090,b:9091"),
            ("tcp://[::1]:9090/", "tcp://[::1]:9090"),
        ] {
            assert_eq!(text.parse::<ControllerUri>().unwrap().to_string(), displayed);
        }
        for invalid in [
            "",
            "localhost:9090",
            "http://a:1",
            "tcp://a",
            "tcp://:9090",
            "tcp://a:b",
            "tcp://a:1,,b:2",
            "tcp://a/b:1",
        ] {
            let refused = invalid.parse::<ControllerUri>().unwrap_err().to_string();
            assert!(refused.contains("tcp://host:9090"), "{refused}");
        }
    }

    #[test]
    fn credentials_are_read_from_the_java_clients_variables() {
        let found = |pairs: &'static [(&str, &str)]| {
            Credentials::from_variables(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(found(&[]), None);
        let basic = found(&[("pravega_client_auth_method", "Basic"), ("pravega_client_auth_token", "YTpi")]);
        assert_eq!(basic, Some(Credentials::basic("a", "b")));
        assert!(!format!("{basic:?}").contains("YTpi"), "no secret in logs");
    }
}
