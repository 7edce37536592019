//! Set-ups of MariaDB and MySQL that cannot be captured: each ends the capture with one line that says what
//! to do, as a statement where one does it.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, catch_up};
use crate::running::STUCK;
use kulya_cdc::mysql::connection::{DumpSettings, Flavor};
use kulya_cdc::{Capture, CaptureSettings, CdcErrorKind, CdcResult, Progress};

const DATABASE: &str = "c_setup";

/// A set-up: what the administrator runs before and after, what the capture's settings change, and the error.
struct Setup {
    name: &'static str,
    before: Vec<String>,
    after: Vec<String>,
    change: Box<dyn Fn(&mut CaptureSettings)>,
    kind: CdcErrorKind,
    /// Parts of the message.
    expected: Vec<String>,
}

impl Setup {
    fn new(name: &'static str, kind: CdcErrorKind, expected: &[&str]) -> Self {
        let expected = expected.iter().map(|part| (*part).to_owned()).collect();
        Self { name, before: Vec::new(), after: Vec::new(), change: Box::new(|_| ()), kind, expected }
    }

    /// Sets a global variable while the capture runs.
    fn with_variable(mut self, name: &str, value: &str, suitable: &str) -> Self {
        self.before.push(format!("SET GLOBAL {name} = {value}"));
        self.after.push(format!("SET GLOBAL {name} = {suitable}"));
        self
    }

    fn with_settings(mut self, change: impl Fn(&mut CaptureSettings) + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// Lets an account capture that has these privileges only.
    fn with_account(mut self, privileges: &str, tail: &str) -> Self {
        self.before.extend([
            "DROP USER IF EXISTS c_setup@'%'".to_owned(),
            format!("CREATE USER c_setup@'%' IDENTIFIED BY 'geheim' {tail}"),
        ]);
        if !privileges.is_empty() {
            self.before.push(format!("GRANT {privileges} ON *.* TO c_setup@'%'"));
        }
        self.with_settings(|settings| settings.url = url_of(&settings.url, "c_setup", "geheim"))
    }
}

/// Returns a URL with another account.
fn url_of(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, server) = rest.rsplit_once('@').unwrap();
    format!("{scheme}://{user}:{password}@{server}")
}

/// Returns a URL with another `ssl-mode`.
fn with_ssl_mode(url: &str, mode: &str) -> String {
    let (server, parameters) = url.split_once('?').unwrap_or((url, ""));
    let others = parameters.split('&').filter(|parameter| !parameter.starts_with("ssl-mode"));
    let parameters: Vec<String> =
        others.map(str::to_owned).chain([format!("ssl-mode={mode}")]).filter(|p| !p.is_empty()).collect();
    format!("{server}?{}", parameters.join("&"))
}

fn setups(flavor: Flavor) -> Vec<Setup> {
    use CdcErrorKind::{Configuration, Unreachable};
    let is_mariadb = flavor == Flavor::Mariadb;
    let set = |name: &str, value: &str| match is_mariadb {
        true => format!("run SET GLOBAL {name} = {value}, and write {name} = {value} under [mysqld]"),
        false => format!("run SET PERSIST {name} = {value}"),
    };
    let monitor = if is_mariadb { "BINLOG MONITOR" } else { "REPLICATION CLIENT" };
    let (format, image) = (set("binlog_format", "ROW"), set("binlog_row_image", "FULL"));
    let mut setups = vec![
        Setup::new("binlog_format", Configuration, &["(binlog_format = MIXED)", &format]).with_variable(
            "binlog_format",
            "MIXED",
            "ROW",
        ),
        Setup::new("binlog_row_image", Configuration, &["(binlog_row_image = MINIMAL)", &image])
            .with_variable("binlog_row_image", "MINIMAL", "FULL"),
        Setup::new("password", Configuration, &["authentication failed", "for user c_setup", "password"])
            .with_account("", "")
            .with_settings(|settings| settings.url = url_of(&settings.url, "c_setup", "falsch")),
        Setup::new("account that needs TLS", Configuration, &["authentication failed", "ssl-mode=required"])
            .with_account("", "REQUIRE SSL")
            .with_settings(|settings| {
                settings.url = with_ssl_mode(&url_of(&settings.url, "c_setup", "geheim"), "disabled");
            }),
        Setup::new("host", Unreachable, &["cannot connect to nowhere.invalid", "address in the URL"])
            .with_settings(|settings| settings.url = "mysql://me:x@nowhere.invalid:3306/shop".into()),
        Setup::new("port", Unreachable, &["cannot connect to 127.0.0.1:1", "is it running"])
            .with_settings(|settings| settings.url = "mysql://me:x@127.0.0.1:1/shop".into()),
        Setup::new("server id", Configuration, &["server id 1 of this reader is that of the server"])
            .with_settings(|settings| settings.server_id = Some(1)),
    ];
    if !is_mariadb {
        // the tests' server has none of the versions that are in use
        let expected = ["TLS to 127.0.0.1", "the server needs TLS 1.2", "ssl-mode=disabled"];
        let setup = Setup::new("TLS", Configuration, &expected);
        setups.push(setup.with_settings(|s| s.url = with_ssl_mode(&s.url, "required")));
    }
    let all = ["REPLICATION SLAVE", monitor, "SELECT", "LOCK TABLES"];
    for missing in all.into_iter().filter(|missing| !is_mariadb || *missing != "LOCK TABLES") {
        let granted: Vec<&str> = all.into_iter().filter(|privilege| *privilege != missing).collect();
        let grant = format!("run GRANT {missing} ON *.* TO 'c_setup'@'%'");
        let lacks = format!("lacks the privilege {missing}");
        let setup = Setup::new("privilege", Configuration, &[&lacks, &grant]);
        setups.push(setup.with_account(&granted.join(", "), ""));
    }
    setups
}

