//! The connection to a MySQL or MariaDB server that reads its binary log: protocol, authentication, TLS,
//! queries, and the stream of the log's events as bytes.
//!
//! It is no general SQL client: statements are texts, results are texts, small or row by row, and there are
//! no prepared statements. It does not decode events; their bytes are handed over as the server sends them,
//! with header and checksum.
//!
//! ```no_run
//! use kulya_cdc::mysql::connection::{Connection, ConnectionSettings, DumpSettings, DumpStart};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = ConnectionSettings::parse("mysql://reader:secret@db:3306/?ssl-mode=verify-identity")?;
//! let mut connection = Connection::open(&settings).await?;
//! for problem in connection.configuration().await?.check(&Default::default()) {
//!     eprintln!("{problem}");
//! }
//! let start = DumpStart::MariadbGtid("0-1-4711".to_owned());
//! let mut stream = connection.dump(&start, &DumpSettings::new(54_001)).await?;
//! while let Some(event) = stream.next_event().await? {
//!     println!("type {}, {} bytes", event[4], event.len());
//! }
//! # Ok(())
//! # }
//! ```

mod authentication;
mod channel;
mod command;
mod configuration;
mod dump;
mod dump_request;
mod error;
mod field;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod grants;
mod handshake;
mod login;
mod packet;
mod query;
mod row_cutter;
mod row_stream;
mod rsa;
mod server_error;
mod session;
mod settings;
mod text_row;
mod tls;
mod version;

#[cfg(test)]
mod tests;

pub use configuration::{CaptureNeeds, Problem, ServerConfiguration};
pub(crate) use dump::ReceivedEvent;
pub use dump::{BinlogStream, EventPiece};
pub use dump_request::{DumpSettings, DumpStart};
pub use error::{ConnectionError, NextStep};
pub use query::{Row, Rows};
pub use row_stream::{DEFAULT_MAX_ROW_BYTES, RowStream};
pub use server_error::{Reason, ServerError};
pub use session::Connection;
pub use settings::{ConnectionSettings, SettingsError, SslMode};
pub use text_row::TextRow;
pub use version::{Flavor, ServerVersion};
