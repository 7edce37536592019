//! Command-line arguments: commands, flags and their help. Values are parsed elsewhere.

#![allow(rustdoc::bare_urls, reason = "the docs of arguments are help texts, which have no links")]

mod capture;
mod connection;
pub(crate) mod registry;
mod serve;
mod stream;

pub(crate) use capture::{CaptureArgs, CaptureCommand};
pub(crate) use connection::StoreArgs;
pub(crate) use serve::{AccessArgs, AccessLogFormat, ServeArgs};
pub(crate) use stream::{EventOutput, OneStream, ReadArgs, RetentionArgs, StreamArgs, StreamCommand};

use clap::{Parser, Subcommand, ValueEnum};
use kulya_cdc::SnapshotMode;
use kulya_cdc::debezium::Encoding;
use registry::RegistryArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Schema registry, change data capture and SQL for the events of a stream store.
///
/// Settings come from a file (--config, or kulya.toml in this folder), from the environment (KULYA_…) and
/// from flags; a later one overrides an earlier one. Start with: kulya demo
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
    /// Parses `--log`; a wrong filter counts as `warn`.
    pub(crate) fn log_filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("warn"))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the schema registry and the streams over HTTP and gRPC, and run the captures of the settings
    /// file
    Serve(Box<ServeArgs>),
    /// Capture the changes of PostgreSQL, MySQL or MariaDB as Debezium events, each transaction once
    #[command(
        after_help = "The file of --config may also be the application.properties of a Debezium Server; see docs/debezium-server.md."
    )]
    Cdc(Box<CdcArgs>),
    /// Captures: list, show their status, pause, resume, drop
    Capture(CaptureArgs),
    /// Query streams as SQL tables: a prompt, or -e / -f
    Sql(SqlArgs),
    /// Streams and their raw events: create, list, append, read, truncate, seal, delete
    Stream(StreamArgs),
    /// The schema registry: groups, schemas, compatibility of schemas in files, export and import
    Registry(Box<RegistryArgs>),
    /// Inspect, check, repair, compact, back up and restore a store
    Store(StoreCommandArgs),
    /// Accounts for kulya serve --accounts: hash passwords, print lines of the account file
    Account(AccountArgs),
    /// Run an example: events, schemas, change data capture of a database, and SQL over them
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CdcArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The database, as postgres://user@host:port/database
    #[arg(long, env = "KULYA_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// A file with the user's password; KULYA_POSTGRES_PASSWORD is the password itself
    #[arg(long, env = "KULYA_POSTGRES_PASSWORD_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) postgres_password_file: Option<PathBuf>,
    /// The database of MySQL or MariaDB, as mysql://user@host:port/database
    #[arg(
        long,
        env = "KULYA_MYSQL",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with_all = ["postgres", "postgres_password_file", "slot", "publication"]
    )]
    pub(crate) mysql: Option<String>,
    /// A file with the user's password; KULYA_MYSQL_PASSWORD is the password itself
    #[arg(long, env = "KULYA_MYSQL_PASSWORD_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) mysql_password_file: Option<PathBuf>,
    /// The number by which MySQL or MariaDB knows this reader of its log [default: from the name]
    #[arg(long, env = "KULYA_CDC_SERVER_ID", hide_env_values = true, value_name = "N")]
    pub(crate) server_id: Option<u32>,
    /// Whether existing rows are read: initial, no_data, initial_only, when_needed [default: initial]
    #[arg(long, env = "KULYA_CDC_SNAPSHOT_MODE", hide_env_values = true, value_name = "MODE")]
    pub(crate) snapshot_mode: Option<SnapshotMode>,
    /// The name of this source: Debezium's topic.prefix, and the default scope [default: the database's name]
    #[arg(long, env = "KULYA_CDC_NAME", hide_env_values = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The scope of the streams [default: the name]
    #[arg(long, env = "KULYA_CDC_SCOPE", hide_env_values = true, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// A table to capture, as schema.table; * matches any text; may be repeated [default: all]
    #[arg(
        long = "table",
        env = "KULYA_CDC_TABLES",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "PATTERN"
    )]
    pub(crate) tables: Vec<String>,
    /// The name of a table's stream, from {prefix}, {schema} and {table} [default: {prefix}.{schema}.{table}]
    #[arg(long, env = "KULYA_CDC_STREAM", hide_env_values = true, value_name = "TEMPLATE")]
    pub(crate) stream: Option<String>,
    /// Segments of a new stream, which are read in parallel [default: 1]
    #[arg(long, env = "KULYA_CDC_SEGMENTS", hide_env_values = true, value_name = "N")]
    pub(crate) segments: Option<u32>,
    /// The encoding of events: json, json-schema or avro with ids of schemas in the registry [default: json]
    #[arg(long, env = "KULYA_CDC_ENCODING", hide_env_values = true, value_name = "ENCODING")]
    pub(crate) encoding: Option<Encoding>,
    /// The replication slot [default: kulya_ and the name]
    #[arg(long, env = "KULYA_CDC_SLOT", hide_env_values = true, value_name = "SLOT")]
    pub(crate) slot: Option<String>,
    /// The publication [default: kulya_ and the name]
    #[arg(long, env = "KULYA_CDC_PUBLICATION", hide_env_values = true, value_name = "PUBLICATION")]
    pub(crate) publication: Option<String>,
    /// Exit once all changes so far are stored, instead of streaming
    #[arg(long)]
    pub(crate) until_caught_up: bool,
    /// Write the change log as JSON lines to this file, instead of to a store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "url"])]
    pub(crate) record: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SqlArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Run these statements and exit; may be repeated
    #[arg(short, long, value_name = "SQL")]
    pub(crate) execute: Vec<String>,
    /// Run the statements of this file and exit
    #[arg(short, long, value_name = "FILE", conflicts_with = "execute")]
    pub(crate) file: Option<PathBuf>,
    /// The format of rows
    #[arg(short, long, value_enum, default_value_t = QueryOutput::Table)]
    pub(crate) output: QueryOutput,
    /// Print the rows and the time of each statement to standard error; the prompt always does
    #[arg(long)]
    pub(crate) timing: bool,
    /// Memory limit of a query: 512MB, 4GiB; sorts, joins and aggregations spill to disk beyond it [default:
    /// 1GiB]
    #[arg(long, env = "KULYA_SQL_MEMORY", hide_env_values = true, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Disk space that a query may spill to [default: 16GiB]
    #[arg(long, env = "KULYA_SQL_SPILL", hide_env_values = true, value_name = "SIZE")]
    pub(crate) spill: Option<String>,
    /// The folder for spilled data [default: the system's for temporary files]
    #[arg(long, env = "KULYA_SQL_SPILL_FOLDER", hide_env_values = true, value_name = "DIR")]
    pub(crate) spill_folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryOutput {
    /// Columns with borders
    Table,
    /// One value a line
    Vertical,
    /// A header line, then comma-separated values
    Csv,
    /// One JSON object a line
    Json,
    /// A Markdown table
    Markdown,
    /// A Parquet file of one query, to a file or a pipe
    Parquet,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StoreCommandArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Print what the store contains
    Info,
    /// Verify the whole store and read every event and table entry; changes nothing
    Check,
    /// Drop the unreadable parts of a damaged log, and nothing else, so that the store opens again
    Repair,
    /// Apply the streams' retention and free the disk space of deleted data; kulya serve does so in the
    /// background
    Compact,
    /// Copy the store to a new folder; also while kulya serve has it open
    Backup {
        /// The new folder; for a store on object storage also an empty location, as s3://bucket/prefix or
        /// file:///folder
        to: PathBuf,
    },
    /// Restore the store from a backup
    Restore {
        /// The backup: a folder; for a store on object storage also a URL
        from: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct AccountArgs {
    /// Iterations of the password hash
    #[arg(long, global = true, default_value_t = kulya_auth::ITERATIONS, value_name = "N")]
    pub(crate) iterations: std::num::NonZeroU32,
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Print the hash of a password from the terminal or the first line of standard input
    Hash,
    /// Print a user's line of the account file; the password likewise
    Add {
        /// The user's name
        user: String,
        /// The user's permissions, such as 'prn::/scope:shop/*,READ' [default: none]
        #[arg(default_value = "", hide_default_value = true)]
        acl: String,
    },
}

/// A kind of database that can have the demo's customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CustomersDatabase {
    Postgres,
    Mysql,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// The folder of the store; a second run continues with it
    #[arg(long, default_value = "kulya-demo", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Capture the customers from this PostgreSQL database instead of the recorded change log
    #[arg(long, value_name = "URL")]
    pub(crate) postgres: Option<String>,
    /// Capture the customers from this MySQL or MariaDB database instead of the recorded change log
    #[arg(long, value_name = "URL", conflicts_with = "postgres")]
    pub(crate) mysql: Option<String>,
    /// Print the SQL that creates the table of customers, and exit: for postgres, or for mysql
    #[arg(long, value_name = "DATABASE", num_args = 0..=1, default_missing_value = "postgres")]
    pub(crate) customers_sql: Option<CustomersDatabase>,
    /// The address of the registry [default: 127.0.0.1:9092, or a free port if that is in use]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Number of orders to write
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(crate) orders: u32,
    /// Keep the registry running at the end, with an SQL prompt on a terminal; Ctrl-C stops
    #[arg(long)]
    pub(crate) keep: bool,
}
