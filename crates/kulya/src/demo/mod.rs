//! `kulya demo`: the main job once, end to end, on the embedded default: a store, the registry, events through the
//! serializer, a schema that grows and one that is refused, a database's changes, and SQL over all of it.
//!
//! Everything goes through the doors that a user has: the serializer talks to the registry over HTTP.

mod customers;
mod orders;

use crate::args::DemoArgs;
use crate::open;
use crate::say;
use crate::settings::DEFAULT_LISTEN;
use crate::{serve, sql, stop};
use anyhow::{Context, Result, bail};
use kulya_client::HttpRegistry;
use kulya_sql::{Outcome, QueryLimits, Session, Shape};
use std::io::{ErrorKind, IsTerminal};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The scope, and so the database, of everything that the demo makes.
const SCOPE: &str = "shop";

const JOIN: &str = "\
SELECT c.country, count(*) AS orders, sum(o.quantity) AS items, sum(o.amount_cents) / 100 AS amount,
       sum(CASE WHEN c.tier = 'gold' THEN 1 ELSE 0 END) AS by_gold_customers
FROM orders AS o JOIN customers AS c ON o.customer_id = c.id
GROUP BY c.country ORDER BY amount DESC";

pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    if args.customers_sql {
        say!("{}", customers::SCRIPT.trim_end());
        return Ok(());
    }
    let stop = stop::on_signal()?;
    tokio::select! {
        done = story(&args, stop.clone()) => done,
        // with --keep the story itself ends by the signal
        () = stop.cancelled(), if !args.keep => bail!("interrupted; run it again to go on with what is there"),
    }
}

async fn story(args: &DemoArgs, stop: CancellationToken) -> Result<()> {
    open::check_folder(&args.data)?;
    let began = Instant::now();
    say!("1. A store in a folder, and a schema registry on it");
    let house = open::folder(&args.data).await?;
    let listener = listener(args.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    say!("   folder {}, registry at {url}", args.data.display());
    let end = CancellationToken::new();
    let server = kulya_store::supervision::spawn_logged("server", {
        let (house, end) = (house.clone(), end.clone());
        async move { serve::registry(listener, &house, end).await }
    });
    let registry = HttpRegistry::new(&url)?;
    orders::write(&house, &registry, args.orders).await?;
    customers::capture(&house, args.postgres.as_deref(), stop.clone()).await?;
    let mut session = sql::session(&house, Some(args.data.clone())).await?;
    question(&mut session).await?;
    say!("\nDone in {:.1} s. To look further:", began.elapsed().as_secs_f64());
    if args.keep {
        keep(&mut session, &url, stop).await?;
    } else {
        further(&args.data);
    }
    end.cancel();
    server.await?.context("the server panicked")??;
    house.store.close().await?;
    Ok(())
}

/// The address asked for; without one the usual, or a free one when that is taken.
async fn listener(asked: Option<SocketAddr>) -> Result<TcpListener> {
    if let Some(address) = asked {
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

async fn question(session: &mut Session) -> Result<()> {
    say!("\n6. SQL joins the orders with the customers as they are now");
    for line in JOIN.lines() {
        say!("   {line}");
    }
    let began = Instant::now();
    let mut outcomes = session.execute(&format!("USE {SCOPE}; {JOIN}")).await?;
    let rows = outcomes.pop().context("the query has an outcome")?;
    say!("{}", rows.write(Shape::Table)?.trim_end());
    say!("   {} rows in {:.2} s", rows.row_count(), began.elapsed().as_secs_f64());
    Ok(())
}

/// The one number that a query answers.
async fn count(session: &mut Session, query: &str) -> Result<u64> {
    let mut outcomes = session.execute(query).await?;
    let rows: Outcome = outcomes.pop().context("the query has an outcome")?;
    let text = rows.write(Shape::Csv)?;
    text.lines()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{query} gave {text:?}"))
}

fn further(data: &Path) {
    let program = std::env::args().next().unwrap_or_else(|| "kulya".to_owned());
    let data = data.display();
    say!("   {program} sql --data {data}                 a prompt: SHOW TABLES; DESCRIBE orders; …");
    say!("   {program} serve --data {data}               the registry, for Java clients and curl");
    say!("   {program} demo --data {data} --keep         both at once; a second run writes more orders");
}

/// Leaves the registry up: with a prompt on a terminal, else until the signal.
async fn keep(session: &mut Session, url: &str, stop: CancellationToken) -> Result<()> {
    say!("   curl '{url}/v1/groups?namespace={SCOPE}'");
    say!("   curl '{url}/v1/groups/orders/schemas/versions?namespace={SCOPE}'");
    if std::io::stdin().is_terminal() {
        return sql::prompt(session, Shape::Table, QueryLimits::default().memory_bytes as u64).await;
    }
    say!("   the registry stays up; Ctrl-C ends");
    stop.cancelled().await;
    Ok(())
}
