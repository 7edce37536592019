//! Events in log and data objects.

use super::client::{Bucket, FIRST_READ_BYTES};
use super::error::{corrupt, missing};
use super::log::LogEntry;
use crate::object::{Header, Kind};
use crate::record::Data;
use crate::state::{DATA_BIT, Location};
use bytes::Bytes;
use kulya_store::{Error, Result};
use object_store::PutPayload;
use object_store::path::Path;

impl Bucket {
    /// Returns the name of a log or data object.
    pub(super) fn object_path(&self, object: u64) -> Path {
        match object & DATA_BIT {
            0 => self.log_path(object),
            _ => self.path(&format!("data/{:020}", object & !DATA_BIT)),
        }
    }

    /// Returns the name of a log or data object, for messages.
    pub(crate) fn object_name(&self, object: u64) -> String {
        self.object_path(object).to_string()
    }

    /// Reads the events at a location and verifies their checksum; `None` when the object does not exist or
    /// was reclaimed.
    pub(crate) async fn read_events(&self, location: Location) -> Result<Option<Bytes>> {
        let _permit = self.reads.acquire().await;
        let path = self.object_path(location.object);
        let range = Some(location.at..location.at.saturating_add(u64::from(location.length)));
        let is_valid = |bytes: &Bytes| {
            bytes.len() == location.length as usize && crc32c::crc32c(bytes) == location.checksum
        };
        match self.get_once(&path, range.clone()).await {
            Ok(Some((bytes, _))) if is_valid(&bytes) => return Ok(Some(bytes)),
            Ok(None) => return Ok(None),
            _ => {}
        }
        // a tombstone is shorter than the requested range
        if location.is_log() && !matches!(self.read_log(location.object).await?, LogEntry::Log(_)) {
            return Ok(None);
        }
        match self.get(&path, range).await? {
            None => Ok(None),
            Some((bytes, _)) if is_valid(&bytes) => Ok(Some(bytes)),
            Some(_) => {
                Err(corrupt(&path, format!("checksum mismatch in the events at byte {}", location.at)))
            }
        }
    }

    /// Reads the head of a data object and returns it with the offset of its events; `None` when it does not
    /// exist.
    pub(crate) async fn read_data_head(&self, object: u64) -> Result<Option<(Data, u64)>> {
        let _permit = self.reads.acquire().await;
        let path = self.object_path(object);
        let Some((mut head_bytes, size)) = self.get(&path, Some(0..FIRST_READ_BYTES)).await? else {
            return Ok(None);
        };
        let corrupt = |what: String| corrupt(&path, what);
        let header = Header::parse(&head_bytes).map_err(corrupt)?;
        header.check(Kind::Data, object, size).map_err(corrupt)?;
        if header.events_offset() > head_bytes.len() as u64 {
            let Some((whole, _)) = self.get(&path, Some(0..header.events_offset())).await? else {
                return Ok(None);
            };
            head_bytes = whole;
        }
        let data: Data = header.decode_head(object, &head_bytes).map_err(corrupt)?;
        let events = data.runs.iter().map(|run| u64::from(run.length)).sum();
        header.check_events_length(events, size).map_err(corrupt)?;
        Ok(Some((data, header.events_offset())))
    }

    /// Creates a data object; an existing one with this name is the same.
    pub(crate) async fn create_data(&self, object: u64, body: &PutPayload) -> Result<()> {
        self.create_with_retry(&self.object_path(object), body).await
    }

    /// Deletes data objects.
    pub(crate) async fn delete_data(&self, objects: &[u64]) -> Result<()> {
        self.delete(objects.iter().map(|object| self.object_path(*object)).collect()).await
    }

    /// Returns the error for a missing log or data object.
    pub(crate) fn missing_object_error(&self, object: u64) -> Error {
        missing(&self.object_path(object))
    }
}
