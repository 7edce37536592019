//! What may be typed: commands, flags and their help. Nothing is interpreted here.

use crate::registry::RegistryArgs;
use clap::{Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Turns the events of a stream store and the changes of a database into governed, typed tables.
///
/// Settings come from a file (--config, or kulya.toml in this folder), from the environment (KULYA_…) and from
/// flags; the later one wins. Start with: kulya demo
#[derive(Debug, Parser)]
#[command(name = "kulya", version, max_term_width = 100)]
pub(crate) struct Args {
    /// A TOML file with settings; without it, kulya.toml in this folder if there is one
    #[arg(
        long,
        global = true,
        env = "KULYA_CONFIG",
        hide_env_values = true,
        value_name = "FILE",
        help_heading = "General"
    )]
    pub(crate) config: Option<PathBuf>,
    /// What to log to standard error: off, error, warn, info, debug, trace, or by module
    #[arg(
        long,
        global = true,
        env = "KULYA_LOG",
        hide_env_values = true,
        default_value = "warn",
        value_name = "LEVEL",
        help_heading = "General"
    )]
    pub(crate) log: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    pub(crate) fn log_filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("warn"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the schema registry and the streams over HTTP, and run the change capture that the settings name
    Serve(Box<ServeArgs>),
    /// Capture a PostgreSQL database's changes as Debezium events, each transaction exactly once
    Cdc(Box<CdcArgs>),
    /// Query streams as tables: a prompt, or -e / -f
    Sql(SqlArgs),
    /// Streams and their raw events: make, list, append, read, truncate, seal, delete
    Stream(StreamArgs),
    /// The schema registry: groups, schemas, verdicts on schemas in files, export and import
    Registry(Box<RegistryArgs>),
    /// Look at a store's folder, and check every byte of it
    Store(StoreArgs),
    /// Accounts for kulya serve --accounts: hash passwords, make lines of the file
    Account(AccountArgs),
    /// See it all work once: events, schemas, changes of a database, and SQL over them
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where to answer [default: 127.0.0.1:9092]
    #[arg(long, env = "KULYA_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Answer /health, /health/live and /health/ready here, too, on a thread of its own that no load keeps from it
    #[arg(long, env = "KULYA_HEALTH_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) health_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) door: DoorArgs,
}

/// Who is let in, and how.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct DoorArgs {
    /// Speak TLS with this certificate, in PEM; read again when it changes
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
    /// Let in the users of this account file (see: kulya account); read again when it changes
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCOUNTS",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) accounts: Option<PathBuf>,
    /// Let in bearers of tokens (JWT) that these keys signed: a JSON Web Key Set in a file or at an https URL
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_JWKS",
        hide_env_values = true,
        value_name = "FILE|URL"
    )]
    pub(crate) jwks: Option<String>,
    /// Who makes the tokens: their iss
    #[arg(help_heading = "Access", long, env = "KULYA_ISSUER", hide_env_values = true, value_name = "NAME")]
    pub(crate) issuer: Option<String>,
    /// For whom the tokens are: their aud
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_AUDIENCE",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) audience: Option<String>,
    /// Append a JSON line for each change and each refusal to this file
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_AUDIT_LOG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) audit_log: Option<PathBuf>,
    /// Write down each request when it is answered: off, common (a line as of Apache and nginx) or json [default: off]
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCESS_LOG",
        hide_env_values = true,
        value_enum,
        value_name = "FORMAT"
    )]
    pub(crate) access_log: Option<AccessLogFormat>,
    /// The file that the access log is appended to [default: standard error]
    #[arg(
        help_heading = "Access",
        long,
        env = "KULYA_ACCESS_LOG_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) access_log_file: Option<PathBuf>,
    /// A proxy in front of the server, whose X-Forwarded-For is believed; may be repeated
    #[arg(
        help_heading = "Access",
        long = "trusted-proxy",
        env = "KULYA_TRUSTED_PROXIES",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// A name by which the server may be called, beside localhost; may be repeated. Others are refused then
    #[arg(
        help_heading = "Access",
        long = "allowed-host",
        env = "KULYA_ALLOWED_HOSTS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub(crate) allowed_hosts: Vec<String>,
    /// The origin of pages that may call the server, as https://console.example; may be repeated
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

/// How the access log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AccessLogFormat {
    /// Not at all
    Off,
    /// A line as of Apache and nginx
    Common,
    /// A JSON object a line
    Json,
}

