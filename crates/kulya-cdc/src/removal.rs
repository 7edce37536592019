//! Removal of a capture: what it created in the database, and what a store has of it ([`drop_capture`]), or
//! only the latter ([`forget_capture`]).

use crate::control::Control;
use crate::postgres::removal::{self, Removed};
use crate::settings::SourceKind;
use crate::sink::store::positions;
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult, Position};
use kulya_store::StreamStore;
use serde::{Deserialize, Serialize};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedCapture {
    /// The capture's name.
    pub name: String,
    /// PostgreSQL's replication slot, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// PostgreSQL's publication, if Kulya had created one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<String>,
    /// The position, as the database's tools write it, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The streams that were deleted with their groups, by
    /// [`delete_captured_streams`](crate::delete_captured_streams).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
}

/// Removes a capture: its replication slot and the publication that it created, then its position and its
/// history of schemas. The streams and their groups stay. If it is dropped again after a failure, it goes on.
/// A capture that was paused stays paused, so that it does not start again by itself.
///
/// `control` is that of the capture in this program, if it has one.
///
/// # Errors
/// `Busy` when the capture runs: pause it first; `Configuration` for invalid settings, or when the database
/// is another one than was captured; `Unreachable`, `Store`.
pub async fn drop_capture(
    settings: &CaptureSettings,
    store: &dyn StreamStore,
    control: Option<&Control>,
) -> CdcResult<DroppedCapture> {
    let name = settings.store_settings()?.name;
    check_stopped(&name, control)?;
    let position = positions::read(store, &name).await?.map(|(checkpoint, ..)| checkpoint.position);
    let Removed { slot, publication } = remove_from_database(settings, position.as_ref()).await?;
    let forgotten = forget_capture(&name, store, control).await?;
    Ok(DroppedCapture { slot, publication, ..forgotten })
}

/// Removes what a store has of a capture, for a database that no longer exists. Otherwise as
/// [`drop_capture`].
///
/// # Errors
/// `Busy`, `Unreachable`, `Store`.
pub async fn forget_capture(
    name: &str,
    store: &dyn StreamStore,
    control: Option<&Control>,
) -> CdcResult<DroppedCapture> {
    check_stopped(name, control)?;
    let position = positions::remove(store, name).await?;
    if let Some(control) = control {
        control.forget_position();
    }
    let position = position.map(|position| position.to_string());
    Ok(DroppedCapture { name: name.to_owned(), position, ..DroppedCapture::default() })
}

fn check_stopped(name: &str, control: Option<&Control>) -> CdcResult<()> {
    let is_running = |control: &Control| control.status().state.is_running();
    if !control.is_some_and(is_running) {
        return Ok(());
    }
    let what = format!("capture {name} runs: pause it before it is dropped");
    Err(CdcError::new(CdcErrorKind::Busy, what))
}

async fn remove_from_database(settings: &CaptureSettings, position: Option<&Position>) -> CdcResult<Removed> {
    match settings.kind()? {
        SourceKind::Postgres => {
            let position = match position {
                Some(Position::Postgres(position)) => Some(position),
                _ => None,
            };
            removal::remove(&settings.clone().postgres_target()?, position).await
        }
        // its log is not kept for a reader
        SourceKind::MySql => Ok(Removed::default()),
    }
}
