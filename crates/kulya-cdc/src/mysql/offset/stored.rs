//! The form in which a position is stored, apart from that of the program so that this can change.

use super::{Cut, Gtids, LogPoint, MysqlPosition, ServerName, SnapshotReads};
use crate::mysql::gtid::GtidError;
use crate::mysql::schema_history::TableName;
use crate::snapshot_progress::SnapshotProgress;
use serde::{Deserialize, Serialize};

/// A position as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredOffset {
    product: Product,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_uuid: Option<String>,
    server_id: u32,
    file: String,
    position: u64,
    /// The text that the product has for its transactions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    gtids: String,
    #[serde(default, skip_serializing_if = "is_false")]
    has_anonymous: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<StoredCut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot_reads: Option<StoredReads>,
    #[serde(default, skip_serializing_if = "is_false")]
    is_snapshot_unfinished: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coverage: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Product {
    Mysql,
    Mariadb,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredReads {
    cuts: Vec<StoredPlace>,
    progress: SnapshotProgress,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredCut {
    database: String,
    table: String,
    #[serde(flatten)]
    place: StoredPlace,
}

/// The place of a cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPlace {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    gtids: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    point: Option<LogPoint>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl From<Cut> for StoredPlace {
    fn from(cut: Cut) -> Self {
        Self { gtids: cut.gtids.to_string(), point: cut.point }
    }
}

impl StoredPlace {
    fn cut(self, is_mariadb: bool) -> Result<Cut, GtidError> {
        Ok(Cut { gtids: Gtids::parse(is_mariadb, &self.gtids)?, point: self.point })
    }
}

impl From<MysqlPosition> for StoredOffset {
    fn from(offset: MysqlPosition) -> Self {
        let cut = |(table, cut): (TableName, Cut)| StoredCut {
            database: table.database,
            table: table.table,
            place: cut.into(),
        };
        let reads = |reads: SnapshotReads| StoredReads {
            cuts: reads.cuts.into_iter().map(StoredPlace::from).collect(),
            progress: reads.progress,
        };
        Self {
            product: if offset.gtids.is_mariadb() { Product::Mariadb } else { Product::Mysql },
            server_uuid: offset.server.uuid,
            server_id: offset.server.id,
            file: offset.point.file,
            position: offset.point.position,
            gtids: offset.gtids.to_string(),
            has_anonymous: offset.has_anonymous,
            cuts: offset.cuts.into_iter().map(cut).collect(),
            snapshot_reads: offset.snapshot_reads.map(reads),
            is_snapshot_unfinished: offset.is_snapshot_unfinished,
            coverage: offset.coverage,
        }
    }
}

impl TryFrom<StoredOffset> for MysqlPosition {
    type Error = GtidError;

    fn try_from(stored: StoredOffset) -> Result<Self, GtidError> {
        let is_mariadb = stored.product == Product::Mariadb;
        let cut = |cut: StoredCut| Ok((TableName::new(cut.database, cut.table), cut.place.cut(is_mariadb)?));
        let reads = |reads: StoredReads| {
            let cuts = reads.cuts.into_iter().map(|place| place.cut(is_mariadb));
            Ok(SnapshotReads { cuts: cuts.collect::<Result<_, GtidError>>()?, progress: reads.progress })
        };
        Ok(Self {
            server: ServerName { uuid: stored.server_uuid, id: stored.server_id },
            point: LogPoint::new(stored.file, stored.position),
            gtids: Gtids::parse(is_mariadb, &stored.gtids)?,
            has_anonymous: stored.has_anonymous,
            cuts: stored.cuts.into_iter().map(cut).collect::<Result<_, GtidError>>()?,
            snapshot_reads: stored.snapshot_reads.map(reads).transpose()?,
            is_snapshot_unfinished: stored.is_snapshot_unfinished,
            coverage: stored.coverage,
        })
    }
}
