//! `kulya store` on Pravega and behind a server: info and check. The rest is done where the data is.

use super::contents::{print_summary, read_all};
use crate::address::Address;
use crate::args::StoreCommand;
use crate::output::print_line;
use crate::services::open_store;
use anyhow::{Result, bail};
use std::time::Instant;

pub(super) async fn run(address: Address, command: StoreCommand) -> Result<()> {
    let (backend, hint) = match &address {
        Address::Pravega(_) => ("Pravega", "use its own tools; kulya store info and check work"),
        _ => ("a server", "give --data with the server's store; kulya store info and check work"),
    };
    let unsupported = match command {
        StoreCommand::Info | StoreCommand::Check => None,
        StoreCommand::Repair => Some("repair"),
        StoreCommand::Compact => Some("compact"),
        StoreCommand::Backup { .. } => Some("backup"),
        StoreCommand::Restore { .. } => Some("restore"),
    };
    if let Some(name) = unsupported {
        bail!("kulya store {name} is not supported on {backend}: {hint}");
    }
    let name = address.to_string();
    let store = open_store(address, false).await?;
    match command {
        StoreCommand::Info => {
            print_line!("store    {name}");
            print_summary(&*store).await?;
        }
        _ => read_all(&*store, Instant::now()).await?,
    }
    store.close().await?;
    Ok(())
}
