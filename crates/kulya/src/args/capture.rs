//! Arguments of `kulya capture`.

use super::connection::StoreArgs;
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct CaptureArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print JSON: one object, or one a line for a list
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: CaptureCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaptureCommand {
    /// List the captures that a server runs, or those that a store has a position of
    List,
    /// Show what a capture does, its position and how far it is behind
    Status {
        /// The capture's name
        name: String,
    },
    /// Pause a capture: it closes its connections and keeps its position, also across restarts. The database
    /// retains its log meanwhile
    Pause {
        /// The capture's name
        name: String,
    },
    /// Resume a paused capture from its position; in a server also one that an error has stopped
    Resume {
        /// The capture's name
        name: String,
    },
    /// Give a capture a signal, which it executes once, also if it runs later or in another process: read
    /// tables again while the log is streamed, stop, pause or resume that, or write to the log
    Signal {
        /// The capture's name
        name: String,
        /// execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log
        #[arg(value_name = "TYPE")]
        kind: String,
        /// A table, as schema.table or a regular expression; may be repeated
        #[arg(long = "table", value_name = "TABLE", value_parser = NonEmptyStringValueParser::new())]
        tables: Vec<String>,
        /// A condition in SQL of the rows of all these tables; --data may have one for each table
        #[arg(long, value_name = "SQL")]
        condition: Option<String>,
        /// A column by which the tables are read, in place of the primary key
        #[arg(long, value_name = "COLUMN")]
        surrogate_key: Option<String>,
        /// The data as JSON, in Debezium's form, in place of the options above
        #[arg(long, value_name = "JSON", conflicts_with_all = ["tables", "condition", "surrogate_key"])]
        data: Option<String>,
        /// An id, by which a signal that is given twice is recognized
        #[arg(long, default_value = "")]
        id: String,
    },
    /// Remove the replication slot, publication and position of a capture that does not run. When it runs
    /// again, it reads all rows again
    Drop {
        /// The capture's name
        name: String,
        /// The database, as postgres://user@host:port/database [default: that of the settings file]
        #[arg(long, value_name = "URL")]
        database: Option<String>,
        /// A file with the user's password; KULYA_POSTGRES_PASSWORD or KULYA_MYSQL_PASSWORD is the password
        /// itself
        #[arg(long, value_name = "FILE")]
        database_password_file: Option<PathBuf>,
        /// Leave the database as it is, for one that no longer exists
        #[arg(long, conflicts_with_all = ["database", "database_password_file"])]
        store_only: bool,
        /// Delete the streams of its tables too, with their events and groups
        #[arg(long)]
        streams: bool,
    },
}

impl CaptureCommand {
    /// Returns the capture's name; `None` for all.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::List => None,
            Self::Status { name }
            | Self::Pause { name }
            | Self::Resume { name }
            | Self::Signal { name, .. }
            | Self::Drop { name, .. } => Some(name),
        }
    }
}
