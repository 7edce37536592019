//! `kulya registry watch`: prints the registry's changes as they happen.

use super::connection::RegistryTarget;
use super::display;
use crate::output::{print_json, print_line};
use crate::shutdown;
use anyhow::Result;
use chrono::{DateTime, SecondsFormat};
use futures::StreamExt;
use kulya_registry_api::administration::Change;

pub(super) async fn run(target: RegistryTarget, from: Option<&str>, as_json: bool) -> Result<()> {
    let stop = shutdown::on_signal()?;
    let connection = target.open(false).await?;
    let mut changes = connection.registry.changes(from).await?;
    // scripts wait for this line
    eprintln!("following the registry's changes");
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => break,
            change = changes.next() => change,
        };
        let Some(change) = change else { break };
        let (position, change) = change?;
        if as_json {
            let mut line = serde_json::to_value(&change)?;
            line["place"] = position.into();
            print_json(&line)?;
        } else {
            print_line!(
                "{}  {}  {}",
                format_time(&change),
                display::escape(&change.group_id().to_string()),
                display::change(&change.event)
            );
        }
    }
    drop(changes);
    connection.close().await
}

fn format_time(change: &Change) -> String {
    let time = i64::try_from(change.timestamp).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(
        || change.timestamp.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
