//! The heads of objects as protocol-buffers messages. Field numbers never change their meaning; an unknown
//! operation is rejected.

mod log;
mod maintenance;
mod names;
mod snapshot;

pub(crate) use kulya_store::log_backend::message::{Change, Empty, Name};
pub(crate) use log::{Author, Batch, CommitRecord, CutRecord, Log, Op, Record, StreamRecord, TombstoneHead};
pub(crate) use maintenance::{
    CheckpointRecord, Data, DataRun, LeaseRecord, MergeRecord, MergeRun, MergeStaged, Reclaimed,
};
pub(crate) use names::{SegmentName, WriterMarkRecord};
pub(crate) use snapshot::{
    DataObjectSnapshot, DeletedStreamSnapshot, EntrySnapshot, OutcomeSnapshot, SegmentSnapshot, Snapshot,
    StagedSnapshot, StreamSnapshot, TableSnapshot, TransactionSnapshot,
};
