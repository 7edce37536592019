//! Removal of what a capture created in PostgreSQL: its replication slot and its publication.

use super::connection::session::{Session, Slot, identifier};
use super::offset::PostgresPosition;
use super::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::time::Duration;

/// The number of times that the end of the slot's connection is waited for, and the pause between them: a
/// server notices it with a delay.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What was removed.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    pub(crate) slot: Option<String>,
    pub(crate) publication: Option<String>,
}

/// Removes the slot of a capture, and its publication if that has the default name: another one was created
/// by an operator. Without a stored position only a slot with the default name is removed.
///
/// # Errors
/// `Busy` when the slot is in use; `Configuration` when the position is of another server, or without the
/// privileges; `Unreachable`.
pub(crate) async fn remove(target: &Target, position: Option<&PostgresPosition>) -> CdcResult<Removed> {
    let session = Session::open(target).await?;
    if let Some(position) = position {
        check_server(&session, target, position).await?;
    }
    let slot = remove_slot(&session, target, position).await?;
    let settings = &target.settings;
    let is_own = settings.publication == settings.default_publication();
    let mut publication = None;
    if is_own && session.has_publication(&settings.publication).await? {
        session.execute(&format!("DROP PUBLICATION {}", identifier(&settings.publication))).await?;
        publication = Some(settings.publication.clone());
    }
    Ok(Removed { slot, publication })
}

async fn check_server(session: &Session, target: &Target, position: &PostgresPosition) -> CdcResult<()> {
    let system = session.value("SELECT system_identifier FROM pg_control_system()").await?;
    if position.system == system && position.database == target.database {
        return Ok(());
    }
    Err(CdcError::configuration(format!(
        "{} was captured from database {} of another server than {}: set its URL, or drop what the store has only",
        target.settings.name,
        position.database,
        session.server()
    )))
}

async fn remove_slot(
    session: &Session,
    target: &Target,
    position: Option<&PostgresPosition>,
) -> CdcResult<Option<String>> {
    let settings = &target.settings;
    let name = match position {
        Some(position) => &position.slot,
        None if settings.slot == settings.default_slot() => &settings.slot,
        None => return Ok(None),
    };
    let Some(slot) = free_slot(session, name).await? else { return Ok(None) };
    if slot.plugin != "pgoutput" || slot.database != target.database {
        return Ok(None);
    }
    session.drop_slot(name).await?;
    Ok(Some(name.clone()))
}

/// Returns a slot that no connection uses; `None` if it does not exist.
async fn free_slot(session: &Session, name: &str) -> CdcResult<Option<Slot>> {
    let mut attempts = 0;
    loop {
        let Some(slot) = session.slot(name).await? else { return Ok(None) };
        let Some(process) = &slot.active_process else { return Ok(Some(slot)) };
        attempts += 1;
        if attempts == ATTEMPTS {
            return Err(CdcError::new(
                CdcErrorKind::Busy,
                format!(
                    "replication slot {name} is in use by backend process {process}: pause or stop the capture first"
                ),
            ));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