/// Checks an error's message, which is one line.
fn check(name: &str, result: CdcResult<()>, kind: CdcErrorKind, expected: &[String]) {
    let error = result.err().unwrap_or_else(|| panic!("{name} can be captured"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{name}: {message}");
    for part in expected {
        assert!(message.contains(part.as_str()), "{name}: {part:?} in {message}");
    }
    assert!(!message.contains('\n') && !message.ends_with('.'), "{name}: {message}");
}

/// Runs captures of set-ups that cannot be captured.
pub(crate) async fn wrong_setups_are_named(server: Server) {
    // other captures would fail too
    let _log = LOG.write().await;
    let mut session = create(server, DATABASE).await;
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    for setup in setups(server.flavor) {
        let before: Vec<&str> = setup.before.iter().map(String::as_str).collect();
        let after: Vec<&str> = setup.after.iter().map(String::as_str).collect();
        server.run(&before).await;
        let mut settings = settings(server, DATABASE);
        (setup.change)(&mut settings);
        let result = catch_up(&settings, &mut MemorySink::default()).await;
        server.run(&after).await;
        check(setup.name, result, setup.kind, &setup.expected);
    }
    a_stored_position_of_another_log_is_named(server).await;
    another_reader_with_the_server_id_is_named(server).await;
}

/// A position that the log does not have any more, and one of another server.
async fn a_stored_position_of_another_log_is_named(server: Server) {
    let settings = settings(server, DATABASE);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    let stored = sink.checkpoint().unwrap();
    let other = serde_json::to_string(&stored.position).unwrap();
    let changed = |text: String| {
        let position = serde_json::from_str(&text).unwrap();
        kulya_cdc::Checkpoint { position, history: stored.history.clone() }
    };
    // the highest transaction number of the position, as a later one
    let ahead = with_later_transaction(&other);
    let mut sink = MemorySink::at(changed(ahead));
    let result = catch_up(&settings, &mut sink).await;
    let expected = ["which the server does not have", "transactions that the server does not have"];
    let message = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    assert!(expected.iter().any(|part| message.contains(part)), "{message}");
    check("position", result, CdcErrorKind::Position, &["check the address".to_owned()]);

    server.run(&[&format!("INSERT INTO {DATABASE}.t VALUES (2)"), "FLUSH BINARY LOGS"]).await;
    server.run(&[&format!("INSERT INTO {DATABASE}.t VALUES (3)")]).await;
    crate::binlog_cases::purge_to(server, &server.log_end().await.0).await;
    let mut sink = MemorySink::at(stored);
    let result = catch_up(&settings, &mut sink).await;
    check("purged log", result, CdcErrorKind::Position, &["purged".to_owned(), "new snapshot".to_owned()]);
}

/// Returns a stored position whose GTIDs have a transaction more, far ahead.
fn with_later_transaction(position: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(position).unwrap();
    let gtids = value["gtids"].as_str().unwrap_or_else(|| panic!("{position}")).to_owned();
    let digits = gtids.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    value["gtids"] = format!("{}{}", &gtids[..digits], "999999999").into();
    value.to_string()
}

/// Of two readers with one server id the server ends the older one.
async fn another_reader_with_the_server_id_is_named(server: Server) {
    let settings = CaptureSettings { server_id: Some(9400), ..settings(server, DATABASE) };
    let (sender, mut progress) = tokio::sync::mpsc::unbounded_channel();
    let capture = Capture::from(settings).on_progress(move |p| sender.send(p).unwrap_or_default());
    let mut sink = MemorySink::default();
    let newer = async {
        while !matches!(progress.recv().await.unwrap(), Progress::Streaming { .. }) {}
        // ended by the capture's reader if that one reaches the server later: then this one comes again
        loop {
            let start = server.log_end_as_start().await;
            let Ok(mut stream) = server.dump(&start, &DumpSettings::new(9400)).await else { continue };
            while stream.next_event().await.is_ok_and(|event| event.is_some()) {}
        }
    };
    let ended = async {
        tokio::select! {
            result = capture.run(&mut sink) => result,
            () = newer => unreachable!("it comes again"),
        }
    };
    let result = tokio::time::timeout(STUCK, ended).await.expect("the capture is ended");
    let expected = ["another reader", "same server id", "set another server id"].map(str::to_owned);
    check("server id of another reader", result, CdcErrorKind::Configuration, &expected);
}
