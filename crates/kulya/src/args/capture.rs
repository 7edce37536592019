//! Arguments of `kulya capture`.

use super::connection::StoreArgs;
use clap::Subcommand;
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
            | Self::Drop { name, .. } => Some(name),
        }
    }
}
