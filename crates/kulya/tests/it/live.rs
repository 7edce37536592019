//! Live queries of the program, which is killed between any two of its writes.

use crate::program::{Running, command, kulya};
use std::io::BufRead;
use tempfile::tempdir;

#[test]
fn materialized_views_survive_kill_9() {
    let folder = tempdir().unwrap();
    let sql = |statements: &str| {
        let statements = format!("USE shop; {statements}");
        kulya(&folder, &["sql", "--data", "data", "--output", "csv", "-e", &statements])
    };
    let create = "CREATE DATABASE shop; USE shop; CREATE TABLE orders (customer STRING, amount BIGINT);
        CREATE TABLE big_orders (customer STRING, amount BIGINT);
        CREATE MATERIALIZED VIEW totals AS SELECT customer, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY customer;
        SET 'execution.runtime-mode' = 'streaming';
        INSERT INTO big_orders SELECT customer, amount FROM orders WHERE amount > 2";
    kulya(&folder, &["sql", "--data", "data", "-e", create]);
    for round in 1..=5 {
        // the last statement does not end by itself
        let statements = format!(
            "USE shop; INSERT INTO orders VALUES ('ann', {round}), ('c{round}', 1); SELECT COUNT(*) FROM totals;
             SUBSCRIBE SELECT customer FROM orders"
        );
        let args = ["sql", "--data", "data", "--output", "csv", "-e", &statements];
        let mut running = Running::start(&mut command(folder.path(), &args));
        let mut line = String::new();
        while !line.starts_with("+I") {
            line.clear();
            assert!(running.out.read_line(&mut line).unwrap() > 0, "the program ended");
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    let totals = sql("SELECT * FROM totals ORDER BY customer");
    assert_eq!(totals, "customer,total,n\nann,15,5\nc1,1,1\nc2,1,1\nc3,1,1\nc4,1,1\nc5,1,1\n");
    // the job has read as far as the view before the program ended in peace
    let big_orders = sql("SELECT * FROM big_orders ORDER BY amount");
    assert_eq!(big_orders, "customer,amount\nann,3\nann,4\nann,5\n");
    let jobs = sql("SHOW JOBS");
    assert!(jobs.lines().count() == 2 && jobs.contains("INSERT INTO"), "{jobs}");
}
