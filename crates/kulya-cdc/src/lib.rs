//! Change data capture: a database's changes as events in Debezium's format, stored together with the source
//! position.
//!
//! Data flow: source bytes → a pure decoder ([`postgres`]) → [`Record`]s with Debezium's envelope → a
//! [`Sink`], which commits the records of a source transaction and the new [`Position`] atomically → only
//! then is the position confirmed to the database. A crash at any point replays from the stored position, so
//! delivery is exactly once.
//!
//! - [`postgres::run`] captures a PostgreSQL database by logical replication (`pgoutput`).
//! - [`StoreSink`] writes to a stream store and registers each table's schema; [`RecordingSink`] writes to a
//!   file, and [`replay`] writes a recorded file to another sink. Applications may implement [`Sink`] too.
//!
//! ```no_run
//! use kulya_cdc::{CdcResult, PostgresSettings, RunContext, StopCondition, StoreSink};
//! use kulya_registry_api::SchemaRegistry;
//! use kulya_store::{StreamStore, clock::SystemClock};
//! use std::sync::Arc;
//! use tokio_util::sync::CancellationToken;
//!
//! async fn capture(store: Arc<dyn StreamStore>, registry: Arc<dyn SchemaRegistry>) -> CdcResult<()> {
//!     let settings = PostgresSettings {
//!         url: "postgres://me:secret@localhost:5432/shop".into(),
//!         tables: vec!["public.*".into()],
//!         ..PostgresSettings::default()
//!     };
//!     let mut sink = StoreSink::new(store, registry, settings.store_settings()?).await?;
//!     let context = RunContext {
//!         sink: &mut sink,
//!         clock: Arc::new(SystemClock),
//!         on_progress: &|progress| println!("{progress:?}"),
//!         cancel: CancellationToken::new(),
//!     };
//!     kulya_cdc::postgres::run(settings, StopCondition::Cancelled, context).await
//! }
//! ```

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
pub use postgres::{RunContext, StopCondition};
pub use record::{ColumnDescription, Record, RowSchema};
pub use recording::{RecordingSink, replay};
pub use sink::{Progress, Sink};
pub use store_sink::{StoreSettings, StoreSink};
