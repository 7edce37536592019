//! The database's side: the changes of a table of customers, recorded or live.

use super::SCOPE;
use crate::cdc;
use crate::open::House;
use crate::progress::CaptureProgress;
use crate::say;
use anyhow::{Context, Result, bail};
use kulya_cdc::{PostgresSettings, StoreSink, Until, replay};
use kulya_registry_api::SchemaRegistry;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Makes the table and fills it, for `--postgres`.
pub(super) const SCRIPT: &str = include_str!("../../demo/customers.sql");
/// Recorded by `cargo xtask record-demo` from a real PostgreSQL, which ran `customers.sql`, then `changes.sql`.
const RECORDED: &str = include_str!("../../demo/customers.jsonl");

/// What the captured table must have for the demo's question.
const COLUMNS: [&str; 3] = ["id", "country", "tier"];

fn settings(url: &str) -> PostgresSettings {
    PostgresSettings {
        url: url.to_owned(),
        name: SCOPE.to_owned(),
        tables: vec!["public.customers".to_owned()],
        stream: "{table}".to_owned(),
        slot: "kulya_demo".to_owned(),
        publication: "kulya_demo".to_owned(),
        ..PostgresSettings::default()
    }
}

pub(super) async fn capture(house: &House, url: Option<&str>, stop: CancellationToken) -> Result<()> {
    say!(
        "\n5. The changes of a database's table of customers, each transaction stored once with its position"
    );
    let began = Instant::now();
    match url {
        Some(url) => {
            let progress = CaptureProgress::new(SCOPE);
            cdc::into_house(house, settings(url), Until::CaughtUp, &progress, stop).await.context(
                "the customers cannot be captured; kulya demo --customers-sql | psql URL makes the table",
            )?;
            progress.finish(began);
        }
        None => {
            let registry: Arc<dyn SchemaRegistry> = Arc::clone(&house.registry) as _;
            let settings = settings("postgres://recorded@localhost/shop").store_settings()?;
            let mut sink = StoreSink::new(Arc::clone(&house.store), registry, settings).await?;
            let records = replay(RECORDED.as_bytes(), &mut sink).await.context(
                "this folder's customers come from another database: give its --postgres, or another --data",
            )?;
            let seconds = began.elapsed().as_secs_f64();
            match records {
                0 => say!("   the recorded change log is stored already"),
                _ => say!("   {records} records of a change log recorded from PostgreSQL, in {seconds:.2} s"),
            }
        }
    }
    check(house).await
}

/// Says what is missing before the question does.
async fn check(house: &House) -> Result<()> {
    let how = "make another with: kulya demo --customers-sql | psql URL";
    let group = kulya_schema::GroupId::new(SCOPE, "customers");
    let latest = house.registry.latest_schemas(&group, None).await?;
    let text = latest.first().map(|latest| String::from_utf8_lossy(&latest.schema.data).into_owned());
    let schema: serde_json::Value =
        serde_json::from_str(&text.unwrap_or_default()).context("the table's schema")?;
    for column in COLUMNS {
        if schema.pointer(&format!("/properties/{column}")).is_none() {
            bail!("table public.customers has no column {column}, which the demo asks for: {how}");
        }
    }
    Ok(())
}
