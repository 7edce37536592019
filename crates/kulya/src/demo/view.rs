//! The last step of the demo: a materialized view over the orders and the customers, which changes with each
//! order.

use super::orders::SCOPE;
use crate::output::print_line;
use anyhow::{Context, Result};
use kulya_sql::{OutputFormat, Session};
use std::time::Instant;

const VIEW: &str = "\
CREATE MATERIALIZED VIEW IF NOT EXISTS revenue AS
SELECT c.country, COUNT(*) AS orders, SUM(o.amount_cents) / 100 AS amount
FROM orders AS o JOIN customers AS c ON o.customer_id = c.id GROUP BY c.country";

/// How many orders are added.
const ORDERS: usize = 2;

/// Creates the view, and shows one of its rows before and after each of some orders.
///
/// # Errors
/// The statement that fails.
pub(super) async fn follow(session: &mut Session) -> Result<()> {
    print_line!("\n7. A materialized view follows both tables");
    for line in VIEW.lines() {
        print_line!("   {line}");
    }
    run(session, &format!("USE {SCOPE}; {VIEW}")).await?;
    let first = run(session, "SELECT country FROM revenue ORDER BY amount DESC LIMIT 1").await?;
    let country = first.lines().nth(1).context("the view has rows")?.trim_matches('"').replace('\'', "''");
    let row = format!("SELECT orders, amount FROM revenue WHERE country = '{country}'");
    let order = format!(
        "INSERT INTO orders SELECT o.id, c.id, 'saffron', 5, 44500, o.ordered_at, 'app'
         FROM (SELECT MAX(order_id) + 1 AS id, MAX(ordered_at) AS ordered_at FROM orders) AS o,
              (SELECT MIN(id) AS id FROM customers WHERE country = '{country}') AS c"
    );
    for number in 0..=ORDERS {
        if number > 0 {
            run(session, &order).await?;
        }
        let started = Instant::now();
        let shown = run(session, &row).await?;
        let (orders, amount) = shown.lines().nth(1).and_then(|row| row.split_once(',')).context("a row")?;
        let since = if number == 0 { "" } else { ", after one more order" };
        let ms = started.elapsed().as_secs_f64() * 1000.0;
        print_line!("   {country}: {orders} orders, amount {amount} (read in {ms:.0} ms{since})");
    }
    Ok(())
}

/// Runs statements, and returns the rows of the last one as CSV.
async fn run(session: &mut Session, statements: &str) -> Result<String> {
    let mut outcomes = session.execute(statements).await?;
    Ok(outcomes.pop().context("a statement has an outcome")?.write(OutputFormat::Csv)?)
}
