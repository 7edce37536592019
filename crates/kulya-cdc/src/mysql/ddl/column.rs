//! Columns as statements define them: types under their canonical names, and attributes.

/// A column type's canonical name; synonyms such as INTEGER, BOOL or NUMERIC are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the servers' names of types")]
pub enum TypeName {
    Bit,
    TinyInt,
    SmallInt,
    MediumInt,
    Int,
    BigInt,
    Decimal,
    Float,
    Double,
    Date,
    Time,
    DateTime,
    Timestamp,
    Year,
    Char,
    VarChar,
    Binary,
    VarBinary,
    TinyText,
    Text,
    MediumText,
    LongText,
    TinyBlob,
    Blob,
    MediumBlob,
    LongBlob,
    Enum,
    Set,
    /// MySQL's binary JSON; MariaDB's JSON is [`Self::LongText`] with [`ColumnType::is_json`].
    Json,
    Geometry,
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    GeometryCollection,
    Vector,
    Uuid,
    Inet4,
    Inet6,
}

impl TypeName {
    /// Every name, with its text in the servers' catalogs.
    pub const ALL: &[(Self, &str)] = &[
        (Self::Bit, "bit"),
        (Self::TinyInt, "tinyint"),
        (Self::SmallInt, "smallint"),
        (Self::MediumInt, "mediumint"),
        (Self::Int, "int"),
        (Self::BigInt, "bigint"),
        (Self::Decimal, "decimal"),
        (Self::Float, "float"),
        (Self::Double, "double"),
        (Self::Date, "date"),
        (Self::Time, "time"),
        (Self::DateTime, "datetime"),
        (Self::Timestamp, "timestamp"),
        (Self::Year, "year"),
        (Self::Char, "char"),
        (Self::VarChar, "varchar"),
        (Self::Binary, "binary"),
        (Self::VarBinary, "varbinary"),
        (Self::TinyText, "tinytext"),
        (Self::Text, "text"),
        (Self::MediumText, "mediumtext"),
        (Self::LongText, "longtext"),
        (Self::TinyBlob, "tinyblob"),
        (Self::Blob, "blob"),
        (Self::MediumBlob, "mediumblob"),
        (Self::LongBlob, "longblob"),
        (Self::Enum, "enum"),
        (Self::Set, "set"),
        (Self::Json, "json"),
        (Self::Geometry, "geometry"),
        (Self::Point, "point"),
        (Self::LineString, "linestring"),
        (Self::Polygon, "polygon"),
        (Self::MultiPoint, "multipoint"),
        (Self::MultiLineString, "multilinestring"),
        (Self::MultiPolygon, "multipolygon"),
        (Self::GeometryCollection, "geometrycollection"),
        (Self::Vector, "vector"),
        (Self::Uuid, "uuid"),
        (Self::Inet4, "inet4"),
        (Self::Inet6, "inet6"),
    ];

    /// Returns the name in the servers' catalogs, in lower case.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(name, _)| *name == self).map_or("", |(_, text)| text)
    }

    /// Finds a canonical name; `None` for synonyms and unknown names.
    pub fn from_canonical(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(name, _)| *name)
    }

    /// Whether values are text with a character set.
    pub fn is_text(self) -> bool {
        use TypeName::{Char, Enum, LongText, MediumText, Set, Text, TinyText, VarChar};
        matches!(self, Char | VarChar | TinyText | Text | MediumText | LongText | Enum | Set)
    }

    /// Whether values are bytes with a length.
    pub fn is_bytes(self) -> bool {
        use TypeName::{Binary, Blob, LongBlob, MediumBlob, TinyBlob, VarBinary};
        matches!(self, Binary | VarBinary | TinyBlob | Blob | MediumBlob | LongBlob)
    }

    /// Whether values are geometries.
    pub fn is_geometry(self) -> bool {
        use TypeName::{Geometry, GeometryCollection, LineString, Point, Polygon};
        use TypeName::{MultiLineString, MultiPoint, MultiPolygon};
        matches!(self, Geometry | Point | LineString | Polygon)
            || matches!(self, MultiPoint | MultiLineString | MultiPolygon | GeometryCollection)
    }
}

