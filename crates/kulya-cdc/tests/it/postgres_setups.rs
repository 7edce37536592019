//! Set-ups of PostgreSQL: those that cannot be captured end with one line that says what to do, and those
//! that only look strange change no event.

use crate::database::{Database, MemorySink, catch_up};
use crate::own_server::{OwnServer, Product, Stop};
use crate::table_changes::changes;
use kulya_cdc::{CaptureSettings, CdcErrorKind};
use serde_json::{Value, json};

/// The settings of a capture by another role, whose password is `x`.
fn by_role(database: &Database, role: &str) -> CaptureSettings {
    let url = database.url().replace("//kulya:kulya@", &format!("//{role}:x@"));
    assert!(url.contains(role), "{url}");
    CaptureSettings { url, ..database.settings() }
}

async fn refusal(settings: &CaptureSettings, kind: CdcErrorKind) -> String {
    let error = catch_up(settings, &mut MemorySink::default()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// Creates a role, which may be left of a test that failed.
fn create_role(name: &str, attributes: &str) -> String {
    format!(
        "DO $$ BEGIN DROP ROLE IF EXISTS {name}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END $$\n\
         CREATE ROLE {name} LOGIN {attributes} PASSWORD 'x'"
    )
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn missing_privileges_are_named_one_after_the_other() {
    let database = Database::create("setup_privileges").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1)").await;
    database.script(&create_role("setup_lowly", "")).await;
    let settings = CaptureSettings { tables: vec!["public.t".into()], ..by_role(&database, "setup_lowly") };
    for (expected, mended) in [
        ("run ALTER ROLE \"setup_lowly\" REPLICATION", "ALTER ROLE setup_lowly REPLICATION"),
        (
            "run CREATE PUBLICATION kulya_setup_privileges FOR TABLE \"public\".\"t\"",
            "CREATE PUBLICATION kulya_setup_privileges FOR TABLE t",
        ),
        ("run GRANT SELECT ON TABLE t TO", "GRANT SELECT ON t TO setup_lowly"),
    ] {
        let message = refusal(&settings, CdcErrorKind::Configuration).await;
        assert!(message.contains(expected), "{message}");
        database.script(mended).await;
    }
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(changes(&sink, 0).len(), 1);
    // a function without which a server cannot be told from another one
    database.script("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public").await;
    let message = refusal(&settings, CdcErrorKind::Configuration).await;
    assert!(message.contains("run GRANT EXECUTE ON FUNCTION pg_control_system TO"), "{message}");
    database.script("GRANT EXECUTE ON FUNCTION pg_control_system() TO setup_lowly").await;
    catch_up(&settings, &mut sink).await.unwrap();
    // on Amazon RDS nobody has the attribute, but members of a role
    database.script("ALTER ROLE setup_lowly NOREPLICATION").await;
    let is_member = "DO $$ BEGIN CREATE ROLE rds_replication; EXCEPTION WHEN duplicate_object THEN NULL; END $$\n\
                     GRANT rds_replication TO setup_lowly";
    database.script(is_member).await;
    let error = catch_up(&settings, &mut sink).await.unwrap_err().to_string();
    // the check is passed; PostgreSQL itself asks for the attribute
    assert!(!error.contains("ALTER ROLE"), "{error}");
    database.drop_everything().await;
}

/// Settings of a role are those of its applications.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn settings_of_a_role_change_no_value() {
    let database = Database::create("setup_role_settings").await;
    database.script(&create_role("setup_odd", "SUPERUSER")).await;
    for setting in [
        "client_encoding = 'latin1'",
        "datestyle = 'SQL, DMY'",
        "timezone = 'Asia/Tokyo'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "extra_float_digits = -5",
        "search_path = 'nowhere'",
        "statement_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
        "quote_all_identifiers = on",
        "row_security = off",
    ] {
        database.script(&format!("ALTER ROLE setup_odd SET {setting}")).await;
    }
    database
        .script(
            "CREATE TABLE t (id int PRIMARY KEY, d date, tz timestamptz, i interval, b bytea, f float, s text)
INSERT INTO t VALUES (1, '2024-02-03', '2024-02-03 04:05:06Z', '1 day 02:03:04', '\\xff00', 0.1, '日\\本')",
        )
        .await;
    let mut sink = MemorySink::default();
    catch_up(&by_role(&database, "setup_odd"), &mut sink).await.unwrap();
    database.script("INSERT INTO t SELECT 2, d, tz, i, b, f, s FROM t").await;
    catch_up(&by_role(&database, "setup_odd"), &mut sink).await.unwrap();
    let row = |id: i32| {
        json!({"id": id, "d": 19756, "tz": "2024-02-03T04:05:06.000000Z", "i": 93_784_000_000_i64,
            "b": "/wA=", "f": 0.1, "s": "日\\本"})
    };
    let rows: Vec<Value> = changes(&sink, 0).iter().map(|change| change[3].clone()).collect();
    assert_eq!(rows, [row(1), row(2)]);
    database.script("ALTER ROLE setup_odd SET default_transaction_read_only = on").await;
    catch_up(&by_role(&database, "setup_odd"), &mut sink).await.unwrap();
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn other_encodings_of_a_database_become_utf_8() {
    let root = Database::create("setup_encoding_root").await;
    let database = Database::create("setup_encoding").await;
    for (encoding, column, value) in [("LATIN1", "é", "ÿ"), ("EUC_JP", "表", "日本")] {
        create_again(&root, "setup_encoding", encoding).await;
        let session = database.connect().await;
        let sql = format!(
            "SET client_encoding = 'UTF8'; CREATE TABLE t (id int PRIMARY KEY, \"{column}\" text); \
             INSERT INTO t VALUES (1, '{value}')"
        );
        session.batch_execute(&sql).await.unwrap();
        let mut sink = MemorySink::default();
        catch_up(&database.settings(), &mut sink).await.unwrap();
        session.batch_execute(&format!("INSERT INTO t SELECT 2, \"{column}\" FROM t")).await.unwrap();
        catch_up(&database.settings(), &mut sink).await.unwrap();
        let rows: Vec<Value> = changes(&sink, 0).iter().map(|change| change[3].clone()).collect();
        assert_eq!(rows, [json!({"id": 1, column: value}), json!({"id": 2, column: value})], "{encoding}");
        database.drop_slot().await;
    }
    database.drop_everything().await;
    root.drop_everything().await;
}

/// Creates a database again in another encoding, without a slot.
async fn create_again(root: &Database, name: &str, encoding: &str) {
    let sql = format!(
        "DROP DATABASE {name} WITH (FORCE)\n\
         CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    );
    root.script(&sql).await;
}

/// PostgreSQL does not check the bytes of such a database.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn bytes_without_an_encoding_are_named() {
    let root = Database::create("setup_ascii_root").await;
    let database = Database::create("setup_ascii").await;
    create_again(&root, "setup_ascii", "SQL_ASCII").await;
    let session = database.connect().await;
    let sql = "CREATE TABLE bad (id int PRIMARY KEY, s text); INSERT INTO bad VALUES (1, E'a\\xe9b'); \
               CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1)";
    session.batch_execute(sql).await.unwrap();
    let message = refusal(&database.settings(), CdcErrorKind::Source).await;
    assert!(message.contains("public.bad") && message.contains("or exclude the table"), "{message}");
    let settings = CaptureSettings { tables: vec!["public.good".into()], ..database.settings() };
    catch_up(&settings, &mut MemorySink::default()).await.unwrap();
    database.drop_everything().await;
    root.drop_everything().await;
}

/// Changes between the stored position and a slot's would be missing.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn slots_that_are_ahead_are_refused() {
    let create = "SELECT pg_create_logical_replication_slot('kulya_setup_slot', 'pgoutput')";
    let recreated =
        format!("SELECT pg_drop_replication_slot('kulya_setup_slot')\nINSERT INTO t VALUES (1)\n{create}");
    let advanced = "INSERT INTO t VALUES (1)\nSELECT pg_replication_slot_advance('kulya_setup_slot', pg_current_wal_lsn())";
    for ahead in [recreated.as_str(), advanced] {
        let database = Database::create("setup_slot").await;
        database.script("CREATE TABLE t (id int PRIMARY KEY)").await;
        let mut sink = MemorySink::default();
        catch_up(&database.settings(), &mut sink).await.unwrap();
        let end = "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots \
                   WHERE slot_name = 'kulya_setup_slot' AND active_pid IS NOT NULL";
        database.script(end).await;
        database.script(ahead).await;
        let error = catch_up(&database.settings(), &mut sink).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Position, "{error}");
        let expected = "another consumer has advanced replication slot kulya_setup_slot";
        assert!(error.to_string().contains(expected), "{error}");
        // a database that was made again under its name
        drop(database);
        let database = Database::create("setup_slot").await;
        database.script("CREATE TABLE t (id int PRIMARY KEY)").await;
        database.script(create).await;
        let error = catch_up(&database.settings(), &mut sink).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Position, "{error}");
        database.drop_everything().await;
    }
}

