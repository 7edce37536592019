//! Enumerated values of the properties, with the names that Debezium gives them.

/// A value that has one of a few names.
pub(super) trait Choice: Sized {
    /// Returns the value of a name, in any case.
    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal $(| $alias:literal)*,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`", $(", `", $alias, "`",)* ".")] $variant,)+
        }

        impl $name {
            /// The names, one for each value.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// Returns the name in the properties.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl Choice for $name {
            fn from_name(name: &str) -> Option<Self> {
                let names: &[(&str, Self)] = &[$(($text, Self::$variant), $(($alias, Self::$variant),)*)+];
                names.iter().find(|(text, _)| text.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
            }
        }
    )+};
}

choices! {
    /// The kind of database, by the connector's class.
    DatabaseKind {
        Postgres = "io.debezium.connector.postgresql.PostgresConnector",
        MySql = "io.debezium.connector.mysql.MySqlConnector",
        MariaDb = "io.debezium.connector.mariadb.MariaDbConnector",
    }
    /// When a snapshot is read, and what follows it.
    SnapshotMode {
        Always = "always",
        Initial = "initial",
        InitialOnly = "initial_only",
        NoData = "no_data",
        Never = "never",
        WhenNeeded = "when_needed",
        Recovery = "recovery",
        ConfigurationBased = "configuration_based",
        Custom = "custom",
    }
    /// The locks of a snapshot.
    SnapshotLocking {
        None = "none",
        Shared = "shared",
        Minimal = "minimal",
        MinimalPercona = "minimal_percona",
        MinimalPerconaNoTableLocks = "minimal_percona_no_table_locks",
        Extended = "extended",
        Custom = "custom",
    }
    /// The form of exact decimal numbers.
    DecimalMode {
        Precise = "precise",
        Double = "double",
        String = "string",
    }
    /// The form of dates and times.
    TimeMode {
        Adaptive = "adaptive",
        AdaptiveTimeMicroseconds = "adaptive_time_microseconds",
        Connect = "connect",
        IsoString = "isostring",
        Microseconds = "microseconds",
        Nanoseconds = "nanoseconds",
        Structured = "structured",
    }
    /// The form of binary values.
    BinaryMode {
        Bytes = "bytes",
        Base64 = "base64",
        Base64UrlSafe = "base64-url-safe",
        Hex = "hex",
    }
    /// The form of intervals.
    IntervalMode {
        Numeric = "numeric",
        String = "string",
    }
    /// The form of hstore values.
    HstoreMode {
        Json = "json",
        Map = "map",
    }
    /// The form of BIGINT UNSIGNED.
    UnsignedBigintMode {
        Long = "long",
        Precise = "precise",
    }
    /// How names of schemas or fields are changed for Avro.
    NameAdjustment {
        None = "none",
        Avro = "avro",
        AvroUnicode = "avro_unicode",
    }
    /// Operations for which no events are written.
    Operation {
        Create = "c",
        Update = "u",
        Delete = "d",
        Truncate = "t",
        Read = "r",
        None = "none",
    }
    /// The logical decoding plugin of a replication slot.
    DecodingPlugin {
        Decoderbufs = "decoderbufs",
        Pgoutput = "pgoutput",
    }
    /// Which tables a new publication has.
    PublicationMode {
        AllTables = "all_tables",
        Filtered = "filtered",
        Disabled = "disabled",
        NoTables = "no_tables",
    }
    /// Encryption of the connection, and what of the server's certificate is verified.
    TlsMode {
        Disable = "disable" | "disabled",
        Allow = "allow",
        Prefer = "prefer" | "preferred",
        Require = "require" | "required",
        Trust = "trust",
        VerifyCa = "verify-ca" | "verify_ca",
        VerifyFull = "verify-full" | "verify_identity",
    }
    /// The format of keys and values.
    Format {
        Json = "json",
        JsonByteArray = "jsonbytearray",
        CloudEvents = "cloudevents",
        Avro = "avro",
        Protobuf = "protobuf",
        Binary = "binary",
        SimpleString = "simplestring",
        Connect = "connect",
        ClientProvided = "clientprovided",
    }
    /// What happens when an event cannot be processed.
    FailureMode {
        Fail = "fail",
        Warn = "warn",
        Skip = "skip",
        Ignore = "ignore",
    }
}
