//! Change data capture of PostgreSQL by the program: into streams, and out as SQL rows.

use crate::program::{Running, command, database, http, kulya, run, wait_until};
use serde_json::Value;
use tempfile::tempdir;

const SETUP: &str = "CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL, price numeric(8,2));
    INSERT INTO item SELECT i, 'item ' || i, i / 4.0 FROM generate_series(1, 100) i;";
const CHANGES: &str = "UPDATE item SET price = 99.99 WHERE id = 1; DELETE FROM item WHERE id > 10;
    INSERT INTO item VALUES (200, 'new', NULL);";

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn captured_table_is_read_as_its_current_rows() {
    let (client, url) = database("capture_rows").await;
    client.batch_execute(SETUP).await.unwrap();
    let folder = tempdir().unwrap();
    let capture = ["cdc", "--postgres", &url, "--name", "shop", "--segments", "3", "--until-caught-up"];
    kulya(&folder, &capture);
    client.batch_execute(CHANGES).await.unwrap();
    let again = run(&mut command(folder.path(), &capture));
    assert!(again.code == Some(0) && again.err.contains("92 records stored"), "{again:?}");
    let sql = |query| kulya(&folder, &["sql", "--output", "csv", "-e", query]);
    assert_eq!(
        sql("SELECT count(*) AS n, sum(price) AS sum FROM shop.`shop.public.item`"),
        "n,sum\n11,113.49\n"
    );
    assert_eq!(
        sql("SELECT * FROM shop.`shop.public.item` WHERE id IN (1, 200) ORDER BY id"),
        "id,name,price\n1,item 1,99.99\n200,new,\n"
    );
    let described = sql("USE shop; DESCRIBE `shop.public.item`");
    assert!(
        described.contains("id,INT,false,PRI(id),,\n") && described.contains("price,\"DECIMAL(8, 2)\",true,"),
        "{described}"
    );
    client.batch_execute("TRUNCATE item; INSERT INTO item VALUES (7, 'seven', 7)").await.unwrap();
    kulya(&folder, &capture);
    assert_eq!(sql("SELECT id FROM shop.`shop.public.item`"), "id\n7\n");
}