/// What a publication of the user's own lacks is his business, and tables added to it are read.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn tables_that_a_publication_lacks_are_captured_once_it_has_them() {
    let database = Database::create("setup_lacking").await;
    database
        .script(
            "CREATE TABLE a (id int PRIMARY KEY)
CREATE TABLE b (id int PRIMARY KEY)
INSERT INTO b VALUES (1)
CREATE PUBLICATION mine FOR TABLE a",
        )
        .await;
    let settings = CaptureSettings { publication: "mine".into(), ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.script("INSERT INTO b VALUES (2)\nINSERT INTO a VALUES (1)").await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(changes(&sink, 0), [json!(["c", {"id": 1}, null, {"id": 1}])]);
    // the statement of the warning
    database.script("ALTER PUBLICATION mine ADD TABLE public.b").await;
    catch_up(&settings, &mut sink).await.unwrap();
    database.script("INSERT INTO b VALUES (3)").await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found: Vec<Value> =
        changes(&sink, 1).iter().map(|change| json!([change[0], change[1]["id"]])).collect();
    assert_eq!(found, [json!(["r", 1]), json!(["r", 2]), json!(["c", 3])]);
    database.drop_everything().await;
}

/// Each is found before the first row is read.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn settings_of_a_server_are_named() {
    for (settings, kind, expected) in [
        (
            &["max_wal_senders=0"][..],
            CdcErrorKind::Configuration,
            "set max_wal_senders = 10 in postgresql.conf",
        ),
        (&["max_replication_slots=0"], CdcErrorKind::Source, "max_replication_slots > 0"),
        (&["wal_level=replica"], CdcErrorKind::Configuration, "set wal_level = logical in postgresql.conf"),
    ] {
        let arguments: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
        let server = OwnServer::start_new(Product::Postgres, &arguments).await;
        let message = refusal(&of_server(&server), kind).await;
        assert!(message.contains(expected), "{message}");
    }
    let mut server = OwnServer::start_new(Product::Postgres, &[]).await;
    server.stop(Stop::Clean).await;
    std::fs::write(server.data().join("pg_hba.conf"), "hostssl all all all scram-sha-256\n").unwrap();
    server.start().await;
    let mut settings = of_server(&server);
    settings.url += "?sslmode=disable";
    let message = refusal(&settings, CdcErrorKind::Configuration).await;
    assert!(message.contains("does not accept user kulya") && message.contains("no encryption"), "{message}");
}

/// The settings of a capture of a server's tables.
fn of_server(server: &OwnServer) -> CaptureSettings {
    CaptureSettings { url: server.url("postgres"), name: "setup".into(), ..CaptureSettings::default() }
}
