//! A MariaDB or MySQL server that `cargo xtask test` starts, its accounts, and its log.

use crate::database::server;
use kulya_cdc::mysql::connection::{
    BinlogStream, Connection, ConnectionError, ConnectionSettings, DumpSettings, DumpStart, Flavor,
};
use tokio::sync::RwLock;

/// Held for reading by tests that read the log, for writing by those that purge it.
pub(crate) static LOG: RwLock<()> = RwLock::const_new(());

/// The types of events in the tests, as the header has them.
pub(crate) const ROTATE: u8 = 4;
pub(crate) const FORMAT_DESCRIPTION: u8 = 15;
pub(crate) const HEARTBEAT: u8 = 27;
pub(crate) const MYSQL_GTID: u8 = 33;
pub(crate) const ANNOTATE_ROWS: u8 = 160;
pub(crate) const MARIADB_GTID: u8 = 162;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub(crate) flavor: Flavor,
    variable: &'static str,
}

pub(crate) const MARIADB: Server = Server { flavor: Flavor::Mariadb, variable: "KULYA_TEST_MARIADB" };
pub(crate) const MYSQL: Server = Server { flavor: Flavor::Mysql, variable: "KULYA_TEST_MYSQL" };

impl Server {
    /// The URL of the administrator.
    pub(crate) fn url(self) -> String {
        server(self.variable)
    }

    /// The settings of the administrator.
    pub(crate) fn settings(self) -> ConnectionSettings {
        ConnectionSettings::parse(&self.url()).unwrap()
    }

    pub(crate) fn settings_of(self, user: &str, password: &str) -> ConnectionSettings {
        ConnectionSettings { user: user.to_owned(), password: password.to_owned(), ..self.settings() }
    }

    pub(crate) async fn admin(self) -> Connection {
        Connection::open(&self.settings()).await.unwrap()
    }

    /// Runs statements as the administrator.
    pub(crate) async fn run(self, statements: &[&str]) {
        let mut admin = self.admin().await;
        for sql in statements {
            admin.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
    }

    /// Returns the value of a query with one row and one column.
    pub(crate) async fn value(self, sql: &str) -> String {
        self.admin().await.query(sql).await.unwrap().column(0).next().unwrap_or_default().to_owned()
    }

    /// Creates a database with a table `t (id, v)`, empty.
    pub(crate) async fn create_table(self, database: &str) {
        self.run(&[
            &format!("DROP DATABASE IF EXISTS {database}"),
            &format!("CREATE DATABASE {database}"),
            &format!("CREATE TABLE {database}.t (id INT PRIMARY KEY, v LONGTEXT)"),
        ])
        .await;
    }

    /// Creates an account with the password `geheim`; `method` is the part of the statement behind its name.
    pub(crate) async fn create_user(self, user: &str, method: &str) {
        self.run(&[&format!("DROP USER IF EXISTS {user}@'%'"), &format!("CREATE USER {user}@'%' {method}")])
            .await;
    }

    /// Returns the end of the log as file and position.
    pub(crate) async fn log_end(self) -> (String, u64) {
        let rows = self.admin().await.query("SHOW MASTER STATUS").await.unwrap();
        (rows.value("File").unwrap().to_owned(), rows.value("Position").unwrap().parse().unwrap())
    }

    pub(crate) async fn log_end_as_start(self) -> DumpStart {
        let (file, position) = self.log_end().await;
        DumpStart::File { file, position }
    }

    /// Returns the end of the log as GTIDs.
    pub(crate) async fn gtids(self) -> DumpStart {
        match self.flavor {
            Flavor::Mariadb => DumpStart::MariadbGtid(self.value("SELECT @@gtid_binlog_pos").await),
            _ => {
                let set = self.value("SELECT @@global.gtid_executed").await;
                DumpStart::MysqlGtid(encode(&set.replace(['\n', ' '], "")))
            }
        }
    }

    pub(crate) async fn dump(
        self,
        start: &DumpStart,
        settings: &DumpSettings,
    ) -> Result<BinlogStream, ConnectionError> {
        self.admin().await.dump(start, settings).await
    }

    /// Reads the log from a start to its end, and checks each event's checksum.
    pub(crate) async fn read(
        self,
        start: &DumpStart,
        server_id: u32,
    ) -> Result<Vec<Vec<u8>>, ConnectionError> {
        let settings =
            DumpSettings { ends_at_log_end: true, annotate_rows: true, ..DumpSettings::new(server_id) };
        let mut stream = self.dump(start, &settings).await?;
        let mut events = Vec::new();
        while let Some(event) = stream.next_event().await? {
            let (content, checksum) = event.split_at(event.len() - 4);
            assert_eq!(crc32(content).to_le_bytes(), checksum, "event {} of type {}", events.len(), event[4]);
            events.push(event.to_vec());
        }
        Ok(events)
    }

    /// Reads the log from a start that the server refuses.
    pub(crate) async fn refusal(self, start: &DumpStart, server_id: u32) -> ConnectionError {
        self.read(start, server_id).await.unwrap_err()
    }
}

/// Encodes a set of GTIDs of whole servers, such as `uuid:1-5,uuid:1-3:5`.
pub(crate) fn encode(set: &str) -> Vec<u8> {
    let servers: Vec<&str> = set.split(',').filter(|server| !server.is_empty()).collect();
    let mut output = (servers.len() as u64).to_le_bytes().to_vec();
    for server in servers {
        let (uuid, intervals) = server.split_once(':').unwrap();
        let digits = uuid.replace('-', "");
        output.extend((0..16).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()));
        let intervals: Vec<&str> = intervals.split(':').collect();
        output.extend((intervals.len() as u64).to_le_bytes());
        for interval in intervals {
            let (first, last) = interval.split_once('-').unwrap_or((interval, interval));
            output.extend(first.parse::<u64>().unwrap().to_le_bytes());
            output.extend((last.parse::<u64>().unwrap() + 1).to_le_bytes());
        }
    }
    output
}

/// The checksum of events: CRC-32 as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

pub(crate) fn contains(event: &[u8], text: &str) -> bool {
    event.windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

pub(crate) fn types(events: &[Vec<u8>]) -> Vec<u8> {
    events.iter().map(|event| event[4]).collect()
}
