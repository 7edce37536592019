//! Arguments that name a store and the credentials for it; most commands have them.

use std::path::PathBuf;

/// A store, and the credentials for it.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct StoreArgs {
    /// The store [default: kulya-data]: a folder; http://host:port or https:// of a kulya serve;
    /// tcp://controller:9090 or tls:// of Pravega; or object storage, which several processes may share, as
    /// s3://bucket/prefix?region=…&endpoint=… (credentials by AWS_ACCESS_KEY_ID and the like) or
    /// file:///folder
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_DATA",
        hide_env_values = true,
        value_name = "DIR|URL"
    )]
    pub(crate) data: Option<PathBuf>,
    /// The same as --data, which it overrides
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) url: Option<PathBuf>,
    /// For https and tls: the certificate, in PEM, of the authority that signed the server's
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_CA",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// A file with the bearer token for the server; KULYA_TOKEN is the token itself
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// The user name for the server, instead of a token
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_USER",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) user: Option<String>,
    /// A file with the user's password; KULYA_PASSWORD is the password itself. Without either there is a
    /// prompt
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_PASSWORD_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) password_file: Option<PathBuf>,
}
