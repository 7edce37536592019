//! Arguments of `kulya stream`.

use super::connection::StoreArgs;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
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

/// The commands on one stream.
#[derive(Debug, Subcommand)]
pub(crate) enum OneStream {
    /// Create a stream, and its scope if that does not exist
    Create {
        /// The stream, as scope/stream
        stream: String,
        /// Number of segments, which are written and read in parallel
        #[arg(long, default_value_t = 1, value_name = "N")]
        segments: u32,
        #[command(flatten)]
        retention: RetentionArgs,
    },
    /// Change a stream's retention; a limit without a flag is unchanged
    Update {
        /// The stream, as scope/stream
        stream: String,
        #[command(flatten)]
        retention: RetentionArgs,
    },
    /// Show a stream's segments and their offsets
    Describe {
        /// The stream, as scope/stream
        stream: String,
    },
    /// Append one event; the scope and the stream are created if they do not exist
    #[command(group = clap::ArgGroup::new("event").required(true).args(["text", "file", "hex"]))]
    Append {
        /// The stream, as scope/stream
        stream: String,
        /// The event as text
        #[arg(long, value_name = "TEXT")]
        text: Option<String>,
        /// A file with the event; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// The event as hexadecimal digits
        #[arg(long, value_name = "HEX")]
        hex: Option<String>,
        /// The routing key: events with the same key keep their order
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
        read: ReadArgs,
        /// Continue with new events as they arrive; Ctrl-C stops
        #[arg(long)]
        tail: bool,
        /// Only events that are not older than this: 90s, 15m, 36h, 7d
        #[arg(long, value_name = "AGE")]
        since: Option<String>,
    },
    /// Print new events of a stream as they arrive; Ctrl-C stops
    Tail {
        /// The stream, as scope/stream
        stream: String,
        #[command(flatten)]
        read: ReadArgs,
    },
    /// Delete the events of a stream before a position
    Truncate {
        /// The stream, as scope/stream
        stream: String,
        /// The new head of the stream, as describe prints cuts [default: its tail]
        #[arg(long, value_name = "CUT")]
        at: Option<String>,
        /// Delete the events that are older than this: 90s, 15m, 36h, 7d
        #[arg(long, value_name = "AGE", conflicts_with = "at")]
        older_than: Option<String>,
    },
    /// Seal a stream: it accepts no more events
    Seal {
        /// The stream, as scope/stream
        stream: String,
    },
    /// Delete a sealed stream with its events
    Delete {
        /// The stream, as scope/stream
        stream: String,
    },
}

impl OneStream {
    /// Returns the stream's name as given.
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

/// The retention of a stream; without limits it keeps everything.
#[derive(Debug, clap::Args)]
pub(crate) struct RetentionArgs {
    /// Delete events that are older than this: 90s, 15m, 36h, 7d; none for no limit
    #[arg(long, value_name = "AGE")]
    pub(crate) keep_for: Option<String>,
    /// Delete the oldest events while the stream is larger than this: 500MB, 2GiB; none for no limit
    #[arg(long, value_name = "SIZE")]
    pub(crate) keep_bytes: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReadArgs {
    /// The format of events
    #[arg(short, long, value_enum, default_value_t = EventOutput::Hex)]
    pub(crate) output: EventOutput,
    /// Maximum number of events to print
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventOutput {
    /// Pointer and event, both as hexadecimal digits
    Hex,
    /// The event alone, as text
    Text,
    /// A line of JSON: pointer, segment, offset, and the event as text, or in base64 if it is not UTF-8
    Json,
    /// The event's bytes, without separators
    Raw,
}
