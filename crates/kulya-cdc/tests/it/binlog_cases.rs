//! Tests of the connection that are the same for MariaDB and MySQL.

use crate::binlog_server::{FORMAT_DESCRIPTION, HEARTBEAT, LOG, ROTATE, Server, contains, types};
use kulya_cdc::mysql::connection::{
    CaptureNeeds, Connection, ConnectionError, DumpSettings, DumpStart, Flavor, NextStep, Reason,
};
use std::time::Duration;

/// Returns the error of a login.
pub(crate) async fn login_error(server: Server, user: &str, password: &str) -> ConnectionError {
    Connection::open(&server.settings_of(user, password)).await.err().unwrap()
}

pub(crate) async fn wrong_credentials_are_refused(server: Server) {
    server.create_user("c_login", "IDENTIFIED BY 'geheim'").await;
    for (user, password) in [("c_login", "wrong"), ("c_login", ""), ("c_nobody", "geheim")] {
        let error = login_error(server, user, password).await;
        assert_eq!(
            (error.reason(), error.next_step()),
            (Some(Reason::AccessDenied), NextStep::Stop),
            "{error:?}"
        );
        assert!(error.to_string().contains(user), "{error}");
    }
    server.run(&["ALTER USER c_login@'%' ACCOUNT LOCK"]).await;
    let error = login_error(server, "c_login", "geheim").await;
    assert_eq!(error.reason(), Some(Reason::AccountUnusable), "{error:?}");
}

pub(crate) async fn the_limit_of_connections_is_worth_a_retry(server: Server) {
    server.create_user("c_limit", "IDENTIFIED BY 'geheim' WITH MAX_USER_CONNECTIONS 1").await;
    let first = Connection::open(&server.settings_of("c_limit", "geheim")).await.unwrap();
    let error = login_error(server, "c_limit", "geheim").await;
    assert_eq!(
        (error.reason(), error.next_step()),
        (Some(Reason::TooManyConnections), NextStep::Retry),
        "{error:?}"
    );
    drop(first);
}

pub(crate) async fn a_closed_port_is_unreachable(server: Server) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = server.settings();
    settings.port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Connection::open(&settings).await.err().unwrap();
    assert!(matches!(error, ConnectionError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.next_step(), NextStep::Retry);
}

pub(crate) async fn the_configuration_is_suitable(server: Server) {
    let needs = CaptureNeeds { gtid: true, snapshot: true, reader_server_id: Some(5) };
    let configuration = server.admin().await.configuration().await.unwrap();
    assert_eq!(configuration.check(&needs), []);
    server.create_user("c_bare", "IDENTIFIED BY 'geheim'").await;
    let settings = server.settings_of("c_bare", "geheim");
    let configuration = Connection::open(&settings).await.unwrap().configuration().await.unwrap();
    let problems = configuration.check(&needs);
    // each statement is one that the server accepts
    for problem in &problems {
        server.run(&[problem.mend.strip_prefix("run ").unwrap()]).await;
    }
    let expected = if server.flavor == Flavor::Mariadb { 3 } else { 4 };
    assert_eq!(problems.len(), expected, "{problems:?}");
    let configuration = Connection::open(&settings).await.unwrap().configuration().await.unwrap();
    assert_eq!(configuration.check(&needs), []);
}

pub(crate) async fn the_log_is_read_from_file_and_position(server: Server) {
    let _log = LOG.read().await;
    server.create_table("c_file").await;
    let start = server.log_end_as_start().await;
    server.run(&["INSERT INTO c_file.t VALUES (1, 'first row'), (2, 'second row')"]).await;
    let (file, end) = server.log_end().await;
    let events = server.read(&start, 8101).await.unwrap();
    // the server begins with artificial events: the file's name, and its format
    assert_eq!(types(&events)[..2], [ROTATE, FORMAT_DESCRIPTION]);
    let rows = events.iter().filter(|event| contains(event, "first row") && contains(event, "second row"));
    assert_eq!(rows.count(), if server.flavor == Flavor::Mariadb { 2 } else { 1 }, "{:?}", types(&events));
    // from the end position there is nothing more
    let events = server.read(&DumpStart::File { file, position: end }, 8101).await.unwrap();
    assert!(!events.iter().any(|event| contains(event, "first row")));
}

