//! Arguments of `kulya serve`: addresses, TLS, authentication, logs and limits.

use super::connection::StoreArgs;
use clap::ValueEnum;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The address to listen on [default: 127.0.0.1:9092]
    #[arg(long, env = "KULYA_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Serve /health, /health/live and /health/ready on this address too, on a thread of its own that is
    /// independent of load
    #[arg(long, env = "KULYA_HEALTH_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) health_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
}

/// TLS, authentication, logs and limits.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct AccessArgs {
    /// Use TLS with this certificate, in PEM; reloaded when it changes
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_TLS_CERTIFICATE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(help_heading = "Access", long, env = "KULYA_TLS_KEY", hide_env_values = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Authenticate users by this account file (see: kulya account); reloaded when it changes
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCOUNTS",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) accounts: Option<PathBuf>,
    /// Authenticate bearer tokens (JWT) by these keys: a JSON Web Key Set in a file or at an https URL
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_JWKS",
        hide_env_values = true,
        value_name = "FILE|URL"
    )]
    pub(crate) jwks: Option<String>,
    /// The issuer of the tokens (iss)
    #[arg(help_heading = "Access", long, env = "KULYA_ISSUER", hide_env_values = true, value_name = "NAME")]
    pub(crate) issuer: Option<String>,
    /// The audience of the tokens (aud)
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_AUDIENCE",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) audience: Option<String>,
    /// Append a JSON line for each change and each denied request to this file
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_AUDIT_LOG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) audit_log: Option<PathBuf>,
    /// Log each request: off, common (the format of Apache and nginx) or json [default: off]
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCESS_LOG",
        hide_env_values = true,
        value_enum,
        value_name = "FORMAT"
    )]
    pub(crate) access_log: Option<AccessLogFormat>,
    /// The file of the access log [default: standard error]
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCESS_LOG_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) access_log_file: Option<PathBuf>,
    /// A reverse proxy whose X-Forwarded-For is trusted; may be repeated
    #[arg(
        help_heading = "Access",
        long = "trusted-proxy",
        env = "KULYA_TRUSTED_PROXIES",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// An allowed Host header beside localhost; may be repeated. Others are rejected then
    #[arg(
        help_heading = "Access",
        long = "allowed-host",
        env = "KULYA_ALLOWED_HOSTS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// An allowed origin of browser requests (CORS), as https://console.example; may be repeated
    #[arg(
        help_heading = "Access",
        long = "allowed-origin",
        env = "KULYA_ALLOWED_ORIGINS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub(crate) allowed_origins: Vec<String>,
    /// A limit, such as requests-per-second=500; may be repeated (all: docs/security.md)
    #[arg(
        help_heading = "Access",
        long = "limit",
        env = "KULYA_LIMITS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "NAME=N"
    )]
    pub(crate) limits: Vec<String>,
}

/// The format of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessLogFormat {
    /// No access log
    Off,
    /// The Common Log Format of Apache and nginx
    Common,
    /// A JSON object a line
    Json,
}
