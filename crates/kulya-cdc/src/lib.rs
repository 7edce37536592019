//! Change data capture: a database's changes as events in Debezium's format, stored together with the source
//! position.
//!
//! Data flow: source bytes → a pure decoder ([`postgres`], [`mysql`]) → a [`Batch`] of records in Debezium's
//! format ([`debezium`]) → a [`Sink`], which commits the records of whole transactions and the new
//! [`Checkpoint`] atomically → only then is the position confirmed to the database. A crash at any point
//! replays from the stored position, so delivery is exactly once.
//!
//! - [`Capture`] captures a PostgreSQL database by logical replication (`pgoutput`), or one of MySQL or
//!   MariaDB by its binary log. The engine (`engine`) is the same for all sources (`source`).
//! - [`StoreSink`] writes to a stream store and registers each table's schema; [`RecordingSink`] writes to a
//!   file, and [`replay`] writes a recorded file to another sink. Applications may implement [`Sink`] too,
//!   or take the changes from a [`ChangeStream`] and acknowledge them.
//! - [`Control`] shows the status of a capture, pauses and resumes it; [`drop_capture`] removes what it
//!   leaves in the database and the store.
//!
//! ```no_run
//! use kulya_cdc::prelude::*;
//! use std::sync::Arc;
//!
//! async fn capture(store: Arc<dyn StreamStore>, registry: Arc<dyn SchemaRegistry>) -> CdcResult<()> {
//!     let stop = CancellationToken::new(); // `stop.cancel()` ends the capture cleanly
//!     Capture::new("postgres://me:secret@localhost:5432/shop")
//!         .name("shop")
//!         .tables(["public.*"])
//!         .on_progress(|progress| println!("{progress:?}"))
//!         .cancelled_by(stop.clone())
//!         .run_into_store(store, registry)
//!         .await
//! }
//! ```

mod batch;
mod capture;
mod changes;
pub mod column_rules;
mod control;
pub mod debezium;
pub mod debezium_server;
mod engine;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod heartbeat;
mod heartbeat_timer;
pub mod incremental;
mod java_pattern;
mod memory;
pub mod mysql;
pub mod name_patterns;
mod output;
mod position;
pub mod postgres;
pub mod prelude;
mod progress;
mod removal;
mod settings;
pub mod signal;
mod sink;
mod snapshot_parts;
pub mod snapshot_progress;
mod source;
pub mod status;
pub mod table_filter;
mod tls;
mod transform;
mod where_clause;

pub use async_trait;
pub use batch::{Batch, Destination, OmittedEvent, Record, TransformedDestination};
pub use capture::{Capture, run};
pub use changes::{ChangeStream, Changes};
pub use control::Control;
pub use debezium::{ColumnDescription, ColumnHistory, RowSchema, ValueModes};
pub use engine::RunContext;
pub use error::{CdcError, CdcErrorKind, CdcResult};
pub use kulya_registry_api;
pub use kulya_schema;
pub use kulya_store;
pub use position::{Checkpoint, Position};
pub use progress::Progress;
pub use removal::{DroppedCapture, drop_capture, forget_capture};
pub use settings::{CaptureSettings, SnapshotMode};
pub use signal::SignalRecord;
pub use sink::Sink;
pub use sink::recording::{RecordingSink, replay};
pub use sink::store::deletion::delete_captured_streams;
pub use sink::store::positions::{StoredCapture, stored_captures};
pub use sink::store::{RefusedSchema, StoreSettings, StoreSink};
pub use source::StopCondition;
pub use status::{CaptureState, CaptureStatus};
pub use tokio_util::sync::CancellationToken;
pub use transform::{PredicateSettings, TransformSettings};