pub(crate) async fn the_log_is_read_from_gtids(server: Server, gtid_type: u8) {
    let _log = LOG.read().await;
    server.create_table("c_gtid").await;
    server.run(&["INSERT INTO c_gtid.t VALUES (1, 'before')"]).await;
    let start = server.gtids().await;
    server.run(&["FLUSH BINARY LOGS", "INSERT INTO c_gtid.t VALUES (2, 'after')"]).await;
    let events = server.read(&start, 8102).await.unwrap();
    assert!(!events.iter().any(|event| contains(event, "before")));
    assert!(events.iter().any(|event| contains(event, "after")));
    assert!(types(&events).contains(&gtid_type), "{:?}", types(&events));
    // a later start does not repeat it
    let events = server.read(&server.gtids().await, 8102).await.unwrap();
    assert!(!events.iter().any(|event| contains(event, "after")));
}

pub(crate) async fn a_killed_reader_retries(server: Server) {
    let _log = LOG.read().await;
    let connection = server.admin().await;
    let id = connection.connection_id();
    let start = server.log_end_as_start().await;
    let mut stream = connection.dump(&start, &DumpSettings::new(8103)).await.unwrap();
    assert_eq!(stream.next_event().await.unwrap().unwrap()[4], ROTATE);
    server.run(&[&format!("KILL {id}")]).await;
    let error = loop {
        match stream.next_event().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream must not seem complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.next_step(), NextStep::Retry, "{error:?}");
}

pub(crate) async fn heartbeats_arrive(server: Server) {
    let _log = LOG.read().await;
    let start = server.log_end_as_start().await;
    let settings = DumpSettings {
        heartbeat: Duration::from_millis(100),
        silent_periods: 300,
        ..DumpSettings::new(8104)
    };
    let mut stream = server.dump(&start, &settings).await.unwrap();
    while stream.next_event().await.unwrap().unwrap()[4] != HEARTBEAT {}
}

pub(crate) async fn a_row_of_20_mb_is_read(server: Server) {
    const ROW_BYTES: usize = 20_000_000;
    let _log = LOG.read().await;
    server.create_table("c_large").await;
    let start = server.log_end_as_start().await;
    server.run(&[&format!("INSERT INTO c_large.t VALUES (1, REPEAT('x', {ROW_BYTES}))")]).await;
    let events = server.read(&start, 8105).await.unwrap();
    let large = events.iter().find(|event| event.len() > ROW_BYTES).unwrap();
    assert!(large.len() < ROW_BYTES + 1000);

    let settings =
        DumpSettings { max_event_bytes: 1 << 20, ends_at_log_end: true, ..DumpSettings::new(8106) };
    let mut stream = server.dump(&start, &settings).await.unwrap();
    let (mut bytes, mut largest) = (0, 0);
    while let Some(piece) = stream.next_piece().await.unwrap() {
        bytes = piece.bytes.len() + if piece.is_first { 0 } else { bytes };
        largest = largest.max(bytes);
    }
    assert_eq!(largest, large.len());

    let mut stream = server.dump(&start, &settings).await.unwrap();
    let error = loop {
        if let Err(error) = stream.next_event().await {
            break error;
        }
    };
    assert!(matches!(error, ConnectionError::TooLong { .. }), "{error:?}");
}

