//! The database of the demo: change data capture of a table of customers, from a recorded change log or a
//! live database.

use super::orders::SCOPE;
use crate::args::CustomersDatabase;
use crate::capture::run_capture;
use crate::output::print_line;
use crate::progress::CaptureProgress;
use crate::services::Services;
use anyhow::{Context, Result, bail};
use kulya_cdc::{CaptureSettings, Control, StopCondition, StoreSink, replay};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Returns the SQL that creates and fills the table.
pub(super) fn script(database: CustomersDatabase) -> &'static str {
    match database {
        CustomersDatabase::Postgres => include_str!("../../demo/customers.sql"),
        CustomersDatabase::Mysql => include_str!("../../demo/customers-mysql.sql"),
    }
}

/// The change log of `customers.sql` and `changes.sql`, recorded from PostgreSQL by `cargo xtask
/// record-demo`.
const RECORDED_LOG: &str = include_str!("../../demo/customers.jsonl");

/// The columns that the demo's query needs.
const REQUIRED_COLUMNS: [&str; 3] = ["id", "country", "tier"];

fn settings(url: &str) -> CaptureSettings {
    let common = CaptureSettings {
        url: url.to_owned(),
        name: SCOPE.to_owned(),
        stream: "{table}".to_owned(),
        ..CaptureSettings::default()
    };
    if url.starts_with("postgres") {
        // the publication has its default name: a table that is created later is added to it
        let (tables, slot) = (vec!["public.customers".to_owned()], "kulya_demo".to_owned());
        return CaptureSettings { tables, slot, ..common };
    }
    CaptureSettings { tables: vec!["*.customers".to_owned()], ..common }
}

pub(super) async fn capture(services: &Services, url: Option<&str>, stop: CancellationToken) -> Result<()> {
    print_line!(
        "\n5. The changes of a database's table of customers, each transaction stored once with its position"
    );
    let started = Instant::now();
    match url {
        Some(url) => {
            let progress = CaptureProgress::new(SCOPE);
            let steering = (stop, Control::default());
            run_capture(services, settings(url), StopCondition::CaughtUp, &progress, steering)
                .await
                .with_context(|| format!("cannot capture the customers; {} the table", hint(Some(url))))?;
            progress.finish(started);
        }
        None => {
            let registry: Arc<dyn SchemaRegistry> = Arc::clone(&services.registry) as _;
            let settings = settings("postgres://recorded@localhost/shop").store_settings()?;
            let mut sink = StoreSink::new(Arc::clone(&services.store), registry, settings).await?;
            let records = replay(RECORDED_LOG.as_bytes(), &mut sink).await.context(
                "the customers in this folder are from another database: give its URL, or another --data",
            )?;
            let seconds = started.elapsed().as_secs_f64();
            match records {
                0 => print_line!("   the recorded change log is already stored"),
                _ => print_line!(
                    "   {records} records of a change log recorded from PostgreSQL, in {seconds:.2} s"
                ),
            }
        }
    }
    check_columns(services, url).await
}

/// Returns where the SQL is that creates the table.
fn hint(url: Option<&str>) -> String {
    let is_mysql = url.is_some_and(|url| !url.starts_with("postgres"));
    let database = if is_mysql { " mysql" } else { "" };
    format!("kulya demo --customers-sql{database} prints the SQL that creates")
}

/// Checks the columns of the captured table, for a clearer error than the query's.
async fn check_columns(services: &Services, url: Option<&str>) -> Result<()> {
    let group = kulya_schema::GroupId::new(SCOPE, "customers");
    let latest = match services.registry.latest_schemas(&group, None).await {
        // a capture waits for tables that are created later
        Err(error) if error.kind() == RegistryErrorKind::NotFound => {
            bail!("the database has no table customers: {} it", hint(url));
        }
        latest => latest?,
    };
    let text = latest.first().map(|latest| String::from_utf8_lossy(&latest.schema.data).into_owned());
    let schema: serde_json::Value =
        serde_json::from_str(&text.unwrap_or_default()).context("the table's schema")?;
    for column in REQUIRED_COLUMNS {
        if schema.pointer(&format!("/properties/{column}")).is_none() {
            bail!("table customers has no column {column}, which the demo needs: {} it", hint(url));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_is_for_the_database() {
        assert!(hint(Some("mysql://localhost/shop")).starts_with("kulya demo --customers-sql mysql prints"));
        for url in [None, Some("postgres://localhost/shop")] {
            assert!(hint(url).starts_with("kulya demo --customers-sql prints"));
        }
    }
}