/// Where the store is, and who asks.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Place {
    /// The store [default: kulya-data]: a folder; http://host:port or https:// of a kulya serve; tcp://controller:9090 or
    /// tls:// of Pravega; or object storage, which several processes may share, as s3://bucket/prefix?region=…&endpoint=…
    /// (credentials by AWS_ACCESS_KEY_ID and the like) or file:///folder
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_DATA",
        hide_env_values = true,
        value_name = "DIR|URL"
    )]
    pub(crate) data: Option<PathBuf>,
    /// The same, and goes before --data
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
    /// A file with the token that the server asks for; KULYA_TOKEN has the token itself
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_TOKEN_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// The user that the server knows us as, instead of a token
    #[arg(
        help_heading = "Connection",
        long,
        global = true,
        env = "KULYA_USER",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) user: Option<String>,
    /// A file with the user's password; KULYA_PASSWORD has the password itself. Without either it is asked for
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

#[derive(Debug, clap::Args)]
pub(crate) struct CdcArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The database, as postgres://user@host:port/database
    #[arg(long, env = "KULYA_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// A file with the user's password; KULYA_POSTGRES_PASSWORD has the password itself
    #[arg(long, env = "KULYA_POSTGRES_PASSWORD_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) postgres_password_file: Option<PathBuf>,
    /// A name for this source: Debezium's topic.prefix, and the default scope [default: the database's name]
    #[arg(long, env = "KULYA_CDC_NAME", hide_env_values = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The scope that holds the streams [default: the name]
    #[arg(long, env = "KULYA_CDC_SCOPE", hide_env_values = true, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// A table to capture, as schema.table; * stands for any text; may be repeated [default: all]
    #[arg(
        long = "table",
        env = "KULYA_CDC_TABLES",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "PATTERN"
    )]
    pub(crate) tables: Vec<String>,
    /// How a table's stream is called, from {prefix}, {schema} and {table} [default: {prefix}.{schema}.{table}]
    #[arg(long, env = "KULYA_CDC_STREAM", hide_env_values = true, value_name = "TEMPLATE")]
    pub(crate) stream: Option<String>,
    /// Segments of a new stream: what may be read side by side [default: 1]
    #[arg(long, env = "KULYA_CDC_SEGMENTS", hide_env_values = true, value_name = "N")]
    pub(crate) segments: Option<u32>,
    /// The replication slot [default: kulya_ and the name]
    #[arg(long, env = "KULYA_CDC_SLOT", hide_env_values = true, value_name = "SLOT")]
    pub(crate) slot: Option<String>,
    /// The publication [default: kulya_ and the name]
    #[arg(long, env = "KULYA_CDC_PUBLICATION", hide_env_values = true, value_name = "PUBLICATION")]
    pub(crate) publication: Option<String>,
    /// End once everything up to now is stored, instead of following the database
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    /// Record the change log as JSON lines in this file, instead of in a store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "url"])]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SqlArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Run these statements and end
    #[arg(short, long, value_name = "SQL")]
    pub(crate) execute: Option<String>,
    /// Run the statements of this file and end
    #[arg(short, long, value_name = "FILE", conflicts_with = "execute")]
    pub(crate) file: Option<PathBuf>,
    /// How rows are shown
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Memory that a query may take: 512MB, 4GiB; sorts, joins and groups go to disk beyond it [default: 1GiB]
    #[arg(long, env = "KULYA_SQL_MEMORY", hide_env_values = true, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Room on disk that a query may take [default: 16GiB]
    #[arg(long, env = "KULYA_SQL_SPILL", hide_env_values = true, value_name = "SIZE")]
    pub(crate) spill: Option<String>,
    /// The folder for it [default: the system's for temporary files]
    #[arg(long, env = "KULYA_SQL_SPILL_FOLDER", hide_env_values = true, value_name = "DIR")]
    pub(crate) spill_folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Columns with lines around them
    Table,
    /// A header line, then values with commas between them
    Csv,
    /// One JSON object a line
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: StreamCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    #[command(flatten)]
    One(OneStream),
    /// List the streams of a scope, or of all
    List {
        /// The scope
        scope: Option<String>,
    },
}