pub(crate) async fn a_missing_privilege_is_named(server: Server) {
    let _log = LOG.read().await;
    server.create_user("c_grant", "IDENTIFIED BY 'geheim'").await;
    let settings = server.settings_of("c_grant", "geheim");
    let start = server.log_end_as_start().await;
    let refused = async {
        let connection = Connection::open(&settings).await.unwrap();
        connection.dump(&start, &DumpSettings::new(8107)).await?.next_event().await
    };
    let error = refused.await.unwrap_err();
    assert_eq!(
        (error.reason(), error.next_step()),
        (Some(Reason::MissingPrivilege), NextStep::Stop),
        "{error:?}"
    );
    let statement = "GRANT REPLICATION SLAVE ON *.* TO 'c_grant'@'%'";
    assert!(error.to_string().contains(statement), "{error}");
    server.run(&[statement]).await;
    let connection = Connection::open(&settings).await.unwrap();
    let mut stream = connection.dump(&start, &DumpSettings::new(8107)).await.unwrap();
    assert!(stream.next_event().await.unwrap().is_some());
}

pub(crate) async fn the_older_reader_of_a_server_id_stops(server: Server) {
    let _log = LOG.read().await;
    let start = server.log_end_as_start().await;
    let settings = DumpSettings::new(8108);
    let mut older = server.dump(&start, &settings).await.unwrap();
    assert!(older.next_event().await.unwrap().is_some());
    let mut newer = server.dump(&start, &settings).await.unwrap();
    assert!(newer.next_event().await.unwrap().is_some());
    let error = loop {
        match older.next_event().await {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (error.reason(), error.next_step()),
        (Some(Reason::ServerIdInUse), NextStep::Stop),
        "{error:?}"
    );
}

pub(crate) async fn invalid_positions_are_refused(server: Server, ahead: DumpStart) {
    let _log = LOG.write().await;
    // in a new file: what the server makes of bytes within an event depends on how far they are
    server.run(&["FLUSH BINARY LOGS"]).await;
    server.create_table("c_position").await;
    let (file, position) = server.log_end().await;
    server.run(&["INSERT INTO c_position.t VALUES (1, 'x')"]).await;
    let at = |file: &str, position| DumpStart::File { file: file.to_owned(), position };
    for (start, expected) in [
        (at("binlog.999999", 4), Reason::MissingFile),
        (at("other.000001", 4), Reason::MissingFile),
        (at(&file, 3_000_000_000), Reason::InvalidPosition),
        (at(&file, position + 3), Reason::InvalidPosition),
        (ahead, Reason::GtidAhead),
    ] {
        let error = server.refusal(&start, 8109).await;
        assert_eq!(
            (error.reason(), error.next_step()),
            (Some(expected), NextStep::StopAtPosition),
            "{start:?}: {error:?}"
        );
    }
}

pub(crate) async fn a_purged_log_is_refused(server: Server) {
    let _log = LOG.write().await;
    server.create_table("c_purged").await;
    let (by_gtid, (file, position)) = (server.gtids().await, server.log_end().await);
    server.run(&["INSERT INTO c_purged.t VALUES (1, 'x')", "FLUSH BINARY LOGS"]).await;
    server.run(&["INSERT INTO c_purged.t VALUES (2, 'x')"]).await;
    purge_to(server, &server.log_end().await.0).await;
    let error = server.refusal(&by_gtid, 8110).await;
    assert_eq!(
        (error.reason(), error.next_step()),
        (Some(Reason::Purged), NextStep::StopAtPosition),
        "{error:?}"
    );
    assert!(error.to_string().contains("new snapshot"), "{error}");
    let error = server.refusal(&DumpStart::File { file, position }, 8110).await;
    assert_eq!(error.reason(), Some(Reason::MissingFile), "{error:?}");
}

/// Purges the log before a file. MariaDB keeps files silently that crash recovery may need, for a moment.
pub(crate) async fn purge_to(server: Server, file: &str) {
    let mut admin = server.admin().await;
    loop {
        admin.query(&format!("PURGE BINARY LOGS TO '{file}'")).await.unwrap();
        if admin.query("SHOW BINARY LOGS").await.unwrap().column(0).next() == Some(file) {
            return;
        }
    }
}
