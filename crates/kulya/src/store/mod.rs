//! `kulya store`: contents, integrity check, repair, compaction, backup and restore of a store.
//!
//! - `folder`: the embedded store in a folder; every command.
//! - `object_storage`: a store on object storage; every command.
//! - `remote`: Pravega and servers; info and check only.
//! - `contents`: listing and reading whatever the backend.

mod contents;
mod folder;
mod object_storage;
mod remote;

use crate::address::Address;
use crate::args::StoreCommandArgs;
use crate::settings::Settings;
use anyhow::Result;

pub(crate) async fn run(settings: Settings, args: StoreCommandArgs) -> Result<()> {
    match Address::resolve(args.store, &settings)? {
        Address::Folder(folder) => folder::run(&folder, args.command).await,
        Address::Objects(location) => object_storage::run(location, args.command).await,
        remote => remote::run(remote, args.command).await,
    }
}