/// What is done with one stream.
#[derive(Debug, Subcommand)]
pub(crate) enum OneStream {
    /// Make a stream, and its scope when that is not there
    Create {
        /// The stream, as scope/stream
        stream: String,
        /// What may be written and read side by side
        #[arg(long, default_value_t = 1, value_name = "N")]
        segments: u32,
        #[command(flatten)]
        keep: Keep,
    },
    /// Change how long a stream's events are kept; what is not named stays
    Update {
        /// The stream, as scope/stream
        stream: String,
        #[command(flatten)]
        keep: Keep,
    },
    /// Show a stream's segments, and where they begin and end
    Describe {
        /// The stream, as scope/stream
        stream: String,
    },
    /// Append one event; the scope and the stream are made when they are not there
    #[command(group = clap::ArgGroup::new("event").required(true).args(["text", "file", "hex"]))]
    Append {
        /// The stream, as scope/stream
        stream: String,
        /// The event as text
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// The event is this file's content; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// The event as hexadecimal digits
        #[arg(long, value_name = "HEX")]
        hex: Option<String>,
        /// The routing key: events of one key stay in order
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Segments of a new stream
        #[arg(long, default_value_t = 1, value_name = "N")]
        segments: u32,
    },
    /// Print the events of a stream, each with its pointer
    Read {
        /// The stream, as scope/stream
        stream: String,
        #[command(flatten)]
        reading: Reading,
        /// Go on with new events as they come; Ctrl-C ends
        #[arg(long)]
        tail: bool,
        /// Only events that are no older than this: 90s, 15m, 36h, 7d
        #[arg(long, value_name = "AGE")]
        since: Option<String>,
    },
    /// Print the events of a stream as they come, from its end on; Ctrl-C ends
    Tail {
        /// The stream, as scope/stream
        stream: String,
        #[command(flatten)]
        reading: Reading,
    },
    /// Let a stream begin later: what lies before is no longer kept
    Truncate {
        /// The stream, as scope/stream
        stream: String,
        /// Where it shall begin, as describe prints it; without it, at its end
        #[arg(long, value_name = "CUT")]
        at: Option<String>,
        /// Let go of the events that are older than this: 90s, 15m, 36h, 7d
        #[arg(long, value_name = "AGE", conflicts_with = "at")]
        older_than: Option<String>,
    },
    /// Let a stream take no more events, for ever
    Seal {
        /// The stream, as scope/stream
        stream: String,
    },
    /// Delete a sealed stream with all it holds
    Delete {
        /// The stream, as scope/stream
        stream: String,
    },
}

impl OneStream {
    /// Which one.
    pub(crate) fn stream(&self) -> &str {
        match self {
            Self::Create { stream, .. }
            | Self::Update { stream, .. }
            | Self::Describe { stream }
            | Self::Append { stream, .. }
            | Self::Read { stream, .. }
            | Self::Tail { stream, .. }
            | Self::Truncate { stream, .. }
            | Self::Seal { stream }
            | Self::Delete { stream } => stream,
        }
    }
}

/// What of a stream is kept; without either, everything.
#[derive(Debug, clap::Args)]
pub(crate) struct Keep {
    /// Events older than this go: 90s, 15m, 36h, 7d; none for no such limit
    #[arg(long, value_name = "AGE")]
    pub(crate) keep_for: Option<String>,
    /// The oldest events go while the stream is larger: 500MB, 2GiB; none for no such limit
    #[arg(long, value_name = "SIZE")]
    pub(crate) keep_bytes: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reading {
    /// How an event is printed
    #[arg(short, long, value_enum, default_value_t = EventOutput::Hex)]
    pub(crate) output: EventOutput,
    /// Print no more than this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventOutput {
    /// Pointer and event, both as hexadecimal digits
    Hex,
    /// The event alone, as text
    Text,
    /// A line of JSON: pointer, segment, offset, and the event as text, or in base64 where it is none
    Json,
    /// The event's bytes, with nothing between two events
    Raw,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Say what the store holds
    Info,
    /// Read the whole store, every event and every table entry; changes nothing
    Check,
    /// Give up what of a damaged log cannot be read, and nothing else, so that the store opens again
    Repair,
    /// Apply the streams' retention and give back the room of what cannot be read any more; a store that is served does so
    /// by itself
    Compact,
    /// Copy the store, as it is now, to a new folder; also while kulya serve has it
    Backup {
        /// The new folder; of a store on object storage also where nothing is, as s3://bucket/prefix or file:///folder
        to: PathBuf,
    },
    /// Make the store's folder from such a copy
    Restore {
        /// The copy, as a folder; of a store on object storage also as a URL
        from: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AccountArgs {
    /// How much work a password's hash is
    #[arg(long, global = true, default_value_t = kulya_auth::ITERATIONS, value_name = "N")]
    pub(crate) iterations: std::num::NonZeroU32,
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Print the hash of a password, which is asked for, or the first line of standard input
    Hash,
    /// Print the line of a user, for the account file; the password likewise
    Add {
        /// The user's name
        user: String,
        /// What the user may do, such as 'prn::/scope:shop/*,READ' [default: nothing]
        #[arg(default_value = "", hide_default_value = true)]
        acl: String,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// The folder to work in; run again, it goes on with what is there
    #[arg(long, default_value = "kulya-demo", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Take the customers from this PostgreSQL database instead of the recorded change log
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// Print the SQL that makes the table of customers for --postgres, and end
    #[arg(long)]
    pub(crate) customers_sql: bool,
    /// Where the registry answers [default: 127.0.0.1:9092, or a free port when that is taken]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// How many orders to write
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) orders: u32,
    /// Leave the registry up at the end, with an SQL prompt when this is a terminal; Ctrl-C ends
    #[arg(long)]
    pub(crate) keep: bool,
}
