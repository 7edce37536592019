//! The records of the registry's table and of its changelog, and their encoding: JSON, and for schemas JSON
//! followed by the schema's bytes. `json` has the JSON layout.

mod id_set;
mod json;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use model::{EncodingRecord, GroupRecord, ReferrerRecord, SchemaRecord, VersionRecord};

use json::{StoredChange, StoredReferences, StoredSchemaRecord};
use kulya_registry_api::administration::Change;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::Reference;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first byte of a schema record that ends with the schema's raw bytes. A record that begins with `{` is
/// JSON alone, with the schema in base64, as earlier versions wrote it.
const RAW: u8 = 1;

impl SchemaRecord {
    /// Encodes the record: [`RAW`], the length of the JSON (u32, big-endian), the record as JSON with an
    /// empty schema, the schema's bytes. Base64 would be a third larger, and a store limits the size of a
    /// commit.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let json = encode(&StoredSchemaRecord::without_data(self));
        let mut out = Vec::with_capacity(5 + json.len() + self.schema.data.len());
        out.push(RAW);
        out.extend((json.len() as u32).to_be_bytes());
        out.extend(json);
        out.extend(&self.schema.data);
        out
    }

    /// Decodes a record; `what` names it in the error.
    pub(crate) fn decode(what: &str, bytes: &[u8]) -> RegistryResult<Self> {
        let Some((json, data)) = split(what, bytes)? else { return decode(what, bytes) };
        let mut record: Self = decode(what, json)?;
        record.schema.data = data.to_vec();
        Ok(record)
    }

    /// Decodes only the references of a record.
    pub(crate) fn decode_references(what: &str, bytes: &[u8]) -> RegistryResult<Vec<Reference>> {
        let json = split(what, bytes)?.map_or(bytes, |(json, _)| json);
        let StoredReferences { references } = decode(what, json)?;
        Ok(references.into_iter().map(Into::into).collect())
    }
}

/// Splits a schema record that ends with raw bytes into its JSON and those.
fn split<'b>(what: &str, bytes: &'b [u8]) -> RegistryResult<Option<(&'b [u8], &'b [u8])>> {
    let Some(rest) = bytes.strip_prefix(&[RAW]) else { return Ok(None) };
    let split = rest.split_first_chunk::<4>();
    let split = split.and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
    split.map(Some).ok_or_else(|| corrupt(what))
}

/// Encodes an event of the changelog.
pub(crate) fn encode_change(change: Change) -> Vec<u8> {
    encode(&StoredChange::from(change))
}

/// Decodes an event of the changelog.
pub(crate) fn decode_change(bytes: &[u8]) -> RegistryResult<Change> {
    let stored: StoredChange = decode("a change", bytes)?;
    Change::try_from(stored).map_err(|invalid| corrupt("a change").because(invalid))
}

/// Encodes a record, or a plain number or text, as JSON.
pub(crate) fn encode(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("our records have text keys and no failing parts")
}

/// Decodes a record from JSON; `what` names it in the error.
pub(crate) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> RegistryResult<T> {
    serde_json::from_slice(bytes).map_err(|e| corrupt(what).because(e))
}

fn corrupt(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Failed, format!("the registry's record of {what} is corrupt"))
}
