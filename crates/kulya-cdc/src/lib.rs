//! A database's changes as Debezium-format events, stored together with the position they answer for.
//!
//! The way of a change: source bytes → a pure decoder ([`postgres`]) → [`Record`]s in Debezium's envelope → a
//! [`Sink`], where the records of one source transaction and the new [`Position`] become one atomic commit → only
//! then is the position confirmed to the database. A crash anywhere replays from the stored position, so nothing is
//! lost and nothing comes twice.
//!
//! - [`postgres::run`] captures a PostgreSQL database through `pgoutput`;
//! - [`StoreSink`] writes to a stream store and registers each table's schema; [`RecordingSink`]
//!   writes to a file, and [`replay`] plays one back; other sinks are anybody's to write.

mod error;
mod position;
pub mod postgres;
mod record;
mod recording;
mod sink;
mod store_sink;

pub use error::{CdcError, CdcErrorKind, CdcResult};
pub use position::{Position, SnapshotCut};
pub use postgres::settings::PostgresSettings;
pub use postgres::{Surroundings, Until};
pub use record::{ColumnDescription, Record, RowSchema};
pub use recording::{RecordingSink, replay};
pub use sink::{Progress, Sink};
pub use store_sink::{StoreSettings, StoreSink};