/// Rows that were stored before have renamed columns under their present names, and the defaults of added
/// ones.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn changed_table_is_read_as_the_database_has_it() {
    let (client, url) = database("capture_changed").await;
    client
        .batch_execute("CREATE TABLE r (id int PRIMARY KEY, note text); INSERT INTO r VALUES (1, 'a')")
        .await
        .unwrap();
    let folder = tempdir().unwrap();
    let capture = ["cdc", "--postgres", &url, "--name", "ddl", "--until-caught-up"];
    let sql = |query| kulya(&folder, &["sql", "--output", "csv", "-e", query]);
    kulya(&folder, &capture);
    let changes = [
        "INSERT INTO r VALUES (2, 'b'); ALTER TABLE r RENAME note TO remark; \
         ALTER TABLE r ADD x int NOT NULL DEFAULT 3; INSERT INTO r VALUES (3, 'c', 9)",
        "ALTER TABLE r RENAME id TO code; ALTER TABLE r ADD note text DEFAULT 'new'; ALTER TABLE r DROP x; \
         UPDATE r SET note = 'n' WHERE code = 2; DELETE FROM r WHERE code = 3; INSERT INTO r VALUES (4, 'd')",
    ];
    let expected = ["id,remark,x\n1,a,3\n2,b,3\n3,c,9\n", "code,remark,note\n1,a,new\n2,b,n\n4,d,new\n"];
    for (changes, expected) in changes.into_iter().zip(expected) {
        client.batch_execute(changes).await.unwrap();
        kulya(&folder, &capture);
        assert_eq!(sql("SELECT * FROM ddl.`ddl.public.r` ORDER BY 1"), expected);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn server_runs_the_captures_of_its_settings() {
    let (client, url) = database("capture_served").await;
    client.batch_execute(SETUP).await.unwrap();
    let folder = tempdir().unwrap();
    let settings = format!("[[cdc]]\nurl = \"{url}\"\nname = \"market\"\nstream = \"{{table}}\"\n");
    std::fs::write(folder.path().join("kulya.toml"), settings).unwrap();
    let mut server_command = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Running::start(server_command.env("KULYA_LOG", "info"));
    server.wait_for("market: streaming the log");
    client.batch_execute(CHANGES).await.unwrap();
    server.wait_for("stored ");
    assert_eq!(server.interrupt(), Some(0));
    let rows = kulya(&folder, &["sql", "--output", "csv", "-e", "SELECT count(*) AS n FROM market.item"]);
    assert!(rows == "n\n11\n" || rows == "n\n100\n" || rows == "n\n10\n", "whole transactions only: {rows}");
    // the same settings for kulya cdc
    kulya(&folder, &["cdc", "--until-caught-up"]);
    let rows = kulya(&folder, &["sql", "--output", "csv", "-e", "SELECT count(*) AS n FROM market.item"]);
    assert_eq!(rows, "n\n11\n");
    let (_server, url) = Running::serve(&folder, &[]);
    let (status, group) = http("GET", &format!("{url}/v1/groups/item?namespace=market"), "");
    assert!(status == 200 && group.contains(r#""format":"debezium-json""#), "{group}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn capture_of_a_replaced_database_is_rejected() {
    let (client, url) = database("capture_replaced").await;
    client.batch_execute(SETUP).await.unwrap();
    let folder = tempdir().unwrap();
    let capture = ["cdc", "--postgres", &url, "--until-caught-up"];
    kulya(&folder, &capture);
    // the server may not have noticed the disconnect yet: its WAL sender is terminated first
    let slot = "FROM pg_replication_slots WHERE slot_name = 'kulya_capture_replaced'";
    let end = format!("SELECT pg_terminate_backend(active_pid, 10000) {slot} AND active_pid IS NOT NULL");
    client.batch_execute(&end).await.unwrap();
    client.batch_execute(&format!("SELECT pg_drop_replication_slot(slot_name) {slot}")).await.unwrap();
    let failed = run(&mut command(folder.path(), &capture));
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.err.contains(
            "replication slot kulya_capture_replaced of capture_replaced does not exist: it was dropped"
        ),
        "{failed:?}"
    );
}

/// Returns the status of a capture of a server.
fn status(server: &str, name: &str) -> Value {
    let (code, body) = http("GET", &format!("{server}/v2/captures/{name}"), "");
    assert_eq!(code, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn captures_of_a_server_are_paused_resumed_and_dropped() {
    let (client, url) = database("capture_operated").await;
    client.batch_execute(SETUP).await.unwrap();
    let folder = tempdir().unwrap();
    let settings = format!(
        "[[cdc]]\nurl = \"{url}\"\nname = \"operated\"\n[[cdc]]\nurl = \"{url}_missing\"\nname = \"broken\"\n"
    );
    std::fs::write(folder.path().join("kulya.toml"), settings).unwrap();
    let (_server, url) = Running::serve(&folder, &[]);
    let state = |name: &str| status(&url, name)["state"].as_str().unwrap().to_owned();
    wait_until("the log is streamed", || state("operated") == "streaming");
    // a capture that stops stops neither the other one nor the server
    wait_until("the other capture has stopped", || state("broken") == "stopped");
    assert!(status(&url, "broken")["error"].as_str().unwrap().contains("capture_operated_missing"));
    let (code, listed) = http("GET", &format!("{url}/v2/captures"), "");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((code, listed["captures"].as_array().unwrap().len()), (200, 2));
    wait_until("the health has the numbers and the reason", || {
        let (_, health) = http("GET", &format!("{url}/health"), "");
        health.contains(r#""lag bytes":"#) && health.contains("the capture stopped")
    });

    let signals = format!("{url}/v2/captures/operated/signals");
    let (code, refused) = http("POST", &signals, r#"{"type":"execute-snapshot","data":{"tables":[]}}"#);
    assert!(code == 400 && refused.contains("data.tables: unknown field"), "{refused}");
    let again = r#"{"id":"1","type":"execute-snapshot","data":{"data-collections":["public.item"]}}"#;
    for _ in 0..2 {
        assert_eq!(http("POST", &signals, again).0, 200);
    }
    wait_until("the rows are read again", || status(&url, "operated")["records"] == 200);
    assert_eq!(http("DELETE", &format!("{url}/v2/captures/operated"), "").0, 409);
    assert_eq!(http("POST", &format!("{url}/v2/captures/operated/pause"), "").0, 200);
    wait_until("the capture is paused", || state("operated") == "paused");
    client.batch_execute(CHANGES).await.unwrap();
    let capture = |args: &[&str]| kulya(&folder, &[&["capture", "--url", &url], args].concat());
    let shown = capture(&["status", "operated"]);
    assert!(shown.contains("state        paused\n") && shown.contains("records      200, "), "{shown}");
    assert!(capture(&["list"]).contains("operated  paused"));
    capture(&["resume", "operated"]);
    wait_until("the changes are stored", || status(&url, "operated")["records"] == 292);
    assert_eq!(capture(&["pause", "operated", "--json"]).lines().count(), 1);
    wait_until("the capture is paused again", || state("operated") == "paused");
    let dropped = capture(&["drop", "operated", "--streams"]);
    let expected = "operated: removed replication slot kulya_operated, publication kulya_operated, position ";
    assert!(dropped.starts_with(expected), "{dropped}");
    assert!(dropped.ends_with(", stream operated/operated.public.item\n"), "{dropped}");
    let slots = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kulya_operated'";
    assert_eq!(client.query_one(slots, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert_eq!(http("GET", &format!("{url}/v2/captures/none"), "").0, 404);
}

#[test]
fn captures_are_paused_and_dropped_without_a_server() {
    let folder = tempdir().unwrap();
    let settings = "[[cdc]]\nurl = \"postgres://me@127.0.0.1:1/shop\"\n";
    std::fs::write(folder.path().join("kulya.toml"), settings).unwrap();
    let failed = |args: &[&str]| {
        let ran = run(&mut command(folder.path(), args));
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
        ran.err
    };
    assert!(failed(&["capture", "list"]).contains("does not exist"));
    kulya(&folder, &["stream", "create", "any/stream"]);
    assert_eq!(kulya(&folder, &["capture", "list"]), "");
    assert!(failed(&["capture", "pause", "mistyped"]).contains("capture mistyped does not exist"));
    assert_eq!(kulya(&folder, &["capture", "pause", "shop"]), "shop: paused\n");
    assert_eq!(
        kulya(&folder, &["capture", "list"]),
        "NAME  STATE   POSITION  LAG  RECORDS  RESTARTS\nshop  paused  -         -    0        0\n"
    );
    let signal = ["capture", "signal", "shop", "execute-snapshot"];
    let given = kulya(&folder, &[&signal[..], &["--table", "public.orders"]].concat());
    assert_eq!(given, "shop: signal execute-snapshot given\n");
    let twice = ["capture", "signal", "shop", "pause-snapshot", "--id", "7"];
    assert_eq!(kulya(&folder, &twice), "shop: signal pause-snapshot given\n");
    assert_eq!(kulya(&folder, &twice), "shop: a signal with the id 7 was given before\n");
    assert!(failed(&signal).contains("data.data-collections: write a list of tables"));
    assert!(failed(&["capture", "signal", "shop", "run"]).contains("type: \"run\" is not a signal"));
    assert!(failed(&["cdc"]).contains("capture shop is paused: run kulya capture resume shop"));
    assert!(failed(&["capture", "drop", "shop"]).contains("127.0.0.1:1"));
    assert_eq!(kulya(&folder, &["capture", "drop", "shop", "--store-only"]), "shop: nothing to remove\n");
    assert_eq!(kulya(&folder, &["capture", "resume", "shop"]), "shop: stopped\n");
    let shown = kulya(&folder, &["capture", "status", "shop", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["name"], &shown["state"]), (&"shop".into(), &"stopped".into()));
    let settings = settings.repeat(2);
    std::fs::write(folder.path().join("kulya.toml"), settings).unwrap();
    let twice = failed(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(twice.contains("two [[cdc]] sections have the name shop"), "{twice}");
}
