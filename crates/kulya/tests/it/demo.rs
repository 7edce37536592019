//! `kulya demo`, the first command of a new user.

use crate::program::{Running, command, database, http, kulya, run};
use std::io::{BufRead, Read};
use std::process::Stdio;
use tempfile::tempdir;

const DEMO: &[&str] = &["demo", "--orders", "2000", "--listen", "127.0.0.1:0"];

#[test]
fn demo_runs_and_continues_with_existing_data() {
    let folder = tempdir().unwrap();
    let first = kulya(&folder, DEMO);
    for text in [
        "registry at http://127.0.0.1:",
        "2000 orders in ",
        "shop.Order is version 1",
        "schema shop.Order is refused by policy BackwardTransitive",
        "Order.customer_id: type int cannot be read as string",
        "Order.coupon: the writer has no such field, and it has no default",
        "197 records of a change log",
        "| Portugal ",
        "7. A materialized view follows both tables",
        ", after one more order)",
        "sql --data kulya-demo",
    ] {
        assert!(first.contains(text), "{text}\n{first}");
    }
    let second = kulya(&folder, DEMO);
    assert!(second.contains("2202 orders exist from an earlier run"), "{second}");
    assert!(second.contains("change log is already stored"), "{second}");
    let sql = |query| kulya(&folder, &["sql", "--data", "kulya-demo", "--output", "csv", "-e", query]);
    assert_eq!(
        sql("SELECT count(*), count(DISTINCT order_id), max(order_id) FROM shop.orders"),
        "EXPR$0,EXPR$1,EXPR$2\n4404,4404,4404\n"
    );
    assert_eq!(
        sql("SELECT channel, count(*) AS n FROM shop.orders GROUP BY channel ORDER BY n DESC LIMIT 1"),
        "channel,n\nweb,4000\n"
    );
    // 150 rows, 2 inserted, 3 deleted; a rolled back delete is none, and a new key is the same row
    assert_eq!(
        sql("SELECT count(*) AS n, min(id) AS low, max(id) AS high FROM shop.customers"),
        "n,low,high\n149,1,160\n"
    );
}

#[test]
fn with_keep_the_registry_runs_until_the_signal() {
    let folder = tempdir().unwrap();
    let mut demo = Running::start(&mut command(folder.path(), &[DEMO, &["--keep"]].concat()));
    let mut url = String::new();
    for line in demo.out.by_ref().lines().map_while(Result::ok) {
        if let Some(found) = line.split('\'').find(|word| word.starts_with("http://")) {
            url = found.split("/v1").next().unwrap().to_owned();
        }
        if line.contains("keeps running") {
            break;
        }
    }
    let (status, listed) = http("GET", &format!("{url}/v1/groups?namespace=shop"), "");
    assert!(listed.contains("\"orders\":{") && listed.contains("\"customers\":{"), "{status} {listed}");
    assert_eq!(demo.interrupt(), Some(0));
}

#[test]
fn closed_pipe_ends_the_program_silently() {
    let folder = tempdir().unwrap();
    let mut demo =
        command(folder.path(), DEMO).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(demo.stdout.take());
    let mut stderr = String::new();
    demo.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((demo.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn customers_are_captured_from_a_live_database() {
    let (client, url) = database("demo_live").await;
    let folder = tempdir().unwrap();
    let live = [DEMO, &["--postgres", &url]].concat();
    let failed = run(&mut command(folder.path(), &live));
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.err.contains("kulya demo --customers-sql prints the SQL that creates"), "{failed:?}");
    client.batch_execute(&kulya(&folder, &["demo", "--customers-sql"])).await.unwrap();
    client.batch_execute("UPDATE customers SET country = 'Atlantis' WHERE id < 100").await.unwrap();
    let printed = kulya(&folder, &live);
    assert!(printed.contains("| Atlantis "), "{printed}");
}