/// A column's type with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// The type.
    pub name: TypeName,
    /// The number in parentheses: characters of CHAR and VARCHAR, bytes of BINARY and VARBINARY, bits, digits
    /// of numbers (display width of integers), digits of a second's fraction, dimensions of VECTOR. Where a
    /// statement leaves it out, the server's default, but `None` for integers, FLOAT, DOUBLE, texts and
    /// blobs.
    pub length: Option<u32>,
    /// Digits behind the decimal point of DECIMAL, and of FLOAT and DOUBLE where both numbers are given.
    pub scale: Option<u32>,
    /// UNSIGNED; ZEROFILL implies it.
    pub unsigned: bool,
    /// ZEROFILL.
    pub zerofill: bool,
    /// The labels of ENUM and SET.
    pub labels: Vec<String>,
    /// The character set of a text; as written in a definition, resolved in a history.
    pub charset: Option<String>,
    /// The collation, unless it is the character set's default.
    pub collation: Option<String>,
    /// SRID, or REF_SYSTEM_ID, of a geometry.
    pub srid: Option<u32>,
    /// COMPRESSED of MariaDB: the binary log has types of its own for it.
    pub compressed: bool,
    /// Text of MariaDB that was declared as JSON, or is checked with JSON_VALID.
    pub is_json: bool,
}

impl ColumnType {
    /// Creates a type without parameters.
    pub fn new(name: TypeName) -> Self {
        Self {
            name,
            length: None,
            scale: None,
            unsigned: false,
            zerofill: false,
            labels: Vec::new(),
            charset: None,
            collation: None,
            srid: None,
            compressed: false,
            is_json: false,
        }
    }
}

/// A column's default value, as a statement gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    /// NULL.
    Null,
    /// A string, without quotes and escapes.
    Text(String),
    /// A number, as written; TRUE and FALSE are 1 and 0.
    Number(String),
    /// The bytes of a hexadecimal or bit literal, at least one.
    Bytes(Vec<u8>),
    /// A function or an expression, as written.
    Expression(String),
}

/// How a column's value is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generated {
    /// An expression, as written, with its parentheses.
    Expression {
        /// The expression.
        expression: String,
        /// STORED or PERSISTENT, in contrast to VIRTUAL.
        stored: bool,
    },
    /// The time at which a row of a system-versioned table starts to be valid.
    RowStart,
    /// The time at which it ends to be valid.
    RowEnd,
}

/// A key that a column's attributes declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InlineKey {
    /// PRIMARY KEY, or KEY alone.
    Primary,
    /// UNIQUE.
    Unique,
}

/// A column as CREATE TABLE and ALTER TABLE define it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// The name.
    pub name: String,
    /// The type, its character set as written.
    pub column_type: ColumnType,
    /// BINARY behind a text type: the character set's binary collation.
    pub binary_collation: bool,
    /// NULL or NOT NULL, if it is written or follows from an attribute.
    pub nullable: Option<bool>,
    /// DEFAULT.
    pub default: Option<DefaultValue>,
    /// ON UPDATE, as written.
    pub on_update: Option<String>,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// GENERATED.
    pub generated: Option<Generated>,
    /// COMMENT.
    pub comment: Option<String>,
    /// INVISIBLE.
    pub invisible: bool,
    /// WITH SYSTEM VERSIONING of MariaDB, which a single column may have.
    pub system_versioning: bool,
    /// PRIMARY KEY and UNIQUE, in the order written.
    pub keys: Vec<InlineKey>,
}

impl ColumnDefinition {
    /// Creates a column without attributes.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self {
            name: name.into(),
            column_type,
            binary_collation: false,
            nullable: None,
            default: None,
            on_update: None,
            auto_increment: false,
            generated: None,
            comment: None,
            invisible: false,
            system_versioning: false,
            keys: Vec::new(),
        }
    }
}
