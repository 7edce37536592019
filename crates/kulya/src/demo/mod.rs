//! `kulya demo`: an end-to-end run on the embedded store: the registry, events through the serializer, a
//! compatible and an incompatible schema change, change data capture of a database, SQL over all of it, and
//! a view that follows it.
//!
//! It uses the public interfaces only: the serializer talks to the registry over HTTP.

mod customers;
mod orders;
mod view;

use crate::address::check_folder;
use crate::args::DemoArgs;
use crate::output::print_line;
use crate::services::open_folder;
use crate::settings::DEFAULT_LISTEN;
use crate::{serve, shutdown, sql};
use anyhow::{Context, Result, bail};
use kulya_client::HttpRegistry;
use kulya_sql::{OutputFormat, QueryLimits, Session};
use orders::SCOPE;
use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const JOIN: &str = "\
SELECT c.country, count(*) AS orders, sum(o.quantity) AS items, sum(o.amount_cents) / 100 AS amount,
       sum(CASE WHEN c.tier = 'gold' THEN 1 ELSE 0 END) AS by_gold_customers
FROM orders AS o JOIN customers AS c ON o.customer_id = c.id
GROUP BY c.country ORDER BY amount DESC";

pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    if let Some(database) = args.customers_sql {
        print_line!("{}", customers::script(database).trim_end());
        return Ok(());
    }
    let stop = shutdown::on_signal()?;
    tokio::select! {
        result = run_steps(&args, stop.clone()) => result,
        // with --keep the last step ends by the signal
        () = stop.cancelled(), if !args.keep => bail!("interrupted; run it again to continue with the data so far"),
    }
}

async fn run_steps(args: &DemoArgs, stop: CancellationToken) -> Result<()> {
    check_folder(&args.data)?;
    let started = Instant::now();
    print_line!("1. A store in a folder, and a schema registry on it");
    let services = open_folder(&args.data).await?;
    let listener = bind_listener(args.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    print_line!("   folder {}, registry at {url}", args.data.display());
    let stop_server = CancellationToken::new();
    let server = kulya_store::supervision::spawn_logged("server", {
        let (services, stop_server) = (services.clone(), stop_server.clone());
        async move { serve::serve_permissive(listener, &services, stop_server).await }
    });
    let registry = HttpRegistry::new(&url)?;
    let existing = async || {
        let mut session = sql::open_session(&services, None).await?;
        query_count(&mut session, &format!("SELECT count(*) FROM {SCOPE}.orders")).await
    };
    orders::write(&services, &registry, existing, args.orders).await?;
    customers::capture(&services, args.postgres.as_deref().or(args.mysql.as_deref()), stop.clone()).await?;
    let session = sql::open_session(&services, Some(args.data.clone())).await?;
    let (mut session, live) = sql::with_live_queries(session, &services, &QueryLimits::default()).await?;
    run_join(&mut session).await?;
    view::follow(&mut session).await?;
    print_line!("\nDone in {:.1} s. Next steps:", started.elapsed().as_secs_f64());
    if args.keep {
        keep_serving(&mut session, &url, stop).await?;
    } else {
        print_next_steps(&args.data);
    }
    live.stop().await;
    stop_server.cancel();
    server.await?.context("the server panicked")??;
    services.store.close().await?;
    Ok(())
}

/// Binds the given address, else the default one, or a free port if that is in use.
async fn bind_listener(address: Option<SocketAddr>) -> Result<TcpListener> {
    if let Some(address) = address {
        return serve::listen(address).await;
    }
    match TcpListener::bind(DEFAULT_LISTEN).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let free = SocketAddr::new(DEFAULT_LISTEN.ip(), 0);
            serve::listen(free).await
        }
        other => other.with_context(|| format!("cannot listen on {DEFAULT_LISTEN}")),
    }
}

async fn run_join(session: &mut Session) -> Result<()> {
    print_line!("\n6. SQL joins the orders with the customers as they are now");
    for line in JOIN.lines() {
        print_line!("   {line}");
    }
    let started = Instant::now();
    let mut outcomes = session.execute(&format!("USE {SCOPE}; {JOIN}")).await?;
    let rows = outcomes.pop().context("the query has an outcome")?;
    print_line!("{}", rows.write(OutputFormat::Table)?.trim_end());
    print_line!("   {} rows in {:.2} s", rows.row_count(), started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a query whose result is one number.
async fn query_count(session: &mut Session, query: &str) -> Result<u64> {
    let mut outcomes = session.execute(query).await?;
    let rows = outcomes.pop().context("the query has an outcome")?;
    let text = rows.write(OutputFormat::Csv)?;
    text.lines()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{query} gave {text:?}"))
}

fn print_next_steps(data: &Path) {
    let program = std::env::args().next().unwrap_or_else(|| "kulya".to_owned());
    let data = data.display();
    print_line!("   {program} sql --data {data}                 a prompt: SHOW TABLES; DESCRIBE orders; …");
    print_line!("   {program} serve --data {data}               the registry, for Java clients and curl");
    print_line!(
        "   {program} demo --data {data} --keep         both at once; a second run writes more orders"
    );
}

/// Keeps the registry running: with a prompt on a terminal, else until a signal.
async fn keep_serving(session: &mut Session, url: &str, stop: CancellationToken) -> Result<()> {
    print_line!("   curl '{url}/v1/groups?namespace={SCOPE}'");
    print_line!("   curl '{url}/v1/groups/orders/schemas/versions?namespace={SCOPE}'");
    if std::io::stdin().is_terminal() {
        return sql::run_prompt(session, OutputFormat::Table, QueryLimits::default().memory_bytes as u64)
            .await;
    }
    print_line!("   the registry keeps running; Ctrl-C stops");
    stop.cancelled().await;
    Ok(())
}
