//! Mapping of PostgreSQL column types to Debezium's (Debezium documentation, "Data type mappings", default
//! modes).

use crate::ColumnDescription;

/// A type of `pg_type`; a domain is resolved to its base type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogType {
    pub(crate) oid: u32,
    pub(crate) name: String,
    /// `b` base, `e` enum, `c` composite, `d` domain, `r` range, `m` multirange, `p` pseudo.
    pub(crate) kind: char,
    /// The type modifier, -1 for none; a domain's own where it has one.
    pub(crate) modifier: i32,
    /// The labels of an enum.
    pub(crate) labels: Vec<String>,
    /// The item type of an array.
    pub(crate) items: Option<Box<CatalogType>>,
}

/// The representation of a column's values in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    /// An integer of 16, 32 or 64 bits.
    Integer(u8),
    Float32,
    Float64,
    /// `numeric(p,s)`: the unscaled number's bytes.
    Decimal {
        precision: u32,
        /// Negative for digits before the point that are zero.
        scale: i32,
    },
    /// `numeric` without a scale: `{scale, value}`.
    VariableDecimal,
    /// An amount; its number of digits after the point is the database's.
    Money {
        digits: u32,
    },
    Text,
    Json,
    Enum(Vec<String>),
    Uuid,
    Xml,
    Ltree,
    TsVector,
    Hstore,
    Bytes,
    Bit,
    Bits(u32),
    Date,
    /// In milliseconds for a precision of at most three digits, else in microseconds.
    Time {
        millis: bool,
    },
    TimeTz,
    Timestamp {
        millis: bool,
    },
    TimestampTz {
        digits: usize,
    },
    Interval,
    Point,
    Array(Box<Kind>),
    /// Always null, as Debezium represents `name`.
    AlwaysNull,
}

impl Kind {
    /// Maps a type; `None` for types that Debezium skips by default. `money_digits` is the number of digits
    /// after the point of the database's currency.
    pub(crate) fn from_type(catalog: &CatalogType, money_digits: u32) -> Option<Self> {
        if let Some(items) = &catalog.items {
            return Some(Self::Array(Box::new(Self::from_type(items, money_digits)?)));
        }
        let modifier = catalog.modifier;
        // the modifier of time types is the number of fractional digits, six by default
        let digits = usize::try_from(modifier).unwrap_or(6).min(6);
        Some(match catalog.oid {
            16 => Self::Boolean,
            21 => Self::Integer(16),
            23 => Self::Integer(32),
            20 | 26 => Self::Integer(64),
            700 => Self::Float32,
            701 => Self::Float64,
            1700 if modifier >= 4 => Self::Decimal {
                precision: (modifier - 4) as u32 >> 16 & 0xffff,
                // eleven bits with a sign
                scale: (((modifier - 4) & 0x7ff) ^ 0x400) - 0x400,
            },
            1700 => Self::VariableDecimal,
            790 => Self::Money { digits: money_digits },
            18 | 25 | 1042 | 1043 | 869 | 650 | 829 | 774 => Self::Text,
            3904 | 3906 | 3908 | 3910 | 3912 | 3926 => Self::Text,
            114 | 3802 => Self::Json,
            2950 => Self::Uuid,
            142 => Self::Xml,
            3614 => Self::TsVector,
            17 => Self::Bytes,
            1560 if modifier == 1 => Self::Bit,
            1560 | 1562 => Self::Bits(u32::try_from(modifier).unwrap_or(0)),
            1082 => Self::Date,
            1083 => Self::Time { millis: digits <= 3 },
            1266 => Self::TimeTz,
            1114 => Self::Timestamp { millis: digits <= 3 },
            1184 => Self::TimestampTz { digits },
            1186 => Self::Interval,
            600 => Self::Point,
            19 => Self::AlwaysNull,
            _ => match (catalog.kind, catalog.name.as_str()) {
                ('e', _) => Self::Enum(catalog.labels.clone()),
                ('b', "hstore") => Self::Hstore,
                ('b', "ltree") => Self::Ltree,
                ('b', "citext") => Self::Text,
                _ => return None,
            },
        })
    }

    /// Describes the column in Kafka Connect's terms.
    pub(crate) fn describe(&self, name: &str, optional: bool) -> ColumnDescription {
        let (connect_type, connect_name, parameters) = self.connect();
        let items = match self {
            Self::Array(items) => Some(Box::new(items.describe("", true))),
            _ => None,
        };
        ColumnDescription {
            name: name.to_owned(),
            optional,
            connect_type: connect_type.into(),
            connect_name: connect_name.map(Into::into),
            parameters: parameters.into_iter().map(|(key, value)| (key.into(), value)).collect(),
            items,
            default: None,
        }
    }

    fn connect(&self) -> (&'static str, Option<&'static str>, Vec<(&'static str, String)>) {
        const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
        let plain = |connect_type| (connect_type, None, Vec::new());
        let named = |connect_type, name| (connect_type, Some(name), Vec::new());
        match self {
            Self::Boolean | Self::Bit => plain("boolean"),
            Self::Integer(16) => plain("int16"),
            Self::Integer(32) => plain("int32"),
            Self::Integer(_) => plain("int64"),
            Self::Float32 => plain("float32"),
            Self::Float64 => plain("float64"),
            Self::Decimal { precision, scale } => {
                let parameters =
                    vec![("scale", scale.to_string()), ("connect.decimal.precision", precision.to_string())];
                ("bytes", Some(DECIMAL), parameters)
            }
            Self::Money { digits } => ("bytes", Some(DECIMAL), vec![("scale", (*digits).max(2).to_string())]),
            Self::VariableDecimal => named("struct", "io.debezium.data.VariableScaleDecimal"),
            Self::Text | Self::AlwaysNull => plain("string"),
            Self::Json | Self::Hstore => named("string", "io.debezium.data.Json"),
            Self::Enum(labels) => {
                ("string", Some("io.debezium.data.Enum"), vec![("allowed", labels.join(","))])
            }
            Self::Uuid => named("string", "io.debezium.data.Uuid"),
            Self::Xml => named("string", "io.debezium.data.Xml"),
            Self::Ltree => named("string", "io.debezium.data.Ltree"),
            Self::TsVector => named("string", "io.debezium.data.TsVector"),
            Self::Bytes => plain("bytes"),
            Self::Bits(length) => {
                ("bytes", Some("io.debezium.data.Bits"), vec![("length", length.to_string())])
            }
            Self::Date => named("int32", "io.debezium.time.Date"),
            Self::Time { millis: true } => named("int32", "io.debezium.time.Time"),
            Self::Time { millis: false } => named("int64", "io.debezium.time.MicroTime"),
            Self::TimeTz => named("string", "io.debezium.time.ZonedTime"),
            Self::Timestamp { millis: true } => named("int64", "io.debezium.time.Timestamp"),
            Self::Timestamp { millis: false } => named("int64", "io.debezium.time.MicroTimestamp"),
            Self::TimestampTz { .. } => named("string", "io.debezium.time.ZonedTimestamp"),
            Self::Interval => named("int64", "io.debezium.time.MicroDuration"),
            Self::Point => named("struct", "io.debezium.data.geometry.Point"),
            Self::Array(_) => plain("array"),
        }
    }
}
