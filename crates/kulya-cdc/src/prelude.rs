//! The names that most programs with a capture use, for `use kulya_cdc::prelude::*`: this crate's, and those
//! of the registry's contract, of schemas and of stream stores.

pub use crate::{
    Batch, CancellationToken, Capture, CaptureSettings, CdcError, CdcErrorKind, CdcResult, ChangeStream,
    Changes, Checkpoint, Progress, Record, RecordingSink, RowSchema, Sink, StoreSettings, StoreSink, replay,
};
pub use kulya_registry_api::prelude::*;
pub use kulya_store::prelude::*;
