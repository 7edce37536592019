//! Settings of the connection to the database.

use super::reader::Reader;
use super::secret::Secret;
use crate::debezium_server::choice::{DatabaseKind, TlsMode};

/// The database and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The server's name or address.
    pub hostname: String,
    /// The server's port.
    pub port: u16,
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Option<Secret>,
    /// The name of the database (PostgreSQL).
    pub database: Option<String>,
    /// Encryption.
    pub tls: TlsMode,
    /// The files of TLS.
    pub tls_files: TlsFiles,
    /// The timeout of opening a connection, in milliseconds (MySQL, MariaDB).
    pub connect_timeout_ms: Option<u64>,
    /// Whether the server is asked for the key that encrypts the password (MySQL).
    pub gets_public_key: bool,
}

/// Paths of certificates and keys, as the properties name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The client's certificate (PostgreSQL).
    pub certificate: Option<String>,
    /// The client's key (PostgreSQL).
    pub key: Option<String>,
    /// The password of the key (PostgreSQL).
    pub key_password: Option<Secret>,
    /// The certificate of the server's authority (PostgreSQL).
    pub root_certificate: Option<String>,
    /// The Java key store with the client's certificate (MySQL, MariaDB).
    pub key_store: Option<String>,
    /// The key store's password (MySQL, MariaDB).
    pub key_store_password: Option<Secret>,
    /// The Java trust store with the server's authorities (MySQL, MariaDB).
    pub trust_store: Option<String>,
    /// The trust store's password (MySQL, MariaDB).
    pub trust_store_password: Option<Secret>,
}

impl Connection {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let is_postgres = reader.database() == DatabaseKind::Postgres;
        let tls = if is_postgres {
            "debezium.source.database.sslmode"
        } else {
            "debezium.source.database.ssl.mode"
        };
        Self {
            hostname: reader.required("debezium.source.database.hostname"),
            port: reader.number("debezium.source.database.port").unwrap_or_default(),
            user: reader.required("debezium.source.database.user"),
            // blanks may belong to it
            password: reader.set("debezium.source.database.password").map(Secret::new),
            database: is_postgres.then(|| reader.required("debezium.source.database.dbname")),
            tls: reader.choice(tls, TlsMode::Disable),
            tls_files: if is_postgres { TlsFiles::pem(reader) } else { TlsFiles::stores(reader) },
            connect_timeout_ms: (!is_postgres)
                .then(|| reader.number("debezium.source.connect.timeout.ms"))
                .flatten(),
            gets_public_key: reader.database() == DatabaseKind::MySql
                && reader.boolean("debezium.source.driver.allowPublicKeyRetrieval"),
        }
    }
}

impl TlsFiles {
    fn pem(reader: &Reader<'_>) -> Self {
        Self {
            certificate: reader.text("debezium.source.database.sslcert"),
            key: reader.text("debezium.source.database.sslkey"),
            key_password: reader.set("debezium.source.database.sslpassword").map(Secret::new),
            root_certificate: reader.text("debezium.source.database.sslrootcert"),
            ..Self::default()
        }
    }

    fn stores(reader: &Reader<'_>) -> Self {
        let secret = |key| reader.set(key).map(Secret::new);
        Self {
            key_store: reader.text("debezium.source.database.ssl.keystore"),
            key_store_password: secret("debezium.source.database.ssl.keystore.password"),
            trust_store: reader.text("debezium.source.database.ssl.truststore"),
            trust_store_password: secret("debezium.source.database.ssl.truststore.password"),
            ..Self::default()
        }
    }
}
