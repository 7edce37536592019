//! `kulya cdc` with the settings file of a Debezium Server.

use crate::program::{command, database, kulya, run};
use std::path::Path;
use tempfile::tempdir;

/// The URL's user, host, port and database.
fn properties(url: &str, lines: &str) -> String {
    let rest = url.strip_prefix("postgres://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let (host, port) = server.split_once(':').unwrap();
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    format!(
        "debezium.sink.type=pravega\ndebezium.sink.pravega.scope=market\n\
         debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector\n\
         debezium.source.database.hostname={host}\ndebezium.source.database.port={port}\n\
         debezium.source.database.user={user}\ndebezium.source.database.password={password}\n\
         debezium.source.database.dbname={database}\ndebezium.source.topic.prefix=shop\n\
         debezium.format.schemas.enable=false\n{lines}"
    )
}

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("application.properties"), text).unwrap();
}

const CAPTURE: &[&str] =
    &["cdc", "--config", "application.properties", "--data", "folder", "--until-caught-up"];

#[test]
fn what_would_change_the_events_is_rejected() {
    let folder = tempdir().unwrap();
    let lines = "debezium.source.converters=isbn\ndebezium.source.money.fraction.digits=4\n\
        debezium.source.database.initial.statements=hidden7marker\nquarkus.log.level=INFO\n\
        debezium.source.table.include.lst=a.b\n";
    write(folder.path(), &properties("postgres://me:hidden7marker@127.0.0.1:1/shop", lines));
    let ran = run(&mut command(folder.path(), CAPTURE));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        lines,
        [
            "kulya: warning: debezium.source.database.initial.statements: set what is needed for the user: ALTER ROLE … SET",
            "kulya: warning: quarkus.log.level = \"INFO\": --log or KULYA_LOG",
            "kulya: warning: debezium.source.table.include.lst: unknown key, ignored: did you mean debezium.source.table.include.list?",
            "kulya: not supported yet: debezium.source.converters = \"isbn\": Java classes cannot be loaded",
            "kulya: not supported yet: debezium.source.money.fraction.digits = \"4\": money has 2 digits",
            "kulya: settings application.properties: 2 settings are not supported yet, and the events would differ without them",
        ]
    );
    assert!(!folder.path().join("folder").exists(), "nothing was opened");
}

#[test]
fn invalid_files_are_reported_in_one_line_for_each_value() {
    let folder = tempdir().unwrap();
    let failed = |text: &str, args: &[&str]| {
        write(folder.path(), text);
        let ran = run(&mut command(folder.path(), args));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        ran.err
    };
    let text = properties("postgres://me@127.0.0.1:1/shop", "debezium.source.slot.drop.on.stop=maybe\n");
    let err = failed(&text, CAPTURE);
    assert!(
        err.contains("kulya: debezium.source.slot.drop.on.stop = \"maybe\": permitted are true, false\n"),
        "{err}"
    );
    let err = failed("a=\\u12", CAPTURE);
    assert!(err.contains("settings application.properties: line 1: \\u needs four"), "{err}");
    let err = failed(&text, &["serve", "--config", "application.properties", "--listen", "127.0.0.1:0"]);
    assert!(err.contains("only kulya cdc reads"), "{err}");
}

#[test]
fn flags_replace_the_sink_and_the_tables() {
    let folder = tempdir().unwrap();
    let lines = "debezium.source.table.include.list=a.b.c\n";
    let text = properties("postgres://me@127.0.0.1:1/shop", lines).replace("type=pravega", "type=kinesis");
    write(folder.path(), &text);
    let ran = run(&mut command(folder.path(), &["cdc", "--config", "application.properties"]));
    assert!(
        ran.err.contains("debezium.sink.type = \"kinesis\"") && ran.err.contains("a setting is not"),
        "{ran:?}"
    );
    let ran = run(&mut command(folder.path(), &[CAPTURE, &["--table", "a.b"]].concat()));
    assert!(ran.err.contains("cannot connect to PostgreSQL at 127.0.0.1:1"), "{ran:?}");
    // the environment overrides the file
    let mut words = command(folder.path(), &[CAPTURE, &["--table", "a.b"]].concat());
    let ran = run(words.env("DEBEZIUM_SOURCE_DATABASE_HOSTNAME", "127.0.0.2"));
    assert!(ran.err.contains("cannot connect to PostgreSQL at 127.0.0.2:1"), "{ran:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn database_is_captured_with_the_settings_of_a_debezium_server() {
    let (client, url) = database("debezium_server").await;
    let setup = "CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY);
        INSERT INTO item SELECT generate_series(1, 100); INSERT INTO other VALUES (1);";
    client.batch_execute(setup).await.unwrap();
    let folder = tempdir().unwrap();
    let lines = "debezium.source.table.include.list=public\\\\.(item|order)\n\
        debezium.source.slot.name=debezium_server_slot\ndebezium.source.publication.name=debezium_server_publication\n";
    write(folder.path(), &properties(&url, lines));
    kulya(&folder, CAPTURE);
    client.batch_execute("DELETE FROM item WHERE id > 10; TRUNCATE other;").await.unwrap();
    kulya(&folder, CAPTURE);
    let sql = |query| kulya(&folder, &["sql", "--data", "folder", "--output", "csv", "-e", query]);
    assert_eq!(sql("SELECT count(*) AS n FROM market.`shop.public.item`"), "n\n10\n");
    let streams = kulya(&folder, &["stream", "--data", "folder", "list", "market"]);
    assert!(streams.contains("shop.public.item") && !streams.contains("other"), "{streams}");
    let slots = "SELECT FROM pg_replication_slots WHERE slot_name = 'debezium_server_slot'";
    assert_eq!(client.query(slots, &[]).await.unwrap().len(), 1);
}
