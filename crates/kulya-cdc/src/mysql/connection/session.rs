//! A session with the server: connecting, small queries, and the change to a stream of the log.

use super::channel::Channel;
use super::configuration::ServerConfiguration;
use super::dump::{self, BinlogStream};
use super::dump_request::{DumpSettings, DumpStart};
use super::error::{ConnectionError, Endpoint};
use super::query::{self, Rows};
use super::row_stream::{self, RowStream};
use super::settings::ConnectionSettings;
use super::version::ServerVersion;
use super::{configuration, login};
use tokio::net::TcpStream;

/// A connection that is logged in.
pub struct Connection {
    channel: Channel,
    version: ServerVersion,
    connection_id: u32,
}

impl Connection {
    /// Connects and logs in, within [`ConnectionSettings::connect_timeout`].
    ///
    /// # Errors
    /// `Unreachable`, `Timeout` or `Lost` for the network; `Tls` or `Authentication` for what settings or
    /// account must change; `Server` for the server's refusal.
    pub async fn open(settings: &ConnectionSettings) -> Result<Self, ConnectionError> {
        let server = settings.server();
        let connected = async {
            let stream = TcpStream::connect((settings.host.as_str(), settings.port)).await;
            let stream = stream.and_then(|stream| {
                // a login is a conversation of small packets
                stream.set_nodelay(true)?;
                Ok(stream)
            });
            match stream {
                Ok(stream) => Self::log_in(Box::new(stream), settings).await,
                Err(source) => Err(ConnectionError::Unreachable { server: server.clone(), source }),
            }
        };
        let seconds = settings.connect_timeout;
        match tokio::time::timeout(seconds, connected).await {
            Ok(result) => result,
            Err(_) => Err(ConnectionError::Timeout { server, seconds }),
        }
    }

    /// Logs in over an open transport.
    pub(super) async fn log_in(
        transport: Box<dyn super::channel::Transport>,
        settings: &ConnectionSettings,
    ) -> Result<Self, ConnectionError> {
        let endpoint = Endpoint {
            server: settings.server(),
            user: settings.user.clone(),
            account: account(&settings.user, "%"),
        };
        let channel = Channel::new(transport, endpoint, settings.query_timeout);
        let (channel, greeting) = login::log_in(channel, settings).await?;
        let mut connection =
            Self { channel, version: greeting.version, connection_id: greeting.connection_id };
        connection.read_account().await?;
        Ok(connection)
    }

    /// Asks for the name of the account, which statements in messages contain.
    async fn read_account(&mut self) -> Result<(), ConnectionError> {
        let rows = self.query("SELECT CURRENT_USER()").await?;
        // a host name has no @, but a user name may
        if let Some((user, host)) = rows.column(0).next().and_then(|name| name.rsplit_once('@')) {
            self.channel.endpoint.account = account(user, host);
        }
        Ok(())
    }

    /// Returns the server's product and version.
    pub fn version(&self) -> &ServerVersion {
        &self.version
    }

    /// Returns the server's number of this connection, for `KILL`.
    pub fn connection_id(&self) -> u32 {
        self.connection_id
    }

    /// Returns the account as the server names it, `'user'@'host'`.
    pub fn account(&self) -> &str {
        &self.channel.endpoint.account
    }

    /// Runs a statement and returns its result, of at most 16 MiB. Not cancel-safe: a connection whose query
    /// was dropped must be dropped too.
    ///
    /// # Errors
    /// `Server` for the server's error, after which the connection can be used again; else it cannot.
    pub async fn query(&mut self, sql: &str) -> Result<Rows, ConnectionError> {
        query::run(&mut self.channel, sql).await
    }

    /// Runs a statement whose result may be of any size, and returns the stream of its rows, which must be
    /// read to its end before the connection can be used again. Not cancel-safe, as [`Self::query`].
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_rows(&mut self, sql: &str) -> Result<RowStream<'_>, ConnectionError> {
        row_stream::start(&mut self.channel, sql).await
    }

    /// Reads the configuration that capture depends on.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn configuration(&mut self) -> Result<ServerConfiguration, ConnectionError> {
        let variables = self.query(&configuration::variables_query()).await?;
        let grants = self.query("SHOW GRANTS").await?;
        let version = self.version.clone();
        let account = self.channel.endpoint.account.clone();
        Ok(ServerConfiguration::from_rows(version, account, &variables, &grants))
    }

    /// Requests the log from a start, and returns the stream of its events.
    ///
    /// # Errors
    /// `InvalidRequest` for a start that cannot be requested of this server. A start that the server refuses
    /// is an error of the stream's first event.
    pub async fn dump(
        self,
        start: &DumpStart,
        settings: &DumpSettings,
    ) -> Result<BinlogStream, ConnectionError> {
        dump::start(self.channel, self.version.flavor, start, settings).await
    }
}

/// Quotes an account for statements.
fn account(user: &str, host: &str) -> String {
    let quote = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    format!("{}@{}", quote(user), quote(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_quoted() {
        assert_eq!(account("me", "10.%"), "'me'@'10.%'");
        assert_eq!(account("o'n\\eil", "%"), "'o''n\\\\eil'@'%'");
    }
}
